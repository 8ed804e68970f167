"""openapi/templates: each program runs as its own first lines say, against the real server."""

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
from testing.servers.fault_proxy import FaultProxy, problem
from testing.servers.origin import Origin

TEMPLATES = Path(__file__).parents[2] / "openapi/templates"
KEY = "a-key-for-tests"
# Prints what `caption` gives, or why there is nothing, as JSON.
_MODULE = """
import { readFile } from 'node:fs/promises'
import { caption } from './caption.mjs'
const [named, style] = process.argv.slice(1)
const picture = /^https?:/.test(named) ? named : await readFile(named)
try {
  console.log(JSON.stringify(await caption(picture, { style })))
} catch (error) {
  console.log(JSON.stringify({ code: error.code, detail: error.message, ...error }))
  process.exit(1)
}
"""
MakeFaultProxy = Callable[[str], FaultProxy]
Ran = subprocess.CompletedProcess[str]


@pytest.fixture(params=["curl", "requests", "fetch"])
def command(request: pytest.FixtureRequest) -> Sequence[str]:
    """A template's command line up to its arguments."""
    if request.param == "requests":
        return [sys.executable, str(TEMPLATES / "caption_requests.py")]
    if request.param == "curl":
        require_program("curl", "curl")
        return [require_program("bash", "bash"), str(TEMPLATES / "caption.sh")]
    return [require_program("node", "nodejs"), "--input-type=module", "-e", _MODULE]


def run(command: Sequence[str], url: str, *words: str, key: str | None = None) -> Ran:
    """Run a template as a user would."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")}
    keys = {} if key is None else {"ALTWRIGHT_API_KEY": key}
    return subprocess.run(
        [*command, *words],
        cwd=TEMPLATES,
        env={**kept, **keys, "ALTWRIGHT_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def text_of(ran: Ran) -> str:
    """The caption that was printed, alone or in its answer."""
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)["caption"] if ran.stdout.startswith("{") else ran.stdout.strip()


def test_a_file_and_a_url_are_captioned(
    altwright: Altwright, origin: Origin, command: Sequence[str], tmp_path: Path
) -> None:
    """The caption is the one that the server gives for the same bytes."""
    (tmp_path / 'a "mug".jpg').write_bytes(jpeg())
    served = origin.serve("/mug.jpg", jpeg())
    expected = altwright.caption(data_url(jpeg()), style="seo").json()["caption"]
    assert text_of(run(command, altwright.url, str(tmp_path / 'a "mug".jpg'), "seo")) == expected
    assert text_of(run(command, altwright.url, served, "seo")) == expected


def test_a_file_that_is_missing_is_told_and_nothing_is_sent(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str]
) -> None:
    """Its name is in the complaint."""
    proxy = make_fault_proxy(altwright.url)
    ran = run(command, proxy.url, "missing.jpg")
    assert ran.returncode != 0
    assert "missing.jpg" in ran.stdout + ran.stderr
    assert proxy.requests == []


def test_a_file_that_is_too_long_for_a_command_line_is_captioned(
    altwright: Altwright, command: Sequence[str], tmp_path: Path
) -> None:
    """A megabyte of photograph, as a PNG that the template calls a JPEG."""
    path = tmp_path / "photo.png"
    Image.effect_noise((1000, 1000), 60).save(path)
    assert path.stat().st_size > 512 * 1024
    assert run(command, altwright.url, str(path)).returncode == 0


def test_what_may_pass_is_tried_again_after_as_long_as_the_server_says(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str], tmp_path: Path
) -> None:
    """429 with Retry-After, 503 without: the caption comes, and no wait is cut short."""
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    proxy = make_fault_proxy(altwright.url)
    proxy.then(problem(429, "rate_limited", retry_after="1"), problem(503, "overloaded"))
    assert text_of(run(command, proxy.url, str(tmp_path / "mug.jpg")))
    assert [seen.action for seen in proxy.requests] == ["rate_limited", "overloaded", "forward"]
    assert proxy.gaps_s()[0] >= 1.0 - 0.05
    assert len({seen.body for seen in proxy.requests}) == 1


def test_what_will_not_pass_is_told_at_once_with_its_code(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str], tmp_path: Path
) -> None:
    """A text is no picture: one request, and a sentence."""
    (tmp_path / "notes.txt").write_text("not a picture")
    proxy = make_fault_proxy(altwright.url)
    ran = run(command, proxy.url, str(tmp_path / "notes.txt"))
    assert ran.returncode not in (0, 75)
    assert "image_unsupported" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(proxy.requests) == 1


def test_the_key_is_sent_and_shown_nowhere(
    altwright: Altwright, make_fault_proxy: MakeFaultProxy, command: Sequence[str], tmp_path: Path
) -> None:
    """As the contract's header; a refusal does not repeat it."""
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    proxy = make_fault_proxy(altwright.url).then(problem(401, "unauthorized"))
    ran = run(command, proxy.url, str(tmp_path / "mug.jpg"), key=KEY)
    assert proxy.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert ran.returncode != 0
    assert "unauthorized" in ran.stdout + ran.stderr
    assert KEY not in ran.stdout + ran.stderr


def test_every_template_is_listed_and_every_listed_one_is_there() -> None:
    """The table of README.md and the folder say the same."""
    table = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    listed = {line.split("](")[1].split(")")[0] for line in table.splitlines() if line[:3] == "| ["}
    assert listed == {path.name for path in TEMPLATES.iterdir() if path.is_file()} - {"README.md"}
