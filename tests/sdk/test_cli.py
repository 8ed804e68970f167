"""The command: what it prints, what its exit code says, and that it never shows a traceback."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from altwright.cli import exits
from altwright.cli.commands import run
from altwright.cli.inputs import shown

from testing.images import data_url, jpeg, photograph_like
from testing.ports import free_port
from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy, hang, problem

COMMAND = str(Path(sys.executable).with_name("altwright"))
KEY = "a-key-for-tests"
URL = data_url(jpeg((40, 30)))

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ask(capfdbinary: pytest.CaptureFixture[bytes]) -> Ask:
    """Runs the command here; gives exit code, output, complaints."""

    def asked(*words: str) -> tuple[int, str, str]:
        code = run(words)
        said = capfdbinary.readouterr()
        out, complained = said.out.decode(), said.err.decode()
        assert "Traceback" not in out + complained
        return code, out, complained

    return asked


def in_shell(
    script: str, server: Altwright, stdin: bytes = b"", **env: str
) -> subprocess.CompletedProcess[bytes]:
    """A shell's line, with the command on its path."""
    path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        input=stdin,
        capture_output=True,
        timeout=90,
        check=False,
        env={**os.environ, "PATH": path, "ALTWRIGHT_URL": server.url, **env},
    )


def test_one_picture_prints_its_caption_alone(
    altwright: Altwright, ask: Ask, tmp_path: Path
) -> None:
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    code, out, complained = ask("caption", "mug.jpg", "--base-url", altwright.url)
    assert (code, complained) == (0, "")
    assert out == altwright.caption(data_url(jpeg())).json()["caption"] + "\n"


