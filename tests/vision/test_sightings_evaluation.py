"""What is named in labelled pictures is scored, and thresholds are set on them, end to end."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.vision.analyse import analyse
from app.vision.concepts import load_concepts
from scripts import concept_thresholds
from scripts.concept_thresholds import Picture, raise_thresholds
from testing.picture_labels import LabelledPicture, read_folder
from testing.sightings_evaluation import evaluate_folders, format_scores, score
from tests.captioning.embedded.seen import see
from tests.vision import drawn
from tests.vision.networks.marks import needs_weights

PHOTOGRAPHS = Path(__file__).parents[2] / "testing/corpora/photographs"


def label(*objects: str, name: str = "shop-1.jpg", folder: Path) -> LabelledPicture:
    (folder / "labels.jsonl").write_text(json.dumps({"file": name, "objects": objects}))
    (picture,) = read_folder(folder)
    return picture


@pytest.mark.parametrize(
    ("objects", "named", "faces", "verdict"),
    [
        (["dog"], ["dog"], 0, "right"),
        (["dog"], ["animal"], 0, "right"),
        (["animal"], ["dog"], 0, "wrong"),
        (["dog"], ["dog", "ball"], 0, "wrong"),
        (["dog"], [], 0, "silent"),
        (["person"], [], 1, "right"),
        (["people"], [], 1, "wrong"),
        (["people"], [], 2, "right"),
        (["dog"], ["dog"], 1, "wrong"),
        (["shoes"], ["sneaker"], 0, "right"),
    ],
)
def test_a_picture_is_right_only_if_everything_named_is_there(
    tmp_path: Path, objects, named, faces, verdict
):
    features = see(analyse(drawn.jpeg(drawn.product("navy"))), *named, faces=faces)
    assert score(label(*objects, folder=tmp_path), features).verdict == verdict


def test_somebody_is_right_wherever_somebody_is(tmp_path: Path):
    features = analyse(drawn.jpeg(drawn.product("navy")))
    somebody = see(features, faces=1, are_all_faces=False)
    for objects, verdict in ((["person"], "right"), (["people"], "right"), (["dog"], "wrong")):
        assert score(label(*objects, folder=tmp_path), somebody).verdict == verdict


def test_a_threshold_is_raised_above_what_was_named_wrongly(tmp_path: Path):
    """In the half that sets thresholds alone: the other measures."""
    table, raised = load_concepts(), []
    nothing = dict.fromkeys(table.concepts, 0.0)
    for number in range(20):
        picture = label("cat", name=f"a-{number}.jpg", folder=tmp_path)
        seen = Picture(picture, nothing | {"tent": 0.7}, nothing | {"sofa": 0.8})
        changed, notes = raise_thresholds(table, [seen])
        raised.append(changed.thresholds["tent"].threshold == 0.73)
        assert raised[-1] == (changed.product_thresholds["sofa"].threshold == 0.83)
        assert raised[-1] == picture.sets_thresholds == bool(notes)
        assert replace(changed.thresholds["tent"], threshold=0) == replace(
            table.thresholds["tent"], threshold=0
        )
    assert {True, False} == set(raised)


def test_a_concept_that_is_wrong_where_it_is_surest_is_named_no_more(tmp_path: Path):
    table = load_concepts()
    nothing = dict.fromkeys(table.concepts, 0.0)
    pictures = [
        Picture(label("cat", name=f"a-{number}.jpg", folder=tmp_path), nothing | {"tent": 0.91})
        for number in range(20)
    ]
    changed, notes = raise_thresholds(table, pictures)
    assert "tent" not in changed.thresholds
    assert notes == ["struck: tent, from 0.65"]


@needs_weights
def test_a_labelled_folder_is_scored_and_sets_thresholds(tmp_path: Path, monkeypatch, capsys):
    rows = [("cat.jpg", ["cat"]), ("coffee.jpg", ["coffee", "cup"]), ("bricks.jpg", [])]
    for name, _ in rows:
        shutil.copy(PHOTOGRAPHS / name, tmp_path / name)
    lines = [json.dumps({"file": name, "objects": objects}) for name, objects in rows]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    report = format_scores(evaluate_folders([tmp_path]))
    assert "3 pictures  right " in report
    assert "wrong 0 (0.0%)" in report.splitlines()[0]
    assert "right 0" not in report.splitlines()[0]
    monkeypatch.setattr(sys, "argv", ["concept_thresholds", str(tmp_path), "--raise-only"])
    assert concept_thresholds.main() == 0
    assert "wrong 0" in capsys.readouterr().out
