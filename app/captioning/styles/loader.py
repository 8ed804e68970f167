"""Reads styles from files: ours beside this module, an operator's from a folder of theirs."""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
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
from app.captioning.prompt import FRAME
from app.types import Style

_OURS = Path(__file__).parent
# Names stand in JSON, in URLs and in metrics' labels.
_NAME_PATTERN = r"[a-z][a-z0-9_-]{0,31}"

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _StyleFile(BaseModel):
    """The keys of a style's file. The file's name is the style's name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    purpose: Annotated[Line, StringConstraints(max_length=300)]
    prompt: Annotated[Line, StringConstraints(max_length=2000)]
    # The cap is what a model can say in 256 tokens, with air; the floors keep a limit a limit.
    min_chars: int = Field(ge=1, le=4000)
    aim_chars: int = Field(ge=1, le=4000)
    max_chars: int = Field(ge=20, le=4000)
    warn_over_chars: int | None = Field(None, ge=1, le=4000)
    min_sentences: int = Field(1, ge=1, le=50)
    max_sentences: int = Field(ge=1, le=50)
    max_word_repeats: int | None = Field(None, ge=1, le=50)
    uses_keywords: bool = False
    banned: Annotated[list[Line], Field(max_length=1000)] = []
    replaces_built_in: bool = False
    """Says that an operator's file means to take the place of one of ours of the same name."""

    @model_validator(mode="after")
    def _limits_fit(self) -> "_StyleFile":
        if not self.min_chars <= self.aim_chars <= self.max_chars:
            raise ValueError("aim_chars must lie between min_chars and max_chars")
        if self.min_sentences > self.max_sentences:
            raise ValueError("min_sentences must not be more than max_sentences")
        return self


class StyleRegistry(Mapping[str, Style]):
    """All styles by name, ours first and then the operator's, each in order of its name."""

    def __init__(self, styles: Mapping[str, Style]) -> None:
        self._styles = dict(styles)

    @classmethod
    def load(cls, extra_dir: Path | None = None) -> "StyleRegistry":
        """Our styles and those of `extra_dir` (its `*.toml` files).

        A file there with the name of one of ours must say `replaces_built_in = true`.

        Raises StyleFileError.
        """
        styles = {name: _style(path) for name, path in _files(_OURS)}
        if extra_dir is None:
            return cls(styles)
        if not extra_dir.is_dir():
            raise StyleFileError(f"{extra_dir} is not a folder; STYLES_DIR must name one.")
        ours = frozenset(styles)
        for name, path in _files(extra_dir):
            styles[name] = _style(path, taken=name in ours)
        return cls(styles)

    def names(self) -> tuple[str, ...]:
        """Every style's name."""
        return tuple(self._styles)

    def __getitem__(self, name: str) -> Style:
        return self._styles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._styles)

    def __len__(self) -> int:
        return len(self._styles)


def _files(folder: Path) -> list[tuple[str, Path]]:
    return [(path.stem, path) for path in sorted(folder.glob("*.toml"))]


def _style(path: Path, *, taken: bool = False) -> Style:
    if not re.fullmatch(_NAME_PATTERN, path.stem):
        raise StyleFileError(
            f"{path}: a style's name is its file's name; use small letters, digits, - and _ only."
        )
    raw, file = _read(path)
    if taken and not file.replaces_built_in:
        raise StyleFileError(
            f"{path}: key replaces_built_in: {path.stem!r} is the name of a built-in style; "
            "set it to true to replace that, or rename the file."
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
        instructions=(prompt, *FRAME),
    )


def _read(path: Path) -> tuple[bytes, _StyleFile]:
    try:
        raw = path.read_bytes()
        values = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise StyleFileError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise StyleFileError(f"{path}: is not UTF-8; save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise StyleFileError(f"{path}: is not TOML: {error}.") from error
    try:
        return raw, _StyleFile.model_validate(values)
    except ValidationError as error:
        raise StyleFileError(f"{path}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    """The first thing that is wrong: which key, what about it, what to do."""
    found = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        known = ", ".join(_StyleFile.model_fields)
        return f"key {key}: no such key; remove it or use one of {known}."
    if found["type"] == "missing":
        return f"key {key}: is missing; add it."
    message = found["msg"].removeprefix("Value error, ")
    return f"key {key}: {message}; mend it." if key else f"{message}; mend it."
