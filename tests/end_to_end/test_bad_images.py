"""Bad images in a row, in every provider's words, and then a good one: it is captioned."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.openai_compat.provider_dialects import Dialect, load_dialects
from app.captioning.providers.provider import Example
from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.dialect_model_server import CAPTION, DialectModelServer, bad_image

IMAGE_KINDS = {
    FailureKind.CONTENT_FILTERED, FailureKind.IMAGE_REFUSED, FailureKind.IMAGE_UNREADABLE,
    FailureKind.RUNNER_CRASHED,
}  # fmt: skip
DIALECTS = [row for row in load_dialects() if row.kind in IMAGE_KINDS]
TOO_LARGE = [row for row in load_dialects() if row.kind is FailureKind.IMAGE_TOO_LARGE]
GOOD = data_url(jpeg())
UNKNOWN_500 = Example(500, '{"error": {"message": "Internal Server Error"}}')
UNKNOWN_400 = Example(400, '{"error": {"message": "Bad request"}}')
UNKNOWN_403 = Example(403, '{"error": {"message": "Access denied"}}')


@pytest.fixture(scope="module")
def model() -> Iterator[DialectModelServer]:
    """A fake model server; a test sets its example."""
    with DialectModelServer() as model:
        yield model


@pytest.fixture(scope="module")
def server(model: DialectModelServer) -> Iterator[Altwright]:
    """One server for all tests: none may leave its breaker open."""
    with Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, REQUEST_TIMEOUT_S="15") as server:
        yield server


def assert_closed_and_well(server: Altwright, model: DialectModelServer) -> None:
    """The next good image is captioned, with one call."""
    model.calls.clear()
    response = server.caption(GOOD)
    assert (response.status_code, response.json().get("caption")) == (200, CAPTION)
    assert len(model.calls) == 1
    assert server.get("/readyz").json()["captioners"] == {"m": "closed"}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda row: f"{row.provider}: {row.says}")
def test_six_bad_images_are_refused_finally_and_the_next_one_is_captioned(
    server: Altwright, model: DialectModelServer, dialect: Dialect
) -> None:
    """Each of the six with `caption_refused`, which no queue retries."""
    model.example = dialect.example
    for number in range(6):
        response = server.caption(data_url(bad_image(number)))
        body = response.json()
        assert (response.status_code, body["code"]) == (422, "caption_refused"), body
        assert body["retryable"] is False
        assert "retry-after" not in response.headers
    assert_closed_and_well(server, model)


@pytest.mark.parametrize("dialect", TOO_LARGE, ids=lambda row: f"{row.provider}: {row.says}")
def test_images_with_too_many_tokens_are_sent_smaller(
    server: Altwright, model: DialectModelServer, dialect: Dialect
) -> None:
    """Two calls each, and a caption."""
    model.example = dialect.example
    for number in range(6):
        model.calls.clear()
        response = server.caption(data_url(bad_image(number, (1000, 750))))
        assert response.json().get("caption") == CAPTION, response.text
        assert len(model.calls) == 2
    assert_closed_and_well(server, model)


@pytest.mark.parametrize(
    ("example", "first_code", "calls", "calls_with_a_trial"),
    [
        (UNKNOWN_400, "model_error", 1, 4),
        (UNKNOWN_403, "model_error", 1, 4),
        (UNKNOWN_500, "model_unavailable", 3, 7),
    ],
    ids=["400", "403", "500"],
)
@pytest.mark.slow
def test_images_that_fail_without_a_reason_open_no_breaker(
    model: DialectModelServer,
    example: Example,
    first_code: str,
    calls: int,
    calls_with_a_trial: int,
) -> None:
    """Retryable at first; final once the known good image was captioned."""
    with Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, REQUEST_TIMEOUT_S="15") as server:
        model.example = example
        codes = []
        for number in range(7):
            model.calls.clear()
            codes.append(server.caption(data_url(bad_image(number))).json()["code"])
            assert len(model.calls) == (calls if number < 4 else calls_with_a_trial)
        assert codes == [first_code] * 4 + ["caption_refused"] * 3
        assert_closed_and_well(server, model)
        # A queue asks again for the first four: now they are final.
        for number in range(4):
            response = server.caption(data_url(bad_image(number)))
            assert (response.status_code, response.json()["code"]) == (422, "caption_refused")
        assert_closed_and_well(server, model)


@pytest.mark.slow
def test_one_image_that_is_asked_for_again_and_again_opens_no_breaker(
    model: DialectModelServer,
) -> None:
    """Six times the same image, on which the server fails without a reason."""
    with Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, REQUEST_TIMEOUT_S="15") as server:
        model.example = UNKNOWN_500
        image_url = data_url(bad_image())
        codes = [server.caption(image_url).json()["code"] for _ in range(6)]
        assert codes == ["model_unavailable"] + ["caption_refused"] * 5
        assert_closed_and_well(server, model)


def test_many_styles_of_one_bad_image_open_no_breaker(
    server: Altwright, model: DialectModelServer
) -> None:
    """Twelve drafts at once."""
    model.example = UNKNOWN_400
    locales = ["en", "de", "fr", "es"]
    styles = ["concise", "seo", "detailed"]
    response = server.captions(data_url(bad_image(40)), styles=styles, locales=locales)
    assert len(response.json()["results"]) == 12
    assert_closed_and_well(server, model)


def test_a_mixed_catalogue_loses_only_its_bad_images(
    server: Altwright, model: DialectModelServer
) -> None:
    """Eight icons on which the model's process crashes, among six photographs."""
    crash = next(row for row in DIALECTS if row.kind is FailureKind.RUNNER_CRASHED)
    model.example = crash.example
    images = [bad_image(n) for n in range(8)]
    images[2:2] = [jpeg((320, 240 + n)) for n in range(3)]
    images += [jpeg((300, 240 + n)) for n in range(3)]
    codes = [server.caption(data_url(image)).json().get("code", "caption") for image in images]
    assert codes.count("caption") == 6
    assert codes.count("caption_refused") == 8


def test_a_backfill_of_a_mixed_folder_captions_every_good_image(
    server: Altwright, model: DialectModelServer, tmp_path: Path
) -> None:
    """The icons on which the model's process crashes are left to a person; the exit code is 0."""
    model.example = next(row for row in DIALECTS if row.kind is FailureKind.RUNNER_CRASHED).example
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(8):
        (folder / f"a_icon{number}.jpg").write_bytes(bad_image(number))
    for number in range(6):
        (folder / f"b_photo{number}.jpg").write_bytes(jpeg((320, 240 + number)))
    done = subprocess.run(
        [Path(sys.executable).with_name("altwright"), "backfill", folder, "--to", "alt.csv"],
        cwd=tmp_path,
        env={**os.environ, "ALTWRIGHT_URL": server.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "6 ai, 8 rejected" in done.stdout
    with (tmp_path / "alt.csv").open(encoding="utf-8", newline="") as file:
        sources = [row["alt_source"] for row in csv.DictReader(file)]
    assert sources == ["rejected"] * 8 + ["ai"] * 6
