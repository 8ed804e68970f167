"""Classifies products: a softmax regression on the features of the classifier.

ImageNet lacks much of what shops sell, and has the rest as it looks in everyday pictures. The
features from which networks/efficientnet_lite.py computes its classes tell products apart as well;
one matrix of weights is all that this needs. `scripts/product_weights.py` trains it on labelled
pictures.
"""

import functools
import hashlib
import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from app.vision.networks.efficientnet_lite import FEATURES
from app.vision.networks.errors import WeightsError

PACKAGE = "app.vision"
WEIGHTS_FILE, CLASSES_FILE = "product_weights.npy", "product_classes.toml"
WEIGHTS_SHA256 = "7646ce404de2a873f874f26ace5cd25c3a137d373e1d9af237dc71beec210d57"
"""Of the weights with which `product_thresholds.toml` was measured."""
OTHER = "other"
"""The class of everything that is none of these products."""
FEATURES_LENGTH = 10.0
"""Of the vector of features of each picture, however bright or busy the picture is."""


@dataclass(frozen=True, slots=True)
class ProductClassifier:
    """The weights of each class."""

    weights: NDArray[np.float32]
    """Classes x (features and a constant)."""

    def classify(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of each class, in the order of `product_classes.toml`."""
        scores = self.weights[:, :-1] @ prepare_features(features) + self.weights[:, -1]
        exponents = np.exp(scores - scores.max())
        probabilities: NDArray[np.float32] = exponents / exponents.sum()
        return probabilities


def prepare_features(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The square roots of features (the last axis), scaled to one length.

    The few largest would decide alone otherwise.
    """
    roots = np.sqrt(features.clip(min=0))
    lengths = np.linalg.norm(roots, axis=-1, keepdims=True)
    prepared: NDArray[np.float32] = roots * (FEATURES_LENGTH / np.maximum(lengths, 1e-6))
    return prepared


@functools.cache
def load_product_classes() -> Mapping[str, str]:
    """The concept that each class counts for, in the order of the weights; empty for `OTHER`."""
    text = (resources.files(PACKAGE) / CLASSES_FILE).read_text(encoding="utf-8")
    return dict(tomllib.loads(text))


def load_product_classifier() -> ProductClassifier:
    """The classifier of the package. Raises WeightsError for weights that were not measured."""
    try:
        data = (resources.files(PACKAGE) / WEIGHTS_FILE).read_bytes()
    except OSError as error:
        raise WeightsError(f"{WEIGHTS_FILE} cannot be read: {type(error).__name__}") from error
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise WeightsError(f"{WEIGHTS_FILE} is damaged, or of another version")
    weights = np.load(io.BytesIO(data), allow_pickle=False).astype(np.float32)
    if weights.shape != (len(load_product_classes()), FEATURES + 1):
        raise WeightsError(f"{WEIGHTS_FILE} does not fit {CLASSES_FILE}")
    return ProductClassifier(weights)
