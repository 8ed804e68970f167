"""Decisions about rows with texts in several styles and languages: each is written or told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from altwright.backfill.audit_fields import audit_values
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.connectors import open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import RequestResult, Row, TextResult

from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import write_decisions

OPTIONS = CaptionOptions(("concise", "seo"), ("en", "de"))
TEXTS = {
    ("concise", "en"): "A white mug.",
    ("concise", "de"): "Ein weißer Becher.",
    ("seo", "en"): "White mug for tea.",
    ("seo", "de"): "Weißer Becher für Tee.",
}
COLUMNS = ("alt", "alt_de", "seo", "seo_de")


def result(**codes: str) -> RequestResult:
    """All four texts; `seo_en="caption_uncertain"` replaces one by a problem."""
    return RequestResult(
        tuple(
            TextResult(style, locale, code=codes[f"{style}_{locale}"], message="no")
            if f"{style}_{locale}" in codes
            else TextResult(style, locale, text, model="m1")
            for (style, locale), text in TEXTS.items()
        ),
        sha256="1",
    )


class Shop:
    """A table of one row with the columns of four texts, filled by a run."""

    def __init__(self, folder: Path, found: RequestResult) -> None:
        self.engine = sa.create_engine(f"sqlite:///{folder}/shop.db")
        names = ("alt_source", "alt_locale", "alt_model", "alt_reviewed_at", "reasons")
        columns = ", ".join(f"{name} TEXT" for name in (*COLUMNS, *names))
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(f"CREATE TABLE products (id INTEGER PRIMARY KEY, image TEXT, {columns})")
            )
            connection.execute(
                sa.text("INSERT INTO products (id, image) VALUES (1, 'https://a.example/1.jpg')")
            )
        config = RunConfig(
            f"sqlite:///{folder}/shop.db", table="products", styles=OPTIONS.styles,
            locales=OPTIONS.locales,
        )  # fmt: skip
        connectors = open_connectors(config)
        rules = OutcomeRules(OPTIONS)
        self.journal = folder / "products.journal"
        with Journal.open(self.journal, connectors.identity) as journal:
            scan_source(connectors, journal, rules.decide, lambda _: None)
            [pending] = journal.iter_pending_requests()
            journal.record_results([(pending.request_key, found)], rules.decide)
            assert isinstance(connectors.target, TableTarget)
            written = connectors.target.write(journal.next_unwritten(9))
            journal.mark_written({key: each.state for key, each in written.items()})

    def texts(self) -> list[str | None]:
        """The four texts."""
        with self.engine.connect() as connection:
            statement = sa.text(f"SELECT {', '.join(COLUMNS)} FROM products")
            return list(connection.execute(statement).one())

    def sql(self, statement: str) -> Any:
        """Run a statement; the first value of its first row, if it has one."""
        with self.engine.begin() as connection:
            done = connection.execute(sa.text(statement))
            return done.scalar() if done.returns_rows else None

    def decisions(self, kind: str, text: str, *edits: tuple[str, str, str]) -> Path:
        """A decisions file about the row."""
        file = write_decisions(self.journal, r1=(kind, text))
        data = json.loads(file.read_text())
        data["decisions"][0]["edits"] = [list(each) for each in edits]
        file.write_text(json.dumps(data))
        return file


def test_a_missing_seo_text_is_not_replaced_by_that_of_another_language() -> None:
    row = Row("1", "https://a.example/1.jpg")
    outcome = OutcomeRules(OPTIONS).decide(row, result(seo_en="caption_uncertain"))
    values = audit_values(outcome, OPTIONS)
    assert (values["seo"], values["seo_de"]) == ("", TEXTS["seo", "de"])
    assert values["alt_source"] == "ai"
    assert "caption_uncertain" in values["reasons"]


def test_a_picture_that_is_decorative_in_one_language_only_is_for_a_person() -> None:
    decorative = TextResult("concise", "en", decorative=True)
    found = replace(result(), texts=(decorative, *result().texts[1:]))
    outcome = OutcomeRules(OPTIONS).decide(Row("1", "https://a.example/1.jpg"), found)
    assert outcome.alt_source == "uncertain"
    assert outcome.reasons == ("decorative in en, described in de",)


def test_an_edit_of_one_language_changes_that_language_alone(
    run_command: RunCommand, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, result())
    file = shop.decisions("edit", TEXTS["concise", "en"], ("seo", "de", "Becher für Tee."))
    assert run_command("apply", file) == (0, "1 applied (1 edited)\n", "")
    assert shop.texts() == [*list(TEXTS.values())[:3], "Becher für Tee."]


def test_a_text_that_the_model_could_not_write_is_written_by_the_reviewer(
    run_command: RunCommand, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, result(seo_en="caption_uncertain"))
    assert shop.texts()[2] is None
    file = shop.decisions("edit", TEXTS["concise", "en"], ("seo", "en", "Mug for tea."))
    assert run_command("apply", file)[0] == 0
    assert shop.texts()[2:] == ["Mug for tea.", TEXTS["seo", "de"]]


def test_a_decorative_decision_clears_the_texts_of_all_languages_that_are_not_a_persons(
    run_command: RunCommand, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, result())
    first = shop.decisions("edit", TEXTS["concise", "en"], ("concise", "de", "Ein Becher."))
    assert run_command("apply", first)[0] == 0
    shop.sql("UPDATE products SET seo_de = 'Von Hand.'")
    for _ in range(2):
        code, _, err = run_command("apply", shop.decisions("decorative", ""))
        assert code == 1
        assert "row 1: somebody has filled or changed seo_de: theirs is kept" in err
        assert shop.texts() == ["", None, None, "Von Hand."]
    assert shop.sql("SELECT alt_source FROM products") == "decorative"


def test_a_picture_that_is_not_decorative_after_all_gets_its_other_languages_back(
    run_command: RunCommand, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, result())
    assert run_command("apply", shop.decisions("decorative", ""))[0] == 0
    assert shop.texts() == ["", None, None, None]
    assert run_command("apply", shop.decisions("edit", "A mug."))[0] == 0
    assert shop.texts() == ["A mug.", *list(TEXTS.values())[1:]]


def test_texts_that_were_held_are_not_written_with_a_later_decision_about_a_blank_row(
    run_command: RunCommand, tmp_path: Path
) -> None:
    """The page of the second decision shows none of them."""
    texts = result().texts
    held = replace(result(), texts=(replace(texts[0], text="", decorative=True), *texts[1:]))
    shop = Shop(tmp_path, held)
    assert shop.sql("SELECT alt_source FROM products") == "uncertain"
    assert run_command("apply", shop.decisions("blank", ""))[0] == 0
    assert run_command("apply", shop.decisions("edit", "A mug."))[0] == 0
    assert shop.texts() == ["A mug.", None, None, None]


def test_an_emptied_text_is_cleared(run_command: RunCommand, tmp_path: Path) -> None:
    shop = Shop(tmp_path, result())
    file = shop.decisions("edit", TEXTS["concise", "en"], ("concise", "de", ""))
    assert run_command("apply", file)[0] == 0
    assert shop.texts() == [TEXTS["concise", "en"], None, *list(TEXTS.values())[2:]]


def test_an_edit_in_a_language_that_the_run_does_not_have_is_told(
    run_command: RunCommand, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, result())
    file = shop.decisions("edit", "A mug.", ("concise", "fr", "Une tasse."))
    for _ in range(2):
        code, _, err = run_command("apply", file)
        assert code == 1
        assert "row 1: the run has no text concise fr" in err
    assert shop.texts()[0] == "A mug."


@pytest.mark.parametrize("theirs", ["Von Hand.", ""])
def test_an_edit_that_an_editor_was_faster_with_is_told_until_it_is_written(
    run_command: RunCommand, tmp_path: Path, theirs: str
) -> None:
    shop = Shop(tmp_path, result())
    shop.sql(f"UPDATE products SET alt_de = '{theirs}'")
    file = shop.decisions("edit", "A mug.", ("concise", "de", "Ein Becher."))
    expected = theirs or "Ein Becher."
    for _ in range(2):
        assert run_command("apply", file)[0] == (1 if theirs else 0)
        assert shop.texts()[:2] == ["A mug.", expected]
    shop.sql("UPDATE products SET alt_de = NULL")
    if theirs:
        assert run_command("apply", file)[0] == 0
        assert shop.texts()[:2] == ["A mug.", "Ein Becher."]
