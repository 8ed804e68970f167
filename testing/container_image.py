"""Builds the Dockerfile's image with buildah, on a base that debootstrap makes of Debian packages.

No registry of images is asked, and nothing runs as a service. The base gets the name that the
Dockerfile says, with this system's Python. Packages come from where apt and pip of this machine get
theirs. Needs root, because debootstrap does.
"""

import configparser
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testing.requirements import require_program, skip_or_fail

REQUIRED_AS = "buildah"
_TOP = Path(__file__).parents[1]
_PYTHON = ("python3", "python3-venv", "python-is-python3")
_PIP_FILES = ("cert", "client-cert")
_PIP_LINKS = ("find-links",)
_PIP_INDEXES = ("index-url", "extra-index-url")


@dataclass(frozen=True, slots=True)
class BuildahStore:
    """Images and containers in a folder of their own."""

    folder: Path

    def run(self, *arguments: str | Path) -> str:
        """What buildah prints. Raises RuntimeError with what it says where it fails."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)
        if done.returncode:
            said = f"{done.stdout}\n{done.stderr}"[-4_000:]
            raise RuntimeError(f"buildah {arguments[0]} failed: {said}")
        return done.stdout.strip()

    def command(self, *arguments: str | Path) -> list[str]:
        """The command line."""
        program = require_program("buildah", "buildah")
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        return [program, *places, *map(str, arguments)]

    @contextmanager
    def container(self, image: str) -> Iterator["Container"]:
        """A container of the image, with its file system mounted."""
        name = self.run("from", "--pull-never", image)
        try:
            yield Container(self, name, Path(self.run("mount", name)))
        finally:
            self.run("rm", name)

    def config(self, image: str) -> Mapping[str, Any]:
        """What the image says of how it is run."""
        loaded: dict[str, Any] = json.loads(self.run("inspect", "--type", "image", image))
        return dict(loaded["Docker"]["config"])


@dataclass(frozen=True, slots=True)
class Container:
    """A file system, in which commands run as the image's user."""

    store: BuildahStore
    name: str
    root: Path

    def command(self, *arguments: str, **environment: str) -> list[str]:
        """The command line that runs a program in it, in the network of this machine."""
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        options = ["--isolation", "chroot", *variables]
        return self.store.command("run", *options, self.name, "--", *arguments)


def require_image_tools() -> None:
    """Skip the test where the image cannot be built."""
    require_program("buildah", "buildah")
    require_program("debootstrap", "debootstrap", REQUIRED_AS)
    if os.geteuid():
        skip_or_fail(REQUIRED_AS, "be root")


def build_base(store: BuildahStore, image: str) -> None:
    """An image with this system's Python, which stands in for the Dockerfile's base."""
    uri, codename = _debian_mirror()
    with store.container("scratch") as base:
        include = f"--include={','.join(_PYTHON)}"
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", include, codename, base.root, uri],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"debootstrap failed: {done.stdout[-4_000:]}{done.stderr}")
        for archive in (base.root / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()
        store.run("commit", base.name, image)


def build_image(store: BuildahStore, image: str, **arguments: str) -> None:
    """`docker build` of this project with these build arguments."""
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    options += [f"--volume={path}:{path}:ro" for path in _pip_paths()]
    pip_options = store.folder / "pip.conf"
    with pip_options.open("w", encoding="utf-8") as file:
        _pip_options().write(file)
    options.append(f"--volume={pip_options}:/etc/pip.conf:ro")
    fixed = ["--isolation", "chroot", "--pull-never", "--format", "docker", "--layers=false"]
    store.run("build", *fixed, *options, "--tag", image, _TOP)


def size_bytes(folder: Path) -> int:
    """What the files below take, each once."""
    done = subprocess.run(
        ["du", "--summarize", "--block-size=1", "--one-file-system", folder],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout.split()[0])


def _debian_mirror() -> tuple[str, str]:
    """Where apt of this machine gets this system's packages from, and the release's name."""
    os_release = Path("/etc/os-release").read_text(encoding="utf-8")
    fields = dict(line.partition("=")[::2] for line in os_release.splitlines())
    codename = fields.get("VERSION_CODENAME", "").strip('"')
    uri = next((uri for release, uri in _apt_sources() if release == codename), None)
    if uri is None:
        skip_or_fail(REQUIRED_AS, "name this release's packages in apt's sources")
    return uri, codename


def _apt_sources() -> Iterator[tuple[str, str]]:
    """Release and URI of each source of apt."""
    apt_get = require_program("apt-get", "apt", REQUIRED_AS)
    # Also of sources whose lists were not fetched.
    shown = ["--no-release-info", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)"]
    done = subprocess.run(
        [apt_get, "indextargets", *shown, "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        release, component, uri = line.split(maxsplit=2)
        if component == "main":
            yield release, uri


def _pip_options() -> configparser.RawConfigParser:
    """Where pip of this machine gets packages from, as a pip.conf."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    parser = configparser.RawConfigParser()
    parser.add_section("global")
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        if option in (*_PIP_FILES, *_PIP_LINKS, *_PIP_INDEXES, "trusted-host", "proxy", "timeout"):
            parser.set("global", option, value.strip("'\"").replace("\\n", "\n"))
    return parser


def _pip_paths() -> list[Path]:
    """Files and folders of this machine that those options name."""
    options = _pip_options()["global"]

    def local(names: tuple[str, ...]) -> Iterator[Path]:
        for name in names:
            for word in options.get(name, "").split():
                if (path := word.removeprefix("file://")).startswith("/"):
                    yield Path(path)

    # The pages of an index link to files beside it.
    named = {*local(_PIP_FILES + _PIP_LINKS), *(path.parent for path in local(_PIP_INDEXES))}
    return sorted(path for path in named if path.exists())
