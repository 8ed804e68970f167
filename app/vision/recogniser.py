"""Recognises what is in an image. Runs in a child process, as the handler `recognise_job`.

A classifier of 1,000 classes (networks/efficientnet_lite.py) and one of products on its features
(product_classifier.py), whose classes are summed to the concepts that captions name, and a detector
that counts faces (faces.py). The networks run on onnxruntime.
Needs the extra `embedded`; where its weights are missing or damaged, nothing is recognised.
"""

import functools
import io
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.vision.concepts import Probabilities, load_concepts
from app.vision.faces import MIN_SCORE, THING_MIN_SCORE, FaceDetector
from app.vision.features import FaceCount, Sighting
from app.vision.networks.efficientnet_lite import INPUT_MEAN, INPUT_PX, INPUT_SCALE
from app.vision.networks.errors import WeightsError
from app.vision.networks.packages import load_classifier, load_face_detector
from app.vision.onnx_session import OnnxSession, shrink_arena
from app.vision.product_classifier import load_product_classifier
from app.workers.errors import JobRefused
from app.workers.handler import Reserve

JOB_MEMORY_BYTES = 64 * 1024 * 1024
"""Address space of one job."""
DECODED_PX = 512
"""Longest edge that is decoded: twice what either network sees."""
PLAIN_MIN_CLOTHES, MIN_CLOTHES = 0.1, 0.03
"""Probability of something that is worn. On a plain background each of 120 people wore something
as probable as the first, and a face on a mug, on a screen or on a fish does not; elsewhere a face
with less than the second must be surer."""
DOUBTFUL_MIN_CLOTHES = 0.08
"""Where other marks may be faces too: photographs of people in a frame have less."""


class Recogniser:
    """Both networks, as sessions of onnxruntime on one thread, and the classifier of products."""

    def __init__(self) -> None:
        self._classifier = OnnxSession(load_classifier())
        self._products = load_product_classifier()
        self._faces = FaceDetector(OnnxSession(load_face_detector()))
        self._concepts = load_concepts()

    def recognise(
        self, image: Image.Image, *, is_plain: bool
    ) -> tuple[tuple[Sighting, ...], FaceCount]:
        """What is certain to be in an image of RGB, the surest first, and how many faces.

        `is_plain`: it has a plain background.
        """
        probabilities = self.classify(image)
        sightings = tuple(
            sighting
            for sighting in self._concepts.find_sightings(probabilities)
            if not (is_plain and self._concepts.is_often_a_model(sighting.concept))
        )
        return sightings, self._count_faces(image, probabilities.classes, is_plain=is_plain)

    def _count_faces(
        self, image: Image.Image, classes: NDArray[np.float32], *, is_plain: bool
    ) -> FaceCount:
        clothes = self._concepts.weigh_clothes(classes)
        if self._concepts.may_picture_faces(classes) or (is_plain and clothes < PLAIN_MIN_CLOTHES):
            return FaceCount()
        is_thing = is_plain or clothes < MIN_CLOTHES
        min_score = THING_MIN_SCORE if is_thing else MIN_SCORE
        count = self._faces.count_faces(image, min_score=min_score)
        if not count.are_all and (is_plain or clothes < DOUBTFUL_MIN_CLOTHES):
            return FaceCount()
        may_have_company = count.is_aside or self._concepts.shows_company(classes)
        if count.least == 1 and may_have_company and not is_plain:
            return FaceCount(1, are_all=False)
        return count

    def warm_up(self) -> None:
        """Runs both networks, also where a picture would need only one."""
        image = Image.linear_gradient("L").convert("RGB")
        self.classify(image)
        self._faces.warm_up()

    def classify(self, image: Image.Image) -> Probabilities:
        """The probability of each class of an image of RGB."""
        classes, features = run_classifier(self._classifier, image)
        return Probabilities(classes, self._products.classify(features))


def run_classifier(
    classifier: OnnxSession, image: Image.Image
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The probability of each class of ImageNet, and the features, of the whole image, scaled to a
    square.

    Crops, a mirrored image, and their means name 2 % more or fewer pictures right (measured on
    750), for 23 ms each.
    """
    view = image.resize((INPUT_PX, INPUT_PX), Image.Resampling.BICUBIC, reducing_gap=2.0)
    pixels = np.asarray(view, np.float32).transpose(2, 0, 1)[None]
    pixels = (pixels - np.float32(INPUT_MEAN)) / np.float32(INPUT_SCALE)
    classes, features = classifier.run(None, {"pixels": pixels})
    return classes[0], features[0]


def recognise_job(
    data: BinaryIO, args: dict[str, Any], reserve: Reserve
) -> tuple[dict[str, Any], bytes]:
    """The handler: JPEG bytes in, the fields of each Sighting and the number of faces out.

    With the argument `probe` it only says whether the networks are loaded.
    """
    recogniser, failure = load_recogniser()
    if args.get("probe") or recogniser is None:
        return {"failure": failure, "sightings": [], "faces": 0, "are_all_faces": True}, b""
    reserve(JOB_MEMORY_BYTES)
    try:
        image = decode(io.BytesIO(data.read()))
    except (OSError, ValueError, SyntaxError) as error:
        raise JobRefused("unreadable", type(error).__name__) from error
    sightings, count = recogniser.recognise(image, is_plain=bool(args.get("is_plain")))
    shrink_arena()
    facts = {
        "failure": "",
        "sightings": [asdict(sighting) for sighting in sightings],
        "faces": count.least,
        "are_all_faces": count.are_all,
    }
    return facts, b""


def decode(data: BinaryIO) -> Image.Image:
    """The image of a JPEG or PNG in RGB, at most DECODED_PX long.

    Raises OSError, ValueError or SyntaxError where it cannot be decoded.
    """
    with Image.open(data, formats=("JPEG", "PNG")) as opened:
        opened.draft("RGB", (DECODED_PX, DECODED_PX))
        image = opened.convert("RGB")
    image.thumbnail((DECODED_PX, DECODED_PX), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return image


def warm_up() -> None:
    """Loads the networks and runs them: a confined child process cannot open a file later."""
    encoded = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(encoded, "JPEG")
    encoded.seek(0)
    recogniser, _ = load_recogniser()
    if recogniser is not None:
        recogniser.warm_up()
    recognise_job(encoded, {}, lambda *_: None)


@functools.cache
def load_recogniser() -> tuple[Recogniser | None, str]:
    """The recogniser, or None and the reason why there is none."""
    try:
        return Recogniser(), ""
    except WeightsError as error:
        return None, str(error)
