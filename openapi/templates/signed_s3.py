"""Caption a picture of a private S3 bucket: python signed_s3.py BUCKET KEY

The URL that is sent works for this one object and five minutes. Credentials come from where boto3
finds them (environment, profile, role) and need s3:GetObject alone; signing asks nobody.
"""

import sys

import boto3
from altwright import Altwright
from botocore.config import Config

LIFETIME_S = 300


def signed_url(bucket: str, key: str, *, region: str | None = None) -> str:
    """A URL that reads this object until LIFETIME_S are over.

    With a role it ends with the role's session, where that is sooner.
    """
    # Signature 4, which every region takes, for the bucket's own host ("virtual"): from the global
    # one, which boto3 would sign for, S3 redirects, and a signature does not survive that.
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    client = boto3.client("s3", region_name=region, config=config)
    url: str = client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=LIFETIME_S
    )
    return url


if __name__ == "__main__":
    with Altwright() as altwright:
        print(altwright.caption(signed_url(sys.argv[1], sys.argv[2])))
