"""The fuzz targets for a moment; `python -m benchmarks.fuzz --seconds 600` for longer."""

import asyncio
from collections.abc import Iterator

import pytest

from app.errors import Overloaded
from benchmarks import fuzz


@pytest.fixture(scope="module")
def normalising() -> Iterator[fuzz.Normalising]:
    """One child."""
    found = fuzz.Normalising()
    yield found
    found.close()


def test_any_text_is_a_forbidden_url_or_a_plain_one() -> None:
    """And no address that may be dialled is a local one."""
    fuzz.run_urls(400)


def test_any_bytes_are_a_picture_or_a_refusal(normalising: fuzz.Normalising) -> None:
    """In time, and without killing a child."""
    fuzz.run_pictures(normalising, 150)
    assert normalising.lost == 0


def test_the_target_would_notice() -> None:
    """A parser that let everything through would not pass."""
    broken = Broken()
    with pytest.raises(AssertionError):
        fuzz.Normalising.check(broken, b"\xff\xd8\xff\xe0" + bytes(100))
    broken.close_loop()


class Broken(fuzz.Normalising):
    """Answers every picture with an error that no caller of a picture may see."""

    def __init__(self) -> None:
        class Full:
            async def normalise(self, *_: object, **__: object) -> None:
                raise Overloaded

        self._loop = asyncio.new_event_loop()
        self._normaliser = Full()  # type: ignore[assignment]

    def close_loop(self) -> None:
        """It has no children to end, only the loop."""
        self._loop.close()
