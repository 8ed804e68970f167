"""A file that is sent in a form is captioned as a download of it is."""

import io
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from testing.bombs import saved
from testing.images import data_url, jpeg, photograph_like
from testing.requirements import require_program
from testing.servers.altwright import Altwright

ROOT = Path(__file__).parents[2]
IMAGE = jpeg((320, 240))
SMALL_GIF = saved(Image.new("P", (64, 48)), "GIF")
BOUNDARY = "a-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def upload(
    server: Altwright,
    data: bytes = IMAGE,
    *,
    path: str = "/v1/image/caption",
    name: str = "image",
    **fields: Any,
) -> httpx.Response:
    """POST a form with one file."""
    files = {name: ("picture", data)}
    return server.http.post(server.url + path, files=files, data=fields)


def part(name: str, data: bytes = b"", *, disposition: str = "form-data", more: str = "") -> bytes:
    """One part of a form that is written by hand; `more` are header lines."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: {disposition}; name="{name}"{more}\r\n\r\n'
    return head.encode() + data + b"\r\n"


def file_part(data: bytes = IMAGE) -> bytes:
    return part("image", data, more='; filename="a.jpg"')


END = f"--{BOUNDARY}--\r\n".encode()


def send(server: Altwright, body: bytes, content_type: str = FORM) -> httpx.Response:
    """POST a form that is written by hand."""
    headers = {"Content-Type": content_type}
    return server.http.post(server.url + "/v1/image/caption", content=body, headers=headers)


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and detail."""
    problem = response.json()
    return response.status_code, problem["code"], problem["detail"]


def test_an_uploaded_file_gets_the_caption_of_the_same_image_in_a_url(altwright: Altwright) -> None:
    response = upload(altwright, style="seo", context="Harbour mug", metadata='{"row": "17"}')
    assert response.status_code == 200, response.text
    as_url = altwright.caption(
        data_url(IMAGE), style="seo", context="Harbour mug", metadata={"row": "17"}
    )
    assert response.json() == as_url.json()


def test_every_field_has_the_value_that_it_has_in_json(altwright: Altwright) -> None:
    """Lists are repeated fields, `metadata` is JSON, numbers and booleans are text."""
    fields = {
        "styles": ["concise", "seo"],
        "locales": ["en", "de"],
        "max_tokens": 96,
        "context": "Tasse „Hafen“, 350 ml",
        "role": "product",
        "visible_text": "Becher",
        "keywords": ["white mug", "a, b"],
        "verify": False,
        "metadata": {"row": "17", "name": "ä"},
    }
    form = {
        **fields, "max_tokens": "96", "verify": "false", "metadata": json.dumps(fields["metadata"])
    }  # fmt: skip
    response = upload(altwright, path="/v1/image/captions", **form)
    assert response.status_code == 200, response.text
    assert response.json() == altwright.captions(data_url(IMAGE), **fields).json()


def test_a_caption_is_checked_against_an_uploaded_file(altwright: Altwright) -> None:
    fields = {"caption": "A red balloon on a plain white background.", "style": "concise"}
    response = upload(altwright, path="/v1/caption/check", **fields)
    body = {"image_url": data_url(IMAGE), **fields}
    assert response.json() == altwright.post("/v1/caption/check", body).json()
    assert response.json()["checks"] is not None


def test_a_form_may_have_the_address_instead_of_the_file(altwright: Altwright) -> None:
    response = altwright.http.post(
        altwright.url + "/v1/image/caption", files={"image_url": (None, data_url(IMAGE))}
    )
    assert response.status_code == 200, response.text


def test_a_text_is_checked_without_a_picture(altwright: Altwright) -> None:
    response = altwright.http.post(
        altwright.url + "/v1/caption/check", files={"caption": (None, "A mug. A mug.")}
    )
    assert response.status_code == 200
    assert response.json()["checks"] is None


