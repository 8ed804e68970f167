"""Pages for people: the playground and the API documentation, with every asset served by us."""

from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter
from starlette.responses import Response

from app.api.errors import NotFound
from app.errors import leaves

pages = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
}
_PLAYGROUND_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob: http: https:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# Swagger UI writes style attributes at run time; nothing else is loosened for it.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pages.get("/")
async def playground() -> Response:
    """A page to try captions on."""
    return _page(_own("index.html"), _PLAYGROUND_POLICY)


@pages.get("/playground/{name}")
async def playground_file(name: str) -> Response:
    """A script or style of our pages."""
    return _page(_own(name), _PLAYGROUND_POLICY, max_age_s=300)


@pages.get("/docs")
async def docs() -> Response:
    """Swagger UI over /openapi.json, and every problem under the address that its `type` names."""
    page = _own("docs.html").read_text(encoding="utf-8").replace("<!-- problems -->", _problems())
    return Response(
        page,
        media_type=_MEDIA_TYPES["html"],
        headers={"Content-Security-Policy": _DOCS_POLICY, "Cache-Control": "no-cache"},
    )


def _problems() -> str:
    rows = (
        f'<dt id="problem-{leaf.code}"><code>{leaf.code}</code> ({leaf.status})</dt>'
        f"<dd>{escape(leaf.public)}</dd>"
        for leaf in sorted(leaves(), key=lambda leaf: (leaf.status, leaf.code))
    )
    return "\n".join(rows)


@pages.get("/docs/{name}")
async def docs_file(name: str) -> Response:
    """A file of Swagger UI, from the package that carries it."""
    folder = files("fastapi_offline").joinpath("static")
    known = {"swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"}
    if name not in known:
        raise NotFound
    return _page(folder.joinpath(name), _DOCS_POLICY, max_age_s=86_400)


def _own(name: str) -> Traversable:
    folder = files("app.api.pages").joinpath("playground")
    # Only names that are in the folder: a path in the name finds nothing.
    for file in folder.iterdir():
        if file.name == name and name.rpartition(".")[2] in _MEDIA_TYPES:
            return file
    raise NotFound


def _page(file: Traversable, policy: str, *, max_age_s: int = 0) -> Response:
    return Response(
        file.read_bytes(),
        media_type=_MEDIA_TYPES[file.name.rpartition(".")[2]],
        headers={
            "Content-Security-Policy": policy,
            "Cache-Control": f"public, max-age={max_age_s}" if max_age_s else "no-cache",
        },
    )
