"""The program behind `make bench`: a short run fills its table and says what is missing."""

from pathlib import Path

import pytest

from benchmarks.bench import peers, resizers, table
from benchmarks.bench.memory_growth import MemoryGrowth
from benchmarks.bench.service_cost import measure_cost
from benchmarks.bench.targets import Measurements, evaluate
from testing import photographs
from testing.photographs import Photograph

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without `make bench-peers`; photographs are drawn anew."""
    monkeypatch.setattr(peers, "FOLDER", tmp_path / "peers")
    monkeypatch.setattr(photographs, "FOLDER", tmp_path / "photographs")


@pytest.mark.measures
def test_the_table_says_how_to_install_the_missing_peers() -> None:
    photograph = Photograph("1mp", "baseline")
    found = Measurements(normaliser=resizers.measure(1, [photograph]))
    assert found.normaliser is not None
    cpu_ms = found.normaliser[photograph]
    assert set(cpu_ms) == {"altwright", "jpeg_minimum", "pillow"}
    assert 0 < cpu_ms["jpeg_minimum"] < cpu_ms["altwright"] < cpu_ms["pillow"]
    text = "\n".join(table.format_lines(found))
    assert "libvips: not installed, `make bench-peers` does it" in text
    assert "not measured: make bench-peers" in text
    assert table.to_json(found, {})["targets"][0]["met"] is None


def test_the_cost_of_a_caption_is_that_of_the_process_tree() -> None:
    (costs,) = measure_cost({"1mp": 8}, rounds=1).values()
    assert set(costs) == {"altwright"}
    assert 0 < costs["altwright"].main_process_ms < costs["altwright"].tree_ms
    found = Measurements(service={"1mp": costs}, memory=MemoryGrowth(10, 200.0, 230.0))
    met = {target.what: target.met for target in evaluate(found)}
    assert met == {
        "whole service, 1mp JPEG, over thumbor + LiteLLM": None,
        "memory after 10 captions, over that after a tenth": False,
    }


def test_a_drawn_photograph_has_the_bit_rate_of_a_camera_file() -> None:
    photograph = Photograph("1mp", "baseline")
    photographs.draw_missing([photograph])
    width, height = photographs.SIZES["1mp"]
    assert 2.5 < photograph.path.stat().st_size * 8 / (width * height) < 4
