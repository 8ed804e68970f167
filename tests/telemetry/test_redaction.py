"""Secrets are removed from URLs and from any other text."""

import pytest

from app.telemetry.redaction import loggable_url, redact

SIGNED_URL = "https://u:pw@cdn.example.com:8443/a/b.jpg?X-Amz-Signature=abcdef&Expires=1#frag"


def test_a_url_is_logged_without_query_fragment_and_userinfo() -> None:
    assert loggable_url(SIGNED_URL) == "https://cdn.example.com:8443/a/b.jpg"
    assert loggable_url("data:image/png;base64,AAAA") == "data:"
    assert loggable_url("http://[broken") == "(unreadable URL)"


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
        ("see http://host/" + "a" * 5_000 + "?sig=secret", "secret"),
    ],
)
def test_secrets_are_removed_from_any_text(text: str, secret: str) -> None:
    assert secret not in redact(text)
