"""What a person decided reaches the table or the file, and nobody else's text is touched."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from altwright.backfill.connectors import Connectors, open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.review_item import outcome_label, run_id, shown_text
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.types import RequestResult, TextResult
from altwright.cli.main import run as command_line

from testing.servers.browser import Browser

DRAFT = "Image of a mug"
TEXTS = {
    "1": TextResult("concise", "en", "A white mug.", model="m1"),
    "2": TextResult("concise", "en", code="caption_rejected", draft=DRAFT, reasons=("opener",)),
    "3": TextResult("concise", "en", code="caption_uncertain"),
    "4": TextResult("concise", "en", decorative=True, model="m1"),
    "5": TextResult("concise", "en", "A blue mug.", model="m1"),
}
SEO = TextResult("seo", "en", "White ceramic mug for coffee and tea.", model="m1")
AUDIT = ("alt", "alt_source", "alt_locale", "alt_model", "alt_reviewed_at", "seo", "reasons",
         "search_text")  # fmt: skip

HALF_AN_EDIT = {"key": "1", "outcome": "ai", "shown": "a", "decision": "edit", "text": "b",
                "edits": [["seo", "en"]]}  # fmt: skip

Ask = Callable[..., tuple[int, str, str]]


class Filled:
    """A table whose five blank rows have been answered and, where they may be, written."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.engine = sa.create_engine(url)
        columns = [sa.Column(name, sa.Text) for name in AUDIT]
        self.table = sa.Table(
            "products", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("image_url", sa.Text), *columns,
        )  # fmt: skip
        self.table.create(self.engine)
        images = [{"id": n, "image_url": f"https://a.example/{n}.jpg"} for n in range(1, 6)]
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self.table), images)
        self.spec = RunConfig(url, table="products", styles=("concise", "seo"))
        self.places = open_connectors(self.spec)
        self.path = folder / "products.journal"
        fill(self.path, self.places)

    def row(self, key: int) -> dict[str, Any]:
        """As it stands."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(self.table).where(self.table.c.id == key))
            return dict(found.mappings().one())

    def edit(self, key: int, **values: str | None) -> None:
        """Somebody works in the table."""
        with self.engine.begin() as connection:
            connection.execute(sa.update(self.table).where(self.table.c.id == key).values(values))


def fill(path: Path, places: Connectors) -> None:
    """A run as the command does it, with answers that are known beforehand."""
    judge = OutcomeRules(places.spec.asked)
    with Journal.open(path, places.facts) as journal:
        scan_source(places, journal, judge, lambda _: None)
        for ask in list(journal.to_do()):
            text = TEXTS[ask.row.key]
            journal.record([(ask.ask, RequestResult((text, SEO), sha256=ask.row.key))], judge)
        if places.table is not None:
            told = places.table.write([outcome for _, outcome in journal.unwritten(100)])
            journal.mark(told)
        else:
            places.target.write(journal)  # type: ignore[call-arg, arg-type]


def decide(path: Path, reviewer: str = "Ana", **made: tuple[str, str]) -> Path:
    """A decisions file about what the page shows now: `r1=("edit", "A mug.")`."""
    listed = []
    with Journal.read(path) as journal:
        for name, (kind, text) in made.items():
            found = journal.outcome(name.removeprefix("r"))
            assert found is not None
            row, outcome = found
            listed.append({"key": row.key, "outcome": outcome_label(outcome), "decision": kind,
                           "shown": shown_text(outcome), "text": text,
                           "at": "2026-11-25T10:00:00.000Z"})  # fmt: skip
        data = {"version": 1, "journal": run_id(journal.facts), "reviewer": reviewer,
                "saved_at": "", "decisions": listed}  # fmt: skip
    file = path.parent / f"decisions-{reviewer}-{len(list(path.parent.iterdir()))}.json"
    file.write_text(json.dumps(data))
    return file


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    """In SQLite."""
    made = Filled(f"sqlite:///{tmp_path}/shop.db", tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def ask(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ask:
    """Runs the command in the test's folder; gives exit code, output, complaints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALTWRIGHT_DATABASE_URL", raising=False)

    def asked(*words: str | Path) -> tuple[int, str, str]:
        code = command_line([str(word) for word in words])
        said = capfdbinary.readouterr()
        return code, said.out.decode(), said.err.decode()

    return asked


