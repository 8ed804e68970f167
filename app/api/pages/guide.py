"""The guide: what `make docs` has built, served where it is."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from app.api.errors import NotFound

_NOT_BUILT = (
    "The guide is not built on this server. Its operator runs `make docs` in a checkout of the "
    "project, before the container image is built where there is one."
)
_FOLDER = "guide_site"


def is_guide_built() -> bool:
    """Whether there is a guide to link to."""
    return _folder().joinpath("index.html").is_file()


def find_guide_file(path: str) -> Traversable:
    """A file of the guide; the index of a folder for a path that ends with a slash.

    Names are compared with those in the folder, so that `..` matches none. Raises NotFound.
    """
    if not is_guide_built():
        raise NotFound(_NOT_BUILT)
    found = _folder()
    names = (path + "index.html" if path.endswith("/") or not path else path).split("/")
    for name in names:
        matching = [file for file in found.iterdir() if file.name == name] if found.is_dir() else []
        if not matching:
            raise NotFound
        found = matching[0]
    if not found.is_file():
        raise NotFound
    return found


def _folder() -> Traversable:
    return files("app.api.pages").joinpath(_FOLDER)
