"""Caption an image behind CloudFront: python signed_cloudfront.py https://d111.cloudfront.net/a.jpg

The signed URL works for this one image and five minutes. Needs an RSA key pair that the
distribution trusts (CLOUDFRONT_KEY_ID, and CLOUDFRONT_PRIVATE_KEY with the path of the PEM file).
Signing makes no request.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from altwright import Altwright
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LIFETIME = timedelta(minutes=5)


def signed_url(url: str, key_id: str, private_key_pem: bytes) -> str:
    """The URL with a signature that expires after LIFETIME."""
    key = serialization.load_pem_private_key(private_key_pem, password=None)

    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("this example signs with an RSA key")

    def sign(policy: bytes) -> bytes:
        sha1 = hashes.SHA1()  # noqa: S303 - CloudFront requires it
        return key.sign(policy, padding.PKCS1v15(), sha1)

    signed: str = CloudFrontSigner(key_id, sign).generate_presigned_url(
        url, date_less_than=datetime.now(UTC) + LIFETIME
    )
    return signed


if __name__ == "__main__":
    pem = Path(os.environ["CLOUDFRONT_PRIVATE_KEY"]).read_bytes()
    with Altwright() as altwright:
        print(altwright.caption(signed_url(sys.argv[1], os.environ["CLOUDFRONT_KEY_ID"], pem)))
