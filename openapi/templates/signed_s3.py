"""Caption an image of a private S3 bucket: python signed_s3.py BUCKET KEY

The signed URL works for this one object and five minutes. Credentials are those that boto3 finds
(environment, profile, role), and need only s3:GetObject. Signing makes no request.
"""

import sys

import boto3
from altwright import Altwright
from botocore.config import Config

LIFETIME_S = 300


def signed_url(bucket: str, key: str, *, region: str | None = None) -> str:
    """A URL that reads this object and expires after LIFETIME_S.

    With a role it expires at the end of the role's session, if that is sooner.
    """
    # Signature version 4, which every region accepts, and the bucket's own host ("virtual"): boto3
    # would use the global host, from which S3 redirects, and the signature is for one host only.
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    client = boto3.client("s3", region_name=region, config=config)
    url: str = client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=LIFETIME_S
    )
    return url


if __name__ == "__main__":
    with Altwright() as altwright:
        print(altwright.caption(signed_url(sys.argv[1], sys.argv[2])))
