"""Every documented `pip install` in an environment of its own: the documented commands work there.

pip downloads the packages that a user would get. Packages of the development environment, which
hide a missing dependency, are not there.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.servers.redis import RedisServer

TOP = Path(__file__).parents[2]
_TIMEOUT_S = 400.0
CSV = "id,image,alt\n1,https://a.example/1.jpg,\n"


class Installed:
    """A virtual environment with the SDK and some extras."""

    def __init__(self, folder: Path, wheel: Path, extras: str) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        # A third of the time of an environment with its own pip, all byte-compiled.
        self.run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
        what = f"altwright[{extras}] @ {wheel.as_uri()}" if extras else wheel.as_uri()
        self.run(
            sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install", "-q",
            "--no-compile", "--disable-pip-version-check", what,
        )  # fmt: skip

    @property
    def env(self) -> dict[str, str]:
        """Nothing of this project's environment."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ALTWRIGHT_", "PYTHON"))}
        return {**kept, "ALTWRIGHT_URL": "http://127.0.0.1:9"}

    def run(self, *words: str, code: int = 0) -> str:
        """The output of a program; it must end with this exit code."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True, text=True,
            timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert done.returncode == code, output[-3_000:]
        assert "this is a bug" not in output, output
        return output

    def python(self, program: str) -> str:
        """The output of a program in Python."""
        return self.run(str(self.bin / "python"), "-c", program)

    def altwright(self, *arguments: str, code: int = 0) -> str:
        """The output of the command."""
        return self.run(str(self.bin / "altwright"), *arguments, code=code)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the SDK."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "-w", folder, TOP / "sdk"],
        check=True, timeout=_TIMEOUT_S, capture_output=True,
    )  # fmt: skip
    [path] = folder.glob("altwright-*.whl")
    return path


@pytest.fixture
def install(wheel: Path, tmp_path: Path) -> Callable[[str], Installed]:
    """Installs the SDK with extras."""
    (tmp_path / "in.csv").write_text(CSV)
    return lambda extras: Installed(tmp_path, wheel, extras)


def check_csv(installed: Installed) -> None:
    """A catalogue is estimated; what `altwright mcp` lacks is said."""
    assert "pip install './sdk[cli,mcp]'" in installed.altwright("mcp", code=2)
    assert "1 call" in installed.altwright("backfill", "in.csv", "--to", "out.csv", "--estimate")


def check_driver(installed: Installed, scheme: str) -> None:
    """The driver is there: what fails is the connection."""
    printed = installed.altwright(
        "backfill", f"{scheme}://nobody@127.0.0.1:9/shop", "--table", "t", code=2
    )
    assert "does not accept a connection" in printed


def check_parquet_and_sqlite(installed: Installed) -> None:
    """Both are read."""
    installed.python(
        "import pyarrow as pa, pyarrow.parquet as p, sqlite3\n"
        "p.write_table(pa.table({'id': [1], 'image': ['https://a.example/1.jpg']}), 'in.parquet')\n"
        "d = sqlite3.connect('shop.db')\n"
        "d.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, image TEXT, alt TEXT)')\n"
    )
    installed.altwright("backfill", "in.parquet", "--to", "out.parquet", "--estimate")
    installed.altwright("backfill", "sqlite:///shop.db", "--table", "t", "--estimate")


def check_images(installed: Installed) -> None:
    """Pillow is there, and the SDK uses it."""
    installed.python("import PIL, altwright.image_resize")


def check_mcp(installed: Installed) -> None:
    """The official client, which is there as well, gets the tools."""
    printed = installed.python(
        "import asyncio\n"
        "from mcp import Client, StdioServerParameters\n"
        "async def main():\n"
        f"    altwright = {str(installed.bin / 'altwright')!r}\n"
        "    command = StdioServerParameters(command=altwright, args=['mcp'])\n"
        "    async with Client(command) as client:\n"
        "        print(sorted(tool.name for tool in (await client.list_tools()).tools))\n"
        "asyncio.run(main())\n"
    )
    assert "['caption_image', 'check_caption']" in printed


CHECKS: dict[str, tuple[Callable[[Installed], None], ...]] = {
    "images": (check_images,),
    "cli,images": (check_images, check_csv),
    "cli,backfill": (check_csv, check_parquet_and_sqlite),
    "cli,images,backfill": (check_images, check_csv, check_parquet_and_sqlite),
    "cli,images,backfill,postgresql": (lambda each: check_driver(each, "postgresql"),),
    "cli,images,backfill,mysql": (lambda each: check_driver(each, "mysql"),),
    "cli,backfill,postgresql,queue": (lambda each: check_driver(each, "postgresql"),),
    "cli,backfill,queue": (check_csv,),
    "cli,images,mcp": (check_mcp,),
    "cli,verify": (lambda each: each.python("import axe_playwright_python, playwright") and None,),
}
"""The extras of each documented command, and what must work with them."""


def test_every_documented_combination_of_extras_is_checked() -> None:
    texts = [*(TOP / "docs").rglob("*.md"), TOP / "README.md", TOP / "sdk/README.md"]
    documented = {
        extras
        for path in texts
        for extras in re.findall(r"pip install '\./sdk\[([a-z,]+)\]'", path.read_text("utf-8"))
    }
    assert documented == set(CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("extras", [each for each in CHECKS if "queue" not in each])
def test_the_documented_commands_work_with_the_documented_extras(
    install: Callable[[str], Installed], extras: str
) -> None:
    installed = install(extras)
    for check in CHECKS[extras]:
        check(installed)


@pytest.mark.slow
def test_a_worker_takes_messages_from_redis_with_the_documented_extras(
    install: Callable[[str], Installed], redis_server: RedisServer, postgresql: str
) -> None:
    extras = "cli,backfill,postgresql,queue"
    installed = install(extras)
    for check in CHECKS[extras]:
        check(installed)
    program = [str(installed.bin / "altwright"), "worker", "--broker", redis_server.url,
               "--database", postgresql.replace("+psycopg", "")]  # fmt: skip
    check_worker(installed, program, redis_server)


@pytest.mark.slow
def test_the_queue_works_without_a_databases_driver_and_names_the_missing_one(
    install: Callable[[str], Installed], redis_server: RedisServer
) -> None:
    extras = "cli,backfill,queue"
    installed = install(extras)
    for check in CHECKS[extras]:
        check(installed)
    broker = ("--broker", redis_server.url)
    printed = installed.altwright("worker", *broker, "--database", "postgresql://a@b/c", code=2)
    assert "PostgreSQL needs more: pip install './sdk[postgresql]'" in printed
    check_worker(
        installed, [str(installed.bin / "python"), "-c", CONSUMER, broker[1]], redis_server
    )


CONSUMER = """
import sys
from altwright.backfill.queue.consumer import create_consumer
from altwright.errors import UsageError
class Workers:
    def for_run(self, run):
        raise UsageError("there is none")
create_consumer(sys.argv[1], Workers()).worker_main(["worker", "--loglevel=WARNING", "--pool=solo"])
"""


def check_worker(installed: Installed, program: list[str], redis_server: RedisServer) -> None:
    """The program takes a message from Redis, and ends on SIGTERM."""
    log = installed.folder / "worker.log"
    with log.open("wb") as file:
        worker = subprocess.Popen(
            program, cwd=installed.folder, env={**installed.env, "ALTWRIGHT_API_KEY": "x"},
            stdout=file, stderr=file,
        )  # fmt: skip
    try:
        installed.python(
            "from altwright.backfill.queue.app import enqueue, producer\n"
            f"with producer('{redis_server.url}') as app: enqueue(app, 'no such run', '1')"
        )
        until_s = time.monotonic() + 60
        while "row.skipped" not in log.read_text():
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < until_s, log.read_text()
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    finally:
        worker.kill()
        worker.wait()
    assert "Traceback" not in log.read_text()
