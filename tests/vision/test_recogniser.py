"""What is in real pictures is recognised, and nothing where the weights are missing."""

import io
from pathlib import Path

import pytest
from PIL import Image

from app.vision import recogniser as recogniser_module
from app.vision.concepts import load_concepts
from app.vision.features import FaceCount
from app.vision.networks import packages
from app.vision.networks.errors import WeightsError
from app.vision.recogniser import Recogniser, recognise_job
from app.workers.errors import JobRefused
from tests.vision import drawn
from tests.vision.networks.marks import needs_weights

PHOTOGRAPHS = Path(__file__).parents[2] / "testing/corpora/photographs"


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser()


def see(
    recogniser: Recogniser, path: Path, *, is_plain: bool = False
) -> tuple[list[str], FaceCount]:
    with Image.open(path) as image:
        sightings, faces = recogniser.recognise(image.convert("RGB"), is_plain=is_plain)
    return [sighting.concept for sighting in sightings], faces


def run_job(data: bytes, **arguments: object) -> dict:
    facts, body = recognise_job(io.BytesIO(data), arguments, lambda *_: None)
    assert body == b""
    return facts


@needs_weights
@pytest.mark.parametrize(("name", "concept"), [("cat.jpg", "cat"), ("coffee.jpg", "coffee")])
def test_what_a_photograph_shows_is_named_or_not_at_all(recogniser, name: str, concept: str):
    """And never anything else."""
    concepts, faces = see(recogniser, PHOTOGRAPHS / name)
    allowed = {concept, *load_concepts().generals_of(concept), "cup", "food"}
    assert set(concepts) <= allowed
    assert faces == FaceCount()


@needs_weights
@pytest.mark.parametrize("name", ["bricks.jpg", "gravel.jpg"])
def test_nothing_is_named_in_a_texture(recogniser, name: str):
    """A classifier has no answer for "nothing"; only its probabilities say so."""
    assert see(recogniser, PHOTOGRAPHS / name) == ([], FaceCount())


@needs_weights
def test_a_cat_is_named(recogniser):
    """In the photograph that comes with the project."""
    assert see(recogniser, PHOTOGRAPHS / "cat.jpg")[0] == ["cat"]


@needs_weights
def test_faces_of_people_are_counted(recogniser, corpora: Path):
    """An astronaut has one."""
    path = corpora / "images/photo/astronaut.png"
    if not path.exists():
        pytest.skip("needs the larger corpora")
    assert see(recogniser, path)[1].least == 1


@needs_weights
def test_a_face_that_is_printed_on_a_thing_is_no_person(recogniser, corpora: Path):
    """On a plain background a face belongs to somebody who wears something."""
    path = corpora / "images/photo/astronaut.png"
    if not path.exists():
        pytest.skip("needs the larger corpora")
    thing = Image.new("RGB", (900, 900), "white")
    thing.paste((40, 60, 90), (200, 200, 700, 800))
    with Image.open(path) as face:
        thing.paste(face.convert("RGB").crop((130, 20, 330, 270)).resize((300, 375)), (300, 320))
    assert recogniser.recognise(thing, is_plain=False)[1].least <= 1
    assert recogniser.recognise(thing, is_plain=True)[1] == FaceCount()


@needs_weights
def test_nothing_is_seen_in_drawings(recogniser):
    """Neither things nor faces: they are no photographs."""
    for image in (drawn.chart(), drawn.banner(), drawn.word_mark(), drawn.page()):
        assert recogniser.recognise(image.convert("RGB"), is_plain=True) == ((), FaceCount())


@needs_weights
def test_a_job_returns_what_was_seen():
    """As JSON values."""
    facts = run_job((PHOTOGRAPHS / "cat.jpg").read_bytes())
    assert facts["failure"] == ""
    assert [sighting["concept"] for sighting in facts["sightings"]] == ["cat"]
    assert facts["faces"] == 0


@needs_weights
def test_data_that_is_no_image_is_refused():
    """Any other exception would end the child process."""
    with pytest.raises(JobRefused):
        run_job(b"not a picture")


@pytest.fixture
def without_recogniser(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No recogniser has been loaded in this process, and none stays loaded."""
    recogniser_module.load_recogniser.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    recogniser_module.load_recogniser.cache_clear()


def test_without_the_packages_nothing_is_recognised(without_recogniser):
    """The reason is what the server logs."""
    without_recogniser.setattr(packages, "CLASSIFIER_PACKAGE", "no_such_package")
    facts = run_job(b"", probe=True)
    assert facts["failure"] == "the package no_such_package is not installed"
    assert run_job(b"any data") == facts


@needs_weights
@pytest.mark.parametrize("damage", ["one bit", "cut", "empty", "missing"])
def test_damaged_weights_are_noticed_before_they_are_used(without_recogniser, tmp_path, damage):
    """The file must have its hash."""
    package = tmp_path / "damaged_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    intact = packages._read_file(
        packages.CLASSIFIER_PACKAGE, packages.CLASSIFIER_FILE, packages.CLASSIFIER_FILE_SHA256
    )
    contents = {
        "one bit": intact[:1000] + bytes([intact[1000] ^ 1]) + intact[1001:],
        "cut": intact[:-1],
        "empty": b"",
    }
    if damage in contents:
        (package / packages.CLASSIFIER_FILE).write_bytes(contents[damage])
    without_recogniser.syspath_prepend(str(tmp_path))
    without_recogniser.setattr(packages, "CLASSIFIER_PACKAGE", "damaged_weights")
    assert "efficientnet-lite2-9656183e.pth" in run_job(b"", probe=True)["failure"]


@needs_weights
def test_a_network_that_is_not_the_measured_one_is_refused(monkeypatch):
    """Whatever changed in the code that builds it."""
    monkeypatch.setattr(packages, "CLASSIFIER_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="measured"):
        packages.load_classifier()
