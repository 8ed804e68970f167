"""Trains the classifier of products on labelled pictures, and measures it on other sources.

    python -m scripts.product_weights FOLDER... [--write] [--errors]

Each folder has pictures and their `labels.jsonl`, as `testing/picture_labels.py` describes them. A
picture with a `product` trains that class of `app/vision/product_classes.toml`.

A picture's source is the part of its name before the first hyphen. Every source is measured with
weights that were trained without it, so no figure comes from a picture that trained, nor from
another of the same shop. Of these measured pictures one half, by the hash of the name, sets the
thresholds, and the other measures them, as in `concept_thresholds.py`. The weights that are written
are trained on all sources. `--errors` lists what was named wrongly in the measuring half, `--write`
writes `app/vision/product_weights.npy` and `product_thresholds.toml`, and prints the hash that
belongs into `app/vision/product_classifier.py`. Needs the extra `embedded`.
"""

import argparse
import hashlib
import io
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.vision.concepts import ConceptTable, Probabilities, Threshold, load_concepts
from app.vision.networks.packages import load_classifier
from app.vision.onnx_session import OnnxSession
from app.vision.product_classifier import (
    ProductClassifier,
    load_product_classes,
    prepare_features,
)
from app.vision.recogniser import decode, run_classifier
from scripts.concept_thresholds import Calibration, Picture, format_thresholds
from testing.picture_labels import LabelledPicture, read_folder

FloatArray: TypeAlias = NDArray[np.float32]

FOLDS = 6
"""Groups of sources, each measured with the weights of the others."""
STEPS, LEARNING_RATE, DECAY = 100, 0.05, 1e-4
"""Of Adam, on all pictures at once; DECAY is the penalty on large weights."""
MIN_MEAN = 0.55
"""Where the classifier of products is certain, that of ImageNet must have a tenth at least."""
MIN_SPECIFIC_MEAN = 0.7
"""Of a product with few pictures that has a more general word: below, that is named."""
_TOP = Path(__file__).resolve().parent.parent
_WEIGHTS = _TOP / "app" / "vision" / "product_weights.npy"
_THRESHOLDS = _TOP / "app" / "vision" / "product_thresholds.toml"


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled picture and what the network makes of it."""

    label: LabelledPicture
    classes: FloatArray
    features: FloatArray


def read_examples(folders: Sequence[Path]) -> list[Example]:
    """The pictures of the folders, each run through the network."""
    network, examples = OnnxSession(load_classifier()), []
    for label in (picture for folder in folders for picture in read_folder(folder)):
        image = decode(io.BytesIO(label.path.read_bytes()))
        examples.append(Example(label, *run_classifier(network, image)))
    return examples


def train(examples: Sequence[Example]) -> FloatArray:
    """The weights of each class, the constant last: softmax regression with Adam.

    A class counts by the square root of its pictures, and a source by less than its pictures, so
    that no large source decides.
    """
    numbers = {name: number for number, name in enumerate(load_product_classes())}
    used = [example for example in examples if example.label.product in numbers]
    labels = np.array([numbers[str(example.label.product)] for example in used])
    features = prepare_features(np.stack([example.features for example in used]))
    features = np.concatenate([features, np.ones((len(used), 1), np.float32)], axis=1)
    importance = _weigh([(str(e.label.product), e.label.source) for e in used])[:, None]
    weights = np.zeros((len(numbers), features.shape[1]), np.float32)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS + 1):
        errors = _softmax(features @ weights.T)
        errors[np.arange(len(used)), labels] -= 1
        gradient = (errors * importance).T @ features
        gradient[:, :-1] += DECAY * weights[:, :-1]
        mean = (0.9 * mean + 0.1 * gradient).astype(np.float32)
        square = (0.999 * square + 0.001 * gradient**2).astype(np.float32)
        rate = LEARNING_RATE * (1 + np.cos(np.pi * step / STEPS)) / 2
        scale = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        weights -= (rate * mean / (1 - 0.9**step) / scale).astype(np.float32)
    return weights


def _weigh(keys: Sequence[tuple[str, str]]) -> FloatArray:
    """The importance of each picture, from its class and its source; their sum is 1."""
    classes, both = Counter(name for name, _ in keys), Counter(keys)
    values = np.array([classes[key[0]] ** -0.5 * both[key] ** -0.25 for key in keys])
    importance: FloatArray = (values / values.sum()).astype(np.float32)
    return importance


def _softmax(scores: FloatArray) -> FloatArray:
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: FloatArray = exponents / exponents.sum(axis=1, keepdims=True)
    return probabilities


def measure_unseen(examples: Sequence[Example]) -> Iterator[tuple[Example, Probabilities]]:
    """Each picture's probabilities, from weights that were trained without its source."""
    sources = sorted({example.label.source for example in examples})
    for fold in range(FOLDS):
        others = [example for example in examples if _fold_of(example, sources) != fold]
        classifier = ProductClassifier(train(others))
        for example in examples:
            if _fold_of(example, sources) == fold:
                products = classifier.classify(example.features)
                yield example, Probabilities(example.classes, products)


