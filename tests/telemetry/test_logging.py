"""A log event is one redacted line."""

import ast
import io
import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.telemetry.logging import LineFormatter, OncePerSecondFilter

ROOT = Path(__file__).parents[2]
SIGNED_URL = "https://u:pw@cdn.example.com:8443/a/b.jpg?X-Amz-Signature=abcdef&Expires=1#frag"


def capture(log: Callable[[logging.Logger], None]) -> str:
    """What `log` writes with the server's formatter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    logger = logging.getLogger("altwright.test.formatter")
    logger.handlers[:] = [handler]
    logger.setLevel("INFO")
    logger.propagate = False
    log(logger)
    return stream.getvalue()


def test_an_event_is_its_name_and_its_fields() -> None:
    line = capture(lambda logger: logger.info("child.lost", extra={"reason": "died", "pid": 7}))
    assert line.endswith("INFO altwright.test.formatter child.lost reason='died' pid=7\n")


def test_an_exception_is_one_redacted_line() -> None:
    def log(logger: logging.Logger) -> None:
        try:
            raise RuntimeError(f"no route to {SIGNED_URL}\nsecond line")
        except RuntimeError:
            logger.exception("request.failed", extra={"request_id": "r1"})

    line = capture(log)
    assert line.count("\n") == 1
    assert "abcdef" not in line
    assert "RuntimeError" in line
    assert Path(__file__).name in line


def test_an_exception_is_logged_without_its_text() -> None:
    """It may quote what a caller or a server sent, in any spelling. The system's words are kept."""

    def log(logger: logging.Logger) -> None:
        for error in (ValueError("s%65cret"), OSError(2, "s%65cret", "s%65cret")):
            try:
                raise error
            except (ValueError, OSError):
                logger.exception("request.failed")

    lines = capture(log)
    assert "cret" not in lines
    assert "exception=ValueError at " in lines
    assert "exception=FileNotFoundError: No such file or directory at " in lines


def test_a_caller_cannot_forge_a_line() -> None:
    fields = {"path": "/a\n2026 CRITICAL forged"}
    line = capture(lambda logger: logger.info("request.finished", extra=fields))
    assert line.count("\n") == 1


def test_a_long_line_is_cut() -> None:
    record = logging.makeLogRecord({"msg": "http://" * 100_000, "levelname": "INFO", "name": "a"})
    assert len(LineFormatter().format(record)) <= 8_000


@pytest.mark.measures
def test_redacting_a_long_line_takes_about_as_long_as_one_of_the_maximum_length() -> None:
    """It happens on the event loop, and an origin may have made the line."""

    def took_s(repeats: int) -> float:
        fields = {"msg": "http://" * repeats, "levelname": "INFO", "name": "a"}
        began_s = time.process_time()
        LineFormatter().format(logging.makeLogRecord(fields))
        return time.process_time() - began_s

    assert took_s(100_000) < 20 * max(took_s(2_300), 0.001)


def test_the_filter_passes_one_record_per_second() -> None:
    only_one = OncePerSecondFilter()
    times_s = [10.0, 10.1, 10.9, 11.0, 11.5, 12.1]
    passed = [
        time_s for time_s in times_s if only_one.filter(logging.makeLogRecord({"created": time_s}))
    ]
    assert passed == [10.0, 11.0, 12.1]


def find_event_names() -> Iterator[tuple[str, str]]:
    """The message of every log call in the server, with its place."""
    levels = {"debug", "info", "warning", "error", "critical", "exception"}
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in levels
                and "logger" in ast.unparse(node.func.value)
            ):
                message = node.args[0]
                name = message.value if isinstance(message, ast.Constant) else "(not a constant)"
                yield f"{path.relative_to(ROOT)}:{node.lineno}", str(name)


def test_every_log_event_of_the_server_has_a_dotted_name() -> None:
    """A thing and what happened to it; what varies is a field."""
    dotted_name = re.compile(r"[a-z_]+\.[a-z_]+")
    wrong = {place: name for place, name in find_event_names() if not dotted_name.fullmatch(name)}
    assert wrong == {}
