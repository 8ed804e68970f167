"""Caption an image of a private Google Cloud Storage bucket: python signed_gcs.py BUCKET NAME

The signed URL works for this one object and five minutes. Credentials are those that Google's
libraries find. With a service account's key, signing makes no request; without one (on Compute
Engine, Cloud Run) pass `service_account_email` and `access_token` to `generate_signed_url`.
"""

import sys
from datetime import timedelta

from altwright import Altwright
from google.cloud import storage

LIFETIME = timedelta(minutes=5)


def signed_url(client: storage.Client, bucket: str, name: str) -> str:
    """A URL that reads this object and expires after LIFETIME."""
    blob = client.bucket(bucket).blob(name)
    url: str = blob.generate_signed_url(version="v4", expiration=LIFETIME, method="GET")
    return url


if __name__ == "__main__":
    with Altwright() as altwright:
        print(altwright.caption(signed_url(storage.Client(), sys.argv[1], sys.argv[2])))
