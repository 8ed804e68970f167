"""The commands in the README work as shown, and every setting and code is documented."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app import __version__
from app.errors import public_error_classes
from app.main import create_app
from app.settings.settings import Settings
from testing.requirements import require_program
from testing.servers.altwright import Altwright

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_block_after(text: str, language: str) -> str:
    """The first code block in this language after the text."""
    found = re.search(rf"```{language}\n(.*?)```", README[README.index(text) :], re.DOTALL)
    assert found is not None
    return found.group(1)


def run(script: str, server: Altwright, *command: str) -> str:
    """The script's output. It calls the server of this test instead of port 8000."""
    done = subprocess.run(
        [*command, script.replace("http://127.0.0.1:8000", server.url)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_first_curl_command_gets_the_response_that_is_shown(altwright: Altwright) -> None:
    curl = code_block_after("In a second terminal", "sh")
    shown = code_block_after("In a second terminal", "json")
    assert json.loads(run(curl, altwright, "bash", "-c")) == json.loads(shown)


def test_the_curl_command_of_an_error_gets_the_response_that_is_shown(altwright: Altwright) -> None:
    response = json.loads(run(code_block_after("Errors are", "sh"), altwright, "bash", "-c"))
    shown = json.loads(code_block_after("Errors are", "json"))
    assert {**response, "request_id": ""} == {**shown, "request_id": ""}


def test_the_python_program_prints_three_captions(altwright: Altwright) -> None:
    printed = run(
        code_block_after("The same from Python", "python"), altwright, sys.executable, "-c"
    )
    assert [line.split(" - ")[0] for line in printed.splitlines()] == ["concise", "seo", "detailed"]
    assert all("Harbour mug" in line for line in printed.splitlines())


def test_the_sdk_and_its_command_caption_a_file(
    altwright: Altwright, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    python = code_block_after("## From Python and from the shell", "python")
    assert run(python, altwright, sys.executable, "-c").startswith('alt="Harbour mug: ')
    shell = code_block_after("## From Python and from the shell", "sh")
    here = shell.replace(".venv/bin", str(BIN))
    assert run(here, altwright, "bash", "-c").count("\n") == 1


@pytest.mark.slow
def test_the_commands_fill_and_review_a_folder_and_verify_a_page(
    altwright: Altwright, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    here = code_block_after("## A whole catalogue", "sh").replace(".venv/bin", str(BIN))
    backfill, review, verify = here.replace("alt.csv", f"{tmp_path}/alt.csv").splitlines()
    run(backfill, altwright, "bash", "-c")
    assert (tmp_path / "alt.csv").read_text(encoding="utf-8").count(",ai,en,embedded,") == 4
    page = tmp_path / "review.html"
    assert "6 pictures" in run(review.replace(page.name, str(page)), altwright, "bash", "-c")
    require_program("chromium", "chromium")
    assert "1 page: 0 violations" in run(verify, altwright, "bash", "-c")


def list_settings() -> Iterator[tuple[str, object]]:
    """Each setting's variable without prefix, and its default."""
    for name, field in Settings.model_fields.items():
        group = getattr(field.annotation, "model_fields", None)
        if group is None:
            yield name.upper(), field.get_default(call_default_factory=True)
        else:
            for nested, nested_field in group.items():
                yield f"{name}__{nested}".upper(), nested_field.default


DEFAULTS = dict(list_settings())
SETTINGS_PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def find_documented_defaults(page: str) -> Iterator[tuple[str, str]]:
    """Variable and default, as text, of every table row about settings in a page."""
    lines = page.splitlines()
    second_heading = ""
    for index, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|---"):
            second_heading = lines[index - 1].strip("|").split("|")[1].strip()
        if second_heading != "default" or not re.fullmatch(r"(`[A-Z0-9_]+`(, )?)+", cells[0]):
            continue
        names = re.findall(r"`([A-Z0-9_]+)`", cells[0])
        defaults = [cells[1]] if len(names) == 1 else cells[1].split(", ") if cells[1] else []
        defaults = defaults or [""] * len(names)
        yield from zip(names, (text.replace("`", "") for text in defaults), strict=True)


def accepted_notations(name: str, default: object) -> set[str]:
    """How a page may write this default."""
    if default is None:
        return {"", "none"}
    if isinstance(default, bool):
        return {str(default).lower()}
    if isinstance(default, int | float):
        number = str(int(default)) if default == int(default) else str(default)
        notations = {number}
        if name.endswith("_S"):
            notations.add(f"{number} s")
        if name.endswith("_BYTES"):
            notations.add(f"{default / 2**20:g} MiB")
        return notations
    if isinstance(default, Mapping):
        return {json.dumps(default)}
    if isinstance(default, tuple | frozenset):
        items = sorted(default)
        return {
            json.dumps(items, separators=(",", ":")),
            ", ".join(map(str, items)) or "none",
        }
    return {
        str(default),
        f"{default} a key",
        str(default).replace(f"/{__version__} ", "/VERSION "),
    }


def test_the_readme_documents_every_setting() -> None:
    documented = {name for name, _ in find_documented_defaults(README)}
    assert documented == set(DEFAULTS)


@pytest.mark.parametrize("page", SETTINGS_PAGES, ids=lambda page: page.name)
def test_every_default_in_a_table_is_that_of_the_setting(page: Path) -> None:
    wrong = {
        name: f"{shown!r}, the default is {DEFAULTS[name]!r}"
        for name, shown in find_documented_defaults(page.read_text(encoding="utf-8"))
        if shown not in accepted_notations(name, DEFAULTS[name])
    }
    assert wrong == {}


def test_every_code_is_documented() -> None:
    create_app(Settings.model_construct())
    for leaf in public_error_classes():
        assert re.search(rf"`{leaf.code}`.*\| .*{leaf.status}", README), leaf.code
