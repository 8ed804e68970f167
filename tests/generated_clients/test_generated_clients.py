"""Clients that generators make of openapi/openapi.json ask a real server; linters read it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from testing.images import jpeg
from testing.requirements import require_program, skip_or_fail
from testing.servers.altwright import Altwright
from testing.servers.chat_completions_server import ChatCompletionsServer, chat_completion
from testing.servers.origin import Origin

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "openapi/openapi.json"
PROGRAMS = Path(__file__).parent
NODE = ROOT / "testing/generators"
PYTHON = ROOT / "build/generators"
PROBLEM = {"code": "invalid_request", "fields": ["style"]}
TEXTS = {
    "English": "A blue square on a white wall.",
    "German": "Ein blaues Quadrat an einer weißen Wand.",
    "French": "Un carré bleu sur un mur blanc.",
}
ENGLISH, EACH = TEXTS["English"], list(TEXTS.values())


class Model(ChatCompletionsServer):
    """Writes in the language that is asked for."""

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        [language] = [name for name in TEXTS if f"Write in {name}" in json.dumps(body)]
        return chat_completion(TEXTS[language])


@pytest.fixture(scope="module")
def server() -> Iterator[Altwright]:
    with (
        Model() as model,
        Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="none") as server,
    ):
        yield server


def node_program(package: str, name: str) -> list[str]:
    """The command of a Node package of testing/generators/package.json."""
    node = require_program("node", "nodejs")
    package_file = NODE / "node_modules" / package / "package.json"
    if not package_file.exists():
        skip_or_fail("generators", "run `npm ci --prefix testing/generators`")
    programs = json.loads(package_file.read_text())["bin"]
    path = programs if isinstance(programs, str) else programs[name]
    return [node, str(package_file.parent / path)]


def python_program(name: str) -> str:
    """The path of a program of testing/generators/requirements.lock."""
    path = PYTHON / "bin" / name
    if not path.exists():
        skip_or_fail("generators", "install them as .ci/run does")
    return str(path)


def run(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=folder,
        # None of them needs the network; without these some would look for updates.
        env={
            **os.environ,
            "PATH": f"{PYTHON / 'bin'}:{os.environ['PATH']}",
            "NO_COLOR": "1",
            "REDOCLY_TELEMETRY": "off",
            "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done


def ask(command: list[str], folder: Path, server: Altwright, origin: Origin) -> object:
    """What a program prints."""
    image_url = origin.serve("/square.jpg", jpeg())
    done = run([*command, server.url, image_url], folder, {"PYTHONPATH": str(folder)})
    return json.loads(done.stdout)


def test_openapi_python_client(server: Altwright, origin: Origin, tmp_path: Path) -> None:
    command = [python_program("openapi-python-client"), "generate", "--path", str(DOCUMENT)]
    generated = run(
        [*command, "--meta", "none", "--output-path", "altwright_attrs", "--fail-on-warning"],
        tmp_path,
    )
    assert "Warning" not in generated.stdout + generated.stderr
    command = [python_program("python"), str(PROGRAMS / "attrs_client.py")]
    assert ask(command, tmp_path, server, origin) == {
        "caption": ENGLISH,
        "several": EACH,
        "uploaded": ENGLISH,
        "uploaded_several": EACH,
        **PROBLEM,
    }


def test_openapi_generator(server: Altwright, origin: Origin, tmp_path: Path) -> None:
    run(
        [
            python_program("openapi-generator-cli"),
            "generate",
            "--generator-name=python",
            f"--input-spec={DOCUMENT}",
            "--output=.",
            "--additional-properties=packageName=altwright_pydantic",
            "--global-property=apiTests=false,modelTests=false,apiDocs=false,modelDocs=false",
        ],
        tmp_path,
    )
    command = [python_program("python"), str(PROGRAMS / "pydantic_client.py")]
    got = ask(command, tmp_path, server, origin)
    assert got == {"caption": ENGLISH, "several": EACH, **PROBLEM}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated TypeScript and the programs that use it, compiled with the strict types."""
    folder = tmp_path_factory.mktemp("typescript")
    for path in (*PROGRAMS.glob("*.ts"), PROGRAMS / "tsconfig.json"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    types = "altwright_types.ts"
    run(
        [*node_program("openapi-typescript", "openapi-typescript"), str(DOCUMENT), "-o", types],
        folder,
    )
    settings = {
        "input": str(DOCUMENT),
        "output": {"path": "altwright_hey_api", "importFileExtension": ".js"},
    }
    (folder / "hey_api.mjs").write_text(f"export default {json.dumps(settings)}")
    run([*node_program("@hey-api/openapi-ts", "openapi-ts"), "-f", "hey_api.mjs"], folder)
    (folder / "node_modules").symlink_to(NODE / "node_modules")
    run([*node_program("typescript", "tsc"), "--outDir", "compiled"], folder)
    return folder


@pytest.mark.parametrize(
    ("program", "uploads"),
    [("fetch_client", {"uploaded_several": EACH}), ("hey_api_client", {})],
)
def test_typescript(
    compiled: Path, program: str, uploads: dict[str, Any], server: Altwright, origin: Origin
) -> None:
    """With the types of openapi-typescript, and the client of @hey-api/openapi-ts."""
    command = [require_program("node", "nodejs"), str(compiled / f"compiled/{program}.js")]
    got = ask(command, compiled, server, origin)
    assert got == {
        "caption": ENGLISH,
        "several": EACH,
        "uploaded": ENGLISH,
        **uploads,
        **PROBLEM,
    }


def test_spectral_finds_no_error(tmp_path: Path) -> None:
    """The responses that it calls unused are those of paths and methods that do not exist."""
    (tmp_path / "ruleset.yaml").write_text("extends: ['spectral:oas']\n")
    command = node_program("@stoplight/spectral-cli", "spectral")
    done = run(
        [*command, "lint", "--ruleset=ruleset.yaml", "--format=json", str(DOCUMENT)], tmp_path
    )
    found = json.loads(done.stdout[done.stdout.index("[") : done.stdout.rindex("]") + 1])
    assert {one["code"] for one in found} <= {"oas3-unused-component"}, found


def test_redocly_finds_no_error(tmp_path: Path) -> None:
    """Two warnings are about what is so: see above, and probes that answer no 4xx."""
    command = node_program("@redocly/cli", "redocly")
    done = run(
        [*command, "lint", "--extends=recommended", "--format=json", str(DOCUMENT)], tmp_path
    )
    result = json.loads(done.stdout)
    assert result["totals"]["errors"] == 0
    assert {one["ruleId"] for one in result["problems"]} <= {
        "no-unused-components", "operation-4xx-response",
    }  # fmt: skip
