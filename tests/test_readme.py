"""The README's commands do what it says, and it says everything that can be set."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import leaves
from app.main import create_app
from app.settings.settings import Settings
from testing.requirements import require_program
from testing.servers.altwright import Altwright

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block_after(heading: str, language: str) -> str:
    """The first fenced block in this language after the words."""
    found = re.search(rf"```{language}\n(.*?)```", README[README.index(heading) :], re.DOTALL)
    assert found is not None
    return found.group(1)


def run(script: str, server: Altwright, *command: str) -> str:
    """The script's output, with the server of this test in the place of port 8000."""
    done = subprocess.run(
        [*command, script.replace("http://127.0.0.1:8000", server.url)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_the_first_curl_gets_the_answer_that_is_printed(altwright: Altwright) -> None:
    curl = block_after("In a second terminal", "sh")
    shown = block_after("In a second terminal", "json")
    assert json.loads(run(curl, altwright, "bash", "-c")) == json.loads(shown)


def test_the_curl_of_an_error_gets_the_answer_that_is_printed(altwright: Altwright) -> None:
    answer = json.loads(run(block_after("Errors are", "sh"), altwright, "bash", "-c"))
    shown = json.loads(block_after("Errors are", "json"))
    assert {**answer, "request_id": ""} == {**shown, "request_id": ""}


def test_the_python_prints_three_captions(altwright: Altwright) -> None:
    printed = run(block_after("The same from Python", "python"), altwright, sys.executable, "-c")
    assert [line.split(" - ")[0] for line in printed.splitlines()] == ["concise", "seo", "detailed"]
    assert all("Harbour mug" in line for line in printed.splitlines())


def test_the_sdk_and_its_command_caption_a_file(
    altwright: Altwright, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    python = block_after("## From Python and from the shell", "python")
    assert run(python, altwright, sys.executable, "-c").startswith('alt="Harbour mug: ')
    shell = block_after("## From Python and from the shell", "sh")
    here = shell.replace(".venv/bin", str(BIN))
    assert run(here, altwright, "bash", "-c").count("\n") == 1


def test_a_folder_is_filled_and_reviewed_and_a_page_is_verified(
    altwright: Altwright, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    here = block_after("## A whole catalogue", "sh").replace(".venv/bin", str(BIN))
    backfill, review, verify = here.replace("alt.csv", f"{tmp_path}/alt.csv").splitlines()
    run(backfill, altwright, "bash", "-c")
    assert (tmp_path / "alt.csv").read_text(encoding="utf-8").count(",ai,en,embedded,") == 3
    page = tmp_path / "review.html"
    assert "3 pictures" in run(review.replace(page.name, str(page)), altwright, "bash", "-c")
    require_program("chromium", "chromium")
    assert "1 page: 0 violations" in run(verify, altwright, "bash", "-c")


def test_every_setting_and_its_default_is_documented() -> None:
    table = README[README.index("### Settings") :]
    for name, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        names = [name] if inner is None else [f"{name}__{part}" for part in inner]
        for one in names:
            assert f"`{one.upper()}`" in table, one


def test_every_code_is_documented() -> None:
    create_app(Settings.model_construct())
    for leaf in leaves():
        assert re.search(rf"`{leaf.code}`.*\| .*{leaf.status}", README), leaf.code
