"""Sessions of onnxruntime: what all networks of a process have in common."""

import platform
import subprocess
import sys

import pytest

X86 = ("x86_64", "AMD64")


@pytest.mark.skipif(platform.machine() not in X86, reason="onnxruntime does it on x86 alone")
def test_subnormal_numbers_are_zero_once_the_text_reader_is_open() -> None:
    """Its detector has 256,000 of them, and some processors are fifty times slower with each.

    In a new process, because onnxruntime sets this up once for each, with the first session.
    """
    pytest.importorskip("rapidocr")
    code = (
        "import numpy as np\n"
        "from app.vision.ocr import OcrEngine\n"
        "smallest = np.full(8, 1e-30, np.float32)\n"
        "print((smallest * np.float32(1e-10)).any())\n"
        "OcrEngine()\n"
        "print((smallest * np.float32(1e-10)).any())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["True", "False"]