def test_every_kind_of_decision_comes_into_the_table_with_its_audit_fields(
    ask: Ask, filled: Filled
) -> None:
    file = decide(
        filled.path,
        r1=("approve", "A white mug."),
        r2=("edit", "A mug with a chipped rim."),
        r3=("edit", "A mug behind frosted glass."),
        r4=("edit", "A plain divider with a mug at its end."),
        r5=("blank", ""),
    )
    code, out, complained = ask("apply", file)
    assert (code, complained) == (0, "")
    assert out == "5 applied (1 approved, 3 edited, 1 left blank)\n"
    by_ana = {"alt_reviewed_at": "2026-11-25T10:00:00Z", "reasons": "reviewed by Ana"}
    one = filled.row(1)
    assert one == one | by_ana | {"alt": "A white mug.", "alt_source": "human-edited-ai"}
    assert (one["alt_model"], one["seo"]) == ("m1", SEO.text)
    two = filled.row(2)
    assert two == two | by_ana | {"alt_source": "human-edited-ai", "seo": SEO.text}
    assert two["search_text"] == "A mug with a chipped rim. | 2.jpg"
    # Where no model's text was there to edit, the text is a person's alone.
    assert (filled.row(3)["alt_source"], filled.row(4)["alt_source"]) == ("human", "human")
    five = filled.row(5)
    assert (five["alt"], five["alt_source"], five["seo"]) == (None, "rejected", None)


def test_decorative_is_written_as_an_empty_alt(ask: Ask, filled: Filled) -> None:
    code, out, _ = ask("apply", decide(filled.path, r1=("decorative", ""), r2=("decorative", "")))
    assert (code, out) == (0, "2 applied (2 decorative)\n")
    for key in (1, 2):
        assert (filled.row(key)["alt"], filled.row(key)["alt_source"]) == ("", "decorative")


def test_further_texts_are_edited_too_unless_an_editor_was_there(ask: Ask, filled: Filled) -> None:
    file = decide(filled.path, r1=("edit", "A mug."), r2=("edit", "A cup."), r5=("edit", "A jug."))
    data = json.loads(file.read_text())
    for each in data["decisions"]:
        each["edits"] = [["seo", "en", f"Search text of row {each['key']}."]]
    file.write_text(json.dumps(data))
    filled.edit(5, seo="An editor's own.")
    for _ in range(2):
        assert ask("apply", file)[0] == 0
        assert [filled.row(n)["seo"] for n in (1, 2, 5)] == [
            "Search text of row 1.",  # the model's stood there
            "Search text of row 2.",  # it was blank, for the alt text was rejected
            "An editor's own.",
        ]
    again = decide(filled.path, r1=("edit", "A mug."))
    data = json.loads(again.read_text())
    data["decisions"][0]["edits"] = [["seo", "en", "A second thought."]]
    again.write_text(json.dumps(data))
    assert ask("apply", again)[1].startswith("1 applied (1 edited)")
    assert filled.row(1)["seo"] == "A second thought."
    assert (filled.row(1)["alt"], filled.row(1)["alt_source"]) == ("A mug.", "human-edited-ai")


def test_applied_again_nothing_changes(ask: Ask, filled: Filled) -> None:
    file = decide(filled.path, r1=("edit", "A mug."), r2=("blank", ""))
    ask("apply", file)
    before = [filled.row(key) for key in range(1, 6)]
    code, out, complained = ask("apply", file)
    assert (code, out, complained) == (0, "0 applied, 2 applied before\n", "")
    assert [filled.row(key) for key in range(1, 6)] == before


@pytest.mark.parametrize(
    "theirs",
    [
        {"alt": "An editor's text."},
        {"alt": "An editor's text.", "alt_source": "human"},
        {"alt_source": "human"},  # approved elsewhere, word for word
        {"alt": "", "alt_source": "decorative"},
    ],
)
def test_what_somebody_changed_in_the_table_meanwhile_stays_and_is_told(
    ask: Ask, filled: Filled, theirs: dict[str, str]
) -> None:
    file = decide(filled.path, r1=("edit", "A mug."), r5=("approve", "A blue mug."))
    filled.edit(1, **theirs)
    before = filled.row(1)
    for _ in range(2):  # and told again by every further run
        code, _, complained = ask("apply", file)
        assert code == 1
        assert "row 1: somebody changed it in the table meanwhile: theirs stays" in complained
        assert filled.row(1) == before
    assert filled.row(5)["alt_source"] == "human-edited-ai"


