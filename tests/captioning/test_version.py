"""A stored caption belongs to the code that made it."""

import shutil
from pathlib import Path

import pytest

from app.captioning import version


@pytest.mark.parametrize(
    "name", ["prompt.py", "validate/rules.py", "validate/locales/hr.toml", "styles/seo.toml"]
)
def test_the_version_changes_with_prompt_rules_languages_and_styles(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte is enough, so that no old caption comes back under new rules."""
    package = tmp_path / "captioning"
    shutil.copytree(Path(version.__file__).parent, package)
    monkeypatch.setattr(version, "_PACKAGE", package)
    fresh = version.answers_version.__wrapped__
    before = fresh()
    assert before == fresh() == version.answers_version()
    with (package / name).open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert fresh() != before
