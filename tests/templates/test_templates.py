"""openapi/templates: each program runs as its head comment says, against the real server."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from testing.images import data_url, jpeg
from testing.requirements import require_program
from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy, problem, raw
from testing.servers.origin import Origin

TEMPLATES = Path(__file__).parents[2] / "openapi/templates"
KEY = "a-key-for-tests"
# Prints the result of `caption`, or its error, as JSON.
_MODULE = """
import { readFile } from 'node:fs/promises'
import { caption } from './caption.mjs'
const [image, style] = process.argv.slice(1)
const input = /^https?:/.test(image) ? image : await readFile(image)
try {
  console.log(JSON.stringify(await caption(input, { style })))
} catch (error) {
  console.log(JSON.stringify({ code: error.code, detail: error.message, ...error }))
  process.exit(1)
}
"""
MakeFaultProxy = Callable[[str], FaultProxy]
Completed = subprocess.CompletedProcess[str]


@pytest.fixture(params=["curl", "requests", "fetch"])
def command(request: pytest.FixtureRequest) -> Sequence[str]:
    """The command line of a template, without its arguments."""
    if request.param == "requests":
        return [sys.executable, str(TEMPLATES / "caption_requests.py")]
    if request.param == "curl":
        require_program("curl", "curl")
        return [require_program("bash", "bash"), str(TEMPLATES / "caption.sh")]
    return [require_program("node", "nodejs"), "--input-type=module", "-e", _MODULE]


def run(command: Sequence[str], url: str, *arguments: str, key: str | None = None) -> Completed:
    """Run a template as a user would."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")}
    keys = {} if key is None else {"ALTWRIGHT_API_KEY": key}
    return subprocess.run(
        [*command, *arguments],
        cwd=TEMPLATES,
        env={**kept, **keys, "ALTWRIGHT_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def text_of(completed: Completed) -> str:
    """The caption that was printed, alone or as JSON."""
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return (
        json.loads(completed.stdout)["caption"]
        if completed.stdout.startswith("{")
        else completed.stdout.strip()
    )


def test_a_file_and_a_url_are_captioned(
    altwright: Altwright, origin: Origin, command: Sequence[str], tmp_path: Path
) -> None:
    """The caption is the one that the server returns for the same bytes."""
    (tmp_path / 'a "mug".jpg').write_bytes(jpeg())
    served = origin.serve("/mug.jpg", jpeg())
    expected = altwright.caption(data_url(jpeg()), style="seo").json()["caption"]
    assert text_of(run(command, altwright.url, str(tmp_path / 'a "mug".jpg'), "seo")) == expected
    assert text_of(run(command, altwright.url, served, "seo")) == expected


def test_a_missing_file_is_reported_and_nothing_is_sent(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str]
) -> None:
    """The message names the file."""
    proxy = make_fault_proxy(altwright.url)
    completed = run(command, proxy.url, "missing.jpg")
    assert completed.returncode != 0
    assert "missing.jpg" in completed.stdout + completed.stderr
    assert proxy.requests == []


def test_a_file_that_is_too_long_for_a_command_line_is_captioned(
    altwright: Altwright, command: Sequence[str], tmp_path: Path
) -> None:
    """A megabyte of photograph, as a PNG that the template calls a JPEG."""
    path = tmp_path / "photo.png"
    Image.effect_noise((1000, 1000), 60).save(path)
    assert path.stat().st_size > 512 * 1024
    assert run(command, altwright.url, str(path)).returncode == 0


@pytest.mark.slow
def test_retryable_responses_are_retried_after_the_retry_after(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str], tmp_path: Path
) -> None:
    """429 with Retry-After, then 503 without it; no wait is shorter than asked for."""
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    proxy = make_fault_proxy(altwright.url)
    proxy.then(problem(429, "rate_limited", retry_after="1"), problem(503, "overloaded"))
    assert text_of(run(command, proxy.url, str(tmp_path / "mug.jpg")))
    assert [request.action for request in proxy.requests] == [
        "rate_limited",
        "overloaded",
        "forward",
    ]
    assert proxy.gaps_s()[0] >= 1.0 - 0.05
    first, *others = (request.form() for request in proxy.requests)
    assert others == [first, first]


def test_a_permanent_problem_is_reported_at_once_with_its_code(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str], tmp_path: Path
) -> None:
    """A text file: one request, and one message."""
    (tmp_path / "notes.txt").write_text("not a picture")
    proxy = make_fault_proxy(altwright.url)
    completed = run(command, proxy.url, str(tmp_path / "notes.txt"))
    assert completed.returncode not in (0, 75)
    assert "image_unsupported" in completed.stdout + completed.stderr
    assert "Traceback" not in completed.stderr
    assert len(proxy.requests) == 1


def test_a_proxys_413_names_the_setting_to_change(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str], tmp_path: Path
) -> None:
    """As nginx answers by default to a body of over 1 MiB. curl prints its page."""
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    page = b"HTTP/1.1 413 No\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    proxy = make_fault_proxy(altwright.url).then(raw(page))
    completed = run(command, proxy.url, str(tmp_path / "mug.jpg"))
    assert completed.returncode not in (0, 75)
    expected = "error: 413" if command[0].endswith("bash") else "nginx: client_max_body_size"
    assert expected in completed.stdout + completed.stderr


def test_the_key_is_sent_and_shown_nowhere(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str], tmp_path: Path
) -> None:
    """In the Authorization header; messages do not contain it."""
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    proxy = make_fault_proxy(altwright.url).then(problem(401, "unauthorized"))
    completed = run(command, proxy.url, str(tmp_path / "mug.jpg"), key=KEY)
    assert proxy.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert completed.returncode != 0
    assert "unauthorized" in completed.stdout + completed.stderr
    assert KEY not in completed.stdout + completed.stderr


def test_the_readme_lists_every_template() -> None:
    """And every template that it lists exists."""
    table = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    listed = {line.split("](")[1].split(")")[0] for line in table.splitlines() if line[:3] == "| ["}
    folders = {f"{path.name}/README.md" for path in TEMPLATES.iterdir() if path.is_dir()}
    files = {path.name for path in TEMPLATES.iterdir() if path.is_file()} - {"README.md"}
    assert listed == files | folders - {"__pycache__/README.md"}
