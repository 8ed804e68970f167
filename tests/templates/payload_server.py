"""A real Payload 3 with the template, as a user installs it, in a process of its own."""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import sqlalchemy as sa

from testing.requirements import NODE_MODULES, require_node_package, require_program
from testing.servers.fault_proxy import FaultProxy, RecordedRequest, http_response

TEMPLATES = Path(__file__).parents[2] / "openapi/templates"
SITE = Path(__file__).with_name("payload_site")

_SHOWN = ("alt", "altSource", "altLocale", "altModel", "altReviewedAt", "altReasons")

Document = dict[str, Any]


def install(folder: Path) -> Path:
    """Copy the site and the template as its README says."""
    require_node_package("payload")
    shutil.copytree(SITE, folder)
    target = folder / "src/altwright"
    shutil.copytree(TEMPLATES / "payload", target)
    for name in ("caption.mjs", "caption.d.mts"):
        shutil.copy(TEMPLATES / name, target)
    (folder / "node_modules").symlink_to(NODE_MODULES)
    return folder


def environment(**more: str) -> dict[str, str]:
    """The environment of this process without Altwright's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")}
    return {**kept, "NEXT_TELEMETRY_DISABLED": "1", "NODE_OPTIONS": "--no-warnings", **more}


class PayloadError(Exception):
    """What the Local API threw."""


class PayloadSite:
    """The running site. `create`, `update` and `find` are the Local API's."""

    def __init__(self, folder: Path, database: str, captions: str, **more: str) -> None:
        self.folder = folder
        self.database = database
        self.environment = environment(DATABASE_URL=database, ALTWRIGHT_URL=captions, **more)
        self._process: subprocess.Popen[str] | None = None
        self.http = httpx.Client(timeout=60)

    def __enter__(self) -> Self:
        node = require_program("node", "nodejs")
        self._log = (self.folder / "site.log").open("w")
        self._process = subprocess.Popen(
            [node, "--import", "tsx", "server.ts"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("listening on "):
                self.http.base_url = f"http://127.0.0.1:{line.split()[-1]}"
                return self
        raise AssertionError((self.folder / "site.log").read_text())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self.http.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    def local(self, method: str, **args: object) -> Any:
        """Call the Local API."""
        answer = self.http.post("/local", json={"method": method, "args": args}).json()
        if "error" in answer:
            raise PayloadError(f"{answer['error']} {answer.get('data')}")
        return answer["result"]

    def create(self, collection: str = "media", data: Document | None = None, **more: Any) -> Any:
        """Create a document."""
        return self.local("create", collection=collection, data=data or {}, **more)

    def update(self, doc: Document, data: Document | None = None, **more: Any) -> Any:
        """Change a document of `media`, or of the collection that `more` names."""
        args = {"collection": "media", "id": doc["id"], "data": data or {}, **more}
        return self.local("update", **args)

    def read(self, doc: Document, locale: str = "en", collection: str = "media") -> Any:
        """The document in one locale, without another one's values."""
        return self.local(
            "findByID", collection=collection, id=doc["id"], locale=locale, fallbackLocale=False
        )

    @contextlib.contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A transaction in the site's database, without Payload."""
        engine = sa.create_engine(self.sqlalchemy_url)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    @property
    def sqlalchemy_url(self) -> str:
        """The database as SQLAlchemy names it."""
        path = self.database.removeprefix("file:")
        if path != self.database:
            return f"sqlite:///{path}"
        return self.database.replace("postgresql://", "postgresql+psycopg://")

    def jobs(self) -> list[Document]:
        """The jobs that are not done."""
        found: list[Document] = self.local("jobs")["docs"]
        return found

    def run(self) -> None:
        """Work on the queue until nothing is due."""
        while not self.local("run").get("noJobsRemaining"):
            pass


def upload(data: bytes, name: str = "mug.jpg", mimetype: str = "image/jpeg") -> Document:
    """A file for `create` and `update`."""
    return {"base64": base64.b64encode(data).decode(), "name": name, "mimetype": mimetype}


def multipart(data: bytes, fields: Document, name: str = "mug.jpg") -> dict[str, Any]:
    """What the admin interface and REST clients send with a file."""
    return {
        "files": {"file": (name, data, "image/jpeg")},
        "data": {"_payload": json.dumps(fields)},
    }


def shown(doc: Document) -> Document:
    """The fields of an alt text that are not empty."""
    return {name: doc[name] for name in _SHOWN if doc.get(name)}


def caption_of(image: bytes, locale: str) -> str:
    """The caption that `describe` gives for a file."""
    return f"Picture {hashlib.sha256(image).hexdigest()[:8]} in {locale}."


async def describe(
    _proxy: FaultProxy, request: RecordedRequest, writer: asyncio.StreamWriter
) -> None:
    """Answer at once as the server does, with another caption for each picture and locale."""
    asked = request.form()
    image, locale = asked["image"], str(asked["locale"])
    assert isinstance(image, bytes)
    caption = caption_of(image, locale)
    body = {"caption": caption, "decorative": False, "locale": locale, "model": "stub"}
    writer.write(http_response(200, body))
    await writer.drain()