def test_curl_uploads_a_file_of_eleven_megabytes(altwright: Altwright, tmp_path: Path) -> None:
    """curl asks before it sends so much (`Expect: 100-continue`)."""
    photograph = tmp_path / "photo.jpg"
    photograph.write_bytes(photograph_like((1600, 1200)) + bytes(10_500_000))
    done = subprocess.run(
        [
            require_program("curl", "curl"), "-sS", "-F", f"image=@{photograph}", "-F", "style=seo",
            altwright.url + "/v1/image/caption",
        ],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert answer["image"]["bytes"] > 10_500_000
    assert answer["caption"]


@pytest.mark.parametrize(
    ("data", "code", "detail"),
    [
        (b"", "image_unsupported", "empty"),
        (b"Not an image.", "image_unsupported", "text"),
        (b"<!doctype html><html><body>" + bytes(5_000), "image_unsupported", "HTML"),
        (IMAGE[:300], "image_corrupt", "damaged"),
        (b"%PDF-1.7\n" + bytes(3_000_000), "image_unsupported", "PDF"),
    ],
)
def test_a_bad_file_has_the_code_of_a_bad_download(
    altwright: Altwright, data: bytes, code: str, detail: str
) -> None:
    status, found, sentence = refusal(upload(altwright, data))
    assert (status, found) == (422, code)
    assert detail in sentence
    assert "URL must" not in sentence


MALFORMED = {
    "no part": (END, "image"),
    "no file": (part("style", b"seo") + END, "image"),
    "an empty file input": (part("image", more='; filename=""') + END, "image"),
    "no name": (part("", IMAGE) + END, ""),
    "no disposition": (f"--{BOUNDARY}\r\n\r\nabc\r\n".encode() + END, ""),
    "an attachment": (part("image", IMAGE, disposition="attachment") + END, ""),
    "two files": (file_part() * 2 + END, "image"),
    "a file, then an address": (file_part() + part("image_url", b"https://a.example/a") + END,
                                "image_url"),
    "an address, then a file": (part("image_url", b"https://a.example/a") + file_part() + END,
                                "image"),
    "another boundary": (file_part().replace(BOUNDARY.encode(), b"other") + END, ""),
    "no last boundary": (file_part(), ""),
    "half a file": (file_part()[:2_000], ""),
    "nothing": (b"", ""),
    "no form": (b'{"image_url": "https://a.example/a"}', ""),
    "many fields": (file_part() + part("keywords", b"mug") * 10_000 + END, ""),
    "many boundaries": (file_part(IMAGE + (b"\r\n--" + BOUNDARY.encode() + b"x") * 900) + END, ""),
    "base64 in a part": (part("image", b"/9j/", more="\r\nContent-Transfer-Encoding: base64") + END,
                         ""),
    "a style twice": (file_part() + part("style", b"seo") * 2 + END, "style"),
    "a misspelt field": (file_part() + part("stile", b"seo") + END, "stile"),
    "a file of another name": (part("file", IMAGE, more='; filename="a.jpg"') + END, "file"),
    "no number": (file_part() + part("max_tokens", b"many") + END, "max_tokens"),
    "no boolean": (file_part() + part("verify", b"yes") + END, "verify"),
    "no JSON": (file_part() + part("metadata", b"row=17") + END, "metadata"),
    "a list as JSON": (file_part() + part("metadata", b"[1]") + END, "metadata"),
    "a number in the metadata": (file_part() + part("metadata", b'{"row": 1}') + END,
                                 "metadata.row"),
    "text that is none": (file_part() + part("context", b"\xff\xfe") + END, "context"),
    "a long text": (file_part() + part("context", b"a" * 100_000) + END, "context"),
    "a path as the file": (part("image", b"photos/mug.jpg") + END, "image"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_form_is_an_invalid_request_that_names_the_field(
    altwright: Altwright, name: str
) -> None:
    body, field = MALFORMED[name]
    response = send(altwright, body)
    assert refusal(response)[:2] == (422, "invalid_request"), response.text
    [error] = response.json()["errors"]
    assert error["field"] == field, error


def test_a_content_type_without_a_boundary_says_what_to_do(altwright: Altwright) -> None:
    """It comes from clients that write the header themselves."""
    status, code, detail = refusal(send(altwright, file_part() + END, "multipart/form-data"))
    assert (status, code) == (422, "invalid_request")
    assert "boundary" in detail


def test_texts_of_ten_megabytes_are_too_large(altwright: Altwright) -> None:
    body = part("context", b"a" * 10_000_000) + file_part() + END
    status, code, detail = refusal(send(altwright, body))
    assert (status, code) == (413, "request_too_large")
    assert "texts" in detail


def test_an_empty_field_counts_as_not_sent(altwright: Altwright) -> None:
    """A form in a browser sends the fields that nobody filled in."""
    fields = {"context": "", "locale": "", "keywords": "", "verify": "", "image_url": ""}
    assert upload(altwright, **fields).json() == altwright.caption(data_url(IMAGE)).json()


@pytest.mark.parametrize(
    ("content_type", "hint"),
    [
        ("application/x-www-form-urlencoded", "curl -d"),
        ("image/jpeg", "-F image=@FILE"),
        ("text/plain", "application/json"),
    ],
)
def test_a_415_says_what_is_accepted(altwright: Altwright, content_type: str, hint: str) -> None:
    response = send(altwright, IMAGE, content_type)
    status, code, detail = refusal(response)
    assert (status, code) == (415, "unsupported_media_type")
    assert hint in detail
    assert response.headers["Accept"] == "application/json, multipart/form-data"


def test_json_with_an_image_says_how_to_send_it(altwright: Altwright) -> None:
    response = altwright.post("/v1/image/caption", {"image": "mug.jpg"})
    messages = {error["field"]: error["message"] for error in response.json()["errors"]}
    assert "multipart/form-data" in messages["image"]


@pytest.mark.slow
def test_a_server_with_low_limits_stands_files_that_are_large_slow_or_torn_off() -> None:
    """And leaves nothing behind of them."""
    with Altwright(FETCH__MAX_BYTES="4000000", CONCURRENCY="2", REQUEST_TIMEOUT_S="20") as server:
        assert refusal(upload(server, IMAGE + bytes(4_000_000)))[:2] == (422, "image_too_large")
        assert refusal(upload(server, IMAGE + bytes(14_000_000)))[:2] == (422, "image_too_large")
        host, _, port = server.url.removeprefix("http://").partition(":")
        form = file_part(IMAGE + bytes(3_000_000))
        head = f"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\n"
        start = f"{head}Content-Length: {len(form) + 100}\r\n\r\n".encode() + form
        for _ in range(6):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(start)
        with socket.create_connection((host, int(port)), 60) as client:
            client.sendall(start)
            assert client.recv(65_536).startswith(b"HTTP/1.1 408 ")
        assert upload(server, IMAGE + bytes(3_000_000)).status_code == 200
        assert "altwright_requests_in_work 0" in server.get("/metrics").text


def test_an_upload_is_logged_without_its_name(altwright: Altwright) -> None:
    files = {"image": ("a-secret-name.jpg", io.BytesIO(SMALL_GIF))}
    altwright.http.post(altwright.url + "/v1/image/caption", files=files)
    assert any("image.uploaded" in line and "format='gif'" in line for line in altwright.log)
    assert not any("a-secret-name" in line for line in altwright.log)
