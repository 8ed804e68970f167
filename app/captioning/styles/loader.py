"""Loads styles from TOML files: the built-in ones of this folder, and the operator's STYLES_DIR."""

import hashlib
import itertools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from app.captioning.errors import StyleFileError
from app.captioning.prompt import SHARED_INSTRUCTIONS
from app.runtime.regular_file import UnreadableFile, read_regular_file
from app.types import Style

_BUILT_IN_DIR = Path(__file__).parent
# Names are used in JSON, URLs and metric labels.
_NAME_PATTERN = r"[a-z][a-z0-9_-]{0,31}"

_MAX_BYTES = 256 * 1024
_MAX_FILES = 500

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _StyleFile(BaseModel):
    """The keys of a style file. The file's name is the style's name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    purpose: Annotated[_Text, StringConstraints(max_length=300)]
    prompt: Annotated[_Text, StringConstraints(max_length=2000)]
    # 4,000 characters are more than a model writes in 256 tokens, the maximum of `max_tokens`.
    min_chars: int = Field(ge=1, le=4000)
    aim_chars: int = Field(ge=1, le=4000)
    max_chars: int = Field(ge=20, le=4000)
    warn_over_chars: int | None = Field(None, ge=1, le=4000)
    min_sentences: int = Field(1, ge=1, le=50)
    max_sentences: int = Field(ge=1, le=50)
    max_word_repeats: int | None = Field(None, ge=1, le=50)
    uses_keywords: bool = False
    banned: Annotated[list[_Text], Field(max_length=1000)] = []
    replaces_built_in: bool = False
    """The operator's file replaces the built-in style of the same name."""

    @model_validator(mode="after")
    def _limits_are_consistent(self) -> "_StyleFile":
        if not self.min_chars <= self.aim_chars <= self.max_chars:
            raise ValueError("aim_chars must be between min_chars and max_chars")
        if self.min_sentences > self.max_sentences:
            raise ValueError("min_sentences must be at most max_sentences")
        return self


def load_styles(extra_dir: Path | None = None) -> Mapping[str, Style]:
    """All styles by name: the built-in ones, then those in `*.toml` files of `extra_dir`.

    A file there with the name of a built-in style must set `replaces_built_in = true`.

    Raises StyleFileError.
    """
    styles = {path.stem: _load_style(path) for path in _style_files(_BUILT_IN_DIR)}
    if extra_dir is None:
        return styles
    if not extra_dir.is_dir():
        raise StyleFileError(f"{extra_dir} is not a folder; set STYLES_DIR to a folder.")
    built_in = frozenset(styles)
    for path in _style_files(extra_dir):
        styles[path.stem] = _load_style(path, is_name_taken=path.stem in built_in)
    return styles


def _style_files(folder: Path) -> list[Path]:
    paths = sorted(itertools.islice(folder.glob("*.toml"), _MAX_FILES + 1))
    if len(paths) > _MAX_FILES:
        raise StyleFileError(f"{folder} has more than {_MAX_FILES} style files; remove some.")
    return paths


def _load_style(path: Path, *, is_name_taken: bool = False) -> Style:
    if not re.fullmatch(_NAME_PATTERN, path.stem):
        raise StyleFileError(
            f"{path}: the file name is the style's name; use only lower-case letters, digits, - "
            "and _."
        )
    raw, file = _read_style_file(path)
    if is_name_taken and not file.replaces_built_in:
        raise StyleFileError(
            f"{path}: key replaces_built_in: {path.stem!r} is the name of a built-in style; "
            "set it to true to replace that style, or rename the file."
        )
    prompt = " ".join(file.prompt.split())
    return Style(
        name=path.stem,
        purpose=file.purpose,
        prompt=prompt,
        min_chars=file.min_chars,
        aim_chars=file.aim_chars,
        max_chars=file.max_chars,
        warn_over_chars=file.warn_over_chars,
        min_sentences=file.min_sentences,
        max_sentences=file.max_sentences,
        max_word_repeats=file.max_word_repeats,
        uses_keywords=file.uses_keywords,
        banned=tuple(file.banned),
        version=hashlib.sha256(raw).hexdigest()[:12],
        instructions=(prompt, *SHARED_INSTRUCTIONS),
    )


def _read_style_file(path: Path) -> tuple[bytes, _StyleFile]:
    try:
        raw = read_regular_file(path, _MAX_BYTES)
        values = tomllib.loads(raw.decode("utf-8"))
    except UnreadableFile as error:
        raise StyleFileError(f"{path}: {error}.") from error
    except UnicodeDecodeError as error:
        raise StyleFileError(f"{path}: is not UTF-8; save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise StyleFileError(f"{path}: is not valid TOML: {error}.") from error
    except RecursionError as error:
        raise StyleFileError(f"{path}: is nested too deeply.") from error
    try:
        return raw, _StyleFile.model_validate(values)
    except ValidationError as error:
        raise StyleFileError(f"{path}: {_first_error(error)}") from error


def _first_error(error: ValidationError) -> str:
    """The first error in one sentence: the key, what is wrong, what to do."""
    found = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        known = ", ".join(_StyleFile.model_fields)
        return f"key {key}: unknown; remove it or use one of {known}."
    if found["type"] == "missing":
        return f"key {key}: missing; add it."
    message = found["msg"].removeprefix("Value error, ")
    return f"key {key}: {message}; correct it." if key else f"{message}; correct it."
