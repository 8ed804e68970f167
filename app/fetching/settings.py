"""Settings of fetching: the variables ALTWRIGHT_FETCH__*."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from app import __version__
from app.fetching.address_policy import Network, parse_networks


def _parse_networks(value: object) -> object:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        return value
    return parse_networks(tuple(value))


def _check_user_agent(value: str) -> str:
    # Printable ASCII (RFC 9110, 5.5). A line break would begin another header.
    if not re.fullmatch(r"[!-~](?:[ -~]{0,254}[!-~])?", value):
        raise ValueError(
            "must be 1 to 256 printable ASCII characters without spaces at the ends, for instance "
            "Altwright/1.0 (+https://example.com/bot; images@example.com)"
        )
    return value


class FetchSettings(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What one fetch may take and where it may connect to."""

    timeout_s: float = Field(10.0, gt=0, le=60)
    """Seconds for one download, DNS and redirects included."""
    max_bytes: int = Field(67_108_864, ge=1024, le=1 << 30)
    """Bytes of one image file."""
    max_redirects: int = Field(3, ge=0, le=20)
    """Redirects that are followed. Each is checked like a URL of its own."""
    allowed_ports: Annotated[
        frozenset[Annotated[int, Field(ge=1, le=65535)]], Field(min_length=1)
    ] = frozenset({80, 443})
    """Ports of public addresses that may be connected to."""
    allowed_networks: Annotated[tuple[Network, ...], BeforeValidator(_parse_networks)] = ()
    """Networks of your own, as CIDRs, that callers may name. Every port is allowed there."""
    user_agent: Annotated[str, AfterValidator(_check_user_agent)] = (
        f"Altwright/{__version__} (self-hosted image captioning; no contact set)"
    )
    """`User-Agent` of every download. Name a contact in it, an address or a page: some origins
    refuse programs without one."""
