"""One way to make a picture small, in a process of its own: file names in, processor time out.

Run by `engines.py` as a script, also by a Python that has pyvips and nothing of this project. Each
line of standard input is a JSON object {"path", "format", "times"}; each line of standard output is
{"cpu_ms", "wall_ms", "bytes"} of one time, the median where there are several.
"""

import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

LONGEST_PX = 1200
QUALITY = 85

Make = Callable[[bytes, str], bytes]
"""A file and its format in; the small JPEG out."""


def altwright() -> Make:
    """What a child of the server does with a picture."""
    from app.imaging import render
    from app.workers.handler import JobInput

    render.warm_up()

    def make(data: bytes, image_format: str) -> bytes:
        asked = {
            "format": image_format,
            "longest_edge_px": LONGEST_PX,
            "max_pixels": 150_000_000,
        }
        return render.render(JobInput(data), asked, lambda *_: None)[1]

    return make


def floor() -> Make:
    """The least that a JPEG can cost: its entropy decoded, and the smallest scaling of it."""
    import simplejpeg

    def make(data: bytes, image_format: str) -> bytes:
        if image_format == "jpeg":
            simplejpeg.decode_jpeg(data, "RGB", min_width=1, min_height=1, min_factor=8)
        return b""

    return make


def pillow() -> Make:
    """Pillow as its users write it: draft mode, then Lanczos."""
    from PIL import Image

    def make(data: bytes, _format: str) -> bytes:
        picture = Image.open(io.BytesIO(data))
        picture.draft("RGB", (LONGEST_PX, LONGEST_PX))
        picture.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.LANCZOS, reducing_gap=None)
        out = io.BytesIO()
        picture.convert("RGB").save(out, "JPEG", quality=QUALITY)
        return out.getvalue()

    return make


def libvips() -> Make:
    """libvips' own way: `thumbnail`, which scales while it decodes."""
    import pyvips

    pyvips.cache_set_max(0)  # the same file again and again would be remembered

    def make(data: bytes, _format: str) -> bytes:
        small = pyvips.Image.thumbnail_buffer(data, LONGEST_PX, height=LONGEST_PX, size="down")
        made: bytes = small.jpegsave_buffer(Q=QUALITY, keep="none")
        return made

    return make


def main() -> None:
    """Serve until standard input ends."""
    make = {"altwright": altwright, "floor": floor, "pillow": pillow, "libvips": libvips}[
        sys.argv[1]
    ]()
    for line in sys.stdin:
        job = json.loads(line)
        data = Path(job["path"]).read_bytes()
        cpu_s, wall_s, made = [], [], b""
        for _ in range(job["times"]):
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            made = make(data, job["format"])
            cpu_s.append(time.process_time() - began_cpu_s)
            wall_s.append(time.perf_counter() - began_s)
        answer = {
            "cpu_ms": statistics.median(cpu_s) * 1000,
            "wall_ms": statistics.median(wall_s) * 1000,
            "bytes": len(made),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
