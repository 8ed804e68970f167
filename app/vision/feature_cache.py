"""Feature cache: one analysis of an image serves every style, locale and second draft.

In memory and least recently used first out. Equal pixels give equal features, so no entry expires.
Features that are not complete are given to those who wait for them, and not kept.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial

from app.runtime.deadline import Deadline
from app.runtime.single_flight import SingleFlight
from app.vision.features import Features

MAX_ENTRIES = 128
"""Features of one image take a few kilobytes."""

Analyse = Callable[[bytes, Deadline, str], Awaitable[Features]]
"""Analyses a JPEG before a deadline, in the turn of a caller."""


class FeatureCache:
    """Analyses equal JPEG bytes once, for callers that ask at the same time or soon after.

    `unshared` are errors that depend on the deadline or on a queue (see SingleFlight).
    """

    def __init__(self, analyse: Analyse, *, unshared: tuple[type[Exception], ...]) -> None:
        self._analyse = analyse
        self._entries: OrderedDict[bytes, Features] = OrderedDict()
        self._in_flight: SingleFlight[bytes, Features] = SingleFlight(unshared=unshared)

    async def get(self, jpeg: bytes, deadline: Deadline, caller: str = "") -> Features:
        """The features of an image. Raises what the analysis raises, and TimeoutError.

        Errors are not cached. Equal images are analysed in the turn of the caller who asked first.
        """
        key = hashlib.sha256(jpeg).digest()
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        features, _ = await self._in_flight.run(
            key, deadline, partial(self._analyse_and_keep, key, jpeg, caller)
        )
        return features

    async def _analyse_and_keep(
        self, key: bytes, jpeg: bytes, caller: str, deadline: Deadline
    ) -> Features:
        features = await self._analyse(jpeg, deadline, caller)
        if features.is_complete:
            self._entries[key] = features
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return features
