"""The server starts, refuses wrong settings, and stops without losing requests."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx
import pytest
from llmock.testing import LLMockServer

from app.cli import exit_codes
from app.cli.command_line import main
from app.runtime.server import listen
from testing.images import data_url, jpeg, photograph_like
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
        ({"DRAIN_NOTICE_S": "11"}, ["ALTWRIGHT_DRAIN_NOTICE_S=11", "10"]),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    settings: dict[str, str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        pytest.fail("the server began to start")

    for name in [each for each in os.environ if each.startswith(("ALTWRIGHT_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(f"ALTWRIGHT_{name}", value)
    monkeypatch.setattr("app.cli.serve.configure_logging", fail)
    assert main(["serve"]) == exit_codes.INVALID_USAGE
    assert_is_one_line(*capsys.readouterr(), words)


@pytest.mark.slow
def test_a_wrong_setting_stops_the_command() -> None:
    done = run("serve", RATE_LIMIT_STORE="mysql://u:hunter2@h")
    assert done.returncode == exit_codes.INVALID_USAGE
    assert_is_one_line(done.stdout, done.stderr, ["ALTWRIGHT_RATE_LIMIT_STORE", "redis://"])


def assert_is_one_line(stdout: str, stderr: str, words: Sequence[str]) -> None:
    """It says what is wrong to standard error, and no secret."""
    assert stdout == ""
    assert stderr.count("\n") == 1, stderr
    for word in words:
        assert word in stderr
    assert "hunter2" not in stderr


def test_a_port_in_use_is_reported_in_one_line(altwright: Altwright) -> None:
    done = run("serve", PORT=altwright.url.rpartition(":")[2])
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("altwright: ALTWRIGHT_HOST=127.0.0.1")
    assert "Traceback" not in done.stderr


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ALTWRIGHT_PORT=eighty\n", encoding="utf-8")
    assert "ALTWRIGHT_PORT=eighty" in run("serve", cwd=tmp_path).stderr


@pytest.mark.slow
def test_a_variable_that_is_no_setting_is_reported_with_the_most_similar_one() -> None:
    done = run("check", RATELIMIT="5/minute")
    assert "ALTWRIGHT_RATELIMIT" in done.stdout
    assert "did you mean ALTWRIGHT_RATE_LIMIT?" in done.stdout


@pytest.mark.slow
def test_check_reports_for_every_part_whether_it_works(llmock_server: LLMockServer) -> None:
    base_url = LlmockModelServer(llmock_server).base_url
    working = run("check", MODEL="gpt-4o-mini", MODEL_BASE_URL=base_url, MODEL_API_KEY="k")
    assert working.returncode == 0, working.stdout
    assert "ok    decoding" in working.stdout
    assert "ok    model gpt-4o-mini" in working.stdout
    colours = "ok    verification: VERIFY=off: requests that ask, colours only (VERIFY=warn loads"
    assert colours in working.stdout
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
        assert listed.startswith("shop\tlimit 2/minute\tquota none\texpires 20")
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


def caption_with_new_connection(server: Altwright) -> httpx.Response:
    """A caption over a connection of its own, as a caller without keep-alive."""
    with httpx.Client(timeout=60, trust_env=False) as http:
        body = {"image_url": data_url(jpeg())}
        return http.post(server.url + "/v1/image/caption", json=body)


def wait_until_refused(server: Altwright) -> httpx.Response:
    """Send invalid caption requests until one is refused before it is read; that response."""
    until = time.monotonic() + 15
    while True:
        response = httpx.post(server.url + "/v1/image/caption", json={}, trust_env=False)
        if response.status_code != 422:
            return response
        assert time.monotonic() < until, "new captions are not refused"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_after_sigterm_captions_are_made_for_the_notice_and_then_refused(
    slow_model: LlmockModelServer, workers: str
) -> None:
    """/readyz is 503 from the start. All that is in work is completed, and the exit code is 0."""
    with (
        Altwright(
            MODEL="m", MODEL_BASE_URL=slow_model.base_url, MODEL_API_KEY="k",
            WORKERS=workers, DRAIN_NOTICE_S="2",
        ) as server,
        ThreadPoolExecutor(8) as threads,
    ):  # fmt: skip
        before = [threads.submit(caption_with_new_connection, server) for _ in range(4)]
        time.sleep(0.5)
        server.terminate()
        began_s = time.monotonic()
        time.sleep(0.3)
        ready = httpx.get(server.url + "/readyz", trust_env=False)
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        during = [threads.submit(caption_with_new_connection, server) for _ in range(4)]
        refused = wait_until_refused(server)
        assert time.monotonic() - began_s > 2
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["connection"] == "close"
        assert httpx.get(server.url + "/healthz", trust_env=False).status_code == 200
        for work in [*before, *during]:
            response = work.result()
            assert response.status_code == 200, response.text
            assert response.headers["connection"] == "close"
        assert server.process.wait(20) == 0
        assert time.monotonic() - began_s < 20


@pytest.mark.slow
def test_a_kept_alive_connection_is_closed_by_the_first_response_of_a_drain() -> None:
    """So that a balancer opens its next connection to another replica."""
    with Altwright(DRAIN_NOTICE_S="3") as server:
        assert "connection" not in server.get("/healthz").headers
        server.terminate()
        until = time.monotonic() + 2
        while (response := server.get("/healthz")).headers.get("connection") != "close":
            assert time.monotonic() < until
        assert response.status_code == 200
        assert server.process.wait(20) == 0


@pytest.mark.parametrize(("sig", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_server_that_is_stopped_while_it_imports_ends_at_once(
    sig: signal.Signals, exit_code: int
) -> None:
    """With an honest exit code and without a traceback: no request has been accepted."""
    command = [sys.executable, "-m", "app", "serve"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        status = Path(f"/proc/{process.pid}/status")
        if not status.exists():
            pytest.skip("needs /proc: run this test on Linux")
        while not _handles(status, signal.SIGTERM) or not _handles(status, sig):
            assert process.poll() is None
        process.send_signal(sig)
        assert process.stderr is not None
        assert (process.wait(20), process.stderr.read()) == (exit_code, b"")


def _handles(status: Path, sig: signal.Signals) -> bool:
    """Whether the process has a handler for the signal (proc_pid_status(5))."""
    [caught] = [line for line in status.read_text().splitlines() if line.startswith("SigCgt")]
    return bool(int(caught.split()[1], 16) >> (sig - 1) & 1)


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_ctrl_c_needs_no_notice(workers: str) -> None:
    with Altwright(WORKERS=workers, DRAIN_NOTICE_S="10") as server:
        server.process.send_signal(signal.SIGINT)
        began_s = time.monotonic()
        assert server.process.wait(20) == 0
        assert time.monotonic() - began_s < 8


def test_a_further_server_process_accepts_no_connection_before_it_is_ready() -> None:
    """With WORKERS above 1 a process that is ready answers meanwhile."""
    with listen("127.0.0.1", 0) as sock:
        command = [sys.executable, "-m", "app", "serve", "--listen-when-ready"]
        process = subprocess.Popen(
            [*command, "--listen-fd", str(sock.fileno())], cwd=ROOT, pass_fds=[sock.fileno()]
        )
        try:
            url = f"http://127.0.0.1:{sock.getsockname()[1]}/readyz"
            response = httpx.get(url, timeout=60, trust_env=False)
            assert response.json()["status"] == "ready"
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


@pytest.mark.slow
def test_a_server_whose_ocr_models_cannot_be_loaded_becomes_ready_and_logs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It captions without text. /readyz waits for the first attempt, not for success."""
    pytest.importorskip("rapidocr")
    # A broken package of this name comes first in the path of the child process.
    (tmp_path / "rapidocr").mkdir()
    (tmp_path / "rapidocr" / "__init__.py").write_text("raise ImportError('broken')\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Altwright() as server:
        assert any("ocr.start_failed" in line for line in server.log)
        assert caption_with_new_connection(server).status_code == 200


@pytest.mark.measures
def test_when_ready_the_first_caption_is_as_quick_as_the_next() -> None:
    """The OCR models are loaded; before, the first caption waited seconds for them."""
    with Altwright() as server:
        durations_s = []
        for seed in range(6):
            image = data_url(photograph_like((1200, 800), seed))
            began_s = time.monotonic()
            assert server.caption(image).status_code == 200
            durations_s.append(time.monotonic() - began_s)
        assert durations_s[0] < 3 * median(durations_s[1:])


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
        DRAIN_NOTICE_S="10",
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_requests_of_server_processes_that_died_are_no_longer_in_work(
    llmock_server: LLMockServer,
) -> None:
    model = LlmockModelServer(llmock_server)
    model.delay(60, times=None)
    settings = {"MODEL": "m", "MODEL_BASE_URL": model.base_url, "MODEL_API_KEY": "k"}
    with (
        Altwright(WORKERS="2", MODEL_TIMEOUT_S="60", REQUEST_TIMEOUT_S="60", **settings) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        if not children.exists():
            pytest.skip("needs /proc: run this test on Linux")
        lost = pool.submit(
            httpx.post, server.url + "/v1/image/caption", json={"image_url": data_url(jpeg())}
        )
        wait_for_metric(server, "altwright_requests_in_work 1.0")
        for pid in children.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        assert isinstance(lost.exception(30), httpx.TransportError)
        wait_for_metric(server, "altwright_requests_in_work 0.0")
    model.reset()


@pytest.mark.slow
def test_every_server_process_records_its_state_also_where_another_is_scraped(
    tmp_path: Path,
) -> None:
    with Altwright({"TMPDIR": str(tmp_path)}, WORKERS="2") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        if not children.exists():
            pytest.skip("needs /proc: run this test on Linux")
        [folder] = tmp_path.glob("altwright-metrics-*")
        files = [folder / f"gauge_livemin_{pid}.db" for pid in children.read_text().split()]
        until = time.monotonic() + 60
        while not all(file.exists() and b"captioner_usable" in file.read_bytes() for file in files):
            assert time.monotonic() < until, "a process has not recorded its state"
            time.sleep(0.1)
        assert len(files) == 2
