"""Evidence on drawn pictures, gathered as the child processes do it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.vision.colour_evidence import measure_job
from app.vision.concepts import Probabilities, load_concepts
from app.vision.evidence import ColourEvidence, parse_lines, parse_subjects
from app.vision.ocr_pool import is_ocr_installed
from app.workers.errors import JobRefused
from tests.vision import drawn

PHOTOGRAPHS = Path(__file__).parents[2] / "testing/corpora/photographs"
needs_models = pytest.mark.skipif(not is_ocr_installed(), reason="needs the extra `embedded`")


def measured(image: Image.Image) -> ColourEvidence:
    facts, _ = measure_job(io.BytesIO(drawn.jpeg(image)), {}, lambda *_: None)
    return ColourEvidence.from_json(json.loads(json.dumps(facts)))


def test_small_spots_of_a_colour_are_measured() -> None:
    """A caption may speak of them."""
    image = Image.new("RGB", (800, 600), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((200, 100, 500, 400), fill="#1f5fd0")
    draw.rectangle((700, 500, 730, 530), fill="#e02020")
    evidence = measured(image)
    assert evidence.shares["red"] == pytest.approx(900 / 480_000, rel=0.3)
    assert evidence.is_flat
    assert evidence.background == "white"
    assert evidence.tones.keys() == evidence.shares.keys()
    assert evidence.tones["white"] == "#ffffff"
    assert not evidence.is_small
    assert measured(image.resize((200, 150))).is_small
    shown = bytes.fromhex(evidence.tones["blue"][1:])
    assert all(abs(a - b) < 8 for a, b in zip(shown, bytes.fromhex("1f5fd0"), strict=True))


def test_the_edge_of_two_flat_colours_is_no_colour_of_a_drawing() -> None:
    """Brown letters on white are beige at their edges, and a thin red line is red all the same."""
    image = Image.new("RGB", (800, 600), "white")
    draw = ImageDraw.Draw(image)
    for number in range(12):
        draw.ellipse((60 * number, 40 * number, 60 * number + 90, 40 * number + 90), fill="#6e4526")
    plain = measured(image)
    assert plain.is_flat
    assert sum(plain.shares.get(name, 0.0) for name in ("beige", "light brown", "orange")) < 0.0003
    draw.line((20, 580, 780, 560), fill="#d82828", width=3)
    lined = measured(image)
    reds = ("red", "dark red", "pink", "orange", "light brown")
    assert sum(lined.shares.get(name, 0.0) for name in reds) > 0.001


@pytest.mark.parametrize("tones", [{"mauve": "#112233"}, {"red": "red"}, {"red": "#1122334"}])
def test_a_tone_that_is_no_hex_code_of_a_colour_name_is_refused(tones: dict[str, str]) -> None:
    """A picture may have taken the child process over."""
    facts = {
        "shares": {},
        "subject": None,
        "background": None,
        "is_flat": True,
        "tones": tones,
        "is_small": False,
    }
    with pytest.raises(ValueError, match="hex codes"):
        ColourEvidence.from_json(facts)


def test_the_subject_on_a_plain_background_is_measured_by_itself() -> None:
    """Without the background."""
    image = Image.new("RGB", (800, 600), "#2e9e45")
    ImageDraw.Draw(image).ellipse((250, 150, 550, 450), fill="#1f5fd0")
    evidence = measured(image)
    assert evidence.subject is not None
    assert evidence.subject["blue"] > 0.9
    assert evidence.subject.get("green", 0) < 0.01


def test_a_photograph_is_not_flat() -> None:
    """Its colours are not certain."""
    with Image.open(PHOTOGRAPHS / "cat.jpg") as photograph:
        assert not measured(photograph.convert("RGB")).is_flat


def test_a_picture_that_cannot_be_decoded_is_refused() -> None:
    """The child process lives on."""
    with pytest.raises(JobRefused):
        measure_job(io.BytesIO(b"not a picture"), {}, lambda *_: None)


def test_facts_of_another_form_are_refused() -> None:
    """A child process that was taken over sends what it likes."""
    for facts in ({}, {"shares": {"mauve": 1}, "subject": None, "background": None}):
        with pytest.raises((KeyError, ValueError)):
            ColourEvidence.from_json(facts)
    every = dict.fromkeys(load_concepts().concepts, 0.0)
    facts = {"sightings": [], "probabilities": every, "absent": [], "main": ["cat", 1],
             "is_plain": False}  # fmt: skip
    assert parse_subjects({"subjects": facts}) is not None
    for wrong in (
        {"sightings": [["unicorn", 1]]},
        {"probabilities": {}},
        {"absent": ["unicorn"]},
        {"main": ["unicorn", 1]},
    ):
        with pytest.raises(ValueError, match="not the concepts"):
            parse_subjects({"subjects": facts | wrong})


@needs_models
@pytest.mark.slow
def test_lines_and_subjects_come_with_their_sureness() -> None:
    """Read by the models in this process."""
    from app.vision.model_evidence import look_job  # imports the extra

    banner = io.BytesIO(drawn.jpeg(drawn.banner()))
    facts, _ = look_job(banner, {"part": "text"}, lambda *_: None)
    (line,) = parse_lines(json.loads(json.dumps(facts)))
    assert line.text == "SPRING SALE"
    assert line.score > 0.95
    banner.seek(0)
    facts, _ = look_job(banner, {"part": "subjects"}, lambda *_: None)
    assert parse_subjects(facts) is None
    cat = io.BytesIO((PHOTOGRAPHS / "cat.jpg").read_bytes())
    facts, _ = look_job(cat, {"part": "subjects"}, lambda *_: None)
    subjects = parse_subjects(json.loads(json.dumps(facts)))
    assert subjects is not None
    assert [sighting.concept for sighting in subjects.sightings] == ["cat"]
    assert subjects.probabilities["cat"] > 0.5 > subjects.probabilities["dog"]
    assert {"zebra", "bus", "toaster", "pizza"} <= subjects.absent
    assert not subjects.absent & {"cat", "animal"}
    assert subjects.main is not None
    assert subjects.main.concept == "animal"
    assert not subjects.is_plain


@needs_models
def test_a_toy_denies_nothing_that_it_may_be_a_model_of() -> None:
    """A caption that calls a toy train a train is not contradicted by the toy."""
    from app.vision.absence import find_main
    from app.vision.model_evidence import find_denying

    table = load_concepts()
    classes = np.zeros(table.sums.shape[1], np.float32)
    classes[list(table.likenesses.models)] = 0.7
    view = Probabilities(classes, np.zeros(table.product_sums.shape[1], np.float32))
    assert [sighting.concept for sighting in table.find_sightings(view)] == ["toy"]
    assert find_denying(table, view) == []
    assert find_main([view]).concept != "toy"
