"""Requests one caption with the library requests, for a URL or a file:

    python caption_requests.py https://images.example.com/mug.jpg
    python caption_requests.py mug.jpg seo

The package `altwright` does this and more, such as shrinking large images; this is for programs
that cannot install it. Exit code 75: the same command may succeed later; 1: it will not.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

SERVER = os.environ.get("ALTWRIGHT_URL", "http://127.0.0.1:8000")
RETRYABLE_STATUSES = (408, 429, 500, 502, 503, 504)


class NoCaption(Exception):
    """The server returned a problem (RFC 9457) instead of a caption."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail", "the response is not a caption"))
        self.code = problem.get("code")
        """Stable code to decide by: `caption_uncertain`, `image_not_found`, ..."""
        self.retryable = bool(problem.get("retryable"))


def create_session() -> requests.Session:
    """A session with retries. Use one for the whole program: it keeps connections open."""
    session = requests.Session()
    if key := os.environ.get("ALTWRIGHT_API_KEY"):
        session.headers["Authorization"] = f"Bearer {key}"
    retries = Retry(
        total=3,
        backoff_factor=0.5,  # without Retry-After: 0, 1, 2 seconds
        backoff_jitter=0.25,
        status_forcelist=RETRYABLE_STATUSES,
        allowed_methods=None,  # POST too: a caption has no side effects
        raise_on_status=False,  # the last response says more than "too many retries"
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


def caption(session: requests.Session, image: str | Path, **fields: object) -> dict[str, Any]:
    """Request a caption for a URL or a file. Raises NoCaption, or an error of requests."""
    url = f"{SERVER}/v1/image/caption"
    if isinstance(image, Path):
        form = {name: form_value(value) for name, value in fields.items()}
        files = {"image": image.read_bytes()}
        response = session.post(url, files=files, data=form, timeout=35)
    else:
        body: dict[str, Any] = {"image_url": image, **fields}
        response = session.post(url, json=body, timeout=35)
    try:
        data = response.json()
    except requests.JSONDecodeError:
        why = f"is {SERVER} an Altwright server?"
        if response.status_code == 413:
            why = "a proxy takes no request of this size (nginx: client_max_body_size)"
        data = {"detail": f"not JSON ({response.status_code}): {why}"}
    if response.status_code != 200:
        raise NoCaption(data | {"retryable": response.status_code in RETRYABLE_STATUSES})
    result: dict[str, Any] = data
    return result


def form_value(value: object) -> object:
    """Text is sent as it is, a list as repeated fields, and everything else as JSON."""
    return value if isinstance(value, str | list) else json.dumps(value)


def main(image: str, style: str = "concise") -> int:
    """Print the caption, or in one line why there is none. Returns the exit code."""
    is_url = image.startswith(("http://", "https://"))
    try:
        with create_session() as session:
            result = caption(session, image if is_url else Path(image), style=style)
    except NoCaption as problem:
        print(f"{problem.code}: {problem}", file=sys.stderr)
        return 75 if problem.retryable else 1
    except (OSError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 75 if isinstance(error, requests.ConnectionError) else 1
    print("(decorative: write an empty alt)" if result["decorative"] else result["caption"])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
