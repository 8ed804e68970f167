"""Log lines on standard error: one event a line, without secrets, as text or as JSON.

Every log event of the server has a constant dotted name as its message, the thing and what happened
to it, and everything that varies as fields: `_logger.warning("child.lost", extra={"reason": ...})`.
The formatters add the request that the event belongs to.
"""

import json
import logging
import math
import os
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from app.telemetry.redaction import redact
from app.telemetry.request_context import current_request

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

_logger = logging.getLogger(__name__)

_LINE_MAX_CHARS = 8_000
_VALUE_MAX_CHARS = 2_000
_ITEMS_MAX = 50
_FRAMES_MAX = 12
_OURS = "app"
_LIBRARY_EVENT = "library.logged"

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
}


class TextFormatter(logging.Formatter):
    """Formats an event as one redacted line: `time LEVEL logger event key=value ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        event, fields = _read(record)
        words = [_time_of(record), record.levelname, record.name, event]
        words += [
            f"{key}={value!r}" if isinstance(value, str) else f"{key}={value}"
            for key, value in fields.items()
        ]
        # Cut before and after: both the time that redaction takes and the line have a limit.
        line = redact(" ".join(words)[: 2 * _LINE_MAX_CHARS])[:_LINE_MAX_CHARS]
        return _printable(line)


class JsonFormatter(logging.Formatter):
    """Formats an event as one JSON object with redacted values."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of ASCII."""
        event, fields = _read(record)
        base = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": event,
        }
        cleaned = {key: _clean(value) for key, value in fields.items() if key not in base}
        return json.dumps(base | cleaned)


class LibraryFilter(logging.Filter):
    """Passes the server's own events, and of libraries only warnings and errors.

    At lower levels some log URLs, headers or bodies, and some set their own level from a variable
    (OPENAI_LOG).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        return _is_ours(record) or record.levelno >= logging.WARNING


class OncePerSecondFilter(logging.Filter):
    """Passes one record per second.

    For asyncio's logger, which writes ten thousand equal lines a second when the process has no
    free file descriptors.
    """

    def __init__(self) -> None:
        super().__init__()
        self._next_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a second has passed since the last record that was logged."""
        if record.created < self._next_s:
            return False
        self._next_s = record.created + 1
        return True


def configure_logging(log_format: LogFormat = "text", level: LogLevel = "info") -> None:
    """Log to standard error: the server's events from `level` on, of libraries only warnings.

    Python's own warnings and errors that nothing handles become lines of the same form.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    handler.addFilter(LibraryFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger(_OURS).setLevel(threshold)
    # Its warnings are about what callers sent, and each is answered with a 422.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").addFilter(OncePerSecondFilter())
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value, args.exc_traceback
    )
    # With a full disk or a closed pipe behind standard error the server goes on, and no traceback
    # is printed for each lost line.
    logging.raiseExceptions = False


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if kind is not SystemExit:  # of a thread, where Python ignores it as well
        _logger.critical("process.failed", exc_info=(kind, error or kind(), trace))


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name == _OURS or record.name.startswith(_OURS + ".")


def _time_of(record: logging.LogRecord) -> str:
    """UTC with its zone, in milliseconds (RFC 3339)."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    """The event's name and its fields, those of its request first."""
    fields: dict[str, object] = {}
    request = current_request()
    if request is not None:
        fields["request_id"] = request.request_id
        if request.trace is not None:
            fields["trace_id"] = request.trace.trace_id
    event = _LIBRARY_EVENT
    if _is_ours(record):
        event = record.getMessage()
    else:
        fields["message"] = _library_message(record)
    fields |= {key: value for key, value in vars(record).items() if key not in _STANDARD_ATTRIBUTES}
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = _describe(record.exc_info[0], record.exc_info[1])
        frames = traceback.extract_tb(record.exc_info[2])[-_FRAMES_MAX:]
        fields["at"] = " < ".join(f"{f.filename}:{f.lineno}:{f.name}" for f in reversed(frames))
    return event, fields


def _library_message(record: logging.LogRecord) -> str:
    """The constant part of a library's message: its arguments may quote what anybody sent.

    Of Python's warnings all of it, and of a traceback the last line.
    """
    text = record.getMessage() if record.name == "py.warnings" else str(record.msg)
    lines = text.strip().splitlines() or [""]
    return lines[-1 if lines[0].startswith("Traceback") else 0]


def _describe(kind: type[BaseException], error: BaseException | None) -> str:
    """The kind of error, and the operating system's words. Other texts may quote a caller's."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"{kind.__name__}: {os.strerror(error.errno)}"
    if isinstance(error, BaseExceptionGroup):
        inner = ", ".join(_describe(type(one), one) for one in error.exceptions[:_ITEMS_MAX])
        return f"{kind.__name__}({inner})"
    return kind.__name__


def _clean(value: object, depth: int = 0) -> object:
    """The value as JSON can have it: redacted, on one line, of bounded length."""
    if type(value) is str:  # most values; the checks of protocols below take longer than the rest
        return _clean_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping) and not depth:
        items = list(value.items())[:_ITEMS_MAX]
        return {_clean_text(str(key)): _clean(one, depth + 1) for key, one in items}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and not depth:
        return [_clean(one, depth + 1) for one in value[:_ITEMS_MAX]]
    return _clean_text(str(value))


def _clean_text(text: str) -> str:
    return _printable(redact(text[: 2 * _VALUE_MAX_CHARS])[:_VALUE_MAX_CHARS])


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)
