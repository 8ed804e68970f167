"""What an operator sees: log lines without secrets, and numbers for Prometheus."""

import logging
import sys
import traceback
from collections.abc import Iterable

from app.telemetry.redaction import (
    redact,
)

_LONGEST_LINE = 8_000

_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """One event a line, redacted: `time LEVEL logger event key=value ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        words = [
            self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            record.levelname,
            record.name,
            record.getMessage(),
        ]
        words += [
            f"{key}={value!r}" if isinstance(value, str) else f"{key}={value}"
            for key, value in vars(record).items()
            if key not in _PLAIN_RECORD
        ]
        if record.exc_info and record.exc_info[0] is not None:
            # The frames say where; the exception's own text may quote a caller's input, so it is
            # redacted with the rest of the line.
            frames = traceback.extract_tb(record.exc_info[2])[-12:]
            where = " < ".join(f"{f.filename}:{f.lineno}:{f.name}" for f in reversed(frames))
            words.append(
                f"exception={record.exc_info[0].__name__}: {record.exc_info[1]} at {where}"
            )
        # Cut twice: what is read for secrets has an end, and so has what is written.
        line = redact(" ".join(words)[: 2 * _LONGEST_LINE])[:_LONGEST_LINE]
        if line.isprintable():
            return line
        return "".join(c if c.isprintable() else " " for c in line)


class OnceASecond(logging.Filter):
    """Lets one line a second through.

    For asyncio's own logger: out of descriptors it writes ten thousand equal lines a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._next_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record's second had no line yet."""
        if record.created < self._next_s:
            return False
        self._next_s = record.created + 1
        return True


def configure_logging(level: str = "INFO") -> None:
    """Log lines to standard error; libraries that log URLs at INFO speak from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "slowapi", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("asyncio").addFilter(OnceASecond())
    # A full disk or a closed pipe behind standard error must not bring the server down, nor print
    # a traceback for each lost line.
    logging.raiseExceptions = False


def log_fields(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """`extra=` for a log call: what is None is left out."""
    return {key: value for key, value in pairs if value is not None}