def test_of_several_pictures_each_line_begins_with_its_name(
    altwright: Altwright, ask: Ask, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b c.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    code, out, _ = ask("caption", "a.jpg", "b c.jpg", "-s", "seo", "--base-url", altwright.url)
    assert code == 0
    assert sorted(line.split("\t")[0] for line in out.splitlines()) == ["a.jpg", "b c.jpg"]
    assert all(line.split("\t")[1] for line in out.splitlines())


def test_json_holds_the_whole_answer_or_the_whole_error(
    altwright: Altwright, ask: Ask, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(photograph_like((1600, 900)))
    words = ("caption", "a.jpg", "missing.jpg", "http://10.0.0.1/a.jpg", "--json")
    code, out, complained = ask(*words, "--base-url", altwright.url)
    assert (code, complained) == (1, "")
    told = {line["picture"]: line for line in map(json.loads, out.splitlines())}
    assert told["a.jpg"]["image"]["width"] == 1600
    assert told["a.jpg"]["caption"]
    assert told["missing.jpg"]["error"]["detail"] == "There is no file missing.jpg."
    assert told["http://10.0.0.1/a.jpg"]["error"]["code"] == "image_url_forbidden"
    assert told["http://10.0.0.1/a.jpg"]["error"]["retryable"] is False


def test_options_reach_the_server(proxy: FaultProxy, ask: Ask) -> None:
    words = [
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
        "-k",
        "rot",
        "-k",
        "blau",
    ]
    code, _, complained = ask("caption", URL, *words, "--base-url", proxy.url)
    assert (code, complained) == (0, "")
    assert proxy.requests[-1].json() == {
        "image_url": URL, "style": "seo", "locale": "de", "max_tokens": 96, "context": "Becher",
        "role": "product", "keywords": ["rot", "blau"],
    }  # fmt: skip


def test_html_prints_the_attribute(altwright: Altwright, ask: Ask) -> None:
    code, out, _ = ask("caption", URL, "--html", "--base-url", altwright.url)
    assert code == 0
    assert re.fullmatch(r'alt="[^"<>]*"\n', out)


def test_a_picture_and_a_list_may_come_through_a_pipe(altwright: Altwright, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    done = in_shell("cat a.jpg | altwright caption -", altwright)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1
    done = in_shell("printf 'a.jpg\\n\\na.jpg\\n' | altwright caption --from -", altwright)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [line.split(b"\t")[0] for line in done.stdout.splitlines()] == [b"a.jpg"] * 2


def test_captions_of_a_list_come_while_it_is_still_being_written(
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


def test_a_reader_that_goes_away_is_no_error(altwright: Altwright, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    done = in_shell(
        "yes a.jpg | head -300 | altwright caption --from - -j 1 | head -1; "
        'echo "${PIPESTATUS[2]}"',
        altwright,
    )
    assert done.stderr == b""
    assert done.stdout.splitlines()[-1] == str(int(exits.Exit.BROKEN_PIPE)).encode()


@pytest.mark.parametrize(
    ("where", "why"), [("> /dev/full", b"No space left on device"), (">&-", b"it is closed")]
)
def test_an_output_that_takes_nothing_is_one_sentence(
    altwright: Altwright, where: str, why: bytes
) -> None:
    done = in_shell(f"altwright styles {where}", altwright)
    assert done.returncode == exits.Exit.IO_ERROR
    assert done.stderr == b"altwright: the output cannot be written: " + why + b".\n"


def test_what_this_user_may_not_read_is_one_sentence(altwright: Altwright, tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(jpeg())
    (tmp_path / "mine.jpg").chmod(0)
    # root reads everything, unless it gives that up.
    drop = "setpriv --bounding-set=-all --inh-caps=-all " if os.geteuid() == 0 else ""
    if drop and in_shell(f"{drop} true", altwright).returncode:
        pytest.skip("install setpriv (apt-get install util-linux) to run this test")
    done = in_shell(f"{drop}altwright caption mine.jpg", altwright)
    assert done.returncode == 1
    assert done.stderr == b"altwright: mine.jpg cannot be read: permission denied.\n"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 2, ""),
        (["caption"], 2, "Name a picture"),
        (["caption", "-", "--from", "-"], 2, "Only one thing"),
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
        (["caption", "--from", "empty.jpg"], 0, "empty.jpg names no picture."),
        (["caption", "/dev/zero"], 1, "more than 64.0 MiB"),
        (["caption", URL, "--timeout", "nan"], 2, "timeout"),
        (["caption", URL, "-s", "poem"], 1, "style"),
        (["caption", URL, "--role", "banner"], 1, "role"),
        (["check", "IMG_2041.jpg"], 1, "hard: "),
        (["check", "A white mug.", "--base-url", "nonsense"], 2, "base_url"),
    ],
)
def test_bad_input_is_one_clear_sentence(
    altwright: Altwright,
    ask: Ask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "notes.txt").write_text("not a picture")
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    ended, _, complained = ask(*words)
    assert ended == code
    assert sentence in complained
    if code == 1 and words[0] == "caption":
        assert complained.count("\n") == 1
        assert complained.startswith("altwright: ")


def test_a_wrong_key_has_an_exit_code_of_its_own_and_shows_nowhere(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Altwright(API_KEYS=json.dumps([KEY])) as server:
        monkeypatch.setenv("ALTWRIGHT_API_KEY", "wrong-key")
        code, _, complained = ask("caption", URL, "--base-url", server.url)
        assert code == 77
        assert complained.endswith("set ALTWRIGHT_API_KEY, or mend the config file.\n")
        assert "wrong-key" not in complained
        # All others would fail as well: a list of thousands is not gone through.
        code, _, complained = ask("caption", *[URL] * 30, "--base-url", server.url, "-j", "2")
        assert (code, complained.count("\n")) == (77, 1)
        assert ask("check", "A white mug.", "--base-url", server.url)[0] == 77
        monkeypatch.setenv("ALTWRIGHT_API_KEY", KEY)
        assert ask("styles", "--base-url", server.url)[0] == 0


def test_what_may_pass_later_has_an_exit_code_of_its_own(proxy: FaultProxy, ask: Ask) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    code, _, complained = ask("caption", *[URL] * 30, "--base-url", nobody, "-j", "2")
    assert (code, complained.count("\n")) == (75, 1)
    assert complained.endswith("start it, or mend --base-url or ALTWRIGHT_URL.\n")
    proxy.always(problem(429, "rate_limited", retry_after="600"))
    assert ask("caption", URL, "missing.jpg", "--base-url", proxy.url)[0] == 75


def test_several_pictures_wait_out_a_limit_and_one_alone_does_not(
    proxy: FaultProxy, ask: Ask
) -> None:
    limited = problem(429, "rate_limited", retry_after="2")
    words = ("caption", URL, "--timeout", "1.5", "--base-url", proxy.url)
    proxy.then(limited)
    code, _, complained = ask(*words)
    assert code == 75
    assert "rate_limited" in complained
    proxy.then(limited)
    assert ask(*words, URL)[0] == 0
    proxy.then(limited)
    assert ask(*words, "--patience", "10")[0] == 0


def test_interrupted_it_ends_at_once_and_quietly(proxy: FaultProxy, tmp_path: Path) -> None:
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


def test_a_text_is_checked(altwright: Altwright, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", altwright.url)
    assert ask("check", "A white mug on a plain white ground.") == (
        0, "A white mug on a plain white ground.\n", "",
    )  # fmt: skip
    code, out, _ = ask("check", "IMG_2041.jpg", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False
    done = in_shell("echo 'A white mug on a plain white ground.' | altwright check -", altwright)
    assert done.returncode == 0


def test_styles_are_listed(altwright: Altwright, ask: Ask) -> None:
    code, out, _ = ask("styles", "--base-url", altwright.url)
    assert code == 0
    assert {"concise", "seo", "detailed"} <= {line.split("\t")[0] for line in out.splitlines()}
    _, out, _ = ask("styles", "--json", "--base-url", altwright.url)
    assert all(json.loads(line)["limits"] for line in out.splitlines())


def test_the_config_file_names_server_and_key(proxy: FaultProxy, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "config/altwright/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'base_url = "{proxy.url}"\napi_key = "{KEY}"\n')
    code, _, complained = ask("styles")
    assert code == 2
    assert f"chmod 600 {path}" in complained
    assert KEY not in complained
    path.chmod(0o600)
    assert ask("styles")[0] == 0
    assert proxy.requests[-1].headers["authorization"] == f"Bearer {KEY}"


def test_the_key_of_the_config_file_goes_to_its_own_server_alone(
    proxy: FaultProxy, ask: Ask, tmp_path: Path
) -> None:
    path = tmp_path / "config/altwright/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'base_url = "https://captions.example.com"\napi_key = "{KEY}"\n')
    path.chmod(0o600)
    assert ask("styles", "--base-url", proxy.url)[0] == 0
    assert "authorization" not in proxy.requests[-1].headers


@pytest.mark.parametrize("text", ["base_url = ", "url = 'x'", "base_url = 7", "\xff"])
def test_a_broken_config_file_is_one_sentence(ask: Ask, tmp_path: Path, text: str) -> None:
    path = tmp_path / "config/altwright/config.toml"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("latin-1"))
    code, _, complained = ask("styles")
    assert code == 2
    assert str(path) in complained
    assert complained.count("\n") == 1


def test_there_are_colours_on_a_terminal_only(altwright: Altwright) -> None:
    script = "script -qec 'altwright caption missing.jpg' /dev/null"
    if in_shell("command -v script", altwright).returncode:
        pytest.skip("install script (apt-get install bsdutils) to run this test")
    on_terminal = in_shell(script, altwright, TERM="xterm-256color").stdout
    assert b"\x1b[1;31m" in on_terminal
    assert b"\x1b[" not in in_shell("altwright caption missing.jpg", altwright).stderr
    without = in_shell(script, altwright, TERM="xterm-256color", NO_COLOR="1").stdout
    assert b"31m" not in without


def test_the_shell_completes_commands_and_styles(altwright: Altwright) -> None:
    for typed, found in (("altwright ca", "caption"), ("altwright caption -s se", "seo")):
        done = in_shell(
            "altwright",
            altwright,
            _ALTWRIGHT_COMPLETE="complete_bash",
            COMP_WORDS=typed,
            COMP_CWORD=str(len(typed.split()) - 1),
        )
        assert found in done.stdout.decode().split()


def test_without_its_extra_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['typer'] = None\nfrom altwright.cli import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "altwright: packages are missing: pip install './sdk[cli]'\n"


def test_no_message_shows_what_a_url_may_hide() -> None:
    assert shown("https://user:pw@a.example/b.jpg?sig=secret#x") == "https://a.example/b.jpg"
    assert len(shown(URL)) < 40
    assert shown("photo?.jpg") == "photo?.jpg"


def test_the_version_is_that_of_the_distribution(ask: Ask) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "sdk/pyproject.toml").read_text())
    assert ask("--version")[1] == f"altwright {project['project']['version']}\n"
