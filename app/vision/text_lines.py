"""Lines of text from OCR: which are reliable, and how they form blocks in reading order."""

from dataclasses import dataclass, replace
from statistics import median

MIN_ROW_OVERLAP = 0.5
"""Pieces whose heights overlap by more than this share are in one row."""
MAX_ROW_GAP = 0.7
"""Line heights between two pieces of one line; a wider gap separates columns."""
MAX_LINE_GAP = 0.3
"""Line heights between two lines of one block. Under 0.25 in ordinary and in widely spaced print,
because a detected line is higher than its letters; boxes of a plan and entries of a menu are over
0.3."""
MIN_SCORE = 0.95
"""Of some 900 readings in 248 real images a quarter of those from 0.90 to 0.95 were wrong (signs
beside words, half-covered words, broken letters), of those above about one in a hundred."""
MIN_LETTERS = 2
"""Texture, rims and wheels are read as a single sign."""
UNFAMILIAR_MIN_LINES, UNFAMILIAR_MEDIAN_SCORE, UNFAMILIAR_MIN_SCORE = 4, 0.965, 0.99
"""From this many lines on, a median score below means a typeface that the model does not know, and
then a line needs the higher score: a page in black letter had over 0.95 for "Borwort" (Vorwort)."""
MAX_ALIGNMENT_OFFSET = 0.7
"""Line heights between the left edges, or between the centres, of two lines of one block."""
LIST_MIN_LINES, LIST_MAX_WIDTH, LIST_MAX_WORDS = 3, 0.7, 2
"""From this many lines on, a median width below this share of the widest line, or a median of this
few words, means a list: each line becomes a block of its own."""
MIN_STRAIGHT_LINES = 3
"""Beside this many straight lines a tilted line is an axis label; beside fewer it is kept."""
MAX_HEIGHT_RATIO = 1.25
"""Between lines of one block; a heading is larger than the text below it by more."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text. The edges are shares of the image's width and height, 0 to 1."""

    text: str
    """Empty for a line that was detected and not read."""
    score: float
    """The confidence of the OCR model, 0 to 1."""
    left: float
    top: float
    right: float
    bottom: float
    height_px: float
    """Height of the detected line, a little more than that of its letters."""
    ink: str
    """The colour name of the letters."""
    is_tilted: bool = False
    """Neither horizontal nor vertical: an axis label, or print on an object at an angle."""


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Lines of one size below each other, joined in reading order."""

    text: str
    score: float
    """The lowest of its lines."""
    height: float
    """Height of its lines as a share of the image's longer side."""
    top: float
    """Its upper edge, from 0 (top of the image) to 1."""
    lines: int
    width: float
    """Of its widest line, as a share of the image's width."""
    ink: str
    """The colour name of the letters of its first line."""
    is_first: bool = False
    """No other line, read or not, precedes it."""


def is_reliable(line: TextLine) -> bool:
    """Whether a line is certainly text: a high score, and enough letters and digits."""
    signs = [char for char in line.text if not char.isspace()]
    letters = sum(char.isalnum() for char in signs)
    return (
        line.score >= MIN_SCORE
        and letters >= MIN_LETTERS
        and letters >= 0.7 * len(signs)
        and len(set(line.text.casefold())) > 1
    )


def keep_reliable(lines: tuple[TextLine, ...]) -> tuple[TextLine, ...]:
    """The reliable lines; in an unfamiliar typeface only those with the highest scores."""
    reliable = tuple(filter(is_reliable, lines))
    scores = [line.score for line in lines if line.text]
    is_unfamiliar = len(scores) >= UNFAMILIAR_MIN_LINES and median(scores) < UNFAMILIAR_MEDIAN_SCORE
    if not is_unfamiliar:
        return reliable
    return tuple(line for line in reliable if line.score >= UNFAMILIAR_MIN_SCORE)


def drop_tilted_labels(lines: tuple[TextLine, ...]) -> tuple[TextLine, ...]:
    """Without tilted lines, such as axis labels, where there are enough straight ones."""
    straight = tuple(line for line in lines if not line.is_tilted)
    return straight if len(straight) >= MIN_STRAIGHT_LINES else lines


