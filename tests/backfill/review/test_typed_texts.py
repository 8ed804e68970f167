"""No text that a reviewer typed on the page is ever lost, in a real browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testing.servers.browser import Page
from tests.backfill.review.sample_outcomes import MUG, make_pair, with_further_texts
from tests.backfill.review.test_page import Open, open_page, press, save_decisions, text

__all__ = ["open_page"]  # the fixture
TYPED = "A mug with a chip."


def value(page: Page, field: str = "card-1-text") -> str:
    """The text in a field."""
    found: str = page.run(f"document.getElementById('{field}').value")
    return found


def replace_text(page: Page, new: str, field: str = "card-1-text") -> None:
    """Type another text into a field, and leave it."""
    page.run(f"document.getElementById('{field}').focus()")
    page.run("document.activeElement.select()")
    page.type(new)
    page.press("Escape")


def kept(page: Page) -> list[str]:
    """The texts that the first card offers to use again."""
    found: list[str] = page.run(
        "[...document.querySelectorAll('#card-1 .kept:not([hidden]) span')].map(e => e.innerText)"
    )
    return found


def click(page: Page, selector: str) -> None:
    """Click an element."""
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def test_decorative_keeps_a_typed_text_and_undo_brings_it_back(open_page: Open) -> None:
    tab = open_page([make_pair("1")])
    replace_text(tab, TYPED)
    press(tab, "d")
    assert (value(tab), text(tab, "#card-1 .verdict")) == ("", "Decorative.")
    assert kept(tab) == [TYPED]
    press(tab, "u")
    assert (value(tab), text(tab, "#card-1 .verdict")) == (TYPED, "Typed, not approved yet.")
    assert kept(tab) == []


def test_a_decision_that_is_taken_back_leaves_the_typed_text_in_reach(open_page: Open) -> None:
    tab = open_page([make_pair("1")])
    replace_text(tab, TYPED)
    click(tab, "[data-decision=blank]")
    click(tab, "[data-decision=blank]")
    assert value(tab) == MUG
    assert kept(tab) == [TYPED]
    click(tab, "[data-kept]")
    assert (value(tab), text(tab, "#card-1 .verdict")) == (TYPED, "Typed, not approved yet.")


def test_undo_of_an_approved_edit_leaves_the_text_typed(open_page: Open) -> None:
    tab = open_page([make_pair("1")])
    replace_text(tab, TYPED)
    press(tab, "a", "u")
    assert (value(tab), text(tab, "#card-1 .verdict")) == (TYPED, "Typed, not approved yet.")


def test_undo_keeps_what_was_typed_after_the_decision(open_page: Open) -> None:
    tab = open_page([make_pair("1")])
    press(tab, "j", "a")
    replace_text(tab, TYPED)
    press(tab, "u")
    assert text(tab, "#progress") == "0 of 1 decided"
    assert kept(tab) == [TYPED]


def test_an_edit_that_is_taken_back_is_kept(open_page: Open) -> None:
    tab = open_page([with_further_texts(*make_pair("1"))])
    replace_text(tab, "Mug, for tea.", "card-1-other-0")
    press(tab, "a")
    click(tab, "[data-decision=approve]")
    assert value(tab, "card-1-other-0") == "A mug for tea."
    assert kept(tab) == ["seo, en: Mug, for tea."]
    click(tab, "[data-kept]")
    assert value(tab, "card-1-other-0") == "Mug, for tea."


def test_a_reload_brings_back_what_was_typed_and_kept(open_page: Open) -> None:
    tab = open_page([make_pair("1"), make_pair("2")], journal="reloaded")
    replace_text(tab, TYPED)
    press(tab, "d")
    replace_text(tab, "Second", "card-2-text")
    again = open_page([make_pair("1"), make_pair("2")], journal="reloaded")
    again.wait("document.getElementById('card-2-text').value == 'Second'")
    assert kept(again) == [TYPED]
    assert text(again, "#card-1 .verdict") == "Decorative."


def test_an_edit_of_a_text_that_a_later_run_changed_is_kept(open_page: Open) -> None:
    tab = open_page([make_pair("1")], journal="later run")
    replace_text(tab, TYPED)
    press(tab, "a")
    again = open_page([make_pair("1", text="A blue mug.")], journal="later run")
    assert text(again, "#progress") == "0 of 1 decided"
    assert (value(again), kept(again)) == ("A blue mug.", [TYPED])


def test_a_page_with_other_pictures_keeps_the_decisions_of_the_first(open_page: Open) -> None:
    tab = open_page([make_pair("1")], journal="selections")
    replace_text(tab, TYPED)
    press(tab, "a")
    press(open_page([make_pair("2")], journal="selections"), "j", "a")
    again = open_page([make_pair("1"), make_pair("2")], journal="selections")
    assert text(again, "#progress") == "2 of 2 decided"
    assert value(again) == TYPED


def test_two_tabs_see_each_others_decisions_and_lose_none(open_page: Open) -> None:
    pairs = [make_pair("1"), make_pair("2"), make_pair("3")]
    first = open_page(pairs, journal="tabs")
    second = open_page(pairs, journal="tabs")
    replace_text(first, TYPED)
    press(first, "a")
    second.wait(f"document.getElementById('card-1-text').value == {json.dumps(TYPED)}")
    replace_text(second, "In the other tab.", "card-2-text")
    press(second, "a", "r")
    first.wait("document.getElementById('progress').innerText == '3 of 3 decided'")
    press(first, "u")
    second.wait("document.getElementById('progress').innerText == '2 of 3 decided'")
    again = open_page(pairs, journal="tabs")
    assert text(again, "#progress") == "2 of 3 decided"
    assert (value(again), value(again, "card-2-text")) == (TYPED, "In the other tab.")


def test_typing_is_not_interrupted_by_another_tab(open_page: Open) -> None:
    first = open_page([make_pair("1")], journal="busy")
    second = open_page([make_pair("1")], journal="busy")
    first.run("document.getElementById('card-1-text').focus()")
    first.run("document.activeElement.select()")
    first.type("In the first")
    replace_text(second, "In the second")
    first.wait("document.querySelectorAll('#card-1 .kept li').length == 1")
    assert (value(first), kept(first)) == ("In the first", ["In the second"])


@pytest.fixture
def other_file(open_page: Open, tmp_path: Path) -> Callable[[str], Path]:
    """A decisions file of Ben: picture 1 edited, 2 approved; 3 is typed and not approved."""

    def saved(journal: str) -> Path:
        pairs = [make_pair(str(n)) for n in (1, 2, 3)]
        page = open_page(pairs, journal=journal, before="localStorage.clear()")
        page.run("document.getElementById('reviewer').focus()")
        page.type("Ben")
        page.press("Tab")
        replace_text(page, "By Ben.")
        press(page, "a", "a")
        replace_text(page, "Ben typed.", "card-3-text")
        made = save_decisions(page, tmp_path)
        for saved_as in tmp_path.glob("decisions-*.json"):
            saved_as.unlink()  # Ana may save under the same name, in the same second
        path = tmp_path / "bens.json"
        path.write_text(json.dumps(made))
        return path

    return saved


def open_as_ana(open_page: Open, journal: str) -> Page:
    """The same page in Ana's browser."""
    page = open_page(
        [make_pair(str(n)) for n in (1, 2, 3)], journal=journal, before="localStorage.clear()"
    )
    page.run("document.getElementById('reviewer').focus()")
    page.type("Ana")
    page.press("Tab")
    return page


