"""A caption as HTML that can be pasted: everything that came from outside is escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from altwright.errors import UsageError

_SIGNATURES = frozenset(
    {"x-amz-signature", "x-amz-credential", "x-goog-signature", "x-goog-credential", "signature",
     "sig", "key-pair-id", "awsaccesskeyid", "googleaccessid", "token", "access_token"}
)  # fmt: skip
"""Query parameters of URLs that let whoever has them in: no page should carry one."""
_MEDIA_TYPES = {
    "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
    "bmp": "image/bmp", "tiff": "image/tiff", "avif": "image/avif", "heic": "image/heic",
}  # fmt: skip
# A browser ends a script at the first </script, whatever JSON says of strings, and older ones
# read U+2028 and U+2029 as ends of lines.
_UNSAFE_IN_SCRIPT = {
    ord(character): f"\\u{ord(character):04x}" for character in "<>&\N{LINE SEPARATOR}\u2029"
}


def attribute(name: str, value: str) -> str:
    """`name="value"`, escaped for HTML and XML alike."""
    return f'{name}="{html.escape(value, quote=True)}"'


def public_url(url: str | None, asked: str | None) -> str:
    """`url`, or else the URL that was captioned. Raises UsageError if that cannot be published."""
    if url is not None:
        return url
    if asked is None:
        raise UsageError("This caption was made of a local picture: hand in the URL it has online.")
    names = {name.lower() for name, _ in parse_qsl(urlsplit(asked).query, keep_blank_values=True)}
    if names & _SIGNATURES:
        raise UsageError("The URL that was captioned is signed: hand in the one to publish.")
    return asked


def open_graph(url: str, *, alt: str, size_px: tuple[int, int]) -> str:
    """The meta tags of a page's picture (https://ogp.me/#structured), one a line."""
    width_px, height_px = size_px
    pairs = [("og:image", url)]
    pairs += [("og:image:width", str(width_px)), ("og:image:height", str(height_px))]
    if alt:
        pairs.append(("og:image:alt", alt))
    return "\n".join(
        f"<meta {attribute('property', name)} {attribute('content', value)}>"
        for name, value in pairs
    )


def image_object(
    url: str, *, text: str, locale: str, size_px: tuple[int, int], image_format: str
) -> str:
    """A script element with schema.org's ImageObject (https://schema.org/ImageObject)."""
    width_px, height_px = size_px
    data: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "ImageObject",
        "contentUrl": url,
        "width": {"@type": "QuantitativeValue", "value": width_px, "unitCode": "E37"},
        "height": {"@type": "QuantitativeValue", "value": height_px, "unitCode": "E37"},
    }
    if media_type := _MEDIA_TYPES.get(image_format):
        data["encodingFormat"] = media_type
    if text:
        data |= {"caption": text, "inLanguage": locale}
    return f'<script type="application/ld+json">{json_in_script(data)}</script>'


def json_in_script(data: Mapping[str, object]) -> str:
    """JSON that may stand between `<script>` and `</script>`, whatever its strings hold."""
    return json.dumps(data, ensure_ascii=False).translate(_UNSAFE_IN_SCRIPT)
