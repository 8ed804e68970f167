"""Lines of text as they were read, and the blocks that they make, in reading order."""

from dataclasses import dataclass, replace
from statistics import median

ROW_OVERLAP = 0.5
"""Pieces whose heights overlap so far stand in one row."""
ROW_GAP = 0.7
"""Letter heights between two pieces of one row; a wider gap starts another column."""
LINE_GAP = 0.3
"""Line heights between two lines of one block: under 0.25 in ordinary and in wide print, for found
lines are higher than their letters; the boxes of a plan and the entries of a menu are over 0.3."""
SURE = 0.95
"""Of some 900 readings in 248 real pictures a quarter of those from 0.90 to 0.95 were wrong (signs
beside words, words half under a rim, broken letters), of those above it about one in a hundred."""
STRANGE_LINES, STRANGE, SURE_THOUGH_STRANGE = 4, 0.965, 0.99
"""Where half of so many lines are read with less, the type is strange to the reader: of a page in
black letter it was surer than SURE of "Borwort" for Vorwort."""
SURE_LETTERS = 2
"""A single sign is what texture, rims and wheels are read as."""
ALIGNED = 0.7
"""Line heights between the beginnings or the middles of two lines of one block."""
LIST_LINES, LIST_WIDTH, LIST_WORDS = 3, 0.7, 2
"""So many lines, half of them much narrower than the widest or of so few words, are a list: each
stands by itself."""
STRAIGHT_LINES = 3
"""Beside so many straight lines a tilted one is a label; beside fewer it may be all there is."""
LIKE_HEIGHT = 1.25
"""Lines of one block are of one size; a heading is larger than what it heads by more than this."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """One run of text. Edges are shares of the picture's width and height, 0..1."""

    text: str
    score: float
    """How sure the reader is, 0..1."""
    left: float
    top: float
    right: float
    bottom: float
    height_px: float
    """Height of the line, letters and a little around them, in pixels of the picture."""
    ink: str
    """The name of the letters' colour."""
    is_tilted: bool = False
    """It neither lies nor stands: as the labels of an axis, or print on a thing that lies askew."""


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Lines of one size that stand below each other, joined as they are read."""

    text: str
    score: float
    """That of its least sure line."""
    height: float
    """Height of its lines as a share of the picture's longer side."""
    top: float
    """Where it begins, 0 (the picture's upper edge) to 1."""
    lines: int
    width: float
    """Of its widest line, 0 to 1 (the picture's width)."""
    ink: str
    """The name of its letters' colour, that of its first line."""
    is_first: bool = False
    """Nothing that may be text stands before it."""


def is_sure(line: TextLine) -> bool:
    """Whether it is text at all: sure, more than one sign, and made of letters and digits."""
    signs = [char for char in line.text if not char.isspace()]
    words = sum(char.isalnum() for char in signs)
    return (
        line.score >= SURE
        and words >= SURE_LETTERS
        and words >= 0.7 * len(signs)
        and len(set(line.text.casefold())) > 1
    )


def trusted(lines: tuple[TextLine, ...]) -> tuple[TextLine, ...]:
    """The sure lines; of a type that is strange to the reader only the surest."""
    sure = tuple(filter(is_sure, lines))
    scores = [line.score for line in lines if line.text]
    is_strange = len(scores) >= STRANGE_LINES and median(scores) < STRANGE
    return tuple(line for line in sure if not is_strange or line.score >= SURE_THOUGH_STRANGE)


def without_labels(lines: tuple[TextLine, ...]) -> tuple[TextLine, ...]:
    """Without the tilted lines, where most of the others lie straight: an axis' labels."""
    straight = tuple(line for line in lines if not line.is_tilted)
    return straight if len(straight) >= STRAIGHT_LINES else lines