def group_into_blocks(
    lines: tuple[TextLine, ...], width_px: int, height_px: int, detected: tuple[TextLine, ...] = ()
) -> tuple[TextBlock, ...]:
    """Groups lines into blocks, from top to bottom and from left to right.

    `detected`: every detected line, read or not; they decide `TextBlock.is_first`.
    """
    columns: list[list[TextLine]] = []
    for line in _join_rows(lines, width_px / max(height_px, 1)):
        fitting = (lines for lines in columns if _continues(lines[-1], line, width_px, height_px))
        nearest = max(fitting, key=lambda lines: lines[-1].bottom, default=None)
        if nearest is None:
            columns.append([line])
        else:
            nearest.append(line)
    longer_px = max(width_px, height_px, 1)
    groups = [group for column in columns for group in _split_list(column)]
    blocks = [
        TextBlock(
            text=_join_lines(tuple(line.text for line in group)),
            score=min(line.score for line in group),
            height=max(line.height_px for line in group) / longer_px,
            top=group[0].top,
            lines=len(group),
            width=max(line.right - line.left for line in group),
            ink=group[0].ink,
            is_first=not any(_precedes(other, group[0]) for other in (*lines, *detected)),
        )
        for group in groups
    ]
    return tuple(blocks)


def _split_list(column: list[TextLine]) -> list[list[TextLine]]:
    """A paragraph as one group; the entries of a list as one group each."""
    widths = [line.right - line.left for line in column]
    words = median(len(line.text.split()) for line in column)
    is_ragged = median(widths) < LIST_MAX_WIDTH * max(widths) or words <= LIST_MAX_WORDS
    return [[line] for line in column] if len(column) >= LIST_MIN_LINES and is_ragged else [column]


def _precedes(one: TextLine, other: TextLine) -> bool:
    """Whether a line is above another, or before it in the same row."""
    if _share_row(one, other):
        return one.right <= other.left
    return one.bottom < other.bottom and one.top < other.top


def _join_rows(lines: tuple[TextLine, ...], aspect_ratio: float) -> list[TextLine]:
    """Joins close pieces of one row to one line; the rows from top to bottom."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda line: (line.top + line.bottom) / 2):
        row = next((row for row in rows if all(_share_row(other, line) for other in row)), None)
        if row is None:
            rows.append([line])
        else:
            row.append(line)
    joined: list[TextLine] = []
    for row in rows:
        row.sort(key=lambda line: line.left)
        current = row[0]
        for line in row[1:]:
            height = min(current.bottom - current.top, line.bottom - line.top)
            gap = (line.left - current.right) * aspect_ratio
            if gap < MAX_ROW_GAP * height and _have_equal_size(current, line):
                current = _merge(current, line)
            else:
                joined.append(current)
                current = line
        joined.append(current)
    return joined


def _share_row(one: TextLine, other: TextLine) -> bool:
    overlap = min(one.bottom, other.bottom) - max(one.top, other.top)
    return overlap > MIN_ROW_OVERLAP * min(one.bottom - one.top, other.bottom - other.top)


def _have_equal_size(one: TextLine, other: TextLine) -> bool:
    small, large = sorted((one.height_px, other.height_px))
    return large <= MAX_HEIGHT_RATIO * max(small, 1e-6)


def _merge(one: TextLine, other: TextLine) -> TextLine:
    return replace(
        one,
        text=f"{one.text} {other.text}",
        score=min(one.score, other.score),
        top=min(one.top, other.top),
        right=max(one.right, other.right),
        bottom=max(one.bottom, other.bottom),
        height_px=max(one.height_px, other.height_px),
    )


def _continues(above: TextLine, below: TextLine, width_px: int, height_px: int) -> bool:
    """Whether a line continues the one above: near, of one size, and left-aligned or centred."""
    gap_px = (below.top - above.bottom) * height_px
    is_near = -0.5 * above.height_px < gap_px < MAX_LINE_GAP * above.height_px
    left_offset = abs(above.left - below.left)
    centre_offset = abs((above.left + above.right) / 2 - (below.left + below.right) / 2)
    offset_px = min(left_offset, centre_offset) * width_px
    is_aligned = offset_px < MAX_ALIGNMENT_OFFSET * above.height_px
    return _have_equal_size(above, below) and is_near and is_aligned


def _join_lines(texts: tuple[str, ...]) -> str:
    """The lines joined by spaces, but not after a word that is broken at a hyphen."""
    whole = texts[0].strip()
    for text in texts[1:]:
        text = text.strip()
        is_broken = whole.endswith("-") and whole[-2:-1].isalpha() and text[:1].islower()
        whole = f"{whole}{text}" if is_broken else f"{whole} {text}"
    return whole
