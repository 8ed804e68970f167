"""A log event is one redacted line, as text or as a JSON object."""

import ast
import io
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.telemetry.logging import (
    JsonFormatter,
    LibraryFilter,
    OncePerSecondFilter,
    TextFormatter,
)
from app.telemetry.request_context import RequestContext, work_for
from app.telemetry.trace_context import TraceContext

ROOT = Path(__file__).parents[2]
SIGNED_URL = "https://u:pw@cdn.example.com:8443/a/b.jpg?X-Amz-Signature=abcdef&Expires=1#frag"


Log = Callable[[logging.Logger], None]


def capture(
    log: Log, formatter: logging.Formatter | None = None, name: str = "app.test.formatter"
) -> str:
    """What `log` writes with the server's formatter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter or TextFormatter())
    handler.addFilter(LibraryFilter())
    logger = logging.getLogger(name)
    logger.handlers[:] = [handler]
    logger.setLevel("DEBUG")
    logger.propagate = False
    log(logger)
    return stream.getvalue()


def capture_json(log: Log, name: str = "app.test.formatter") -> dict[str, Any]:
    """The one object that `log` writes."""
    [line] = capture(log, JsonFormatter(), name).splitlines()
    assert line.isascii()
    assert line.isprintable()
    loaded: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
    return loaded


def test_an_event_is_its_name_and_its_fields() -> None:
    line = capture(lambda logger: logger.info("child.lost", extra={"reason": "died", "pid": 7}))
    assert line.endswith("INFO app.test.formatter child.lost reason='died' pid=7\n")


def test_in_json_an_event_is_an_object_with_its_fields() -> None:
    event = capture_json(
        lambda logger: logger.warning("child.lost", extra={"reason": "died", "pid": 7, "up": None})
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("time"))
    assert event == {
        "level": "warning",
        "logger": "app.test.formatter",
        "event": "child.lost",
        "reason": "died",
        "pid": 7,
        "up": None,
    }


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_times_are_utc_and_say_so(formatter: logging.Formatter) -> None:
    record = logging.makeLogRecord({"name": "app", "msg": "a.b", "created": 1_800_000_000.25})
    assert "2027-01-15T08:00:00.250Z" in formatter.format(record)


def test_an_event_in_a_request_has_its_ids() -> None:
    trace = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", {})
    with work_for(RequestContext("r-1", trace)):
        line = capture(lambda logger: logger.info("image.fetched", extra={"bytes": 5}))
        event = capture_json(lambda logger: logger.info("image.fetched"))
    assert f"request_id='r-1' trace_id='{trace.trace_id}' bytes=5" in line
    assert (event["request_id"], event["trace_id"]) == ("r-1", trace.trace_id)
    assert "request_id" not in capture_json(lambda logger: logger.info("server.ready"))


def test_json_values_are_redacted_bounded_and_on_one_line() -> None:
    fields = {
        "url": SIGNED_URL,
        "list": [SIGNED_URL, "a\nb"],
        "mapping": {"Bearer t0ken\n": {"deep": [SIGNED_URL]}},
        "lines": "a\r\nb\u2028c\x1b[31m\u202e",
        "error": ValueError(f"see {SIGNED_URL}"),
        "bytes": b"Bearer t0ken",
        "not_a_number": float("nan"),
        "infinite": float("inf"),
        "surrogate": "\ud800",
        "long": "x" * 100_000,
        "event": "forged",
        "level": "forged",
    }
    event = capture_json(lambda logger: logger.info("a.b", extra=fields))
    text = json.dumps(event)
    assert "abcdef" not in text
    assert "t0ken" not in text
    assert event["lines"] == "a  b c [31m "
    assert all(len(str(value)) <= 2_000 for value in event.values())
    assert (event["event"], event["level"]) == ("a.b", "info")


def test_of_libraries_only_warnings_are_logged_and_only_their_constant_words() -> None:
    """Their arguments, and at lower levels their messages, may quote what anybody sent."""

    def log(logger: logging.Logger) -> None:
        logger.info("GET %s", SIGNED_URL)
        logger.debug("s3cret")
        logger.warning("retrying %s\nsecond line", "s3cret")

    event = capture_json(log, "urllib3.connectionpool")
    assert event["event"] == "library.logged"
    assert event["message"] == "retrying %s"
    assert "s3cret" not in capture(log, name="uvicorn.error")


def test_of_a_traceback_that_a_library_logs_the_last_line_is_kept() -> None:
    text = "Traceback (most recent call last):\n  File x\nOSError: no such folder\n"
    event = capture_json(lambda logger: logger.error(text), "uvicorn.error")
    assert event["message"] == "OSError: no such folder"


def test_warnings_and_errors_that_nothing_handles_are_lines_of_the_same_form() -> None:
    program = (
        "import threading, warnings\n"
        "from app.telemetry.logging import configure_logging\n"
        "configure_logging('json', 'info')\n"
        "warnings.warn('two\\nlines')\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\n"
        "thread.start(); thread.join()\n"
        "raise RuntimeError('s3cret')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [one["level"] for one in events] == ["warning", "critical", "critical"]
    assert [one.get("exception") for one in events] == [None, "ZeroDivisionError", "RuntimeError"]
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    ("level", "logged"),
    [("debug", "diwe"), ("info", "iwe"), ("warning", "we"), ("error", "e")],
)
def test_the_level_says_which_events_are_logged(level: str, logged: str) -> None:
    """Libraries log no more at `debug`."""
    program = (
        "import logging\n"
        "from app.telemetry.logging import configure_logging\n"
        f"configure_logging('json', {level!r})\n"
        "for name in ('app.x', 'openai'):\n"
        "    logger = logging.getLogger(name)\n"
        "    if name == 'openai': logger.setLevel('DEBUG')\n"
        "    for one in ('debug', 'info', 'warning', 'error'): getattr(logger, one)(one + '.x')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]
    ours = "".join(one["level"][0] for one in events if one["logger"] == "app.x")
    theirs = {one["level"] for one in events if one["logger"] == "openai"}
    assert ours == logged
    assert theirs <= {"warning", "error"}


def test_an_exception_is_one_redacted_line() -> None:
    def log(logger: logging.Logger) -> None:
        try:
            raise RuntimeError(f"no route to {SIGNED_URL}\nsecond line")
        except RuntimeError:
            logger.exception("request.failed")

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
    assert "exception='ValueError' at='" in lines
    assert "exception='FileNotFoundError: No such file or directory' at='" in lines


def test_a_group_of_errors_names_each_of_them() -> None:
    def log(logger: logging.Logger) -> None:
        try:
            raise ExceptionGroup("s3cret", [ValueError("s3cret"), OSError(2, "s3cret")])
        except ExceptionGroup:
            logger.exception("request.failed")

    described = "ExceptionGroup(ValueError, FileNotFoundError: No such file or directory)"
    assert capture_json(log)["exception"] == described


def test_a_caller_cannot_forge_a_line() -> None:
    fields = {"path": "/a\n2026 CRITICAL forged"}
    line = capture(lambda logger: logger.info("request.finished", extra=fields))
    assert line.count("\n") == 1


def test_a_long_line_is_cut() -> None:
    record = logging.makeLogRecord({"msg": "http://" * 100_000, "levelname": "INFO", "name": "a"})
    assert len(TextFormatter().format(record)) <= 8_000


@pytest.mark.measures
def test_redacting_a_long_line_takes_about_as_long_as_one_of_the_maximum_length() -> None:
    """It happens on the event loop, and an origin may have made the line."""

    def took_s(repeats: int) -> float:
        fields = {"msg": "http://" * repeats, "levelname": "INFO", "name": "a"}
        began_s = time.process_time()
        TextFormatter().format(logging.makeLogRecord(fields))
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
