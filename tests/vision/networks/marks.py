"""Marks of tests that need the weights of the extra `embedded`."""

import importlib.util

import pytest

from app.vision.networks.packages import CLASSIFIER_PACKAGE, FACE_PACKAGE

needs_weights = pytest.mark.skipif(
    not all(
        importlib.util.find_spec(name) for name in (CLASSIFIER_PACKAGE, FACE_PACKAGE, "onnxruntime")
    ),
    reason="needs the extra `embedded`",
)
