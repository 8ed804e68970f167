"""Log lines on standard error: one event a line, without secrets.

Every log event of the server has a constant dotted name as its message, the thing and what happened
to it, and everything that varies as fields: `_logger.warning("child.lost", extra={"reason": ...})`.
"""

import logging
import os
import sys
import traceback

from app.telemetry.redaction import redact

_LINE_MAX_CHARS = 8_000
_LIBRARIES_THAT_LOG_URLS = ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "slowapi", "PIL")

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
}


class LineFormatter(logging.Formatter):
    """Formats an event as one redacted line: `time LEVEL logger event key=value ...`."""

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
            if key not in _STANDARD_ATTRIBUTES
        ]
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])[-12:]
            where = " < ".join(f"{f.filename}:{f.lineno}:{f.name}" for f in reversed(frames))
            words.append(
                f"exception={_describe(record.exc_info[0], record.exc_info[1])} at {where}"
            )
        # Cut before and after: both the time that redaction takes and the line have a limit.
        line = redact(" ".join(words)[: 2 * _LINE_MAX_CHARS])[:_LINE_MAX_CHARS]
        if line.isprintable():
            return line
        return "".join(c if c.isprintable() else " " for c in line)


def _describe(kind: type[BaseException], error: BaseException | None) -> str:
    """The kind of error, and the operating system's words. Other texts may quote a caller's."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"{kind.__name__}: {os.strerror(error.errno)}"
    return kind.__name__


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


def configure_logging(level: str = "INFO") -> None:
    """Log to standard error. Libraries that log URLs at INFO log from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _LIBRARIES_THAT_LOG_URLS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("asyncio").addFilter(OncePerSecondFilter())
    # With a full disk or a closed pipe behind standard error the server goes on, and no traceback
    # is printed for each lost line.
    logging.raiseExceptions = False
