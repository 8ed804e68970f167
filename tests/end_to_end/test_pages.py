"""The pages of a real server in a real browser: the API reference, its samples, accessibility."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from testing.requirements import require_program
from testing.servers.altwright import Altwright
from testing.servers.axe import WINDOWS, find_violations
from testing.servers.browser import Browser

PICTURES = Path(__file__).parents[2] / "demo/pictures"
KEY = "a-key-of-this-test"


@pytest.fixture(scope="module")
def locked() -> Iterator[Altwright]:
    """A server that needs a key."""
    with Altwright(API_KEYS=json.dumps([KEY]), REQUEST_TIMEOUT_S="60") as server:
        yield server


def find_samples(page: str) -> list[tuple[str, str]]:
    """Language and code of every sample in the page that is a program."""
    found = re.findall(r'<code class="language-(sh|python|js)">(.*?)</code>', page, re.DOTALL)
    return [(language, unescape(code)) for language, code in found]


@pytest.mark.slow
def test_every_sample_of_the_reference_works(locked: Altwright, tmp_path: Path) -> None:
    """As it is shown, with the server's own address; but nobody is at images.example.com."""
    node = require_program("node", "nodejs")
    shutil.copy(PICTURES / "mug.jpg", tmp_path)
    samples = find_samples(locked.get("/docs").text)
    assert len(samples) >= 26
    programs = {"sh": ["bash", "-c"], "python": [sys.executable, "-W", "error", "-c"],
                "js": [node, "--input-type=module", "-e"]}  # fmt: skip
    for language, code in samples:
        done = subprocess.run(
            [*programs[language], code],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "ALTWRIGHT_API_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, code + done.stderr
        if "images.example.com" in code:
            assert '"image_unreachable"' in done.stdout, code
        else:
            failed = re.search(r"""['"]?code['"]?: ['"]\w+['"]""", done.stdout)
            assert done.stdout.strip(), code
            assert not failed, code + done.stdout


def test_the_reference_shows_no_host_name_that_is_none(locked: Altwright) -> None:
    """The Host header is the caller's; what is no host name is not repeated."""
    for host in ("a.example", "a.example:8443", "[::1]:8000"):
        page = locked.get("/docs", headers={"Host": host, "X-Forwarded-Proto": "https"}).text
        assert f"//{host}/v1/image/caption" in page
    for host in ("x'; rm -rf ~; '", "<script>", "a$(id)"):
        response = locked.get("/docs", headers={"Host": host})
        assert host not in response.text


@pytest.mark.slow
def test_axe_finds_nothing_in_the_reference(browser: Browser, locked: Altwright) -> None:
    """And it fits its window; one opens it by the type of a problem."""
    page = browser.page()
    page.open(locked.url + "/docs#problem-overloaded")
    page.wait("document.querySelectorAll('.sample button').length > 20")
    assert page.run("document.querySelector(':target').innerText") == "overloaded (503)"
    for width, dark in WINDOWS:
        page.size(width, 900, dark=dark)
        assert find_violations(page) == [], f"{width} px, dark: {dark}"
        assert page.run("document.documentElement.scrollWidth") <= width
    page.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.run("document.querySelector(\"[aria-label^='Copy curl']\").click()")
    assert page.run("copied").startswith("curl -H")
    assert page.errors == []
