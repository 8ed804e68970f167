"""The wheel: what it contains, and that it works where nothing else is installed."""

import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from altwright import __version__
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright

SDK = Path(__file__).parents[2] / "sdk"
THREE_LINE_PROGRAM = """
from pathlib import Path
from altwright import Altwright
print(Altwright().caption(Path("mug.jpg")))
"""


def run(*words: str | Path, url: str = "", cwd: Path | None = None) -> str:
    """The output of a program whose environment has nothing of this project."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ALTWRIGHT_", "PYTHON"))}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**kept, "ALTWRIGHT_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dependencies(name: str, extras: frozenset[str] = frozenset()) -> Iterator[str]:
    """The dependencies of an installed distribution, and their dependencies."""
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": each}) for each in {"", *extras}):
            yield canonicalize_name(requirement.name)
            yield from dependencies(requirement.name, frozenset(requirement.extras))


def build_wheel(installed: Distribution, folder: Path) -> None:
    """Write a wheel of an installed distribution, so that the test needs no package registry."""
    name = f"{installed.name.replace('-', '_')}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for file in installed.files or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                wheel.write(file.locate(), file.as_posix())


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of the SDK and of all dependencies of its extra `cli`."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation", "-w", folder, SDK)
    for name in {*dependencies("altwright", frozenset({"cli"}))}:
        build_wheel(distribution(name), folder)
    return folder


def install(wheels: Path, python: Path, what: str) -> None:
    """Install with pip, from this folder only."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "-q", "--no-index", "--find-links", wheels, what)


@pytest.mark.slow
def test_the_wheel_installs_in_an_empty_environment_and_captions_in_three_lines(
    altwright: Altwright, wheels: Path, tmp_path: Path
) -> None:
    """First without extras, then with the command."""
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    expected = altwright.caption(data_url(jpeg())).json()["caption"] + "\n"
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "empty")
    python, command = (tmp_path / "empty/bin" / name for name in ("python", "altwright"))
    install(wheels, python, "altwright")
    assert run(python, "-c", THREE_LINE_PROGRAM, url=altwright.url, cwd=tmp_path) == expected
    freeze = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    names = run(python, "-c", freeze).split()
    assert {"altwright", "httpx"} <= set(names)
    assert {"pillow", "typer", "rich"}.isdisjoint(names)
    install(wheels, python, "altwright[cli]")
    assert run(command, "caption", "mug.jpg", url=altwright.url, cwd=tmp_path) == expected


def test_the_wheel_contains_only_the_package_its_types_and_its_licence(wheels: Path) -> None:
    [path] = wheels.glob("altwright-*.whl")
    project = tomllib.loads((SDK / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert path.name == f"altwright-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        [metadata] = [name for name in names if name.endswith("/METADATA")]
        metadata_text = wheel.read(metadata).decode()
    page = ("backfill/review/*.html", "backfill/review/*.css", "backfill/review/*.js")
    code = {
        file.relative_to(SDK).as_posix()
        for pattern in ("**/*.py", *page)
        for file in (SDK / "altwright").glob(pattern)
    }
    assert {name for name in names if ".dist-info/" not in name} == code | {"altwright/py.typed"}
    assert any(name.endswith("/LICENSE") for name in names)
    assert "Author: Altwright maintainers" in metadata_text
    assert f"Requires-Python: {project['requires-python']}" in metadata_text
    assert "License-Expression: Apache-2.0" in metadata_text