def in_blocks(
    lines: tuple[TextLine, ...], width_px: int, height_px: int, found: tuple[TextLine, ...] = ()
) -> tuple[TextBlock, ...]:
    """The lines put together to blocks, from top to bottom and from left to right.

    `found`: every line that was found, read or not, to tell what stands before all others.
    """
    columns: list[list[TextLine]] = []
    for line in _rows_joined(lines, width_px / max(height_px, 1)):
        fitting = (lines for lines in columns if _continues(lines[-1], line, width_px, height_px))
        nearest = max(fitting, key=lambda lines: lines[-1].bottom, default=None)
        if nearest is None:
            columns.append([line])
        else:
            nearest.append(line)
    longer_px = max(width_px, height_px, 1)
    columns = [part for column in columns for part in _entries(column)]
    blocks = [
        TextBlock(
            text=_joined(tuple(line.text for line in column)),
            score=min(line.score for line in column),
            height=max(line.height_px for line in column) / longer_px,
            top=column[0].top,
            lines=len(column),
            width=max(line.right - line.left for line in column),
            ink=column[0].ink,
            is_first=not any(_is_before(other, column[0]) for other in (*lines, *found)),
        )
        for column in columns
    ]
    return tuple(blocks)


def _entries(column: list[TextLine]) -> list[list[TextLine]]:
    """A paragraph as it is, and the entries of a list each by itself."""
    widths = [line.right - line.left for line in column]
    words = median(len(line.text.split()) for line in column)
    is_ragged = median(widths) < LIST_WIDTH * max(widths) or words <= LIST_WORDS
    return [[line] for line in column] if len(column) >= LIST_LINES and is_ragged else [column]


def _is_before(one: TextLine, other: TextLine) -> bool:
    """Whether a line stands above another, or before it in the same row."""
    if _is_beside(one, other):
        return one.right <= other.left
    return one.bottom < other.bottom and one.top < other.top


def _rows_joined(lines: tuple[TextLine, ...], aspect: float) -> list[TextLine]:
    """Pieces that stand in one row and close to each other, as one line; rows from the top."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda line: (line.top + line.bottom) / 2):
        row = next((row for row in rows if all(_is_beside(one, line) for one in row)), None)
        if row is None:
            rows.append([line])
        else:
            row.append(line)
    found: list[TextLine] = []
    for row in rows:
        row.sort(key=lambda line: line.left)
        whole = row[0]
        for line in row[1:]:
            height = min(whole.bottom - whole.top, line.bottom - line.top)
            gap = (line.left - whole.right) * aspect
            if gap < ROW_GAP * height and _are_alike(whole, line):
                whole = _together(whole, line)
            else:
                found.append(whole)
                whole = line
        found.append(whole)
    return found


def _is_beside(one: TextLine, other: TextLine) -> bool:
    overlap = min(one.bottom, other.bottom) - max(one.top, other.top)
    return overlap > ROW_OVERLAP * min(one.bottom - one.top, other.bottom - other.top)


def _are_alike(one: TextLine, other: TextLine) -> bool:
    small, large = sorted((one.height_px, other.height_px))
    return large <= LIKE_HEIGHT * max(small, 1e-6)


def _together(one: TextLine, other: TextLine) -> TextLine:
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
    """Whether a line goes on below another: near, of one size, and set flush or centred."""
    gap_px = (below.top - above.bottom) * height_px
    middles = ((line.left + line.right) / 2 for line in (above, below))
    apart = (above.left - below.left, next(middles) - next(middles))
    is_set_below = min(map(abs, apart)) * width_px < ALIGNED * above.height_px
    is_near = -0.5 * above.height_px < gap_px < LINE_GAP * above.height_px
    return _are_alike(above, below) and is_near and is_set_below


def _joined(texts: tuple[str, ...]) -> str:
    """Lines in one: a word that is broken at a hyphen keeps it, and gets no space behind it."""
    whole = texts[0].strip()
    for text in texts[1:]:
        text = text.strip()
        is_broken = whole.endswith("-") and whole[-2:-1].isalpha() and text[:1].islower()
        whole = f"{whole}{text}" if is_broken else f"{whole} {text}"
    return whole
