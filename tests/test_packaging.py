"""Lock files, Makefile, container image, compose file, licence and links."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from app.settings.settings import Settings

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", "requirements-dev.lock"]
HARDENED = ["api", "redis", "ollama"]


def read(path: str) -> str:
    """A file of the project as text."""
    return (ROOT / path).read_text(encoding="utf-8")


def pinned(lock: str) -> dict[str, list[Version]]:
    """Versions by package; more than one where they depend on the Python version."""
    versions: dict[str, list[Version]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", read(lock), re.MULTILINE):
        versions.setdefault(canonicalize_name(name), []).append(Version(version))
    return versions


def declared(*, dev: bool) -> list[Requirement]:
    """The direct dependencies of pyproject.toml; for development also those of the SDK."""
    lines: list[str] = []
    for path in ("pyproject.toml", "sdk/pyproject.toml") if dev else ("pyproject.toml",):
        document = tomllib.loads(read(path))
        lines += document["project"]["dependencies"]
        for extra in document["project"]["optional-dependencies"].values():
            lines += extra
        if dev:
            lines += document.get("dependency-groups", {}).get("dev", [])
    found = [Requirement(line) for line in lines]
    # What only a Python older than the lock files' is given is in neither of them.
    return [one for one in found if one.marker is None or '< "3.11"' not in str(one.marker)]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_direct_dependency_is_pinned_within_its_range(lock: str) -> None:
    """The lock is written from this pyproject.toml, not from an older one."""
    versions = pinned(lock)
    for requirement in declared(dev="dev" in lock):
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement.name} is not in {lock}: run `make lock`"
        for version in found:
            assert version in requirement.specifier, f"{requirement.name}: run `make lock`"


def test_development_uses_the_versions_that_are_shipped() -> None:
    """The tests run with what the server runs with."""
    shipped, tested = (pinned(lock) for lock in LOCKS)
    assert {name: tested.get(name) for name in shipped} == shipped


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    """pip refuses the whole file otherwise."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", read(lock)):
        if "==" in block.splitlines()[0]:
            assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("lock", [*LOCKS, "testing/package-lock.json"])
def test_no_lock_names_the_host_it_was_made_with(lock: str) -> None:
    """An installation may use a mirror."""
    if not (ROOT / lock).exists():
        pytest.skip(f"there is no {lock}")
    assert not re.search(r'index-url|"resolved": *"http|registry\.|://[^\s"]*pypi', read(lock))


def test_the_decision_on_dependencies_lists_each_with_the_version_that_is_pinned() -> None:
    """An undocumented dependency fails the build."""
    page = read("docs/decisions/0001-dependencies.md")
    versions = pinned("requirements-dev.lock") | pinned("requirements.lock")
    for requirement in declared(dev=True):
        [row] = [line for line in page.splitlines() if line.startswith(f"| {requirement.name} ")]
        for version in versions[canonicalize_name(requirement.name)]:
            assert str(version) in row, f"{requirement.name}: its row names another version"


@pytest.mark.parametrize(
    "target", ["help", "setup", "serve", "demo", "test", "check", "lock", "openapi", "clean"]
)
def test_make_has_the_target(target: str) -> None:
    """The names that the README and CI use."""
    makefile = read("Makefile")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    phony = next(line for line in makefile.splitlines() if line.startswith(".PHONY:"))
    assert target in phony.split()


def test_an_older_python_can_parse_the_install_script() -> None:
    """It must get as far as the sentence about its version."""
    ast.parse(read("scripts/install.py"), feature_version=(3, 7))


def test_every_file_that_the_image_copies_exists_and_is_not_ignored() -> None:
    """A COPY of something that .dockerignore hides fails only at build time otherwise."""
    sent = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    copied = []
    for line in read("Dockerfile").splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from="):
            copied += words[1:-1]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert source in sent, f"{source} is hidden by .dockerignore"


def test_the_image_runs_as_a_numeric_user_and_has_a_health_check() -> None:
    """Kubernetes can check runAsNonRoot only by number."""
    dockerfile = read("Dockerfile")
    last_stage = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", last_stage, re.MULTILINE)
    assert "HEALTHCHECK" in last_stage
    assert "/healthz" in last_stage
    assert "--require-hashes" in dockerfile


def compose() -> dict[str, Any]:
    """The compose file as data."""
    loaded: dict[str, Any] = yaml.safe_load(read("deploy/compose.yaml"))
    return loaded


def test_compose_sets_only_settings_that_exist() -> None:
    """A variable that was renamed in the code is renamed here."""
    names = set()
    for name, field in Settings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", {})
        names |= {f"ALTWRIGHT_{name}".upper(), *(f"ALTWRIGHT_{name}__{i}".upper() for i in inner)}
    assert set(compose()["services"]["api"]["environment"]) <= names


@pytest.mark.parametrize("service", HARDENED)
def test_compose_gives_no_service_more_than_it_needs(service: str) -> None:
    """No capabilities, no way to gain them."""
    settings = compose()["services"][service]
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]


def test_compose_publishes_on_this_machine_only_and_lets_the_api_drain() -> None:
    """Longer than the 20 seconds that the server may take, on a root that cannot be written."""
    api = compose()["services"]["api"]
    assert all(port.startswith("127.0.0.1:") for port in api["ports"])
    assert int(api["stop_grace_period"].removesuffix("s")) > 20
    assert "/readyz" in api["healthcheck"]["test"][-1]
    assert api["read_only"] is True
    assert set(compose()["services"]) == set(HARDENED)


def test_the_licence_is_the_complete_apache_licence() -> None:
    """The text as published, to the end."""
    text = read("LICENSE")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.split()) == 1581  # as the Apache Software Foundation publishes it


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CODE_OF_CONDUCT.md",
        "testing/corpora/README.md",
        "sdk/README.md",
        "openapi/templates/README.md",
        *sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")),
    ],
)
def test_links_inside_the_project_work(path: str) -> None:
    """Only relative links; no request is made."""
    for target in re.findall(r"\]\((?!https?:|#|/)([^)#\s]+)", read(path)):
        assert (ROOT / path).parent.joinpath(target).exists(), f"{path} links to {target}"
