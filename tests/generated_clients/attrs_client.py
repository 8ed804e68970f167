"""Uses the client of openapi-python-client: SERVER IMAGE_URL, prints what it got as JSON."""

import json
import sys
from io import BytesIO
from urllib.request import urlopen

from altwright_attrs import Client
from altwright_attrs.api.captions import caption_one, caption_several
from altwright_attrs.models import (
    CaptionBody,
    CaptionForm,
    CaptionResponse,
    CaptionsBody,
    CaptionsForm,
    CaptionsResponse,
    ImageRole,
    Problem,
)
from altwright_attrs.types import File

server, image_url = sys.argv[1:]
locales = ["en", "de", "fr"]
client = Client(base_url=server)

one = caption_one.sync(client=client, body=CaptionBody(image_url=image_url, role=ImageRole.PRODUCT))
assert isinstance(one, CaptionResponse), one
several = caption_several.sync(
    client=client, body=CaptionsBody(image_url=image_url, styles=["concise"], locales=locales)
)
assert isinstance(several, CaptionsResponse), several


def open_file() -> File:
    """A new one for each request: sending reads it."""
    data = BytesIO(urlopen(image_url).read())
    return File(payload=data, file_name="mug.jpg", mime_type="image/jpeg")


def texts(response: CaptionsResponse) -> list[str]:
    """The captions, and what is wrong where there is none."""
    return [
        result.caption if isinstance(result, CaptionResponse) else result.problem.detail
        for result in response.results
    ]


uploaded = caption_one.sync(
    client=client, body=CaptionForm(image=open_file(), role=ImageRole.PRODUCT)
)
assert isinstance(uploaded, CaptionResponse), uploaded
uploads = caption_several.sync(
    client=client, body=CaptionsForm(image=open_file(), styles=["concise"], locales=locales)
)
assert isinstance(uploads, CaptionsResponse), uploads
wrong = caption_one.sync(client=client, body=CaptionBody(image_url=image_url, style="poem"))
assert isinstance(wrong, Problem), wrong

print(
    json.dumps(
        {
            "caption": one.caption,
            "several": texts(several),
            "uploaded": uploaded.caption,
            "uploaded_several": texts(uploads),
            "code": wrong.code,
            "fields": [error.field for error in wrong.errors],
        }
    )
)
