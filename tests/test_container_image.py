"""The image is built from the Dockerfile, runs as its user, captions, and stops when it is told."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name

from testing.container_image import (
    BuildahStore,
    Container,
    build_base,
    build_image,
    require_image_tools,
    size_bytes,
)
from testing.images import data_url
from testing.ports import free_port
from testing.process_tree import descendants

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
IMAGE = "altwright"
USER = 10_001
MAX_BYTES_WITHOUT_READERS = 350_000_000
START_TIMEOUT_S = 180.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuildahStore]:
    """The built image, and its base under the name that the Dockerfile says."""
    require_image_tools()
    store = BuildahStore(tmp_path_factory.mktemp("buildah"))
    [base] = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    try:
        build_base(store, base)
        build_image(store, IMAGE)
        yield store
    finally:
        store.run("rm", "--all")
        store.run("rmi", "--all", "--force")


@pytest.fixture
def container(store: BuildahStore) -> Iterator[Container]:
    with store.container(IMAGE) as container:
        yield container


@contextmanager
def serving(container: Container) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The image's own command, on loopback, because the container has this machine's network."""
    config = container.store.config(IMAGE)
    port = str(free_port())
    settings = {"ALTWRIGHT_HOST": "127.0.0.1", "ALTWRIGHT_PORT": port, "ALTWRIGHT_API_KEYS": "[]"}
    process = subprocess.Popen(
        container.command(*config["Entrypoint"], *config["Cmd"], **settings),
        stdin=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield process, url
    finally:
        for pid in (*reversed(descendants(process.pid)), process.pid):
            if process.poll() is None:
                os.kill(pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    end_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end_s and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    pytest.fail("the server in the container did not get ready")


def server_pid(process: subprocess.Popen[bytes]) -> int:
    """The process whose command is the image's."""
    for pid in descendants(process.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if command[1:4] == [b"-m", b"app", b"serve"]:
            return pid
    pytest.fail("no server runs in the container")


def test_the_container_captions_as_its_user_and_drains(container: Container) -> None:
    picture = (ROOT / "demo/pictures/sale-banner.png").read_bytes()
    with serving(container) as (process, url):
        pid = server_pid(process)
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.findall(r"^[UG]id:\t(\d+)", status, re.MULTILINE) == [str(USER)] * 2
        body = {"image_url": data_url(picture, "image/png")}
        answer = httpx.post(f"{url}/v1/image/caption", json=body, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        # The embedded captioner read it: OCR and its models are in the image.
        assert "SUMMER SALE" in answer.json()["caption"].upper()
        health = container.store.config(IMAGE)["Healthcheck"]["Test"]
        assert health[0] == "CMD"
        port = url.rpartition(":")[2]
        check = container.command(*health[1:], ALTWRIGHT_PORT=port)
        assert subprocess.run(check, check=False).returncode == 0
        os.kill(pid, signal.SIGTERM)
        assert process.wait(30) == 0
        assert subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode != 0


def test_a_container_without_keys_does_not_start(container: Container) -> None:
    """Others can reach a published port."""
    config = container.store.config(IMAGE)
    command = container.command(*config["Entrypoint"], *config["Cmd"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert "ALTWRIGHT_API_KEYS" in done.stderr


def test_the_image_says_how_it_is_run(store: BuildahStore) -> None:
    config = store.config(IMAGE)
    assert config["User"] == f"{USER}:{USER}"
    assert config["StopSignal"] == "SIGTERM"
    assert "8000/tcp" in config["ExposedPorts"]


def test_the_image_is_small(store: BuildahStore, container: Container) -> None:
    """Without what TEXT=no leaves out, which is the embedded captioner's."""
    [base] = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    with store.container(base) as base_container:
        added = size_bytes(container.root) - size_bytes(base_container.root)
    readers = sum(package_bytes(container.root, name) for name in left_out_without_text())
    print(json.dumps({"added": added, "readers": readers}))
    assert 0 < added - readers < MAX_BYTES_WITHOUT_READERS


def left_out_without_text() -> set[str]:
    """The packages that the Dockerfile uninstalls for TEXT=no."""
    command = DOCKERFILE.partition('if [ "$TEXT" != yes ]')[2].partition("; fi")[0]
    return set(command.partition("--yes")[2].replace("\\\n", " ").split())


def package_bytes(root: Path, package: str) -> int:
    """What a package's files take."""
    [libraries] = (root / "opt/altwright/lib").glob("python3*/site-packages")
    for folder in libraries.glob("*.dist-info"):
        if canonicalize_name(folder.name.partition("-")[0]) == canonicalize_name(package):
            records = (folder / "RECORD").read_text("utf-8").splitlines()
            files = (libraries / line.rsplit(",", 2)[0] for line in records)
            return sum(file.stat().st_blocks * 512 for file in files if file.exists())
    pytest.fail(f"{package} is not in the image")


def test_nothing_of_the_build_is_left_in_the_image(container: Container) -> None:
    assert not list((container.root / "opt/altwright").glob("lib/*/site-packages/pip"))
    assert not (container.root / "etc/pip.conf").exists()
    writable = subprocess.run(
        ["find", "opt/altwright", "-user", str(USER), "-o", "-perm", "/022", "-not", "-type", "l"],
        cwd=container.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert writable.stdout == ""
