"""The server starts, refuses wrong settings, and stops without losing requests."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from llmock.testing import LLMockServer

from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer

ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path = ROOT, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m app ...` with these ALTWRIGHT_ variables until it ends."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ALTWRIGHT_", "OPENAI_"))}
    env |= {f"ALTWRIGHT_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=cwd,
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PORT": "eighty"}, ["ALTWRIGHT_PORT=eighty", "integer"]),
        ({"PORT": "70000"}, ["ALTWRIGHT_PORT=70000", "65535"]),
        ({"WORKERS": "0"}, ["ALTWRIGHT_WORKERS=0"]),
        ({"RATE_LIMIT": "often"}, ["ALTWRIGHT_RATE_LIMIT=often", "60/minute"]),
        ({"RATE_LIMIT_STORE": "mysql://u:hunter2@h"}, ["ALTWRIGHT_RATE_LIMIT_STORE", "redis://"]),
        ({"API_KEYS": "hunter2"}, ["ALTWRIGHT_API_KEYS", "JSON list"]),
        ({"API_KEYS": '[""]'}, ["ALTWRIGHT_API_KEYS", "keys create"]),
        ({"KEYS_FILE": "/nonexistent/keys.json"}, ["ALTWRIGHT_KEYS_FILE", "keys create"]),
        ({"STYLES_DIR": "/nonexistent"}, ["ALTWRIGHT_STYLES_DIR=/nonexistent", "folder"]),
        ({"FETCH__TIMEOUT_S": "0"}, ["ALTWRIGHT_FETCH__TIMEOUT_S=0"]),
        ({"FETCH__ALLOWED_PORTS": "80"}, ["ALTWRIGHT_FETCH__ALLOWED_PORTS"]),
        ({"FETCH__ALLOWED_PORTS": "[80"}, ["ALTWRIGHT_FETCH__ALLOWED_PORTS", "JSON"]),
        ({"FETCH__ALLOWED_NETWORKS": '["home"]'}, ["ALTWRIGHT_FETCH__ALLOWED_NETWORKS", "home"]),
        ({"IMAGE__LONGEST_EDGE_PX": "wide"}, ["ALTWRIGHT_IMAGE__LONGEST_EDGE_PX=wide"]),
        ({"MODEL_TEMPERATURE": "hot"}, ["ALTWRIGHT_MODEL_TEMPERATURE=hot"]),
        ({"MODEL_BASE_URL": "http://127.0.0.1:1/v1"}, ["ALTWRIGHT_MODEL"]),
        ({"MODEL": "m", "FALLBACKS": '[{"modell": "x"}]'}, ["ALTWRIGHT_FALLBACKS", "model"]),
        ({"MODEL": "m", "FALLBACKS": "x"}, ["ALTWRIGHT_FALLBACKS", "JSON list", "base_url"]),
        ({"MODEL": "m"}, ["ALTWRIGHT_MODEL_API_KEY", "MODEL_BASE_URL"]),
        ({"MODEL": "m", "MODEL_BASE_URL": "host/v1"}, ["ALTWRIGHT_MODEL_BASE_URL", "scheme"]),
        ({"MODEL": "m", "MODEL_API_KEY": "a hunter2"}, ["ALTWRIGHT_MODEL_API_KEY", "spaces"]),
        ({"STYLES_DIR": str(ROOT / "tests/bad_styles")}, ["ALTWRIGHT_STYLES_DIR", "poem.toml"]),
        ({"CACHE_URL": "memcached://h"}, ["ALTWRIGHT_CACHE_URL", "redis://"]),
        ({"HOST": "0.0.0.0"}, ["ALTWRIGHT_HOST=0.0.0.0", "API_KEYS", "ALLOW_ANONYMOUS"]),
        ({"CONCURRENCY": "-1"}, ["ALTWRIGHT_CONCURRENCY=-1"]),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    settings: dict[str, str], words: list[str]
) -> None:
    done = run("serve", **settings)
    assert done.returncode not in (0, -signal.SIGKILL)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert "hunter2" not in done.stderr


def test_a_port_in_use_is_reported_in_one_line(altwright: Altwright) -> None:
    done = run("serve", PORT=altwright.url.rpartition(":")[2])
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("altwright: ALTWRIGHT_HOST=127.0.0.1")
    assert "Traceback" not in done.stderr


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ALTWRIGHT_PORT=eighty\n", encoding="utf-8")
    assert "ALTWRIGHT_PORT=eighty" in run("serve", cwd=tmp_path).stderr


def test_a_variable_that_is_no_setting_is_reported_with_the_most_similar_one() -> None:
    done = run("check", RATELIMIT="5/minute")
    assert "ALTWRIGHT_RATELIMIT" in done.stdout
    assert "did you mean ALTWRIGHT_RATE_LIMIT?" in done.stdout


def test_check_reports_for_every_part_whether_it_works(llmock_server: LLMockServer) -> None:
    base_url = LlmockModelServer(llmock_server).base_url
    working = run("check", MODEL="gpt-4o-mini", MODEL_BASE_URL=base_url, MODEL_API_KEY="k")
    assert working.returncode == 0, working.stdout
    assert "ok    decoding" in working.stdout
    assert "ok    model gpt-4o-mini" in working.stdout
    failing = run(
        "check",
        MODEL="m",
        MODEL_BASE_URL="http://127.0.0.1:1/v1",
        RATE_LIMIT_STORE="redis://:hunter2@127.0.0.1:1/0",
        EMBEDDED_FALLBACK="true",
    )
    assert failing.returncode == 1
    assert "FAIL  model m" in failing.stdout
    assert "FAIL  rate limit store" in failing.stdout
    assert "ok    model embedded" in failing.stdout
    assert "hunter2" not in failing.stdout + failing.stderr
    assert "Traceback" not in failing.stdout + failing.stderr


def test_keys_are_created_listed_and_revoked_while_a_server_runs(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    created = run("keys", "create", "shop", "--file", file, "--limit", "2/minute", "--days", "30")
    key = created.stdout.strip()
    assert key.startswith("altw_")
    assert key not in Path(file).read_text(encoding="utf-8")
    assert run("keys", "create", "shop", "--file", file).returncode == 2
    with Altwright(KEYS_FILE=file) as server:
        server.http.headers["Authorization"] = f"Bearer {key}"
        response = server.post("/v1/caption/check", {"caption": "Two cats sleep on a red sofa."})
        assert response.status_code == 200
        assert response.headers["x-ratelimit-limit"] == "2"
        listed = run("keys", "list", KEYS_FILE=file).stdout
        assert listed.startswith("shop\tlimit 2/minute\texpires 20")
        assert run("keys", "revoke", "shop", KEYS_FILE=file).returncode == 0
        assert server.get("/v1/styles").status_code == 401


def test_openapi_prints_the_document() -> None:
    done = run("openapi")
    assert json.loads(done.stdout)["info"]["title"] == "Altwright"


def wait_for_metric(server: Altwright, line: str) -> None:
    """Wait until /metrics has this line."""
    until = time.monotonic() + 20
    while line not in server.get("/metrics").text:
        assert time.monotonic() < until, f"{line} did not appear"
        time.sleep(0.02)


@pytest.fixture
def slow_model(llmock_server: LLMockServer) -> LlmockModelServer:
    """A model that takes three seconds."""
    model = LlmockModelServer(llmock_server)
    model.delay(3, times=None)
    model.reply("Two tabby cats sleep on a red sofa.", times=None)
    return model


def test_after_sigterm_requests_in_work_are_completed_and_the_exit_code_is_0(
    slow_model: LlmockModelServer,
) -> None:
    with Altwright(MODEL="m", MODEL_BASE_URL=slow_model.base_url, MODEL_API_KEY="k") as server:
        responses: list[httpx.Response] = []

        def request_caption() -> None:
            with httpx.Client(timeout=30) as http:
                body = {"image_url": data_url(jpeg())}
                responses.append(http.post(server.url + "/v1/image/caption", json=body))

        threads = [threading.Thread(target=request_caption) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_for_metric(server, "altwright_requests_in_work 8.0")
        server.terminate()
        began = time.monotonic()
        time.sleep(0.15)
        with httpx.Client() as fresh:  # new connections are still accepted
            response = fresh.get(server.url + "/readyz")
            assert (response.status_code, response.json()["status"]) == (503, "draining")
            assert fresh.get(server.url + "/healthz").status_code == 200
            refused = fresh.post(
                server.url + "/v1/image/caption", json={"image_url": data_url(jpeg())}
            )
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))
            assert fresh.get(server.url + "/healthz").status_code == 200
        for thread in threads:
            thread.join()
        assert [response.status_code for response in responses] == [200] * 8
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 20


@pytest.mark.slow
def test_after_sigterm_a_request_whose_model_hangs_is_ended_in_time(
    llmock_server: LLMockServer,
) -> None:
    model = LlmockModelServer(llmock_server)
    model.delay(60, times=None)
    with Altwright(
        MODEL="m",
        MODEL_BASE_URL=model.base_url,
        MODEL_API_KEY="k",
        MODEL_TIMEOUT_S="60",
        REQUEST_TIMEOUT_S="60",
    ) as server:
        responses: list[httpx.Response] = []

        def request_caption() -> None:
            with httpx.Client(timeout=60) as http:
                body = {"image_url": data_url(jpeg())}
                responses.append(http.post(server.url + "/v1/image/caption", json=body))

        thread = threading.Thread(target=request_caption)
        thread.start()
        wait_for_metric(server, "altwright_requests_in_work 1.0")
        began = time.monotonic()
        server.terminate()
        assert server.process.wait(21) == 0
        assert time.monotonic() - began < 20
        thread.join()
        assert (responses[0].status_code, responses[0].json()["code"]) == (504, "model_timeout")
    model.reset()


def test_two_server_processes_share_the_port_and_a_dead_one_is_replaced() -> None:
    with Altwright(WORKERS="2") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        if not children.exists():
            pytest.skip("needs /proc: run this test on Linux")
        before = children.read_text().split()
        assert len(before) == 2
        os.kill(int(before[0]), signal.SIGKILL)
        time.sleep(0.3)
        for _ in range(5):
            with httpx.Client(timeout=30) as http:
                body = {"image_url": data_url(jpeg())}
                response = http.post(server.url + "/v1/image/caption", json=body)
                assert response.status_code == 200
        until = time.monotonic() + 30
        while len(children.read_text().split()) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        assert len(children.read_text().split()) == 2
        server.terminate()
        assert server.process.wait(20) == 0
