"""The classifier of products is a softmax regression, whose weights are the measured ones."""

import importlib.resources
from pathlib import Path

import numpy as np
import pytest

from app.vision import product_classifier
from app.vision.networks.errors import WeightsError
from app.vision.product_classifier import (
    OTHER,
    ProductClassifier,
    load_product_classes,
    load_product_classifier,
    prepare_features,
)


def test_the_probabilities_of_the_classes_add_up_to_one():
    features = np.random.default_rng(0).uniform(0, 2, 1280).astype(np.float32)
    probabilities = load_product_classifier().classify(features)
    assert probabilities.shape == (len(load_product_classes()),)
    assert probabilities.min() >= 0
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_the_class_with_the_highest_score_is_the_most_probable():
    """Scores that no exponent can hold are no exception."""
    weights = np.array([[0, 0, 900], [100, 0, 0], [0, 100, 0]], np.float32)
    classifier = ProductClassifier(weights)
    assert classifier.classify(np.array([1, 0], np.float32)).argmax() == 1
    assert classifier.classify(np.array([0, 1], np.float32)).argmax() == 2


def test_features_are_compared_by_their_shares():
    """A brighter picture has larger features, and is the same product. None has no length."""
    features = np.array([[0, 1, 4], [0, 3, 12], [0, 0, 0]], np.float32)
    prepared = prepare_features(features)
    np.testing.assert_allclose(prepared[0], prepared[1], rtol=1e-5)
    np.testing.assert_allclose(prepared[0, 2], 2 * prepared[0, 1], rtol=1e-5)
    assert not prepared[2].any()


def test_one_class_is_everything_else():
    """So that the probability of a product can be low."""
    assert load_product_classes()[OTHER] == ""


@pytest.mark.parametrize("damage", ["one bit", "cut", "missing"])
def test_damaged_weights_are_noticed_before_they_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str
):
    package = Path(str(importlib.resources.files("app.vision")))
    intact = (package / product_classifier.WEIGHTS_FILE).read_bytes()
    contents = {"one bit": intact[:-1] + bytes([intact[-1] ^ 1]), "cut": intact[:-1]}
    if damage in contents:
        (tmp_path / product_classifier.WEIGHTS_FILE).write_bytes(contents[damage])
    monkeypatch.setattr(product_classifier.resources, "files", lambda _: tmp_path)
    with pytest.raises(WeightsError, match="product_weights"):
        load_product_classifier()
