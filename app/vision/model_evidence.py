"""What OCR and the recogniser see in an image, with how sure they are. Runs in the child process
with the models, as the handler `look_job`.

A caption is written from what is sure alone (`read_blocks`, `find_sightings`). Whether a caption is
denied depends on the rest as well: a line that was found and not read may be the one it quotes.
"""

import io
from typing import Any, BinaryIO

from PIL import Image

from app.vision.absence import (
    find_absent,
    find_main,
    is_clear,
    load_absence_thresholds,
    make_views,
    weigh_support,
)
from app.vision.analyse import JOB_MEMORY_BYTES as ANALYSIS_MEMORY_BYTES
from app.vision.analyse import analyse
from app.vision.analyse import warm_up as warm_up_analysis
from app.vision.concepts import ConceptTable, Probabilities, load_concepts
from app.vision.evidence import LINE_MAX_CHARS, MAX_LINES
from app.vision.features import Sighting
from app.vision.likenesses import TOY
from app.vision.ocr import JOB_MEMORY_BYTES as OCR_MEMORY_BYTES
from app.vision.ocr import LONGEST_EDGE_PX, load_engine
from app.vision.onnx_session import shrink_arena
from app.vision.recogniser import JOB_MEMORY_BYTES as RECOGNISER_MEMORY_BYTES
from app.vision.recogniser import decode, load_recogniser
from app.workers.errors import JobRefused
from app.workers.handler import Reserve


def look_job(
    data: BinaryIO, args: dict[str, Any], reserve: Reserve
) -> tuple[dict[str, Any], bytes]:
    """The handler: JPEG bytes in; with the part `text` the lines in reading order, with the part
    `subjects` the fields of SubjectEvidence, or `null` where no recogniser is loaded, and for a
    drawing, a page or a blurred image."""
    try:
        if args.get("part") == "text":
            reserve(OCR_MEMORY_BYTES)
            facts: dict[str, Any] = {"lines": _read_lines(data)}
        else:
            reserve(RECOGNISER_MEMORY_BYTES + ANALYSIS_MEMORY_BYTES)
            facts = {"subjects": _weigh_subjects(data)}
    except (OSError, ValueError, SyntaxError) as error:
        raise JobRefused("unreadable", type(error).__name__) from error
    shrink_arena()
    return facts, b""


def warm_up() -> None:
    """Runs the analysis and reads the thresholds: a confined child process cannot import a module
    or open a file later."""
    warm_up_analysis()
    load_absence_thresholds()


def _read_lines(data: BinaryIO) -> list[tuple[str, float]]:
    with Image.open(io.BytesIO(data.read()), formats=("JPEG", "PNG")) as opened:
        opened.draft("RGB", (LONGEST_EDGE_PX, LONGEST_EDGE_PX))
        image = opened.convert("RGB")
    image.thumbnail((LONGEST_EDGE_PX, LONGEST_EDGE_PX))
    lines = load_engine().read_lines(image, is_text_sparse=False)
    ordered = sorted(lines, key=lambda line: (round(line.top, 2), line.left))
    return [(line.text[:LINE_MAX_CHARS], line.score) for line in ordered[:MAX_LINES]]


def find_denying(table: ConceptTable, view: Probabilities) -> list[Sighting]:
    """What is certain and may deny something else: no toy, which may be called what it is a model
    of."""
    return [sighting for sighting in table.find_sightings(view) if sighting.concept != TOY]


def _weigh_subjects(data: BinaryIO) -> dict[str, Any] | None:
    recogniser, _ = load_recogniser()
    encoded = data.read()
    # The classifier knows photographs: of a drawing it says anything.
    if recogniser is None:
        return None
    features = analyse(encoded)
    if not features.may_show_things:
        return None
    views = list(map(recogniser.classify, make_views(decode(io.BytesIO(encoded)))))
    table = load_concepts()
    totals = (table.sums @ views[0].classes).tolist()
    main, is_plain = find_main(views), features.background is not None
    absent = find_absent(weigh_support(views)) if is_clear(main, is_plain=is_plain) else ()
    return {
        "sightings": [(s.concept, s.probability) for s in find_denying(table, views[0])],
        "probabilities": dict(zip(table.concepts, totals, strict=True)),
        "absent": sorted(absent),
        "main": (main.concept, main.probability),
        "is_plain": is_plain,
    }
