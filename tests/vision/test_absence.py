"""What is surely absent from an image, and how the thresholds of that are set."""

import json
import shutil
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.verification.claim_words import LANGUAGES, load_claim_words
from app.vision.absence import (
    find_absent,
    find_main,
    is_clear,
    load_absence_thresholds,
    make_views,
    weigh_support,
)
from app.vision.concepts import Probabilities, load_concepts
from app.vision.product_classifier import load_product_classes
from scripts import absence_thresholds
from scripts.absence_thresholds import Picture, report, set_thresholds
from testing.picture_labels import LabelledPicture
from tests.vision.networks.marks import needs_weights
from tests.vision.test_concepts import probabilities

PHOTOGRAPHS = Path(__file__).parents[2] / "testing/corpora/photographs"
NO_PRODUCTS = np.zeros(len(load_product_classes()), np.float32)


def test_a_small_thing_is_looked_for_in_parts_of_the_image() -> None:
    """And in a square of everything, where scaling to one would distort it."""
    views = list(make_views(Image.new("RGB", (400, 200), "red")))
    assert [view.size for view in views] == [
        (400, 200),
        (400, 200),
        (200, 200),
        (400, 400),
        (240, 120),
    ]
    assert views[3].getpixel((200, 5)) == (255, 0, 0)
    assert len(list(make_views(Image.new("RGB", (200, 200))))) == 3
    assert [view.size for view in make_views(Image.new("RGB", (300, 1)))][2] == (1, 1)


def test_what_one_view_shows_is_not_absent() -> None:
    """The highest probability of all views decides."""
    nothing = Probabilities(probabilities(), NO_PRODUCTS)
    zebra = Probabilities(probabilities(zebra=0.5), NO_PRODUCTS)
    support = weigh_support([nothing, zebra, nothing])
    assert support["zebra"] == pytest.approx(np.log10(0.5))
    assert support["animal"] == support["zebra"]
    absent = find_absent(support)
    assert "zebra" not in absent
    assert "animal" not in absent
    assert {"dog", "bus"} <= absent


def test_nothing_is_absent_from_an_image_in_which_nothing_is_likely() -> None:
    """Least on a plain background, where drawings stand that the classifier does not know."""
    views = [
        Probabilities(probabilities(tabby=0.4), NO_PRODUCTS),
        Probabilities(probabilities(red_fox=0.1), NO_PRODUCTS),
    ]
    main = find_main(views)
    assert main.concept == "animal"
    assert main.probability == pytest.approx(0.25)
    assert is_clear(main, is_plain=False)
    assert not is_clear(main, is_plain=True)
    assert not is_clear(replace(main, probability=0.1), is_plain=False)


def test_what_captions_can_claim_has_a_threshold() -> None:
    """Of the concepts of the table."""
    words = [load_claim_words(language) for language in LANGUAGES]
    claimed = {name for each in words if each for names in each.nouns.values() for name in names}
    assert claimed <= load_absence_thresholds().keys() <= load_concepts().concepts.keys()


def test_the_file_of_thresholds_is_as_its_script_writes_it() -> None:
    """Nobody has edited a figure."""
    text = (resources.files("app.vision") / "absence_thresholds.toml").read_text("utf-8")
    assert absence_thresholds.format_thresholds(load_absence_thresholds()) == text


def pictures_of(*supports: float) -> list[Picture]:
    """400 pictures of nothing known, and one of a zebra for each support."""
    support = dict.fromkeys(load_concepts().concepts, 0.0)
    nothing, zebra = frozenset[str](), frozenset({"zebra", "animal"})
    others = [
        Picture(
            LabelledPicture(Path(f"a-{n}.jpg"), nothing, nothing, 0),
            support | {"zebra": -4 + n / 400},
        )
        for n in range(400)
    ]
    zebras = [
        Picture(LabelledPicture(Path("z-1.jpg"), zebra, nothing, 0), support | {"zebra": value})
        for value in supports
    ]
    return [*others, *zebras]


def test_the_threshold_is_a_quantile_of_the_support_in_pictures_without_the_thing() -> None:
    """The highest level that doubts no more than one in 100 of those with it: of 200 one."""
    thresholds, level = set_thresholds(load_concepts(), pictures_of(*[-0.1] * 199, -3.2))
    assert level == 0.85
    assert thresholds["zebra"].support == pytest.approx(-3.2 - absence_thresholds.MARGIN, abs=0.01)
    assert (thresholds["zebra"].others, thresholds["zebra"].images) == (400, 200)
    _, level = set_thresholds(load_concepts(), pictures_of(*[-0.1] * 198, -3.22, -3.22))
    assert level == 0.75
    thresholds, _ = set_thresholds(load_concepts(), pictures_of(*[-0.1] * 200))
    assert thresholds["zebra"].support == pytest.approx(-3.15, abs=0.01)


def test_a_few_pictures_prove_no_level() -> None:
    """Of ten pictures none is doubted at any level, and that is not one in a hundred."""
    _, level = set_thresholds(load_concepts(), pictures_of(*[-0.1] * 10))
    assert level == 0


def test_no_picture_that_set_a_threshold_is_doubted() -> None:
    """A concept stays below each of its own pictures."""
    pictures = pictures_of(*[-0.1] * 498, -3.8)
    thresholds, level = set_thresholds(load_concepts(), pictures)
    assert level == 0.85
    assert thresholds["zebra"].support == pytest.approx(-3.8 - absence_thresholds.MARGIN)
    (line,) = report(load_concepts(), thresholds, pictures, lists_errors=True)
    assert ": 0 of 499 pictures of one thing doubted" in line


@needs_weights
def test_thresholds_are_set_on_a_labelled_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A texture is left out, since nothing is recognised in it."""
    rows = [("cat.jpg", ["cat"]), ("coffee.jpg", ["coffee", "cup"]), ("gravel.jpg", [])]
    for name, _ in rows:
        shutil.copy(PHOTOGRAPHS / name, tmp_path / name)
    lines = [json.dumps({"file": name, "objects": objects}) for name, objects in rows]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr(sys, "argv", ["absence_thresholds", str(tmp_path)])
    assert absence_thresholds.main() == 0
    printed = capsys.readouterr().out
    assert "quantile: 0.0" in printed
    assert "2 pictures: 0 of 0 pictures of one thing doubted" in printed
