"""One image resizer in a process of its own: file names in, processor time out.

`resizers.py` runs it as a script, also with a Python that has pyvips and nothing of this project.
Each line of standard input is a JSON object {"path", "format", "times"}. Each line of standard
output is {"cpu_ms", "wall_ms", "bytes"}, medians over `times`.
"""

import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

LONGEST_EDGE_PX = 1200
QUALITY = 85

Resize = Callable[[bytes, str], bytes]
"""Takes a file and its format; returns the small JPEG."""


def altwright() -> Resize:
    """The normaliser of the server, without its child process."""
    from app.imaging import normalise_handler
    from app.workers.handler import JobInput

    normalise_handler.warm_up()

    def resize(data: bytes, image_format: str) -> bytes:
        arguments = {
            "format": image_format,
            "longest_edge_px": LONGEST_EDGE_PX,
            "max_pixels": 150_000_000,
        }
        return normalise_handler.normalise_job(JobInput(data), arguments, lambda *_: None)[1]

    return resize


def jpeg_minimum() -> Resize:
    """The least that any JPEG decoder must do: entropy decoding, and the smallest DCT scale."""
    import simplejpeg

    def resize(data: bytes, image_format: str) -> bytes:
        if image_format == "jpeg":
            simplejpeg.decode_jpeg(data, "RGB", min_width=1, min_height=1, min_factor=8)
        return b""

    return resize


def pillow() -> Resize:
    """Pillow as it is commonly used: draft mode, then Lanczos."""
    from PIL import Image

    def resize(data: bytes, _format: str) -> bytes:
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", (LONGEST_EDGE_PX, LONGEST_EDGE_PX))
        image.thumbnail(
            (LONGEST_EDGE_PX, LONGEST_EDGE_PX), Image.Resampling.LANCZOS, reducing_gap=None
        )
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=QUALITY)
        return out.getvalue()

    return resize


def libvips() -> Resize:
    """libvips' `thumbnail`, which scales while it decodes."""
    import pyvips

    pyvips.cache_set_max(0)  # otherwise the result for the same file is cached

    def resize(data: bytes, _format: str) -> bytes:
        small = pyvips.Image.thumbnail_buffer(
            data, LONGEST_EDGE_PX, height=LONGEST_EDGE_PX, size="down"
        )
        jpeg: bytes = small.jpegsave_buffer(Q=QUALITY, keep="none")
        return jpeg

    return resize


RESIZERS = {
    "altwright": altwright,
    "jpeg_minimum": jpeg_minimum,
    "pillow": pillow,
    "libvips": libvips,
}


def main() -> None:
    """Serve until standard input ends."""
    resize = RESIZERS[sys.argv[1]]()
    for line in sys.stdin:
        job = json.loads(line)
        data = Path(job["path"]).read_bytes()
        cpu_s, wall_s, small = [], [], b""
        for _ in range(job["times"]):
            wall_before_s, cpu_before_s = time.perf_counter(), time.process_time()
            small = resize(data, job["format"])
            cpu_s.append(time.process_time() - cpu_before_s)
            wall_s.append(time.perf_counter() - wall_before_s)
        result = {
            "cpu_ms": statistics.median(cpu_s) * 1000,
            "wall_ms": statistics.median(wall_s) * 1000,
            "bytes": len(small),
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
