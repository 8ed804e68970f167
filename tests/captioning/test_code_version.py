"""The version of the code that makes captions."""

import shutil
from pathlib import Path

import pytest

from app.captioning import code_version


@pytest.mark.parametrize(
    "name",
    [
        "captioning/prompt.py",
        "validation/rules.py",
        "validation/locales/hr.toml",
        "captioning/styles/seo.toml",
        "vision/triage.py",
        "imaging/model_image.py",
    ],
)
def test_the_version_changes_with_prompts_rules_languages_and_styles(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One changed byte is enough."""
    app = tmp_path / "app"
    shutil.copytree(Path(code_version.__file__).parents[1], app)
    monkeypatch.setattr(code_version, "_APP", app)
    fresh = code_version.caption_code_version.__wrapped__
    before = fresh()
    assert before == fresh() == code_version.caption_code_version()
    with (app / name).open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert fresh() != before
