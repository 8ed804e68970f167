"""The review page in a real browser: shown, used with the keyboard, saved."""

import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from altwright.backfill.review.page import PageHeader, render_page
from altwright.backfill.review.review_item import ReviewItem, make_review_item, outcome_label
from altwright.backfill.review.selection import Selection, select_rows
from altwright.backfill.review.thumbnails import make_thumbnails
from altwright.backfill.types import AltSource, Outcome, Row
from altwright.models import Check
from PIL import Image

from testing.servers.axe import WINDOWS, find_violations
from testing.servers.browser import Browser, Page
from tests.backfill.review.sample_outcomes import (
    MUG,
    contradicted,
    make_pair,
    one_of_each,
    with_further_texts,
)

Pairs = Sequence[tuple[Row, Outcome]]
Open = Callable[..., Page]
_journals = itertools.count()


class FakeJournal:
    """Yields outcomes as a journal does."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def iter_outcomes(self, *states: AltSource) -> Iterator[tuple[Row, Outcome]]:
        """Those with one of `states`."""
        return (pair for pair in self.pairs if pair[1].alt_source in states)


def make_items(selection: Selection) -> list[ReviewItem]:
    """The items that the command makes of them."""
    ordered = selection.rows
    drawn = selection.spot_check.drawn if selection.spot_check else frozenset()
    small = make_thumbnails((row.image for row, _ in ordered), with_web=True)
    return [
        make_review_item(number, row, outcome, thumb, is_drawn=row.key in drawn)
        for number, ((row, outcome), thumb) in enumerate(zip(ordered, small, strict=True), 1)
    ]


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Open:
    """Writes a page, opens it from the disk, and lets it save files in the same folder."""

    def opened(
        pairs: Pairs | None = None, journal: str = "", before: str = "", sample: int | None = None
    ) -> Page:
        shown = one_of_each() if pairs is None else pairs
        name = journal or f"journal{next(_journals)}"
        counts = Counter(outcome_label(outcome) for _, outcome in shown)
        selection = select_rows(FakeJournal(shown), sample=sample)
        run = PageHeader(
            name, "catalogue.csv", "25 November 2026", counts, spot_check=selection.spot_check
        )
        path = tmp_path / "review.html"
        path.write_bytes(render_page(run, make_items(selection)).encode())
        tab = browser.page()
        tab.downloads(tmp_path)
        if before:
            tab.send("Page.addScriptToEvaluateOnNewDocument", source=before)
        tab.open(path.as_uri())
        return tab

    return opened


def text(page: Page, selector: str) -> str:
    """The text that the element shows."""
    found: str = page.run(f"document.querySelector({json.dumps(selector)}).innerText")
    return found


def console_errors(page: Page) -> list[str]:
    """Errors in the console, without those of images at host names that do not exist."""
    return [error for error in page.errors if "ERR_NAME_NOT_RESOLVED" not in error]


def press(page: Page, *keys: str) -> None:
    """Press one key after the other."""
    for key in keys:
        page.press(key)


def save_decisions(page: Page, folder: Path) -> dict[str, Any]:
    """Save the decisions with the keyboard, and read the file."""
    before = set(folder.glob("decisions-*.json"))
    page.press("s")
    until = time.monotonic() + 8
    while time.monotonic() < until:
        for path in set(folder.glob("decisions-*.json")) - before:
            if path.stat().st_size:
                loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                return loaded
        time.sleep(0.05)
    raise AssertionError("no decisions file was saved")


def test_waiting_rows_come_first_with_their_reasons(open_page: Open) -> None:
    tab = open_page()
    names = tab.run("[...document.querySelectorAll('.card h3')].map(h => h.innerText)")
    assert [name.split("_")[1] for name in names[:4]] == ["2.jpg", "3.jpg", "4.jpg", "9.jpg"]
    assert text(tab, "#card-1-flags").split("\n") == ["caption_rejected", "opener"]
    assert text(tab, "#card-3-flags") == "people: Ana Kovač"
    assert "held by a rule" in text(tab, "#card-3 .facts")
    assert text(tab, "#progress") == "0 of 9 decided"
    assert console_errors(tab) == []


def test_the_evidence_stands_beside_the_text(open_page: Open) -> None:
    """Each claim with its verdict, what was read, and the colours of the picture as swatches."""
    tab = open_page([make_pair("1"), contradicted("2")])
    assert text(tab, "#card-1 h3") == "1. IMG_2.jpg"
    assert [line for line in text(tab, "#card-1 .evidence").split("\n") if line] == [
        "What the picture says",
        "Colour red: contradicted",
        "green 61 %",
        "off-white 39 %",
        "Text “CLOSED TODAY”: contradicted",
        "Text “12”: confirmed",
        "Read in the picture: OPEN DAILY 12",
        "Thing sign: unknown",
        "Nothing of this was seen surely.",
    ]
    swatch = "getComputedStyle(document.querySelectorAll('.swatch')[1]).backgroundColor"
    assert tab.run(swatch) == "rgb(246, 240, 228)"
    assert tab.run("document.querySelectorAll('#card-2 .evidence').length") == 0
    press(tab, "j", "e")
    tab.type("x")
    assert text(tab, "#card-1 .evidence-title").endswith("to the text before it was edited")
    assert console_errors(tab) == []


def test_the_parts_of_a_spot_check_are_told_and_the_random_one_is_counted(open_page: Open) -> None:
    """What was changed of the random part tells how good all the others are."""
    rows = [make_pair(str(n), warnings=("short",) if n < 3 else ()) for n in range(20)]
    tab = open_page(rows, sample=4)
    assert (
        "Spot check of 4 of 20 that a model has written: the 2 (50%) most doubtful, which have "
        "warnings, and 2 (50%) drawn at random (seed 0), 11.1% of the 18 others."
    ) in text(tab, "header")
    assert text(tab, "#drawn").startswith("Drawn at random: 0 of 2 decided")
    assert tab.run("document.querySelectorAll('.card').length") == 4
    tab.run("[...document.querySelectorAll('.card')].at(-1).focus()")
    press(tab, "r")
    assert text(tab, "#drawn") == (
        "Drawn at random: 1 of 2 decided, 1 of them not approved as they stood (100 %)."
    )
    assert "drawn at random" in text(tab, "#card-4 .facts")


def test_everything_can_be_decided_and_saved_with_the_keyboard(
    open_page: Open, tmp_path: Path
) -> None:
    tab = open_page(journal="keyboard")
    tab.press("j")  # the first picture: a rejected draft
    assert tab.run("document.activeElement.id") == "card-1"
    tab.press("e")
    tab.run("document.activeElement.select()")
    tab.type("A white mug with a chipped rim.")
    assert text(tab, "#card-1 .verdict") == "Typed, not approved yet."
    tab.press("Enter", ctrl=True)
    assert tab.run("document.activeElement.id") == "card-2"
    tab.press("a")  # there is no text: nothing is approved, and the field gets the focus
    assert "no text to approve" in text(tab, "#status")
    assert tab.run("document.activeElement.id") == "card-2-text"
    tab.press("Escape")
    press(tab, "r", "a", "d")  # row 3 blank, row 4 as it is, row 9 decorative
    assert text(tab, "#progress") == "4 of 9 decided"
    tab.press("u")
    assert text(tab, "#status") == "Undone: IMG_9.jpg."
    assert tab.run("document.activeElement.id") == "card-4"
    file = save_decisions(tab, tmp_path)
    assert (file["version"], file["journal"]) == (1, "keyboard")
    made = [
        (d["key"], d["outcome"], d["shown"], d["decision"], d["text"]) for d in file["decisions"]
    ]
    assert made == [
        ("2", "rejected", "Image of a mug", "edit", "A white mug with a chipped rim."),
        ("3", "uncertain", "", "blank", ""),
        ("4", "held", "Ana Kovač speaks.", "approve", "Ana Kovač speaks."),
    ]
    assert console_errors(tab) == []


def test_clicking_a_pressed_button_takes_the_decision_back(open_page: Open) -> None:
    tab = open_page([make_pair("1")])
    tab.run("document.querySelector('[data-decision=decorative]').click()")
    assert text(tab, "#card-1 .verdict") == "Decorative."
    assert tab.run("document.querySelector('textarea').value") == ""
    tab.run("document.querySelector('[data-decision=decorative]').click()")
    assert text(tab, "#progress") == "0 of 1 decided"
    assert tab.run("document.querySelector('textarea').value") == MUG
    tab.press("u")
    assert text(tab, "#card-1 .verdict") == "Decorative."


def test_tab_reaches_every_control_and_the_focus_is_visible(open_page: Open) -> None:
    tab = open_page([make_pair("1"), make_pair("2")])
    seen = []
    for _ in range(40):
        tab.press("Tab")
        at = tab.run(
            "(() => { const e = document.activeElement; const s = getComputedStyle(e); return "
            "[e.id || e.dataset.decision || e.tagName, s.outlineStyle, s.outlineWidth]; })()"
        )
        seen.append(at)
        if at[0] == "BODY":
            break
    names = [name for name, *_ in seen]
    assert names[:2] == ["A", "A"]  # the skip links
    for control in ("reviewer", "open", "outcome", "search", "card-1-text", "approve", "decorative",
                    "blank", "card-2-text", "save"):  # fmt: skip
        assert control in names, names
    for name, style, width in seen:
        if name != "BODY":
            assert style == "solid" or style == "auto", name
            assert float(width.removesuffix("px")) >= 1, name


def test_single_keys_can_be_switched_off_and_are_typed_in_text_fields(open_page: Open) -> None:
    tab = open_page()
    press(tab, "j", "e")
    press(tab, "a", "d")
    assert text(tab, "#progress") == "0 of 9 decided"
    assert tab.run("document.activeElement.value").endswith("ad")
    tab.press("Escape")
    tab.run("document.getElementById('shortcuts').click()")
    tab.run("document.getElementById('card-1').focus()")
    tab.press("a")
    assert text(tab, "#progress") == "0 of 9 decided"


def test_the_browser_keeps_decisions_and_unfinished_text(open_page: Open) -> None:
    tab = open_page(journal="kept")
    press(tab, "j", "a")
    tab.press("e")
    tab.type("half a sent")
    tab.wait("localStorage.getItem('altwright-review kept').includes('half a sent')")
    again = open_page(journal="kept")
    assert text(again, "#progress") == "1 of 9 decided"
    assert text(again, "#card-1 .verdict") == "Approved."
    assert text(again, "#card-2 .verdict") == "Typed, not approved yet."
    other = open_page(journal="another run")
    assert text(other, "#progress") == "0 of 9 decided"


def test_a_decision_about_a_changed_text_is_not_restored(open_page: Open) -> None:
    press(open_page([make_pair("1")], journal="changed"), "j", "a")
    tab = open_page([make_pair("1", text="A blue mug.")], journal="changed")
    assert text(tab, "#progress") == "0 of 1 decided"


def test_a_notice_is_shown_without_local_storage(open_page: Open) -> None:
    gone = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
    tab = open_page(before=gone)
    assert "does not keep your decisions" in text(tab, "#no-storage")
    press(tab, "j", "a")
    assert text(tab, "#progress") == "1 of 9 decided"


def test_a_saved_file_is_continued_in_another_browser(open_page: Open, tmp_path: Path) -> None:
    tab = open_page(journal="moved")
    tab.run("document.getElementById('reviewer').focus()")
    tab.type("Ana")
    tab.run("document.activeElement.blur()")
    press(tab, "j", "a", "a", "Escape", "d")
    file = save_decisions(tab, tmp_path)
    assert file["reviewer"] == "Ana"
    (tmp_path / "moved.json").write_text(json.dumps(file))
    other = open_page(journal="moved", before="localStorage.clear()")
    assert text(other, "#progress") == "0 of 9 decided"
    other.choose_file("#file", tmp_path / "moved.json")
    other.wait("document.getElementById('progress').innerText == '2 of 9 decided'")
    assert other.run("document.getElementById('reviewer').value") == "Ana"
    (tmp_path / "moved.json").write_text(json.dumps({**file, "journal": "x"}))
    other.choose_file("#file", tmp_path / "moved.json")
    other.wait("document.getElementById('status').innerText.includes('another run')")


def test_further_styles_and_locales_are_edited_with_the_alt_text(
    open_page: Open, tmp_path: Path
) -> None:
    shown = [with_further_texts(*make_pair("1"))]
    tab = open_page(shown, journal="further")
    assert text(tab, "label[for=card-1-other-1]") == "concise, ar"
    tab.run("document.getElementById('card-1-other-0').focus()")
    tab.run("document.activeElement.select()")
    tab.type("A white mug for tea and coffee.")
    assert text(tab, "#card-1 .verdict") == "Typed, not approved yet."
    tab.press("Enter", ctrl=True)
    assert text(tab, "#card-1 .verdict") == "Approved as edited."
    tab.press("Escape")
    [made] = save_decisions(tab, tmp_path)["decisions"]
    assert (made["decision"], made["text"]) == ("edit", MUG)
    assert made["edits"] == [["seo", "en", "A white mug for tea and coffee."]]
    again = open_page(shown, journal="further")
    assert again.run("document.getElementById('card-1-other-0').value") == made["edits"][0][2]
    press(again, "j", "u")  # decisions from before the page was opened are not undone
    assert text(again, "#progress") == "1 of 1 decided"
    again.run("document.querySelector('[data-decision=approve]').click()")
    assert again.run("document.getElementById('card-1-other-0').value") == "A mug for tea."


def test_filters_and_search_find_matching_pictures(open_page: Open) -> None:
    tab = open_page()

    def count(field: str, value: str) -> int:
        event = "new Event('input', { bubbles: true })"
        tab.run(f"(() => {{ const f = document.getElementById('{field}'); f.value = '{value}';"
                f" f.dispatchEvent({event}); }})()")  # fmt: skip
        found: int = tab.run("document.querySelectorAll('.card').length")
        tab.run(f"(() => {{ const f = document.getElementById('{field}'); f.value = '';"
                f" f.dispatchEvent({event}); }})()")  # fmt: skip
        return found

    assert count("outcome", "held") == 1
    assert count("outcome", "ai") == 4
    assert count("locale", "de") == 1
    assert count("flag", "repeated") == 2
    assert count("flag", "long") == 1
    assert count("flag", "blank") == 3
    assert count("flag", "contradicted") == 0
    assert count("search", "holztisch") == 1
    assert count("search", "nobody wrote this") == 0
    press(tab, "j", "r")
    assert count("decided", "done") == 1
    assert count("decided", "open") == 8


def test_a_text_shared_with_other_images_is_flagged_until_it_is_edited(open_page: Open) -> None:
    same = make_pair(
        "3", image="https://images.invalid/1.jpg"
    )  # the same image again is no mistake
    tab = open_page([make_pair("1"), make_pair("2"), same])
    assert text(tab, "#card-1-flags") == "same text on 1 other picture"
    assert text(tab, "#card-2-flags") == "same text on 1 other picture"
    press(tab, "j", "e")
    tab.type("Seen from above: ")
    tab.press("Enter", ctrl=True)
    tab.press("j")
    press(tab, "e")
    tab.type("In a shop: ")
    tab.press("Enter", ctrl=True)
    assert tab.run("document.querySelectorAll('.flag').length") == 0


def test_axe_core_finds_no_violation_light_dark_and_narrow(open_page: Open) -> None:
    """Every rule, best practices included, with all sections open and one row decided."""
    rows = [*one_of_each(), with_further_texts(*make_pair("10")), contradicted("11")]
    tab = open_page(rows, sample=4)
    tab.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    press(tab, "j", "a")
    for width, dark in [*WINDOWS, (360, False)]:
        tab.size(width, 900, dark=dark)
        assert find_violations(tab) == [], f"{width} px, dark: {dark}"
        assert tab.run("document.documentElement.scrollWidth") <= width


HOSTILE = [
    "</script><script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 2'>",
    '"><svg onload=window.hit=3>',
    "<!--<script>",
    "${window.hit=4}{{window.hit=5}}",
    "\u2028window.hit=6\u2029",
    "' onfocus='window.hit=7' autofocus='",
    "@data@ @script@",
    "__proto__",
]


HOSTILE_ADDRESSES = [
    "javascript:window.hit=8",
    "data:text/html,<script>window.hit=9</script>",
    "data:image/svg+xml,<svg onload=window.hit=10>",
    "//x.invalid/a",
    "file:///a",
    "http://[broken",
    'https://x.invalid/"onerror=window.hit=11>',
]


def test_hostile_captions_keys_and_file_names_execute_nothing(
    open_page: Open, tmp_path: Path
) -> None:
    rows = [
        make_pair(
            hostile, AltSource.REJECTED, text=hostile, context=hostile, file_name=hostile,
            reasons=(hostile,), warnings=(hostile,), locale=hostile,
            checks=(
                Check("text", hostile, "contradicted", hostile),
                Check("colour", hostile, hostile, f"red #ff0000 9 %, {hostile} url(x) 9 %"),
                Check(hostile, hostile, hostile, hostile),
            ),
        )
        for hostile in HOSTILE
    ]  # fmt: skip
    rows += [make_pair(address, image=address) for address in HOSTILE_ADDRESSES]
    tab = open_page(rows)
    links = tab.run("[...document.querySelectorAll('.card a')].map((a) => a.protocol)")
    assert set(links) <= {"http:", "https:"}
    sources = tab.run("[...document.querySelectorAll('.card img')].map((i) => i.src.split(':')[0])")
    assert set(sources) <= {"http", "https", "data"}
    shown = tab.run("[...document.querySelectorAll('textarea')].map((t) => t.value)")
    assert set(HOSTILE) <= set(shown)
    press(tab, "j", *("a" for _ in rows))
    assert tab.run("document.querySelectorAll('#cards script, #cards svg').length") == 0
    assert tab.run("document.querySelectorAll('[onerror], [onfocus], [onload]').length") == 0
    assert tab.run("typeof window.hit") == "undefined"
    file = save_decisions(tab, tmp_path)
    assert {d["key"] for d in file["decisions"]} >= set(HOSTILE)
    assert tab.run("typeof window.hit") == "undefined"


def test_the_security_policy_blocks_other_scripts_and_requests(open_page: Open) -> None:
    """The second line of defence, if markup could be injected after all."""
    tab = open_page([make_pair("1")])
    tab.run("""(() => { const s = document.createElement('script');
        s.append('window.hit = 1'); document.body.append(s); })()""")
    assert tab.run("typeof window.hit") == "undefined"
    tab.run(
        "window.sent = ''; fetch('data:,x').then(() => (sent = 'sent'), () => (sent = 'no')); 0"
    )
    tab.wait("sent")
    assert tab.run("sent") == "no"
    with pytest.raises(AssertionError, match="TrustedHTML"):
        tab.run("document.body.innerHTML = '<b>x</b>'")


def test_local_images_are_embedded_and_web_images_stay_urls(
    open_page: Open, tmp_path: Path
) -> None:
    Image.effect_noise((3000, 1500), 80).save(tmp_path / "big.jpg")
    Image.new("RGBA", (300, 200), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    (tmp_path / "notes.jpg").write_text("no picture")
    local = [
        make_pair(name, image=str(tmp_path / name))
        for name in ("big.jpg", "clear.png", "notes.jpg", "gone.jpg")
    ]
    tab = open_page([*local, make_pair("web", image="https://images.invalid/a.jpg?sig=1")])
    tab.wait("document.querySelectorAll('.thumb img').length == 2")  # the web one fails to load
    facts = tab.run(
        "[...document.querySelectorAll('.thumb img')]"
        ".map((i) => [i.src.slice(0, 23), i.naturalWidth, i.naturalHeight])"
    )
    assert facts == [["data:image/jpeg;base64,", 240, 120], ["data:image/jpeg;base64,", 240, 160]]
    assert tab.run("document.querySelectorAll('.thumb p').length") == 3
    assert tab.run("[...document.querySelectorAll('.card a')].map((a) => a.rel)") == [
        "noopener noreferrer"
    ]
    assert len((tmp_path / "review.html").read_bytes()) < 100_000


def test_thumbnails_of_pipes_and_devices_are_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert (
        list(make_thumbnails([str(tmp_path / "pipe.jpg"), "/dev/zero", "\0", ""], with_web=True))
        == [""] * 4
    )
    assert list(make_thumbnails(["https://images.invalid/a.jpg"], with_web=False)) == [""]


def test_charts_have_descriptions_and_tables_for_screen_readers(open_page: Open) -> None:
    tab = open_page()
    description = tab.run("document.getElementById('outcomes-description').textContent")
    assert "by the model: 4" in description
    assert "held by a rule: 1" in description
    rows = tab.run(
        "[...document.querySelectorAll('.chart-table tbody tr')].map((r) => r.textContent)"
    )
    assert "by the model444 %" in rows
    assert "no text333 %" in rows


def test_pictures_are_shown_fifty_at_a_time(open_page: Open) -> None:
    tab = open_page([make_pair(str(n), text=f"Mug number {n}.") for n in range(1, 121)])
    assert tab.run("document.querySelectorAll('.card').length") == 50
    assert text(tab, "#shown") == "1 to 50 of 120"
    press(tab, "n", "n", "n")
    assert text(tab, "#shown") == "101 to 120 of 120"
    press(tab, "k")  # to the previous page
    assert text(tab, "#shown") == "51 to 100 of 120"
    assert tab.run("document.activeElement.id") == "card-100"


def test_a_deciding_key_without_a_chosen_picture_says_what_to_press(
    open_page: Open,
) -> None:
    tab = open_page()
    press(tab, "a")
    assert text(tab, "#status") == "No picture is chosen: j goes to the first."
    assert text(tab, "#progress").startswith("0 of ")


def test_a_page_without_pictures_works(open_page: Open) -> None:
    tab = open_page([])
    assert "No picture is like this." in text(tab, "#cards")
    press(tab, "j", "a", "u", "s")
    assert text(tab, "#status") == "Nothing is decided yet."
    assert MUG not in tab.html()
    assert console_errors(tab) == []
