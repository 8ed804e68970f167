"""The providers that are known: the files beside this module, and an operator's own."""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from app.captioning.providers.provider import Provider

_SHIPPED = Path(__file__).parent
_MAX_FILE_BYTES = 1_000_000
_MAX_FILES = 200


class ProviderFileError(ValueError):
    """A file is not that of a provider. One line: the file, the member, and what it must be."""


@functools.cache
def load_providers(folder: Path | None = None) -> Mapping[str, Provider]:
    """All providers by the name of their file. Those of `folder` come first.

    Raises ProviderFileError.
    """
    own = _read_folder(folder) if folder is not None else {}
    shipped = _read_folder(_SHIPPED)
    return {**own, **{name: value for name, value in shipped.items() if name not in own}}


def find_provider(base_url: str, providers: Mapping[str, Provider]) -> Provider | None:
    """The provider that serves the base URL; None where none does."""
    return next((each for each in providers.values() if each.serves(base_url)), None)


def _read_folder(folder: Path) -> dict[str, Provider]:
    files = sorted(folder.glob("*.toml"))
    if len(files) > _MAX_FILES:
        raise ProviderFileError(f"has more than {_MAX_FILES} files")
    return {file.stem: _read_file(file) for file in files}


def _read_file(file: Path) -> Provider:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ProviderFileError(f"{file.name}: is larger than {_MAX_FILE_BYTES} bytes")
        return Provider.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ProviderFileError(f"{file.name}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ProviderFileError(f"{file.name}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ProviderFileError(f"{file.name}: is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ProviderFileError(f"{file.name}: {where}: {message}") from None
