"""One version for the whole project."""

import json
import tomllib
from importlib.metadata import version
from pathlib import Path

import altwright

import app

TOP = Path(__file__).parents[1]


def test_server_sdk_and_openapi_document_have_the_same_version() -> None:
    document = json.loads((TOP / "openapi/openapi.json").read_text(encoding="utf-8"))
    assert altwright.__version__ == app.__version__ == document["info"]["version"]


def test_no_pyproject_repeats_the_version() -> None:
    for path in (TOP / "pyproject.toml", TOP / "sdk/pyproject.toml"):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        assert "version" not in project
        assert project["dynamic"] == ["version"]


def test_the_installed_package_has_the_version_of_its_module() -> None:
    assert version("altwright") == altwright.__version__
