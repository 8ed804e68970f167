"""`python -m app usage`: what every key used in a month, as a table, JSON or CSV."""

import asyncio
import csv
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.api.response_schemas import UsageResponse
from app.cli import exit_codes
from app.settings.invalid_settings import InvalidSettings
from app.settings.keys_file import KeysFileError, read_keys_file
from app.settings.settings import Settings
from app.usage.errors import UsageUnavailable
from app.usage.meter import UsageMeter
from app.usage.months import Month
from app.usage.redis_store import RedisUsageStore
from app.usage.report import UsageReport

Notation = Literal["table", "json", "csv"]

_COLUMNS = (
    "key", "requests", "captions", "decorative", "problems", "input_tokens", "output_tokens",
    "unknown_tokens", "cost", "unknown_cost", "quota", "remaining",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _KeyUsage:
    report: UsageReport
    quota: int | None
    """Of the current month; None where the key has none, or the month is another."""


def show_usage(month_text: str | None, notation: Notation) -> int:
    """Print the usage of all keys: those that were used, and those of the keys file."""
    # What the store logs for servers is told in a sentence here.
    logging.getLogger("app").addHandler(logging.NullHandler())
    settings = Settings.read()
    url = settings.usage_store_url()
    if url.startswith("memory:"):
        raise InvalidSettings(
            "usage is counted in each server's memory, and only GET /v1/usage can read it: set "
            "ALTWRIGHT_USAGE_STORE to a redis:// URL, here and for the servers"
        )
    try:
        month = None if month_text is None else Month.parse(month_text)
    except ValueError as error:
        raise InvalidSettings(f"--month {month_text}: {error}") from None
    try:
        keys = asyncio.run(_read(url, month, _read_quotas(settings)))
    except UsageUnavailable:
        print(
            "altwright: the usage store does not respond; start Redis, or correct "
            "ALTWRIGHT_USAGE_STORE",
            file=sys.stderr,
        )
        return exit_codes.FAILED
    {"table": _print_table, "json": _print_json, "csv": _print_csv}[notation](keys)
    return exit_codes.OK


def _read_quotas(settings: Settings) -> Mapping[str, int | None]:
    """The quota of each configured key, by name."""
    quotas: dict[str, int | None] = {
        f"key-{number}": None for number in range(1, len(settings.api_keys) + 1)
    }
    if settings.keys_file is not None:
        try:
            quotas |= {
                entry.name: entry.quota_captions
                for entry in read_keys_file(settings.keys_file).keys
            }
        except KeysFileError as error:
            raise InvalidSettings(str(error)) from None
    return quotas


async def _read(url: str, month: Month | None, quotas: Mapping[str, int | None]) -> list[_KeyUsage]:
    store = RedisUsageStore(url)
    try:
        meter = UsageMeter(store)
        await store.check_available()
        current = meter.current_month()
        shown = month or current
        names = {*await meter.list_keys(shown), *quotas}
        return [
            _KeyUsage(
                await meter.report(name, shown), quotas.get(name) if shown == current else None
            )
            for name in sorted(names)
        ]
    finally:
        await store.aclose()


def _print_json(keys: Sequence[_KeyUsage]) -> None:
    found = []
    for key in keys:
        response = UsageResponse.from_report(key.report, key.quota).model_dump(mode="json")
        costs = [{"currency": c, "amount": float(a)} for c, a in key.report.costs.items()]
        found.append({**response, "costs": costs})
    print(json.dumps(found, indent=2, ensure_ascii=False))


def _print_csv(keys: Sequence[_KeyUsage]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([_without_formula(cell) for cell in _row(key)] for key in keys)


def _without_formula(cell: str) -> str:
    """The cell, marked as text where a spreadsheet would take a key's name for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell


def _print_table(keys: Sequence[_KeyUsage]) -> None:
    rows = [_COLUMNS, *(_row(key) for key in keys)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(_COLUMNS))]
    for row in rows:
        cells = [
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _row(key: _KeyUsage) -> tuple[str, ...]:
    report, captions = key.report, key.report.captions
    written, decorative = captions.get("caption", 0), captions.get("decorative", 0)
    remaining = "" if key.quota is None else str(max(0, key.quota - report.delivered))
    return (
        report.key_name,
        str(report.requests),
        str(written),
        str(decorative),
        str(sum(captions.values()) - written - decorative),
        str(report.input_tokens),
        str(report.output_tokens),
        str(report.unknown_tokens),
        " + ".join(f"{amount:f} {currency}" for currency, amount in report.costs.items()),
        str(report.unknown_cost),
        "" if key.quota is None else str(key.quota),
        remaining,
    )
