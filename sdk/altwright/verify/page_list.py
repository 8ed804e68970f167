"""List the pages to check: addresses, local files, and what sitemaps contain."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from altwright.errors import UsageError

if TYPE_CHECKING:
    import httpx

MAX_SITEMAP_BYTES = 50 * 1024 * 1024
"""Of one sitemap, uncompressed (https://www.sitemaps.org/protocol.html)."""
_TIMEOUT_S = 30.0


def list_pages(arguments: Sequence[str], client: httpx.Client) -> Iterator[str]:
    """The URL of every page once, in order. Raises UsageError.

    An argument that ends in .xml or .xml.gz is a sitemap, or an index of sitemaps.
    """
    seen: set[str] = set()
    for argument in arguments:
        is_list = is_sitemap(argument)
        urls = _read_sitemap(argument, client) if is_list else iter([_to_url(argument)])
        for url in urls:
            if url not in seen:
                seen.add(url)
                yield url


def is_sitemap(argument: str) -> bool:
    """Judged by the name alone; nothing is downloaded."""
    path = urlsplit(argument).path if "://" in argument else argument
    return path.lower().endswith((".xml", ".xml.gz"))


def _to_url(argument: str) -> str:
    if argument.lower().startswith(("http://", "https://")):
        return argument
    path = Path(argument)
    if "://" in argument or not path.is_file():
        raise UsageError(f"{argument} is neither an http(s) URL nor a file.")
    return path.resolve().as_uri()


def _read_sitemap(argument: str, client: httpx.Client) -> Iterator[str]:
    kind, urls = _parse(argument, client)
    if kind == "urlset":
        yield from urls
        return
    for sitemap in urls:
        inner_kind, inner_urls = _parse(sitemap, client)
        if inner_kind != "urlset":
            raise UsageError(f"{sitemap} is an index inside an index, which is not allowed.")
        yield from inner_urls


def _parse(argument: str, client: httpx.Client) -> tuple[str, list[str]]:
    """`urlset` or `sitemapindex`, and its http(s) URLs."""
    data = _read_bytes(argument, client)
    if b"<!DOCTYPE" in data[:1024] or b"<!ENTITY" in data:
        raise UsageError(f"{argument} declares XML entities, which sitemaps do not need: refused.")
    try:
        root = ET.fromstring(data)  # noqa: S314 - entities are refused above
    except ET.ParseError as error:
        raise UsageError(f"{argument} is not valid XML: {error}.") from None
    kind = _local_name(root.tag)
    if kind not in ("urlset", "sitemapindex"):
        raise UsageError(f"{argument} is not a sitemap: its first element is <{kind}>.")
    urls = [
        (child.text or "").strip()
        for entry in root
        for child in entry
        if _local_name(child.tag) == "loc"
    ]
    return kind, [url for url in urls if url.lower().startswith(("http://", "https://"))]


def _read_bytes(argument: str, client: httpx.Client) -> bytes:
    if not argument.lower().startswith(("http://", "https://")):
        try:
            data = Path(argument).read_bytes()
        except OSError as error:
            raise UsageError(f"{argument} cannot be read: {error.strerror}.") from None
    else:
        data = _download(argument, client)
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(MAX_SITEMAP_BYTES + 1)
        except (OSError, EOFError):
            raise UsageError(f"{argument} cannot be decompressed.") from None
    if len(data) > MAX_SITEMAP_BYTES:
        raise UsageError(f"{argument} is larger than a sitemap may be (50 MiB).")
    return data


def _download(url: str, client: httpx.Client) -> bytes:
    import httpx

    try:
        with client.stream("GET", url, timeout=_TIMEOUT_S, follow_redirects=True) as response:
            if response.status_code != 200:
                raise UsageError(f"{url} responded with {response.status_code}.")
            data = b""
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > MAX_SITEMAP_BYTES:
                    return data
            return data
    except httpx.HTTPError as error:
        raise UsageError(f"{url} cannot be read: {error or type(error).__name__}.") from None


def _local_name(tag: str) -> str:
    return tag.rpartition("}")[2]
