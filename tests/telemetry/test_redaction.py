"""Secrets are removed from URLs and from any other text."""

import hashlib

import pytest

from app.telemetry.redaction import loggable_url, redact

SIGNED_URL = "https://u:pw@cdn.example.com:8443/a/b.jpg?X-Amz-Signature=abcdef&Expires=1#frag"


def test_of_a_url_only_the_host_is_logged_and_a_hash_that_tells_it_from_others() -> None:
    """A secret may stand in its path as well, in any spelling."""
    digest = hashlib.sha256(SIGNED_URL.encode()).hexdigest()[:12]
    assert loggable_url(SIGNED_URL) == f"https://cdn.example.com:8443/#{digest}"
    assert loggable_url("https://e.com/secret") != loggable_url("https://e.com/Secret")
    assert loggable_url("data:image/png;base64,AAAA") == "data:"


@pytest.mark.parametrize(
    "url",
    ["http://[broken", "secret://host/", "http://secret%40host/", "http:secret", "secret", "",
     "http://sec ret/", "http://host\\secret/", "//secret"],
)  # fmt: skip
def test_what_is_no_plain_http_url_is_not_logged(url: str) -> None:
    assert "ret" not in loggable_url(url)


def test_redacting_a_loggable_url_keeps_it() -> None:
    url = loggable_url(SIGNED_URL)
    assert redact(f"image={url!r} code='ok'") == f"image={url!r} code='ok'"
    assert redact("listening on http://127.0.0.1:8000/") == "listening on http://127.0.0.1:8000/"


@pytest.mark.parametrize("url", ["http://user:hunter2/x@host/a.jpg", "http://u:hunter2?@host/"])
def test_a_password_with_a_slash_is_not_taken_for_a_port(url: str) -> None:
    assert "hunter2" not in loggable_url(url)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"could not fetch {SIGNED_URL}", "abcdef"),
        (f"could not fetch {SIGNED_URL}", "pw"),
        ("redis://:hunter2@10.0.0.1:6379/0 is gone", "hunter2"),
        ("got data:image/jpeg;base64,/9j/4AAQ+abc== here", "4AAQ"),
        ("sent Authorization: Bearer altw_s3cret", "s3cret"),
        ("'https://cdn.example.com/a.jpg?sig=zzz' refused", "zzz"),
        ("HTTPS://cdn.example.com/a.jpg?sig=zzz", "zzz"),
        ("https://hooks.example.com/services/zzz/a", "zzz"),
        ("https://cdn.example.com/a.jpg%3Fsig=zzz", "zzz"),
        ("https://cdn.example.com/#zzzzzzzzzzzz", "zzz"),
        ("https://zzz%40cdn.example.com/", "zzz"),
        ("see http://host/" + "a" * 5_000 + "?sig=secret", "secret"),
    ],
)
def test_secrets_are_removed_from_any_text(text: str, secret: str) -> None:
    assert secret not in redact(text)