def test_a_blank_row_that_somebody_filled_meanwhile_stays_theirs(ask: Ask, filled: Filled) -> None:
    """Also where they wrote, word for word, what the rejected draft says."""
    file = decide(filled.path, r2=("edit", "A mug."))
    filled.edit(2, alt=DRAFT, alt_source="")
    assert ask("apply", file)[0] == 1
    assert filled.row(2)["alt"] == DRAFT


def test_of_two_reviewers_the_second_is_told_and_a_new_page_lets_them(
    ask: Ask, filled: Filled
) -> None:
    anas = decide(filled.path, "Ana", r1=("approve", "A white mug."))
    bens = decide(filled.path, "Ben", r1=("edit", "A cup."))
    assert ask("apply", anas)[0] == 0
    code, _, complained = ask("apply", bens)
    assert code == 1
    assert "row 1: Ana decided about it since the page was made" in complained
    assert filled.row(1)["alt"] == "A white mug."
    assert ask("apply", decide(filled.path, "Ben", r1=("edit", "A cup.")))[0] == 0
    assert (filled.row(1)["alt"], filled.row(1)["reasons"]) == ("A cup.", "reviewed by Ben")


def test_the_same_reviewer_may_think_again_on_the_same_page(ask: Ask, filled: Filled) -> None:
    first = decide(filled.path, r1=("approve", "A white mug."), r5=("decorative", ""))
    second = decide(filled.path, r1=("blank", ""), r5=("edit", "A blue cup."))
    third = decide(filled.path, r1=("edit", "A white cup."))
    for file in (first, second):
        assert ask("apply", file)[0] == 0
    assert (filled.row(1)["alt"], filled.row(1)["alt_source"]) == (None, "rejected")
    assert (filled.row(5)["alt"], filled.row(5)["alt_source"]) == ("A blue cup.", "human-edited-ai")
    assert ask("apply", third)[0] == 0
    assert filled.row(1)["alt"] == "A white cup."


def test_killed_between_the_journal_and_the_table_it_goes_on(ask: Ask, filled: Filled) -> None:
    """The journal knows, the table does not, or not all of it."""
    file = decide(filled.path, r1=("edit", "A mug."), r2=("edit", "A cup."), r5=("blank", ""))
    table_before = shutil.copy(filled.folder / "shop.db", filled.folder / "before.db")
    ask("apply", file)
    wanted = [filled.row(key) for key in range(1, 6)]
    filled.engine.dispose()
    shutil.copy(table_before, filled.folder / "shop.db")
    with Journal.open(filled.path) as journal:
        decided = [found[1] for key in "125" if (found := journal.outcome(key))]
        journal.decide(decided)  # as if the kill came before the table's first batch
    code, out, _ = ask("apply", file)
    assert (code, out) == (0, "0 applied, 3 applied before\n")
    assert [filled.row(key) for key in range(1, 6)] == wanted


def test_a_dry_run_says_what_would_be_done(ask: Ask, filled: Filled) -> None:
    file = decide(filled.path, r1=("edit", "A mug."), r2=("blank", ""))
    before = [filled.row(key) for key in range(1, 6)]
    code, out, _ = ask("apply", file, "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["applied"] == {"approve": 0, "edit": 1, "decorative": 0, "blank": 1}
    assert [filled.row(key) for key in range(1, 6)] == before


def test_a_file_is_written_anew_and_one_that_was_changed_is_not(ask: Ask, tmp_path: Path) -> None:
    rows = "".join(f"{n},https://a.example/{n}.jpg,\n" for n in range(1, 6))
    (tmp_path / "in.csv").write_text(f"id,image_url,alt\n{rows}")
    path = tmp_path / "out.csv.journal"
    fill(path, open_connectors(RunConfig(str(tmp_path / "in.csv"), to=str(tmp_path / "out.csv"))))
    file = decide(path, r1=("edit", "A mug."), r2=("edit", "A cup."), r5=("blank", ""))
    assert ask("apply", file) == (0, "3 applied (2 edited, 1 left blank)\n", "")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert "1,https://a.example/1.jpg,A mug.,human-edited-ai,en,m1,2026-11-25T10:00:00Z" in lines[1]
    assert lines[5].startswith("5,https://a.example/5.jpg,,rejected,")
    (tmp_path / "out.csv").write_text("an editor was here")
    again = decide(path, r1=("edit", "Another mug."))
    code, _, complained = ask("apply", again)
    assert code == 2
    assert "was changed since it was written" in complained
    assert (tmp_path / "out.csv").read_text() == "an editor was here"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("not json", "not JSON"),
        ("[]", "no decisions file"),
        ('{"version": 2, "decisions": []}', "another version"),
        ('{"version": 1, "journal": "x", "decisions": [7]}', "is broken: 7"),
        (
            '{"version": 1, "journal": "x", "decisions": [{"key": "1", "decision": "delete"}]}',
            "is broken",
        ),
        (json.dumps({"version": 1, "decisions": [HALF_AN_EDIT]}), "is broken"),
        ('{"version": 1, "journal": "x", "decisions": []}', "is not in this folder"),
    ],
)
def test_a_broken_file_is_one_sentence(
    ask: Ask, filled: Filled, change: str, sentence: str
) -> None:
    (filled.folder / "broken.json").write_text(change)
    code, _, complained = ask("apply", "broken.json")
    assert code == 2
    assert sentence in complained
    assert complained.count("\n") == 1


