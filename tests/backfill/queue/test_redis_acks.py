"""A worker goes on after its Redis was away at the moment of an acknowledgement."""

import pytest
import redis
from altwright.backfill.queue.consumer import create_consumer
from altwright.backfill.queue.worker import RunWorkers, WorkerOptions

from testing.servers.redis import RedisServer


@pytest.mark.parametrize("method", ["ack", "reject", "requeue"])
def test_a_message_that_could_not_be_acknowledged_takes_no_place(
    redis_server: RedisServer, method: str
) -> None:
    workers = RunWorkers("", lambda: None, WorkerOptions(), concurrency=1, per_second=None)  # type: ignore[arg-type,return-value]
    app = create_consumer(redis_server.url, workers)
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("rows")
        queue.put("a row")
        message = queue.get(timeout=10)
        qos = message.channel.qos
        qos.prefetch_count = 1
        assert not qos.can_consume()
        redis_server.stop()
        with pytest.raises(redis.exceptions.ConnectionError):
            getattr(message, method)()
        assert qos.can_consume()
