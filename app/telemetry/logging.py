"""What an operator sees: log lines without secrets, and numbers for Prometheus."""

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

# A signature or a token stands in the query string of most private image URLs, so no URL is logged
# with one, wherever the text came from. A data: URL is the picture itself.
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@\"']{1,500}@", re.IGNORECASE)
_DATA_URL = re.compile(r"data:[^\s\"']{1,100};base64,[A-Za-z0-9+/=_%-]+", re.IGNORECASE)
_BEARER = re.compile(r"(bearer\s+)[^\s\"']+", re.IGNORECASE)
_LONGEST_LINE = 8_000

_PLAIN_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def safe_url(url: str) -> str:
    """The URL as it may be logged: scheme, host, port and path; no query, fragment or userinfo."""
    if url[:5].lower() == "data:":
        return "data:"
    try:
        parts = urlsplit(url)
        _ = parts.port  # "user:pass/word@host" has a port that is none, and is a secret
    except ValueError:
        return "(unreadable URL)"
    if not parts.netloc:
        return "(unreadable URL)"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"[:300]


def redact(text: str) -> str:
    """The text without query strings, userinfo, inline pictures and bearer tokens."""
    text = _DATA_URL.sub("data:…", text)
    text = _USERINFO.sub(r"\1…@", text)
    text = _URL.sub(_without_query, text)
    return _BEARER.sub(r"\1…", text)


def _without_query(url: re.Match[str]) -> str:
    head = re.split(r"[?#]", url.group(), maxsplit=1)[0]
    return head if head == url.group() else head + "?…"


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


class Metrics:
    """The numbers under GET /metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        registry = None if several else self.registry
        if several:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
        self.requests = Counter(
            "altwright_requests_total",
            "Answers by route and by code (`ok`, or the code of the problem).",
            ["route", "code"],
            registry=registry,
        )
        self.seconds = Histogram(
            "altwright_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60),
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "altwright_stage_seconds",
            "Seconds of one caption spent in each stage.",
            ["stage"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.captions = Counter(
            "altwright_captions_total",
            "Captions by style, model and outcome.",
            ["style", "model", "outcome"],
            registry=registry,
        )
        self.rejected_drafts = Counter(
            "altwright_rejected_drafts_total",
            "Drafts that broke a hard rule, by rule.",
            ["rule"],
            registry=registry,
        )
        self.in_work = Gauge(
            "altwright_requests_in_work",
            "Caption requests in work.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.waiting = Gauge(
            "altwright_requests_waiting",
            "Caption requests waiting for a place.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.captioner_up = Gauge(
            "altwright_captioner_usable",
            "1 while the captioner is asked, 0 while it is left alone after failures.",
            ["captioner"],
            registry=registry,
            multiprocess_mode="min",
        )
        self.children_lost = Gauge(
            "altwright_children_lost",
            "Decoding processes that died, hung or were told to stop, since the start.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.children_waiting = Gauge(
            "altwright_children_waiting",
            "Jobs that wait for a decoding process.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.limit_store_up = Gauge(
            "altwright_rate_limit_store_up",
            "1 while the shared store of rate limits answers, 0 while each process counts alone.",
            registry=registry,
            multiprocess_mode="min",
        )
        self.limit_store_up.set(1)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)


def log_fields(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """`extra=` for a log call: what is None is left out."""
    return {key: value for key, value in pairs if value is not None}
