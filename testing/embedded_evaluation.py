"""Evaluates the embedded captioner on labelled images, in this process.

`python -m benchmarks.embedded` evaluates all images, a test evaluates a sample.
"""

import io
import statistics
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from PIL import Image, ImageOps

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.phrasebook import load_phrasebooks
from app.captioning.embedded.realise import realise
from app.captioning.styles.loader import load_styles
from app.types import Draft, Style
from app.validation.verdict import validate_draft
from app.vision.analyse import analyse
from app.vision.features import Features
from app.vision.ocr import OcrEngine, return_freed_memory
from app.vision.onnx_session import shrink_arena
from app.vision.recogniser import Recogniser, decode
from testing.labelled_images import LabelledImage

LONGEST_EDGE_PX = 1200
MAX_TOKENS = 256
MAX_MISREAD_LETTERS = 1
"""A quoted word counts as right if it differs by this many letters from a word of the label."""


@dataclass
class Results:
    """Counts and errors over a set of images."""

    images: int = 0
    sightings: int = 0
    """Things and faces, of which there is none in a drawn image."""
    words: int = 0
    missed_words: list[str] = field(default_factory=list)
    quoted_words: int = 0
    false_quotations: list[str] = field(default_factory=list)
    categories: int = 0
    wrong_categories: list[str] = field(default_factory=list)
    colours: int = 0
    wrong_colours: list[str] = field(default_factory=list)
    wrong_triages: list[str] = field(default_factory=list)
    captions: int = 0
    invalid_captions: list[str] = field(default_factory=list)
    analysis_s: list[float] = field(default_factory=list)
    """Seconds of processor time, one for each image."""
    recognition_s: list[float] = field(default_factory=list)
    ocr_s: list[float] = field(default_factory=list)


class InProcessVision:
    """Analysis, recognition and OCR in this process instead of in child processes."""

    def __init__(self, *, reads_text: bool = True) -> None:
        return_freed_memory()  # as in the child process, which makes a difference in time
        self._ocr = OcrEngine() if reads_text else None
        self._recogniser = Recogniser()
        self._recogniser.warm_up()
        self.analysis_s = self.recognition_s = self.ocr_s = 0.0

    def analyse(self, image: Image.Image) -> Features:
        """The features of an image, with what is in it and its text.

        Sets `analysis_s`, `recognition_s` and `ocr_s`, in seconds of processor time.
        """
        jpeg = normalise(image)
        started_s = time.process_time()
        features = analyse(jpeg)
        self.analysis_s, self.ocr_s = time.process_time() - started_s, 0.0
        features = self._recognise(jpeg, features)
        if self._ocr is None or not features.may_have_text:
            return features
        started_s = time.process_time()
        with Image.open(io.BytesIO(jpeg)) as opened:
            rgb = opened.convert("RGB")
        blocks = self._ocr.read_blocks(rgb, is_text_sparse=features.is_text_sparse)
        shrink_arena()
        self.ocr_s = time.process_time() - started_s
        return features.with_text(blocks)

    def _recognise(self, jpeg: bytes, features: Features) -> Features:
        started_s = time.process_time()
        if features.may_show_things:
            image = decode(io.BytesIO(jpeg))
            is_plain = features.background is not None
            features = features.with_sightings(
                *self._recogniser.recognise(image, is_plain=is_plain)
            )
            shrink_arena()
        self.recognition_s = time.process_time() - started_s
        return features


def normalise(image: Image.Image) -> bytes:
    """As the server normalises an image: upright, opaque, at most 1200 px, JPEG."""
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    upright.thumbnail((LONGEST_EDGE_PX, LONGEST_EDGE_PX))
    flat = Image.new("RGBA", upright.size, "white")
    flat.alpha_composite(upright)
    encoded = io.BytesIO()
    flat.convert("RGB").save(encoded, "JPEG", quality=82)
    return encoded.getvalue()


def evaluate(images: Iterable[LabelledImage]) -> Results:
    """Analyses every image, captions it in every style and locale, and compares with its label."""
    vision, results = InProcessVision(), Results()
    vision.analyse(Image.new("RGB", (64, 64), "red"))
    for labelled in images:
        features = vision.analyse(labelled.image)
        results.images += 1
        results.analysis_s.append(vision.analysis_s)
        results.recognition_s.append(vision.recognition_s)
        results.sightings += len(features.sightings) + features.faces
        if vision.ocr_s:
            results.ocr_s.append(vision.ocr_s)
        _evaluate_features(results, labelled, features)
        _evaluate_captions(results, labelled, features)
    return results


