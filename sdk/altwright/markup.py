"""Captions as HTML: alt attribute, Open Graph and schema.org. All values are escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from altwright.errors import UsageError

_SIGNATURE_PARAMETERS = frozenset(
    {"x-amz-signature", "x-amz-credential", "x-goog-signature", "x-goog-credential", "signature",
     "sig", "key-pair-id", "awsaccesskeyid", "googleaccessid", "token", "access_token"}
)  # fmt: skip
"""Query parameters of signed URLs, which give access to anyone who has the URL."""
_MEDIA_TYPES = {
    "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
    "bmp": "image/bmp", "tiff": "image/tiff", "avif": "image/avif", "heic": "image/heic",
}  # fmt: skip
# A browser ends a script at the first </script, even inside a JSON string; older JavaScript reads
# U+2028 and U+2029 as line ends.
_UNSAFE_IN_SCRIPT = {
    ord(character): f"\\u{ord(character):04x}" for character in "<>&\N{LINE SEPARATOR}\u2029"
}


def html_attribute(name: str, value: str) -> str:
    """`name="value"`, escaped for HTML and XML alike."""
    return f'{name}="{html.escape(value, quote=True)}"'


def choose_public_url(url: str | None, captioned_url: str | None) -> str:
    """`url`, or else the URL that was captioned. Raises UsageError if that cannot be published."""
    if url is not None:
        return url
    if captioned_url is None:
        raise UsageError("The caption is of a local image: pass the image's public URL.")
    query = urlsplit(captioned_url).query
    names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    if names & _SIGNATURE_PARAMETERS:
        raise UsageError("The URL that was captioned is signed: pass the image's public URL.")
    return captioned_url


def open_graph_tags(url: str, *, alt: str, size_px: tuple[int, int]) -> str:
    """The meta tags of a page's image (https://ogp.me/#structured), one per line."""
    width_px, height_px = size_px
    pairs = [("og:image", url)]
    pairs += [("og:image:width", str(width_px)), ("og:image:height", str(height_px))]
    if alt:
        pairs.append(("og:image:alt", alt))
    return "\n".join(
        f"<meta {html_attribute('property', name)} {html_attribute('content', value)}>"
        for name, value in pairs
    )


def image_object_script(
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
    """JSON that is safe between `<script>` and `</script>`."""
    return json.dumps(data, ensure_ascii=False).translate(_UNSAFE_IN_SCRIPT)
