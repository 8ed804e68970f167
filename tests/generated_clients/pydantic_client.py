"""Uses the Python client of openapi-generator: SERVER IMAGE_URL, prints what it got as JSON.

It knows the first media type of a body only, so it has no uploads. `field` is `var_field`, since
the name is one of its own.
"""

import json
import sys

from altwright_pydantic import ApiClient, CaptionBody, CaptionsApi, CaptionsBody, Configuration
from altwright_pydantic.exceptions import UnprocessableEntityException

server, image_url = sys.argv[1:]
api = CaptionsApi(ApiClient(Configuration(host=server)))

one = api.caption_one(CaptionBody(image_url=image_url, role="product"))
several = api.caption_several(
    CaptionsBody(image_url=image_url, styles=["concise"], locales=["en", "de", "fr"])
)
try:
    api.caption_one(CaptionBody(image_url=image_url, style="poem"))
except UnprocessableEntityException as error:
    problem = error.data
else:
    sys.exit("there is a style `poem`")

print(
    json.dumps(
        {
            "caption": one.caption,
            "several": [result.actual_instance.caption for result in several.results],
            "code": problem.code,
            "fields": [error.var_field for error in problem.errors],
        }
    )
)
