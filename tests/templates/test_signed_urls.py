"""The examples for private buckets, offline: generated keys, the clouds' SDKs, a real fetch.

An origin on loopback replaces the cloud and accepts any signature. The tests check that the whole
URL reaches it, that it expires after minutes, and that the signature appears nowhere else.
"""

import base64
import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import altwright as sdk
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.cloud import storage
from google.oauth2 import service_account

from openapi.templates import signed_cloudfront, signed_gcs, signed_s3
from testing.images import jpeg
from testing.servers.altwright import Altwright
from testing.servers.origin import Origin

MAX_LIFETIME = timedelta(minutes=5)
_KEY_BITS = 2048


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """A generated key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    """The key as a PEM file."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment, without those of this machine."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-signs")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)


def gcs(key: rsa.RSAPrivateKey, **options: str) -> storage.Client:
    """A client with the key of a service account."""
    account = {
        "client_email": "captions@example.iam.gserviceaccount.com",
        "private_key": pem(key).decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    credentials = service_account.Credentials.from_service_account_info(account)
    return storage.Client("example", credentials, client_options=options or None)


@pytest.fixture
def signed(
    request: pytest.FixtureRequest,
    _aws: None,
    key: rsa.RSAPrivateKey,
    origin: Origin,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A signed URL of each cloud that leads to the origin."""
    path = {"s3": "/private/mug.jpg", "gcs": "/private/mug.jpg", "cloudfront": "/mug.jpg"}
    address = origin.serve(path[request.param], jpeg())
    if request.param == "s3":
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", origin.url(""))
        return signed_s3.signed_url("private", "mug.jpg", region="eu-central-1")
    if request.param == "gcs":
        client = gcs(key, api_endpoint=origin.url(""))
        return signed_gcs.signed_url(client, "private", "mug.jpg")
    return signed_cloudfront.signed_url(address, "K2JCJMDEHXQW5F", pem(key))


def expiry_of(url: str) -> datetime:
    """When a signed URL expires, according to its query."""
    query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    if "expires" in query:
        return datetime.fromtimestamp(int(query["expires"]), UTC)
    prefix = "x-amz" if "x-amz-date" in query else "x-goog"
    signed_at = datetime.strptime(query[f"{prefix}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed_at + timedelta(seconds=int(query[f"{prefix}-expires"]))


@pytest.mark.parametrize("signed", ["s3", "gcs", "cloudfront"], indirect=True)
def test_a_signed_url_is_short_lived_and_its_signature_appears_nowhere_else(
    altwright: Altwright, origin: Origin, signed: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The image is captioned through the URL."""
    now = datetime.now(UTC)
    assert now < expiry_of(signed) <= now + MAX_LIFETIME + timedelta(seconds=2)
    query = urlsplit(signed).query
    assert query
    with (
        caplog.at_level(logging.DEBUG, "altwright"),
        sdk.Altwright(base_url=altwright.url) as client,
    ):
        caption = client.caption(signed)
        failed = client.caption_or(signed.replace("mug.jpg", "missing.jpg"), None)
    assert caption.caption
    assert failed is None
    assert origin.requests[0].target.partition("?")[2] == query
    with pytest.raises(sdk.UsageError, match="signed"):
        caption.og_image()
    [signature] = [v[0] for k, v in parse_qs(query).items() if k.lower().endswith("signature")]
    recorded = "\n".join([*altwright.log, caplog.text, repr(caption), str(caption)])
    assert "image_not_found" in recorded
    assert signature not in recorded
    assert query not in recorded


@pytest.mark.usefixtures("_aws")
def test_urls_have_the_clouds_own_hosts_and_versions(key: rsa.RSAPrivateKey) -> None:
    """Regional host, version 4, and the object's path."""
    s3 = urlsplit(signed_s3.signed_url("private", "a b/mug.jpg", region="eu-central-1"))
    assert s3.netloc == "private.s3.eu-central-1.amazonaws.com"
    assert s3.path == "/a%20b/mug.jpg"
    assert parse_qs(s3.query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    google = urlsplit(signed_gcs.signed_url(gcs(key), "private", "a b/mug.jpg"))
    assert (google.netloc, google.path) == ("storage.googleapis.com", "/private/a%20b/mug.jpg")
    assert parse_qs(google.query)["X-Goog-Algorithm"] == ["GOOG4-RSA-SHA256"]


def test_cloudfronts_signature_is_valid_for_its_url(key: rsa.RSAPrivateKey) -> None:
    """Verified with the public key, as CloudFront does."""
    url = "https://d111111abcdef8.cloudfront.net/mug.jpg"
    query = parse_qs(urlsplit(signed_cloudfront.signed_url(url, "K2JCJMDEHXQW5F", pem(key))).query)
    policy = (
        f'{{"Statement":[{{"Resource":"{url}","Condition":'
        f'{{"DateLessThan":{{"AWS:EpochTime":{query["Expires"][0]}}}}}}}]}}'
    )
    unquoted = query["Signature"][0].translate(str.maketrans("-_~", "+=/"))
    signature = base64.b64decode(unquoted, validate=True)
    key.public_key().verify(signature, policy.encode(), padding.PKCS1v15(), hashes.SHA1())
    assert query["Key-Pair-Id"] == ["K2JCJMDEHXQW5F"]
