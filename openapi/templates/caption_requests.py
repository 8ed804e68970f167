"""One caption with requests, of a URL or a file:

    python caption_requests.py https://images.example.com/mug.jpg
    python caption_requests.py mug.jpg seo

The package `altwright` does this, shrinks large pictures, and more; this is for programs that
cannot have it. Exit code 75 says that the same may succeed later, 1 that it will not.
"""

import base64
import os
import sys
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

SERVER = os.environ.get("ALTWRIGHT_URL", "http://127.0.0.1:8000")
MAY_PASS = (408, 429, 500, 502, 503, 504)


class NoCaption(Exception):
    """The server's problem: https://www.rfc-editor.org/rfc/rfc9457."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail", "the answer is no caption"))
        self.code = problem.get("code")
        """Stable, to decide by: `caption_uncertain`, `image_not_found`, ..."""
        self.retryable = bool(problem.get("retryable"))


def session() -> requests.Session:
    """One for the whole program: it keeps its connections. Tries again where that may help."""
    made = requests.Session()
    if key := os.environ.get("ALTWRIGHT_API_KEY"):
        made.headers["Authorization"] = f"Bearer {key}"
    retries = Retry(
        total=3,
        backoff_factor=0.5,  # where there is no Retry-After: 0, 1, 2 seconds
        backoff_jitter=0.25,
        status_forcelist=MAY_PASS,
        allowed_methods=None,  # POST, too: a caption has no side effects
        raise_on_status=False,  # the last answer says more than "too many retries"
    )
    for scheme in ("https://", "http://"):
        made.mount(scheme, HTTPAdapter(max_retries=retries))
    return made


def caption(http: requests.Session, picture: str | Path, **fields: object) -> dict[str, Any]:
    """The answer; a string is a URL. Raises NoCaption, or requests' own errors."""
    if isinstance(picture, Path):
        # The server looks at the bytes: the type need not be right.
        picture = "data:image/jpeg;base64," + base64.b64encode(picture.read_bytes()).decode()
    body: dict[str, Any] = {"image_url": picture, **fields}
    answer = http.post(f"{SERVER}/v1/image/caption", json=body, timeout=35)
    try:
        told = answer.json()
    except requests.JSONDecodeError:
        told = {"detail": f"no JSON ({answer.status_code}): is {SERVER} Altwright's address?"}
    if answer.status_code != 200:
        raise NoCaption(told | {"retryable": answer.status_code in MAY_PASS})
    found: dict[str, Any] = told
    return found


def main(named: str, style: str = "concise") -> int:
    """Print the caption; say in one line why there is none."""
    is_url = named.startswith(("http://", "https://"))
    try:
        with session() as http:
            told = caption(http, named if is_url else Path(named), style=style)
    except NoCaption as problem:
        print(f"{problem.code}: {problem}", file=sys.stderr)
        return 75 if problem.retryable else 1
    except (OSError, requests.RequestException) as error:
        print(error, file=sys.stderr)
        return 75 if isinstance(error, requests.ConnectionError) else 1
    print("(decorative: write an empty alt)" if told["decorative"] else told["caption"])
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
