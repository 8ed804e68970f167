"""`python -m app serve`: listens on the configured address and runs the server."""

import contextlib
import logging
import os
import socket
import sys

from app import __version__
from app.api.middleware import render_malformed_request
from app.cli import exit_codes
from app.cli.ollama_hint import find_ollama_hint
from app.main import create_app
from app.runtime.server import Application, listen
from app.runtime.server import serve as run_server
from app.settings.keys_file import KeysFileError, read_keys_file
from app.settings.settings import Settings, unknown_variables
from app.telemetry.logging import configure_logging
from app.telemetry.tracing import find_obstacle

_logger = logging.getLogger(__name__)
_ABOUT_PLACEHOLDERS = (
    "altwright: captions with the warning `generic` are placeholders, about images in which it "
    "recognises nothing; ALTWRIGHT_MODEL names a model that says more"
)


def serve(*, listen_fd: int | None = None, listens_when_ready: bool = False) -> int:
    """Run the server until a signal stops it.

    `listen_fd` is the socket that a server process inherits from the first one (WORKERS). With
    `listens_when_ready` it accepts no connection before it is ready.
    """
    settings = Settings.read()
    configure_logging(settings.log_format, settings.log_level)
    application = Application(
        create=lambda drain: create_app(
            settings, drain=drain, listens_when_ready=listens_when_ready
        ),
        malformed_response=render_malformed_request,
        drain_notice_s=settings.drain_notice_s,
    )
    if listen_fd is not None:  # the first process has listened, warned and announced already
        return run_server(application, socket.socket(fileno=listen_fd))
    _log_warnings(settings)
    try:
        sock = listen(settings.host, settings.port)
    except OSError as error:
        print(
            f"altwright: ALTWRIGHT_HOST={settings.host} ALTWRIGHT_PORT={settings.port}: cannot "
            f"listen there ({error.strerror}); choose another port, or stop what uses it",
            file=sys.stderr,
        )
        return exit_codes.FAILED
    host, port = sock.getsockname()[:2]
    shown_host = f"[{host}]" if ":" in host else host
    _announce(settings, f"http://{shown_host}:{port}")
    return run_server(application, sock, processes=settings.workers)


def _announce(settings: Settings, url: str) -> None:
    """Say where the server listens, at every log level: a program may have let the system choose.

    In text it is a sentence for a person at a terminal, in JSON an event.
    """
    captioner = settings.model or "the embedded captioner"
    sentence = f"listening on {url} with {captioner}; {_describe_access(settings)}"
    if settings.log_format == "json":
        fields = {"text": sentence, "url": url, "version": __version__}
        record = _logger.makeRecord(
            _logger.name, logging.INFO, "", 0, "server.listening", (), None, extra=fields
        )
        _logger.handle(record)  # whatever the level
        return
    # A closed pipe behind standard error must not stop the server.
    with contextlib.suppress(OSError):
        print(f"altwright: {sentence}", file=sys.stderr)
        if settings.model is None:
            print(_ABOUT_PLACEHOLDERS, file=sys.stderr)
            if (hint := find_ollama_hint()) is not None:
                print(hint, file=sys.stderr)


def _describe_access(settings: Settings) -> str:
    """Who may call, and how often."""
    limit = settings.default_rate_limit()
    per = "key" if settings.has_keys else "address"
    key = "a key is needed" if settings.has_keys else "no key is needed"
    return f"{key}, {f'{limit} per {per}' if limit else 'no rate limit'}"


def _log_warnings(settings: Settings) -> None:
    for variable in unknown_variables():
        _logger.warning(
            "settings.unknown_variable",
            extra={"variable": variable.name, "did_you_mean": variable.suggestion},
        )
    if (obstacle := find_obstacle(os.environ)) is not None:
        _logger.warning("tracing.not_started", extra={"reason": obstacle})
    if settings.workers > 1 and settings.rate_limit_store.startswith("memory:"):
        _logger.warning(
            "rate_limit_store.per_process",
            extra={
                "workers": settings.workers,
                "hint": "set ALTWRIGHT_RATE_LIMIT_STORE to a redis:// URL for one limit over all",
            },
        )
    if settings.usage_store_url().startswith("memory:") and _has_quotas(settings):
        _logger.warning(
            "usage_store.in_memory",
            extra={
                "hint": "each server process counts quotas by itself and begins at 0 when it "
                "starts: set ALTWRIGHT_USAGE_STORE to a redis:// URL",
            },
        )


def _has_quotas(settings: Settings) -> bool:
    if settings.keys_file is None:
        return False
    try:
        return any(entry.quota is not None for entry in read_keys_file(settings.keys_file).keys)
    except KeysFileError:
        return False  # changed since the settings were read; the server says so itself
