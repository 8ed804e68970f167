"""docs/sdk.md: its examples run as printed, and it documents everything public."""

import contextlib
import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import altwright as sdk
import pytest
from altwright import errors
from altwright.caption_many import Job
from altwright.cli.exit_codes import ExitCode

from testing.servers.altwright import Altwright

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/sdk.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def between(mark: str) -> list[str]:
    """The lines between `<!-- mark -->` and `<!-- end -->`."""
    found = re.search(rf"<!-- {mark} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None, f"docs/sdk.md has no part {mark!r}"
    return found.group(1).strip().splitlines()


def with_output(language: str) -> list[tuple[str, str]]:
    """The blocks in this language, each with the output that follows it."""
    pairs = zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True)
    return [
        (code, text if follows == "text" else "")
        for (kind, code), (follows, text) in pairs
        if kind == language
    ]


def summary_of(thing: type) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


@pytest.mark.slow
def test_the_session_prints_the_output_on_the_page(
    altwright: Altwright, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All blocks share one namespace, as in one session in the project's folder."""
    monkeypatch.chdir(TOP)
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    names: dict[str, object] = {"__name__": "__main__"}
    for code, text in with_output("python"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "docs/sdk.md", "exec"), names)
        assert printed.getvalue().replace(altwright.url, "http://127.0.0.1:8000") == text
    client = names["client"]
    assert isinstance(client, sdk.Altwright)
    client.close()


@pytest.mark.slow
def test_the_commands_print_the_output_on_the_page(altwright: Altwright) -> None:
    """In a shell; installing is tested with the wheel."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for script, text in with_output("sh"):
        if "pip install" in script:
            continue
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=TOP,
            env={**os.environ, "PATH": path, "ALTWRIGHT_URL": altwright.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, "")
        # wc pads its number on some systems.
        assert [line.strip() for line in result.stdout.splitlines()] == text.splitlines()


def test_every_public_name_is_on_the_page() -> None:
    """Classes, and methods of both clients."""
    words = set(re.findall(r"\w+", PAGE))
    assert set(sdk.__all__) - words - {"__version__"} == set()
    code = "\n".join(code for kind, code in BLOCKS if kind == "python")
    for method, _ in inspect.getmembers(sdk.Altwright, inspect.isfunction):
        if not method.startswith("_"):
            assert f".{method}(" in PAGE, method
            assert f".{method}(" in code or method == "close", method
    for method, _ in inspect.getmembers(sdk.AsyncAltwright, inspect.isfunction):
        assert method.startswith("_") or f".{method}(" in PAGE, method


def test_every_option_and_every_field_is_on_the_page() -> None:
    """Parameters of methods, and fields of results."""
    several = (
        sdk.Altwright,
        sdk.Altwright.captions,
        sdk.Altwright.caption_many,
        sdk.Altwright.check,
    )
    for function in several:
        for name in set(inspect.signature(function).parameters) - {"self"}:
            assert re.search(rf"\b{name}\b", PAGE), name
    for model in (sdk.Caption, sdk.Verdict, Job):
        for name in model.__dataclass_fields__:
            assert re.search(rf"\b{name}\b", PAGE), f"{model.__name__}.{name}"


def test_every_error_is_on_the_page_with_its_own_description() -> None:
    """Name, base class, code, status, and the first line of its docstring."""
    rows = ["| class | a kind of | code | status | |", "|---|---|---|---|---|"]

    def add_row(kind: type[sdk.AltwrightError]) -> None:
        status = kind.expected_status if issubclass(kind, errors.Problem) else None
        code = f"`{kind.code}`" if kind.code else ""
        above = kind.__bases__[0].__name__
        summary = summary_of(kind)
        rows.append(f"| `{kind.__name__}` | `{above}` | {code} | {status or ''} | {summary} |")
        for below in kind.__subclasses__():
            if below.__module__ == errors.__name__:  # not those that the backfill adds
                add_row(below)

    add_row(sdk.AltwrightError)
    assert between("errors") == rows, "\n".join(rows)


def test_every_exit_code_is_on_the_page() -> None:
    documented = {line.split("|")[1].strip() for line in between("exits")[2:]}
    assert documented == {str(int(code)) for code in ExitCode}