def _evaluate_features(results: Results, labelled: LabelledImage, features: Features) -> None:
    if features.triage != labelled.triage:
        error = f"{labelled.name}: {features.triage} ({features.triage_reason})"
        results.wrong_triages.append(error)
        return
    if features.triage != "describable":
        return
    if labelled.categories:
        results.categories += 1
        category = features.category
        accepted: set[str] = {category}
        if features.bands and category != "cutout":
            accepted.add("layers")
        if accepted.isdisjoint(labelled.categories):
            results.wrong_categories.append(f"{labelled.name}: {category}")
    if labelled.colours:
        results.colours += 1
        shares = features.subject.colours if features.subject else features.colours
        names = [share.colour for share in shares]
        inks = {block.ink for block in features.text} if features.category == "shapes" else set()
        if not {*names[:1], *inks} & set(labelled.colours):
            results.wrong_colours.append(f"{labelled.name}: {names}")
    read = set(_split_words(" ".join(block.text for block in features.text)))
    results.words += len(labelled.words)
    for word in labelled.words:
        if not set(_split_words(word)) <= read:
            results.missed_words.append(f"{labelled.name}: {word}")


def _evaluate_captions(results: Results, labelled: LabelledImage, features: Features) -> None:
    if features.triage != "describable":
        return
    true_words = _split_words(" ".join(labelled.words))
    for locale, style, text in captions(features):
        results.captions += 1
        draft = Draft(text, "embedded", cut=len(text) < style.min_chars)
        verdict = validate_draft(draft, style=style, locale=locale)
        if verdict.violations or verdict.caption != text:
            results.invalid_captions.append(f"{labelled.name} {locale} {style.name}: {text}")
        if locale == "en" and style.name == "detailed":
            for word in _split_words(" ".join(_find_quotations(text))):
                results.quoted_words += 1
                if not any(_is_similar(word, true_word) for true_word in true_words):
                    results.false_quotations.append(f"{labelled.name}: {word}")


def captions(features: Features) -> Iterator[tuple[str, Style, str]]:
    """The caption in every locale and style."""
    for locale, phrasebook in load_phrasebooks().items():
        for style in load_styles().values():
            request = DraftRequest(style, locale, MAX_TOKENS)
            yield locale, style, realise(features, request, phrasebook).text


def _find_quotations(text: str) -> list[str]:
    return [part.split("”")[0] for part in text.split("“")[1:]]


def _split_words(text: str) -> list[str]:
    """The words in lower case without punctuation, accents kept."""
    folded = unicodedata.normalize("NFC", text).casefold()
    words = ("".join(c for c in word if c.isalnum() or c in "-%") for word in folded.split())
    return [word for word in words if word]


def _is_similar(one: str, other: str) -> bool:
    """At most MAX_MISREAD_LETTERS differ (edit distance), for words of five letters and more."""
    if one == other or min(len(one), len(other)) < 5:
        return one == other or (other.startswith(one) and len(one) >= 5)
    if abs(len(one) - len(other)) > MAX_MISREAD_LETTERS:
        return False
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1] <= MAX_MISREAD_LETTERS


def format_report(results: Results) -> str:
    """The counts, and then one line for each error."""
    ocr_s = results.ocr_s or [0.0]
    right_categories = results.categories - len(results.wrong_categories)
    right_colours = results.colours - len(results.wrong_colours)
    lines = [
        f"images              {results.images}",
        f"words found         {results.words - len(results.missed_words)} of {results.words}",
        f"false quotations    {len(results.false_quotations)} of {results.quoted_words} words",
        f"category right      {right_categories} of {results.categories}",
        f"colour right        {right_colours} of {results.colours}",
        f"triage wrong        {len(results.wrong_triages)}",
        f"invalid captions    {len(results.invalid_captions)} of {results.captions}",
        f"things and faces    {results.sightings}",
        f"analysis            {_format_times(results.analysis_s)}",
        f"recognition         {_format_times(results.recognition_s)}",
        f"OCR                 {_format_times(ocr_s)}",
    ]
    for title, errors in (
        ("missed word", results.missed_words),
        ("false quotation", results.false_quotations),
        ("wrong category", results.wrong_categories),
        ("wrong colour", results.wrong_colours),
        ("wrong triage", results.wrong_triages),
        ("invalid caption", results.invalid_captions),
    ):
        lines += [f"  {title}: {error}" for error in errors]
    return "\n".join(lines)


def _format_times(times_s: list[float]) -> str:
    median_ms, longest_ms = (
        round(1000 * time_s) for time_s in (statistics.median(times_s), max(times_s))
    )
    return f"median {median_ms} ms, longest {longest_ms} ms of processor time"
