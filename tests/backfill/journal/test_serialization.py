"""The stored form of rows, results and outcomes: existing journals must stay readable."""

import dataclasses

from altwright.backfill.journal.serialization import (
    outcome_from_json,
    outcome_to_json,
    result_from_json,
    result_to_json,
    row_from_json,
    row_to_json,
)
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import RunIdentity
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row, TextResult
from altwright.models import Check

ROW = Row("k", "a.jpg", tags=("a",), values={"x": "y"}, line_number=7, content_hash="sha256:00")
RESULT = RequestResult(
    (TextResult("concise", "en", code="caption_rejected", draft="Image", reasons=("opener",)),),
    "00", 4, 3, 2, "2026-01-01T00:00:00Z",
)  # fmt: skip
OUTCOME = Outcome(
    "k", AltSource.HUMAN_EDITED_AI, RequestResult(), alt="A mug.", seen_source="ai",
    edits=(("seo", "en", "new", "old"),), previous="{}",
)  # fmt: skip


def test_the_stored_names_of_a_row_do_not_change() -> None:
    stored = (
        '{"key":"k","image":"a.jpg","tags":["a"],"values":{"x":"y"},"place":7,'
        '"content":"sha256:00"}'
    )
    assert row_to_json(ROW) == stored
    assert row_from_json(stored) == ROW


def test_the_stored_names_of_a_result_do_not_change() -> None:
    stored = (
        '{"texts":[{"style":"concise","locale":"en","code":"caption_rejected","draft":"Image",'
        '"reasons":["opener"]}],"sha256":"00","width":4,"height":3,"attempts":2,'
        '"answered_at":"2026-01-01T00:00:00Z"}'
    )
    assert result_to_json(RESULT) == stored
    assert result_from_json(stored) == RESULT


def test_the_checks_of_a_text_are_stored() -> None:
    checks = (Check("text", "OPEN", "contradicted", "CLOSED"), Check("colour", "red", "unknown"))
    result = RequestResult((TextResult("concise", "en", "A sign.", checks=checks),))
    stored = (
        '{"texts":[{"style":"concise","locale":"en","text":"A sign.","checks":[{"kind":"text",'
        '"claim":"OPEN","verdict":"contradicted","seen":"CLOSED"},{"kind":"colour","claim":"red",'
        '"verdict":"unknown"}]}]}'
    )
    assert result_to_json(result) == stored
    assert result_from_json(stored) == result


def test_the_stored_names_of_an_outcome_do_not_change() -> None:
    stored = (
        '{"key":"k","alt_source":"human-edited-ai","alt":"A mug.","seen_source":"ai",'
        '"edits":[["seo","en","new","old"]],"previous":"{}"}'
    )
    assert outcome_to_json(OUTCOME) == stored
    assert outcome_from_json(stored) == OUTCOME


def test_the_stored_settings_of_a_run_do_not_change() -> None:
    config = RunConfig(
        "in.csv", target_file="out.csv", image_base="photos", column_roles=("key=sku",)
    )
    settings = config.to_settings()
    assert list(settings) == ["source", "to", "table", "query", "base", "encoding", "chosen",
                              "styles", "locales", "max_tokens"]  # fmt: skip
    assert RunConfig.from_identity(RunIdentity("in.csv", "out.csv", settings)) == config
    verified = dataclasses.replace(config, verify=False)
    stored = verified.to_settings()
    assert (list(stored)[-1], stored["verify"]) == ("verify", False)
    assert RunConfig.from_identity(RunIdentity("in.csv", "out.csv", stored)) == verified
