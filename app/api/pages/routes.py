"""HTML pages: the playground and the API documentation. Every asset is served from here."""

from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter
from starlette.responses import Response

from app.api.errors import NotFound
from app.errors import public_error_classes

pages_router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
}
_SWAGGER_FILES = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"})
_PLAYGROUND_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob: http: https:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# Swagger UI writes style attributes at run time, so inline styles are allowed. Nothing else is.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pages_router.get("/")
async def playground() -> Response:
    """The playground: a page on which to try captions."""
    return _file_response(_page_file("index.html"), _PLAYGROUND_POLICY)


@pages_router.get("/playground/{name}")
async def playground_file(name: str) -> Response:
    """A script or style sheet of the pages."""
    return _file_response(_page_file(name), _PLAYGROUND_POLICY, max_age_s=300)


@pages_router.get("/docs")
async def docs() -> Response:
    """Swagger UI for /openapi.json, and each problem at the anchor that its `type` names."""
    template = _page_file("docs.html").read_text(encoding="utf-8")
    page = template.replace("<!-- problems -->", _list_problems())
    return Response(
        page,
        media_type=_MEDIA_TYPES["html"],
        headers={"Content-Security-Policy": _DOCS_POLICY, "Cache-Control": "no-cache"},
    )


def _list_problems() -> str:
    rows = (
        f'<dt id="problem-{leaf.code}"><code>{leaf.code}</code> ({leaf.status})</dt>'
        f"<dd>{escape(leaf.public)}</dd>"
        for leaf in sorted(public_error_classes(), key=lambda leaf: (leaf.status, leaf.code))
    )
    return "\n".join(rows)


@pages_router.get("/docs/{name}")
async def docs_file(name: str) -> Response:
    """A file of Swagger UI, from the package fastapi-offline."""
    if name not in _SWAGGER_FILES:
        raise NotFound
    folder = files("fastapi_offline").joinpath("static")
    return _file_response(folder.joinpath(name), _DOCS_POLICY, max_age_s=86_400)


def _page_file(name: str) -> Traversable:
    """A file of the folder `playground`. Names are compared, so that a path matches none."""
    folder = files("app.api.pages").joinpath("playground")
    for file in folder.iterdir():
        if file.name == name and name.rpartition(".")[2] in _MEDIA_TYPES:
            return file
    raise NotFound


def _file_response(file: Traversable, policy: str, *, max_age_s: int = 0) -> Response:
    return Response(
        file.read_bytes(),
        media_type=_MEDIA_TYPES[file.name.rpartition(".")[2]],
        headers={
            "Content-Security-Policy": policy,
            "Cache-Control": f"public, max-age={max_age_s}" if max_age_s else "no-cache",
        },
    )