@pytest.mark.parametrize("takes_theirs", [True, False])
def test_opening_a_file_asks_where_it_differs_and_loses_no_text(
    open_page: Open, other_file: Callable[[str], Path], tmp_path: Path, takes_theirs: bool
) -> None:
    path = other_file("merged")
    tab = open_as_ana(open_page, "merged")
    replace_text(tab, TYPED)
    tab.choose_file("#file", path)
    tab.wait("!document.getElementById('conflicts').hidden")
    assert text(tab, "#status") == "1 decisions taken over."
    assert "1 decision of the file differs" in text(tab, "#conflicts-text")
    assert (value(tab), value(tab, "card-3-text")) == (TYPED, "Ben typed.")
    click(tab, "#take-theirs" if takes_theirs else "#keep-mine")
    assert value(tab) == ("By Ben." if takes_theirs else TYPED)
    assert kept(tab) == [TYPED if takes_theirs else "By Ben."]
    if takes_theirs:
        press(tab, "u")
        assert value(tab) == TYPED
        assert kept(tab) == ["By Ben."]
        return
    press(tab, "j", "a")
    saved = save_decisions(tab, tmp_path)
    assert [(d["key"], d.get("reviewer", "Ana")) for d in saved["decisions"]] == [
        ("1", "Ana"), ("2", "Ben"),
    ]  # fmt: skip
    assert [each["text"] for each in saved["typed"]] == ["Ben typed."]


def test_saving_again_saves_everything_again_and_tells_what_is_not_approved(
    open_page: Open, tmp_path: Path
) -> None:
    tab = open_page([make_pair("1"), make_pair("2")])
    press(tab, "j", "a")
    first: Any = save_decisions(tab, tmp_path)
    for old in tmp_path.glob("decisions-*.json"):
        old.unlink()
    replace_text(tab, TYPED, "card-2-text")
    second = save_decisions(tab, tmp_path)
    assert second["decisions"] == first["decisions"]
    assert second["typed"] == [{"key": "2", "shown": MUG, "text": TYPED, "others": []}]
    assert "1 typed and not approved" in text(tab, "#status")


def test_decisions_that_the_previous_version_stored_are_taken_over(open_page: Open) -> None:
    stored = {
        "reviewer": "Ana", "shortcuts": True,
        "decisions": [["1", {"decision": "edit", "text": TYPED, "shown": MUG, "at": ""}]],
        "typed": [["2", "half a sent"]], "typedOthers": [],
    }  # fmt: skip
    script = f"localStorage.setItem('altwright-review old', {json.dumps(json.dumps(stored))})"
    tab = open_page([make_pair("1"), make_pair("2")], journal="old", before=script)
    assert text(tab, "#progress") == "1 of 2 decided"
    assert (value(tab), value(tab, "card-2-text")) == (TYPED, "half a sent")
    tab = open_page(
        [make_pair("1")], journal="odd", before="localStorage['altwright-review odd'] = '{'"
    )
    press(tab, "j", "a")
    assert text(tab, "#progress") == "1 of 1 decided"