def test_decisions_go_to_their_own_run_and_table_alone(ask: Ask, filled: Filled) -> None:
    file = decide(filled.path, r1=("edit", "A mug."))
    other = filled.folder / "other.journal"
    with Journal.open(
        other, open_connectors(RunConfig(filled.spec.source, table="products")).facts
    ):
        pass
    code, _, complained = ask("apply", file, "--journal", other)
    assert code == 2
    assert "another run" in complained
    url = f"sqlite:///{filled.folder}/elsewhere.db"
    made = sa.create_engine(url)
    filled.table.create(made)
    made.dispose()
    code, _, complained = ask("apply", file, "--database", url)
    assert code == 2
    assert "another target" in complained


def test_a_row_that_a_page_invented_is_told(ask: Ask, filled: Filled) -> None:
    file = decide(filled.path, r1=("edit", "A mug."))
    data = json.loads(file.read_text())
    data["decisions"].append({**data["decisions"][0], "key": "77\x1b[31m"})
    file.write_text(json.dumps(data))
    code, _, complained = ask("apply", file)
    assert code == 1
    assert "the journal has no such row" in complained
    assert "\x1b" not in complained
    assert filled.row(1)["alt"] == "A mug."


def test_the_page_is_written_with_what_the_run_made(ask: Ask, filled: Filled) -> None:
    code, out, _ = ask("review", filled.path)
    assert (code, out) == (0, "review.html: 5 pictures\n")
    html = (filled.folder / "review.html").read_text()
    for text in ("A white mug.", DRAFT, SEO.text, "caption_uncertain", "https://a.example/4.jpg"):
        assert text in html
    code, out, _ = ask("review", filled.path, "--outcome", "rejected", "--no-web-pictures",
                       "--to", "some.html")  # fmt: skip
    assert out == "some.html: 1 picture\n"
    assert '"thumb": ""' in (filled.folder / "some.html").read_text()
    assert ask("review", "none.journal")[0] == 2
    assert ask("review", filled.path, "--outcome", "nice")[0] == 2
    assert ask("review", filled.path, "--to", "no/such/folder.html")[0] == 2


def test_from_the_page_in_a_browser_to_the_table(
    ask: Ask, filled: Filled, browser: Browser
) -> None:
    """What a person does: open the page, decide from the keyboard, save; then apply."""
    ask("review", filled.path)
    tab = browser.page()
    tab.downloads(filled.folder)
    tab.open((filled.folder / "review.html").as_uri())
    tab.run("document.getElementById('reviewer').focus()")
    tab.type("Ana")
    tab.press("Tab")
    for key in ("j", "e"):  # the first is the rejected draft of row 2
        tab.press(key)
    tab.run("document.activeElement.select()")
    tab.type("A mug with a chipped rim.")
    tab.press("Enter", ctrl=True)
    for key in ("r", "a", "j", "d", "s"):  # 3 blank, 1 approved, 4 passed over, 5 decorative
        tab.press(key)
    until = time.monotonic() + 8
    while not (found := list(filled.folder.glob("decisions-*.json"))):
        assert time.monotonic() < until
        time.sleep(0.05)
    code, out, complained = ask("apply", found[0])
    assert (code, complained) == (0, "")
    assert out == "4 applied (1 approved, 1 edited, 1 decorative, 1 left blank)\n"
    assert [(filled.row(n)["alt"], filled.row(n)["alt_source"]) for n in range(1, 6)] == [
        ("A white mug.", "human-edited-ai"),
        ("A mug with a chipped rim.", "human-edited-ai"),
        (None, "rejected"),
        ("", "decorative"),
        ("", "decorative"),
    ]
    assert filled.row(4)["alt_reviewed_at"] is None
    assert filled.row(5)["reasons"] == "reviewed by Ana"
