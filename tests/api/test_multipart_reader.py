"""A form is read in whatever pieces it arrives, and what is none is refused at once."""

import time

import pytest

from app.api.errors import InvalidRequest
from app.api.multipart_reader import PARTS_MAX, MultipartReader, PartEnd, PartStart

CONTENT_TYPE = "multipart/form-data; boundary=xYzZY"
FORM = (
    b'--xYzZY\r\nContent-Disposition: form-data; name="style"\r\n\r\nseo\r\n'
    b'--xYzZY\r\nContent-Disposition: form-data; name="image"; filename="a \\"b\\".jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n\xff\xd8\r\n--xYzZ\r\n--xYzZ\xff\xd9\r\n--xYzZY--\r\nepilogue"
)


def read(data: bytes, step: int, content_type: str = CONTENT_TYPE) -> list[object]:
    """The events of a form that arrives in pieces of `step` bytes; adjacent data is joined."""
    reader = MultipartReader(content_type)
    events: list[object] = []
    for at in range(0, len(data), step):
        for event in reader.feed(data[at : at + step]):
            if isinstance(event, memoryview) and events and isinstance(events[-1], bytes):
                events[-1] += bytes(event)
            else:
                events.append(bytes(event) if isinstance(event, memoryview) else event)
    reader.finish()
    return events


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 13, 64, 1000])
def test_a_form_is_the_same_in_pieces_of_every_size(step: int) -> None:
    """Also where the file contains beginnings of the boundary."""
    assert read(FORM, step) == [
        PartStart("style", None),
        b"seo",
        PartEnd(),
        PartStart("image", 'a "b".jpg'),
        b"\xff\xd8\r\n--xYzZ\r\n--xYzZ\xff\xd9",
        PartEnd(),
    ]


def test_a_name_may_have_any_characters() -> None:
    head = '--xYzZY\r\nContent-Disposition: form-data; name="bild-ä"; filename="ü.jpg"\r\n\r\n'
    events = read(head.encode() + b"a\r\n--xYzZY--", 10)
    assert events[0] == PartStart("bild-ä", "ü.jpg")


@pytest.mark.parametrize("parameters", ["", "; boundary=", "; boundary=" + "b" * 999])
def test_a_content_type_without_a_usable_boundary_is_refused(parameters: str) -> None:
    with pytest.raises(InvalidRequest, match="oundary"):
        MultipartReader("multipart/form-data" + parameters)


@pytest.mark.parametrize(
    "data",
    [
        b"preamble\r\n" + FORM,
        FORM.replace(b"xYzZY", b"other"),
        b"--xYzZY\r\nContent-Disposition: form-data\r\n\r\na",
        b"--xYzZY\r\n" + b"A: b\r\n" * 20 + b"\r\na",
        b"--xYzZY\r\nA: " + b"b" * 10_000 + b"\r\n\r\na",
        b"--xYzZY\r\nA b\r\n\r\na",
        b"--xYzZY" + b" " * 300_000,
        FORM[:-20],
        FORM[:50],
        b"",
    ],
)
def test_what_is_no_form_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read(data, 65_536)


def test_more_parts_than_any_form_needs_are_refused_when_they_come() -> None:
    reader = MultipartReader(CONTENT_TYPE)
    one = b'--xYzZY\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    reader.feed(one * (PARTS_MAX - 1))
    with pytest.raises(InvalidRequest, match="parts"):
        reader.feed(one * 10_000)


@pytest.mark.measures
@pytest.mark.parametrize(
    "filler", [b"\r\n--xYzZ", b"\r\n--xYzZYa", b"\r", b"\r\n", b"\r\n-", b"--xYzZY"]
)
def test_a_file_of_boundaries_costs_little_more_than_one_of_zeros(filler: bytes) -> None:
    """Boundaries are counted before the parser, which goes over them byte by byte, sees them."""
    head = b'--xYzZY\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    assert min(spent_s(head, filler) for _ in range(3)) < 20 * spent_s(head, b"\0") + 0.02


def spent_s(head: bytes, filler: bytes) -> float:
    """Processor time for a file of 8 MB."""
    piece = (filler * 65_536)[:65_536]
    reader = MultipartReader(CONTENT_TYPE)
    reader.feed(head)
    began_s = time.process_time()
    try:
        for _ in range(128):
            reader.feed(piece)
    except InvalidRequest:
        pass
    return time.process_time() - began_s
