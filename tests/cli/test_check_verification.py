"""What `python -m app check`, and the start, say about verification."""

import logging
from dataclasses import dataclass

import pytest

from app import parts as parts_module
from app.cli import check
from app.cli.check import _check_verification
from app.main import log_missing_extra
from app.settings.settings import Settings
from app.telemetry.metrics import Metrics


@dataclass
class StubPool:
    """Child processes with or without their models."""

    reads: bool = True
    sees: bool = True

    async def start(self) -> None:
        """Nothing is loaded."""

    async def is_ready(self) -> bool:
        return self.reads

    async def recognises(self) -> bool:
        return self.sees


async def test_the_check_says_what_captions_are_held_against(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the models, without them, and without their packages; none of it is a failure."""
    assert await _check_verification("enforce", StubPool()) == (  # type: ignore[arg-type]
        "VERIFY=enforce: every caption, colours, text, subjects"
    )
    blind = StubPool(reads=True, sees=False)
    assert (await _check_verification("warn", blind)).endswith("colours, text")  # type: ignore[arg-type]
    monkeypatch.setattr(check, "is_ocr_installed", lambda: False)
    assert await _check_verification("warn", None) == (
        "VERIFY=warn: every caption, colours only "
        "(install the extra `embedded` for text and subjects)"
    )
    monkeypatch.setattr(check, "is_ocr_installed", lambda: True)
    assert "VERIFY=warn loads the models" in await _check_verification("off", None)


@pytest.mark.parametrize(
    ("verify", "model", "expected"),
    [
        ("warn", "m", ["verification.limited"]),
        ("enforce", None, ["ocr.not_installed", "verification.limited"]),
        ("off", None, ["ocr.not_installed"]),
        ("off", "m", []),
    ],
)
async def test_the_start_says_once_that_verification_is_limited(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    verify: str,
    model: str | None,
    expected: list[str],
) -> None:
    """Where the extra is missing and captions are held against their picture."""
    monkeypatch.setattr(parts_module, "is_ocr_installed", lambda: False)
    base_url = "http://127.0.0.1:9/v1" if model else None
    settings = Settings(verify=verify, model=model, model_base_url=base_url)  # type: ignore[arg-type]
    async with parts_module.open_parts(settings, Metrics()) as parts:
        assert parts.ocr_pool is None
        with caplog.at_level(logging.WARNING):
            log_missing_extra(settings, parts)
    assert [record.message for record in caplog.records] == expected
