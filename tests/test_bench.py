"""The table of `make bench`: a short run of it builds, and says what is missing."""

from pathlib import Path

import pytest

from benchmarks.bench import engines, peers, servers, table
from benchmarks.bench.promises import Measured, promises
from testing import photographs
from testing.photographs import Photograph


@pytest.fixture(autouse=True)
def _no_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where nobody ran `make bench-peers`; pictures are drawn anew."""
    monkeypatch.setattr(peers, "FOLDER", tmp_path / "peers")
    monkeypatch.setattr(photographs, "FOLDER", tmp_path / "pictures")


def test_the_table_builds_without_peers_and_says_how_to_get_them() -> None:
    picture = Photograph("1mp", "baseline")
    seen = Measured(normaliser=engines.measure(1, [picture]))
    figures = seen.normaliser[picture]
    assert set(figures) == {"altwright", "floor", "pillow"}
    assert 0 < figures["floor"] < figures["altwright"] < figures["pillow"]
    text = "\n".join(table.lines(seen))
    assert "libvips: not installed, `make bench-peers` does it" in text
    assert "not measured: make bench-peers" in text
    assert table.as_json(seen, {})["promises"][0]["held"] is None


def test_what_a_caption_costs_is_the_tree_s_time_and_the_first_process_a_part_of_it() -> None:
    (costs,) = servers.cost({"1mp": 8}, rounds=1).values()
    assert set(costs) == {"altwright"}
    assert 0 < costs["altwright"].own < costs["altwright"].whole
    seen = Measured(service={"1mp": costs}, memory=servers.Growth(10, 200.0, 230.0))
    held = {line.what: line.held for line in promises(seen)}
    assert held == {
        "whole service, 1mp JPEG, over thumbor + LiteLLM": None,
        "memory after 10 captions, over that after a tenth": False,
    }


def test_a_drawn_photograph_has_as_much_to_decode_as_a_camera_s() -> None:
    picture = Photograph("1mp", "baseline")
    photographs.ready([picture])
    width, height = photographs.SIZES["1mp"]
    assert 2.5 < picture.path.stat().st_size * 8 / (width * height) < 4
