"""Rows and outcomes for tests of the review, as a run stores them in its journal."""

import dataclasses

from altwright.backfill.types import HELD_PREFIX, AltSource, Outcome, RequestResult, Row, TextResult
from altwright.models import Check

MUG = "A white mug on a wooden table."


def make_pair(
    key: str,
    alt_source: AltSource = AltSource.AI,
    *,
    text: str = MUG,
    image: str = "",
    file_name: str = "",
    context: str = "",
    locale: str = "en",
    held: str = "",
    reasons: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    checks: tuple[Check, ...] = (),
) -> tuple[Row, Outcome]:
    """One row with its outcome. `text` is written if the source is `ai`, else it is a draft."""
    address = image or f"https://images.invalid/{key}.jpg"
    row = Row(key, address, context, file_name=file_name or f"IMG_{key}.jpg")
    is_written = alt_source is AltSource.AI
    result = RequestResult(
        (TextResult("concise", locale, text, model="test-model", checks=checks),), sha256=address
    )
    return row, Outcome(
        key,
        alt_source,
        result,
        alt=text if is_written else "",
        alt_locale=locale,
        alt_model="test-model" if is_written else "",
        reasons=(*((HELD_PREFIX + held,) if held else ()), *reasons),
        warnings=warnings,
        draft="" if is_written or alt_source is AltSource.DECORATIVE else text,
    )


def with_further_texts(row: Row, outcome: Outcome) -> tuple[Row, Outcome]:
    """The same pair with another style and another locale."""
    further = (TextResult("seo", "en", "A mug for tea."), TextResult("concise", "ar", "كوب أبيض."))
    result = dataclasses.replace(outcome.result, texts=(*outcome.result.texts, *further))
    return row, dataclasses.replace(outcome, result=result)


def contradicted(key: str) -> tuple[Row, Outcome]:
    """A row whose text its picture contradicts, with the evidence."""
    colours = "green #2b9a40 61 %, off-white #f6f0e4 39 %"
    return make_pair(
        key,
        AltSource.UNCERTAIN,
        text='A red sign that reads "CLOSED TODAY" beside the number 12.',
        held="text_not_in_picture: the picture has other text than it quotes",
        warnings=("text_not_in_picture", "colour_not_in_picture"),
        checks=(
            Check("colour", "red", "contradicted", colours),
            Check("subject", "sign", "unknown"),
            Check("text", "CLOSED TODAY", "contradicted", "OPEN DAILY 12"),
            Check("text", "12", "confirmed", "OPEN DAILY 12"),
        ),
    )


def one_of_each() -> list[tuple[Row, Outcome]]:
    """One or more of each outcome that a page can show, in the order of a source."""
    return [
        make_pair("1"),
        make_pair(
            "2", AltSource.REJECTED, text="Image of a mug", reasons=("caption_rejected", "opener")
        ),
        make_pair("3", AltSource.UNCERTAIN, text="", reasons=("caption_uncertain",)),
        make_pair("4", AltSource.UNCERTAIN, text="Ana Kovač speaks.", held="people: Ana Kovač"),
        make_pair("5", AltSource.DECORATIVE, text=""),
        make_pair("6", AltSource.FAILED, text="", reasons=("image_not_found",)),
        make_pair("7", text="Ein weißer Becher auf einem Holztisch.", locale="de"),
        make_pair("8", text=MUG),  # the same text as row 1, on another picture
        make_pair(
            "9", text="A long sentence about a mug. " * 6, warnings=("long_for_screen_readers",)
        ),
    ]
