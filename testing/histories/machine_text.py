"""The texts of the caption stub: each says which picture, style, locale and title it is about."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

_TEXT = re.compile(
    r"Picture (?P<slug>\S+) as (?P<style>\w+) in (?P<locale>[\w-]+), "
    r'about (?P<about>[0-9a-f]{8}), "no" (?P<serial>\d+), déjà vu; ok\.?(?P<tail>x*)'
)
_LOCALES = ("en", "de")


@dataclass(frozen=True, slots=True)
class MachineText:
    """What a text of the stub says about itself."""

    slug: str
    style: str
    locale: str
    about: str
    """Hash of the context that was sent."""
    serial: int


def slug_of(image: str) -> str:
    """The name of a picture: the last part of its URL, without the suffix."""
    return image.strip().rpartition("/")[2].partition("?")[0].removesuffix(".jpg")


def verdict_of(slug: str) -> str:
    """What the stub does with a picture: `ok`, `refused`, `gone`, …: the start of its name."""
    return slug.partition("-")[0]


def hash_context(context: str) -> str:
    """Eight hexadecimal digits."""
    return f"{zlib.crc32(context.encode()):08x}"


def make_text(slug: str, style: str, locale: str, context: str, serial: int) -> str:
    """A text that `parse_text` reads."""
    tail = "x" * 260 if verdict_of(slug) == "long" else ""
    about = hash_context(context)
    return (
        f'Picture {slug} as {style} in {locale}, about {about}, "no" {serial}, déjà vu; ok.{tail}'
    )


def parse_text(text: str) -> MachineText | None:
    """None: a person wrote it."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    return MachineText(
        found["slug"], found["style"], found["locale"], found["about"], int(found["serial"])
    )