def _fold_of(example: Example, sources: Sequence[str]) -> int:
    return sources.index(example.label.source) % FOLDS


def to_picture(table: ConceptTable, example: Example, probabilities: Probabilities) -> Picture:
    """The picture with the mean of both classifiers, as it is judged."""
    nothing = dict.fromkeys(table.concepts, 0.0)
    return Picture(example.label, nothing | table.average(probabilities))


def set_thresholds(
    table: ConceptTable, measured: Sequence[tuple[Example, Probabilities]]
) -> tuple[dict[str, Threshold], list[str]]:
    """The thresholds of the concepts that both classifiers know, and notes for the report."""
    pictures = [to_picture(table, *row) for row in measured]
    calibration = Calibration(table, pictures, lowest=MIN_MEAN, lowest_specific=MIN_SPECIFIC_MEAN)
    thresholds = calibration.run()
    known = table.average(measured[0][1])
    return {name: row for name, row in thresholds.items() if name in known}, calibration.notes


def report(
    table: ConceptTable,
    measured: Sequence[tuple[Example, Probabilities]],
    *,
    lists_errors: bool,
) -> Iterator[str]:
    """How many pictures of the measuring half are named right, wrong and not at all."""
    counts: dict[str, Counter[str]] = {}
    for example, probabilities in measured:
        label = example.label
        if label.sets_thresholds:
            continue
        named = [sighting.concept for sighting in table.find_sightings(probabilities)]
        wrong = [name for name in named if name not in label.true | label.unchecked]
        verdict = "wrong" if wrong else "right" if named else "silent"
        counts.setdefault(label.source, Counter())[verdict] += 1
        if wrong and lists_errors:
            yield f"wrong: {label.path.name}: {', '.join(wrong)}; {', '.join(sorted(label.true))}"
    for source, count in sorted(counts.items()):
        shares = ", ".join(f"{v} {count[v]}" for v in ("right", "wrong", "silent"))
        yield f"{source}: {count.total()} pictures, {shares}"


def write(weights: FloatArray, thresholds: str) -> str:
    """Writes both files, and returns the hash of the weights."""
    encoded = io.BytesIO()
    np.save(encoded, weights.astype(np.float16), allow_pickle=False)
    _WEIGHTS.write_bytes(encoded.getvalue())
    _THRESHOLDS.write_text(thresholds, encoding="utf-8")
    return hashlib.sha256(encoded.getvalue()).hexdigest()


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description="Train the classifier of products.")
    parser.add_argument("folders", type=Path, nargs="+", help="pictures and their labels.jsonl")
    parser.add_argument("--write", action="store_true", help="write the weights and thresholds")
    parser.add_argument("--errors", action="store_true", help="list what is named wrongly")
    arguments = parser.parse_args()
    table, examples = load_concepts(), read_examples(arguments.folders)
    measured = list(measure_unseen(examples))
    thresholds, notes = set_thresholds(table, measured)
    print(*notes, sep="\n")
    table = replace(table, product_thresholds=thresholds)
    for line in report(table, measured, lists_errors=arguments.errors):
        print(line)
    if arguments.write:
        print(f"WEIGHTS_SHA256 {write(train(examples), format_thresholds(thresholds))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
