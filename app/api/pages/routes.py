"""HTML pages: the playground and the API reference. Every asset is served from here."""

import functools
import re
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.api.dependencies import ServicesDep
from app.api.errors import NotFound
from app.api.pages.guide import find_guide_file, is_guide_built
from app.api.pages.reference.page import render_reference
from app.api.pages.reference.samples import BASE_URL

pages_router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob: http: https:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")
"""Host names and addresses, with a port; anything else is not shown."""


@pages_router.get("/")
async def playground() -> Response:
    """The playground: a page on which to try captions."""
    return _html_response(_fill_template("index.html"))


@pages_router.get("/playground/{name}")
async def playground_file(name: str) -> Response:
    """A script or style sheet of the pages."""
    return _file_response(_page_file(name), max_age_s=300)


@pages_router.get("/docs")
async def docs(request: Request, services: ServicesDep) -> Response:
    """The API reference, with each problem at the anchor that its `type` names."""
    base_url = str(request.base_url).rstrip("/")
    page = _reference_page(request.app, services.authenticator.needs_key)
    if _HOST.fullmatch(request.url.netloc):
        page = page.replace(BASE_URL, escape(base_url))
    return _html_response(page)


@functools.lru_cache(maxsize=2)
def _reference_page(app: FastAPI, needs_key: bool) -> str:
    """Rendering takes milliseconds, and is done once."""
    contents, main = render_reference(app.openapi(), needs_key=needs_key)
    page = _fill_template("reference.html")
    return page.replace("<!-- contents -->", contents).replace("<!-- main -->", main)


@pages_router.get("/docs/guide")
async def guide_folder(request: Request) -> Response:
    """Links of the guide are relative to its folder, so a slash is added."""
    return RedirectResponse(request.scope.get("root_path", "") + "/docs/guide/", 308)


@pages_router.get("/docs/guide/{path:path}")
async def guide(path: str) -> Response:
    """A page of the guide, or a file that it shows."""
    return _file_response(find_guide_file(path))


def _fill_template(name: str) -> str:
    """A page of ours, with the link to the guide where there is one."""
    template = _page_file(name).read_text(encoding="utf-8")
    link = ' <a href="docs/guide/">Guide</a>' if is_guide_built() else ""
    return template.replace("<!-- guide -->", link)


def _page_file(name: str) -> Traversable:
    """A file of the folder `playground`. Names are compared, so that a path matches none."""
    folder = files("app.api.pages").joinpath("playground")
    for file in folder.iterdir():
        if file.name == name and name.rpartition(".")[2] in _MEDIA_TYPES:
            return file
    raise NotFound


def _html_response(page: str) -> Response:
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return Response(page, media_type=_MEDIA_TYPES["html"], headers=headers)


def _file_response(file: Traversable, *, max_age_s: int = 0) -> Response:
    return Response(
        file.read_bytes(),
        media_type=_MEDIA_TYPES[file.name.rpartition(".")[2]],
        headers={
            "Content-Security-Policy": _POLICY,
            "Cache-Control": f"public, max-age={max_age_s}" if max_age_s else "no-cache",
        },
    )
