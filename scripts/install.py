"""Creates .venv and installs what the lock files pin; used by `make`.

    python3 scripts/install.py server         # what `make serve` and `make demo` need
    python3 scripts/install.py development    # the tests, the checks and the SDK on top

It does nothing where that is installed already. It uses the standard library alone, and only syntax
that an older Python can parse, so that this one can say that it is too old.
"""

import importlib.util
import platform
import subprocess
import sys
import time
from pathlib import Path

_TOP = Path(__file__).resolve().parent.parent
_VENV = _TOP / ".venv"
_PYTHON = _VENV / "bin" / "python"
_SOURCES = {
    "server": ["requirements.lock"],
    "development": ["requirements-dev.lock", "sdk/pyproject.toml"],
}
"""What is installed from these files; the first one is the lock."""
_PACKAGES_PER_LINE = 20


def main() -> None:
    """Install `server` or `development`."""
    what = sys.argv[1]
    _check_this_python()
    is_usable = _is_venv_usable()
    if is_usable and _is_installed(what):
        return
    started_at_s = time.monotonic()
    if not is_usable:
        _report(f"creating it with Python {platform.python_version()}")
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", str(_VENV)], check=True
        )
    if not _has_module("pip"):
        command = [str(_PYTHON), "-m", "ensurepip", "--default-pip"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    for stamp in _VENV.glob(".installed-*"):
        stamp.unlink()  # an interrupted run leaves none
    lock = _SOURCES[what][0]
    _report(f"installing the packages that {lock} pins")
    # The lock is complete, and leaves out what no code of ours uses (pyproject.toml, tool.uv).
    _pip_install("--require-hashes", "--no-deps", "-r", lock)
    if what == "development":
        # flit, which builds the SDK, is in the lock: nothing is downloaded here.
        _pip_install("--no-index", "--no-deps", "--no-build-isolation", "--editable", "sdk")
        _write_stamp("server")  # the development lock contains the server's
    else:
        # The server never needs it, and it is 18 MB with the setuptools of Python 3.11.
        _pip("uninstall", "--quiet", "--yes", "setuptools", "pip")
    _write_stamp(what)
    _report(f"done in {time.monotonic() - started_at_s:.0f} s")


def _check_this_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python may run this file
        sys.exit(
            f"Altwright needs Python 3.11 or newer; {sys.executable} is "
            f"{platform.python_version()}. Name another one: make setup PYTHON=python3.12"
        )
    if not all(importlib.util.find_spec(name) for name in ("ensurepip", "venv")):
        sys.exit(
            "This Python lacks its venv module. On Debian and Ubuntu: apt-get install python3-venv"
        )


def _is_venv_usable() -> bool:
    try:
        return _runs("import sys; sys.exit(sys.version_info < (3, 11))")
    except OSError:
        return False


def _has_module(name: str) -> bool:
    return _runs(f"import {name}")


def _runs(code: str) -> bool:
    command = [str(_PYTHON), "-c", code]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _pip_install(*arguments: str) -> None:
    # Without --no-compile, pip spends a third of its time on byte code of modules that are never
    # imported; Python writes that of the others at their first import.
    _pip("install", "--no-compile", "--progress-bar", "off", *arguments)


def _pip(*arguments: str) -> None:
    command = [str(_PYTHON), "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    process = subprocess.Popen(
        command, cwd=str(_TOP), stdout=subprocess.PIPE, universal_newlines=True
    )
    assert process.stdout is not None
    found = 0
    for line in process.stdout:
        if line.startswith(("Collecting ", "Processing ")):
            found += 1
            if found % _PACKAGES_PER_LINE == 0:
                _report(f"  {found} packages downloaded")
        elif found and line.startswith("Installing collected packages"):
            _report(f"  unpacking {found} packages")
    if process.wait() != 0:
        sys.exit("pip failed; its message stands above.")


def _stamp_path(what: str) -> Path:
    return _VENV / f".installed-{what}"


def _source_text(what: str) -> str:
    return "".join((_TOP / name).read_text(encoding="utf-8") for name in _SOURCES[what])


def _is_installed(what: str) -> bool:
    stamp = _stamp_path(what)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _source_text(what)


def _write_stamp(what: str) -> None:
    _stamp_path(what).write_text(_source_text(what), encoding="utf-8")


def _report(text: str) -> None:
    sys.stdout.write(f".venv: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
