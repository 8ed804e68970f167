"""Which pages are meant: addresses, files on this machine, and what sitemaps list."""

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
"""Of one sitemap, unpacked (https://www.sitemaps.org/protocol.html)."""
_TIMEOUT_S = 30.0


def pages_of(words: Sequence[str], client: httpx.Client) -> Iterator[str]:
    """The address of every page once, in order.

    A word that ends in .xml or .xml.gz is a sitemap, or an index of sitemaps. Raises UsageError
    with one sentence.
    """
    seen: set[str] = set()
    for word in words:
        listed = _listed(word, client) if is_sitemap(word) else iter([_address(word)])
        for address in listed:
            if address not in seen:
                seen.add(address)
                yield address


def is_sitemap(word: str) -> bool:
    """By its name alone: nothing is fetched to find out."""
    path = urlsplit(word).path if "://" in word else word
    return path.lower().endswith((".xml", ".xml.gz"))


def _address(word: str) -> str:
    if word.lower().startswith(("http://", "https://")):
        return word
    path = Path(word)
    if "://" in word or not path.is_file():
        raise UsageError(f"{word} is neither an http(s) address nor a file.")
    return path.resolve().as_uri()


def _listed(word: str, client: httpx.Client) -> Iterator[str]:
    kind, addresses = _read(word, client)
    if kind == "urlset":
        yield from addresses
        return
    for sitemap in addresses:
        inner, found = _read(sitemap, client)
        if inner != "urlset":
            raise UsageError(f"{sitemap} is an index inside an index, which no sitemap may be.")
        yield from found


def _read(word: str, client: httpx.Client) -> tuple[str, list[str]]:
    """`urlset` or `sitemapindex`, and the addresses in it. Those that are not http(s) are left."""
    data = _bytes(word, client)
    if b"<!DOCTYPE" in data[:1024] or b"<!ENTITY" in data:
        raise UsageError(f"{word} declares entities, which no sitemap needs: it is not read.")
    try:
        root = ET.fromstring(data)  # noqa: S314 - entities are refused above
    except ET.ParseError as error:
        raise UsageError(f"{word} is no XML: {error}.") from None
    kind = _local(root.tag)
    if kind not in ("urlset", "sitemapindex"):
        raise UsageError(f"{word} is no sitemap: its first element is <{kind}>.")
    found = [
        (inner.text or "").strip() for each in root for inner in each if _local(inner.tag) == "loc"
    ]
    return kind, [each for each in found if each.lower().startswith(("http://", "https://"))]


def _bytes(word: str, client: httpx.Client) -> bytes:
    if not word.lower().startswith(("http://", "https://")):
        try:
            data = Path(word).read_bytes()
        except OSError as error:
            raise UsageError(f"{word} cannot be read: {error.strerror}.") from None
    else:
        data = _fetched(word, client)
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(MAX_SITEMAP_BYTES + 1)
        except (OSError, EOFError):
            raise UsageError(f"{word} cannot be unpacked.") from None
    if len(data) > MAX_SITEMAP_BYTES:
        raise UsageError(f"{word} is larger than a sitemap may be (50 MiB).")
    return data


def _fetched(word: str, client: httpx.Client) -> bytes:
    import httpx

    try:
        with client.stream("GET", word, timeout=_TIMEOUT_S, follow_redirects=True) as response:
            if response.status_code != 200:
                raise UsageError(f"{word} answered {response.status_code}.")
            data = b""
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > MAX_SITEMAP_BYTES:
                    return data
            return data
    except httpx.HTTPError as error:
        raise UsageError(f"{word} cannot be read: {error or type(error).__name__}.") from None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
