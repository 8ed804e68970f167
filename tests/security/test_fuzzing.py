"""The fuzz targets, run briefly; `python -m benchmarks.fuzz --seconds 600` runs them longer."""

import asyncio
from collections.abc import Iterator

import pytest

from app.errors import Overloaded
from testing.fuzzing import NormaliserTarget, fuzz_images, fuzz_urls


@pytest.fixture(scope="module")
def normaliser() -> Iterator[NormaliserTarget]:
    target = NormaliserTarget()
    yield target
    target.close()


def test_every_text_is_a_forbidden_url_or_a_plain_one() -> None:
    """And no address that may be connected to is a local one."""
    fuzz_urls(400)


def test_every_input_is_an_image_or_refused(normaliser: NormaliserTarget) -> None:
    """Before the deadline, and without the loss of a child process."""
    fuzz_images(normaliser, 150)
    assert normaliser.lost_children == 0


def test_the_target_fails_on_an_error_that_is_not_the_images_fault() -> None:
    """Otherwise it would also pass with a normaliser that refuses everything."""
    target = BrokenTarget()
    with pytest.raises(AssertionError):
        target.check(b"\xff\xd8\xff\xe0" + bytes(100))
    target.close()


class BrokenTarget(NormaliserTarget):
    """Its normaliser raises an error that no image may cause."""

    def __init__(self) -> None:
        class FullNormaliser:
            async def normalise(self, *_: object, **__: object) -> None:
                raise Overloaded

        self._loop = asyncio.new_event_loop()
        self._normaliser = FullNormaliser()  # type: ignore[assignment]

    def close(self) -> None:
        self._loop.close()
