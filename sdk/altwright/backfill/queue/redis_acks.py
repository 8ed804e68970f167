"""Acknowledgements to a Redis that is away, which kombu's transport does not count.

It keeps a message among those in work when its acknowledgement fails. Once as many have failed as a
worker has places, it takes no message any more, for ever and without a word. Such a message is
delivered again later, and a row that is done costs nothing then.
"""

from __future__ import annotations

from kombu.transport import redis, virtual


class _CountingQoS(redis.QoS):
    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        try:
            super().reject(delivery_tag, requeue=requeue)
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)
            raise


def count_failed_acks() -> None:
    """Let the workers of this process go on after failed acknowledgements."""
    redis.Channel.QoS = _CountingQoS
