"""The command: output, error messages, exit codes; never a traceback."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from altwright import __version__
from altwright.cli import exit_codes
from altwright.cli.caption_inputs import redact_url
from altwright.cli.main import run

from testing.images import data_url, jpeg, photograph_like
from testing.ports import free_port
from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy, hang, problem

COMMAND = str(Path(sys.executable).with_name("altwright"))
KEY = "a-key-for-tests"
URL = data_url(jpeg((40, 30)))

RunCommand = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(capfdbinary: pytest.CaptureFixture[bytes]) -> RunCommand:
    """Run the command in this process; returns exit code, stdout, stderr."""

    def run_command(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capfdbinary.readouterr()
        out, stderr = said.out.decode(), said.err.decode()
        assert "Traceback" not in out + stderr
        return code, out, stderr

    return run_command


def run_shell(
    script: str, server: Altwright, stdin: bytes = b"", **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a shell script, with the command on its PATH."""
    path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        input=stdin,
        capture_output=True,
        timeout=90,
        check=False,
        env={**os.environ, "PATH": path, "ALTWRIGHT_URL": server.url, **env},
    )


def test_a_single_image_prints_only_its_caption(
    altwright: Altwright, command: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    code, out, stderr = command("caption", "mug.jpg", "--base-url", altwright.url)
    assert (code, stderr) == (0, "")
    assert out == altwright.caption(data_url(jpeg())).json()["caption"] + "\n"


def test_with_several_images_each_line_starts_with_the_name(
    altwright: Altwright, command: RunCommand, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b c.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    code, out, _ = command("caption", "a.jpg", "b c.jpg", "-s", "seo", "--base-url", altwright.url)
    assert code == 0
    assert sorted(line.split("\t")[0] for line in out.splitlines()) == ["a.jpg", "b c.jpg"]
    assert all(line.split("\t")[1] for line in out.splitlines())


def test_json_contains_the_complete_result_or_error(
    altwright: Altwright, command: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(photograph_like((1600, 900)))
    arguments = ("caption", "a.jpg", "missing.jpg", "http://10.0.0.1/a.jpg", "--json")
    code, out, stderr = command(*arguments, "--base-url", altwright.url)
    assert (code, stderr) == (1, "")
    lines = {line["picture"]: line for line in map(json.loads, out.splitlines())}
    assert lines["a.jpg"]["image"]["width"] == 1600
    assert lines["a.jpg"]["caption"]
    assert lines["missing.jpg"]["error"]["detail"] == "There is no file missing.jpg."
    assert lines["http://10.0.0.1/a.jpg"]["error"]["code"] == "image_url_forbidden"
    assert lines["http://10.0.0.1/a.jpg"]["error"]["retryable"] is False


def test_options_are_sent_to_the_server(proxy: FaultProxy, command: RunCommand) -> None:
    arguments = [
        "-s",
        "seo",
        "-l",
        "de",
        "--max-tokens",
        "96",
        "-c",
        "Becher",
        "--role",
        "product",
        "--visible-text",
        "Unser Becher",
        "-k",
        "rot",
        "-k",
        "blau",
    ]
    code, _, stderr = command("caption", URL, *arguments, "--base-url", proxy.url)
    assert (code, stderr) == (0, "")
    assert proxy.requests[-1].json() == {
        "image_url": URL, "style": "seo", "locale": "de", "max_tokens": 96, "context": "Becher",
        "role": "product", "visible_text": "Unser Becher", "keywords": ["rot", "blau"],
    }  # fmt: skip


def test_html_prints_the_alt_attribute(altwright: Altwright, command: RunCommand) -> None:
    code, out, _ = command("caption", URL, "--html", "--base-url", altwright.url)
    assert code == 0
    assert re.fullmatch(r'alt="[^"<>]*"\n', out)


def test_an_image_or_a_list_can_be_read_from_stdin(altwright: Altwright, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    result = run_shell("cat a.jpg | altwright caption -", altwright)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.count(b"\n") == 1
    result = run_shell("printf 'a.jpg\\n\\na.jpg\\n' | altwright caption --from -", altwright)
    assert (result.returncode, result.stderr) == (0, b"")
    assert [line.split(b"\t")[0] for line in result.stdout.splitlines()] == [b"a.jpg"] * 2


def test_captions_are_printed_while_the_list_is_still_being_written(
    altwright: Altwright, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    running = subprocess.Popen(
        [COMMAND, "caption", "--from", "-", "--base-url", altwright.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    )
    with running:
        assert running.stdin is not None
        assert running.stdout is not None
        for _ in range(2):
            running.stdin.write(b"a.jpg\n")
            running.stdin.flush()
            assert running.stdout.readline().startswith(b"a.jpg\t")
        running.stdin.close()
    assert running.returncode == 0


def test_a_closed_output_pipe_is_not_an_error(altwright: Altwright, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    result = run_shell(
        "yes a.jpg | head -300 | altwright caption --from - -j 1 | head -1; "
        'echo "${PIPESTATUS[2]}"',
        altwright,
    )
    assert result.stderr == b""
    assert result.stdout.splitlines()[-1] == str(int(exit_codes.ExitCode.BROKEN_PIPE)).encode()


@pytest.mark.parametrize(
    ("where", "why"), [("> /dev/full", b"No space left on device"), (">&-", b"it is closed")]
)
def test_an_unwritable_output_is_reported_in_one_sentence(
    altwright: Altwright, where: str, why: bytes
) -> None:
    result = run_shell(f"altwright styles {where}", altwright)
    assert result.returncode == exit_codes.ExitCode.IO_ERROR
    assert result.stderr == b"altwright: the output cannot be written: " + why + b".\n"


def test_a_file_without_read_permission_is_reported_in_one_sentence(
    altwright: Altwright, tmp_path: Path
) -> None:
    (tmp_path / "mine.jpg").write_bytes(jpeg())
    (tmp_path / "mine.jpg").chmod(0)
    # root can read every file, unless it drops its capabilities.
    drop = "setpriv --bounding-set=-all --inh-caps=-all " if os.geteuid() == 0 else ""
    if drop and run_shell(f"{drop} true", altwright).returncode:
        pytest.skip("install setpriv (apt-get install util-linux) to run this test")
    result = run_shell(f"{drop}altwright caption mine.jpg", altwright)
    assert result.returncode == 1
    assert result.stderr == b"altwright: mine.jpg cannot be read: permission denied.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, ""),
        (["caption"], 2, "Name an image"),
        (["caption", "-", "--from", "-"], 2, "Only one argument"),
        (["caption", "--from", "missing.txt"], 2, "missing.txt cannot be read"),
        (["caption", "a", "--max-tokens", "7"], 2, "max-tokens"),
        (["caption", "a", "--colour"], 2, "--colour"),
        (["paint"], 2, "paint"),
        (["caption", "missing.jpg"], 1, "There is no file missing.jpg."),
        (["caption", "."], 1, "is a directory"),
        (["caption", "empty.jpg"], 1, "empty.jpg is empty."),
        (["caption", "huge.jpg"], 1, "200.0 MiB"),
        (["caption", "notes.txt"], 1, "notes.txt: "),
        (["caption", "ftp://example.com/a"], 2, "not an http(s):// or data: URL.\n"),
        (["caption", ""], 2, "is empty"),
        (["caption", "--from", "."], 2, "cannot be read: Is a directory"),
        (["caption", "--from", "empty.jpg"], 0, "empty.jpg contains no image."),
        (["caption", "/dev/zero"], 1, "more than 64.0 MiB"),
        (["caption", URL, "--timeout", "nan"], 2, "timeout"),
        (["caption", URL, "-s", "poem"], 1, "style"),
        (["caption", URL, "--role", "banner"], 1, "role"),
        (["check", "IMG_2041.jpg"], 1, "hard: "),
        (["check", "A white mug.", "--base-url", "nonsense"], 2, "base_url"),
    ],
)
def test_invalid_input_is_reported_in_one_sentence(
    altwright: Altwright,
    command: RunCommand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "notes.txt").write_text("not a picture")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    exit_code, _, stderr = command(*arguments)
    assert exit_code == code
    assert sentence in stderr
    if code == 1 and arguments[0] == "caption":
        assert stderr.count("\n") == 1
        assert stderr.startswith("altwright: ")


@pytest.mark.slow
def test_a_wrong_key_has_its_own_exit_code_and_is_not_printed(
    command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Altwright(API_KEYS=json.dumps([KEY])) as server:
        monkeypatch.setenv("ALTWRIGHT_API_KEY", "wrong-key")
        code, _, stderr = command("caption", URL, "--base-url", server.url)
        assert code == 77
        assert stderr.endswith("set ALTWRIGHT_API_KEY or correct the config file.\n")
        assert "wrong-key" not in stderr
        # All other images would fail too, so the command stops.
        code, _, stderr = command("caption", *[URL] * 30, "--base-url", server.url, "-j", "2")
        assert (code, stderr.count("\n")) == (77, 1)
        assert command("check", "A white mug.", "--base-url", server.url)[0] == 77
        monkeypatch.setenv("ALTWRIGHT_API_KEY", KEY)
        assert command("styles", "--base-url", server.url)[0] == 0


def test_a_temporary_failure_has_its_own_exit_code(proxy: FaultProxy, command: RunCommand) -> None:
    unreachable = f"http://127.0.0.1:{free_port()}"
    code, _, stderr = command("caption", *[URL] * 30, "--base-url", unreachable, "-j", "2")
    assert (code, stderr.count("\n")) == (75, 1)
    assert stderr.endswith("start it, or correct --base-url or ALTWRIGHT_URL.\n")
    proxy.always(problem(429, "rate_limited", retry_after="600"))
    assert command("caption", URL, "missing.jpg", "--base-url", proxy.url)[0] == 75


def test_several_images_wait_for_a_rate_limit_and_a_single_one_does_not(
    proxy: FaultProxy, command: RunCommand
) -> None:
    limited = problem(429, "rate_limited", retry_after="2")
    arguments = ("caption", URL, "--timeout", "1.5", "--base-url", proxy.url)
    proxy.then(limited)
    code, _, stderr = command(*arguments)
    assert code == 75
    assert "rate_limited" in stderr
    proxy.then(limited)
    assert command(*arguments, URL)[0] == 0
    proxy.then(limited)
    assert command(*arguments, "--patience", "10")[0] == 0


def test_an_interrupt_ends_the_command_at_once_without_a_traceback(
    proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.always(hang)
    running = subprocess.Popen(
        [COMMAND, "caption", URL, "--base-url", proxy.url], stderr=subprocess.PIPE
    )
    with running:
        while not proxy.requests:
            assert running.poll() is None
        running.send_signal(2)
        running.wait(20)
        assert running.stderr is not None
        assert b"Traceback" not in running.stderr.read()
    assert running.returncode == 130


def test_a_text_is_checked(
    altwright: Altwright, command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    assert command("check", "A white mug on a plain white ground.") == (
        0, "A white mug on a plain white ground.\n", "",
    )  # fmt: skip
    code, out, _ = command("check", "IMG_2041.jpg", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False
    result = run_shell("echo 'A white mug on a plain white ground.' | altwright check -", altwright)
    assert result.returncode == 0


def test_a_text_is_held_against_its_image(
    altwright: Altwright, command: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict on each claim goes to stderr."""
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    mug = str(Path(__file__).parents[2] / "demo/pictures/mug.jpg")
    text = "A purple cup on a plain white background."
    code, out, said = command("check", mug, text)
    assert (code, out) == (0, f"{text}\n")
    _, out, _ = command("check", mug, text, "--json")
    seen = json.loads(out)["checks"][0]["seen"]
    assert seen.startswith("teal #")
    assert [line.removeprefix("altwright: ") for line in said.splitlines()] == [
        "soft: colour_not_in_picture",
        f"contradicted: colour purple (seen: {seen})",
        "confirmed: subject cup",
        "confirmed: colour white",
    ]
    assert command("check", "a.jpg", "A", "B")[0] == 2


def test_styles_are_listed(altwright: Altwright, command: RunCommand) -> None:
    code, out, _ = command("styles", "--base-url", altwright.url)
    assert code == 0
    assert {"concise", "seo", "detailed"} <= {line.split("\t")[0] for line in out.splitlines()}
    _, out, _ = command("styles", "--json", "--base-url", altwright.url)
    assert all(json.loads(line)["limits"] for line in out.splitlines())


def test_the_config_file_sets_server_and_key(
    proxy: FaultProxy, command: RunCommand, tmp_path: Path
) -> None:
    path = tmp_path / "config/altwright/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'base_url = "{proxy.url}"\napi_key = "{KEY}"\n')
    code, _, stderr = command("styles")
    assert code == 2
    assert f"chmod 600 {path}" in stderr
    assert KEY not in stderr
    path.chmod(0o600)
    assert command("styles")[0] == 0
    assert proxy.requests[-1].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_of_the_config_file_is_sent_only_to_its_own_server(
    proxy: FaultProxy, command: RunCommand, tmp_path: Path
) -> None:
    path = tmp_path / "config/altwright/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'base_url = "https://captions.example.com"\napi_key = "{KEY}"\n')
    path.chmod(0o600)
    assert command("styles", "--base-url", proxy.url)[0] == 0
    assert "authorization" not in proxy.requests[-1].headers


@pytest.mark.parametrize("text", ["base_url = ", "url = 'x'", "base_url = 7", "\xff"])
def test_an_invalid_config_file_is_reported_in_one_sentence(
    command: RunCommand, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "config/altwright/config.toml"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("latin-1"))
    code, _, stderr = command("styles")
    assert code == 2
    assert str(path) in stderr
    assert stderr.count("\n") == 1


def test_colours_are_printed_only_on_a_terminal(altwright: Altwright) -> None:
    script = "script -qec 'altwright caption missing.jpg' /dev/null"
    if run_shell("command -v script", altwright).returncode:
        pytest.skip("install script (apt-get install bsdutils) to run this test")
    on_terminal = run_shell(script, altwright, TERM="xterm-256color").stdout
    assert b"\x1b[1;31m" in on_terminal
    assert b"\x1b[" not in run_shell("altwright caption missing.jpg", altwright).stderr
    without = run_shell(script, altwright, TERM="xterm-256color", NO_COLOR="1").stdout
    assert b"31m" not in without


def test_the_shell_completes_commands_and_styles(altwright: Altwright) -> None:
    for typed, found in (("altwright ca", "caption"), ("altwright caption -s se", "seo")):
        result = run_shell(
            "altwright",
            altwright,
            _ALTWRIGHT_COMPLETE="complete_bash",
            COMP_WORDS=typed,
            COMP_CWORD=str(len(typed.split()) - 1),
        )
        assert found in result.stdout.decode().split()


def test_without_its_packages_the_command_names_the_install_command() -> None:
    script = "import sys; sys.modules['typer'] = None\nfrom altwright.cli import main\nmain()\n"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert result.stderr == "altwright: packages are missing: pip install './sdk[cli]'\n"


def test_messages_contain_no_query_or_password_of_a_url() -> None:
    assert redact_url("https://user:pw@a.example/b.jpg?sig=secret#x") == "https://a.example/b.jpg"
    assert len(redact_url(URL)) < 40
    assert redact_url("photo?.jpg") == "photo?.jpg"


def test_version_prints_the_version_of_the_package(command: RunCommand) -> None:
    assert command("--version")[1] == f"altwright {__version__}\n"
