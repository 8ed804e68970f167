"""Recorded columns: which column had which role when a run last read its source.

A later command takes the same ones, or is refused. Otherwise a column that was renamed or added
meanwhile would change which cells get the texts, and which row is which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from altwright.errors import UsageError

COLUMNS, SOURCE_COLUMNS, CHOSEN = "columns", "source_columns", "chosen"
"""Settings of a run: roles with their columns, the names of all columns, and what `--column`
says."""
RECORDED_ROLES = ("image", "key", "alt", "alt_source")


def plain_name(name: str) -> str:
    """A column's name as it is recognised: case, spaces and hyphens are ignored."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def record_columns(
    columns: Mapping[str, str], source_columns: Sequence[str]
) -> dict[str, list[str]]:
    """The settings that a journal stores, of the columns of RECORDED_ROLES."""
    return {
        COLUMNS: [f"{role}={name}" for role, name in columns.items()],
        SOURCE_COLUMNS: list(source_columns),
    }


def find_recorded(
    columns: Sequence[str], recorded: Iterable[str], *, may_be_missing: bool = False
) -> dict[str, str]:
    """Role to the column that the run has recorded, as the source spells it now.

    A role without a column is left out: there may be one now. Raises UsageError if one is gone,
    unless it `may_be_missing` and gets its own name again when it is written.
    """
    by_plain_name = {plain_name(name): name for name in reversed(columns)}
    found: dict[str, str] = {}
    for role, name in _parse(recorded).items():
        if not name:
            continue
        known = name if name in columns else by_plain_name.get(plain_name(name))
        if known is None and may_be_missing and name == role:
            continue
        if known is None:
            raise UsageError(
                f"The run's {role} column is {name!r}, which is gone: give it this name again, or "
                f"run the backfill once with --column {role}=NAME."
            )
        found[role] = known
    return found


def describe_moved_column(stored: Mapping[str, object], given: Mapping[str, object]) -> str:
    """Which role has another column than the run has recorded; empty if none.

    Of a column that is gone, `--column` may name the new one. Takes the settings of two identities.
    """
    was, now = _parse(_list_of(stored, COLUMNS)), _parse(_list_of(given, COLUMNS))
    present = {plain_name(name) for name in _list_of(given, SOURCE_COLUMNS)}
    named = _parse(_list_of(given, CHOSEN))
    for role, name in was.items():
        if not name or plain_name(name) == plain_name(now.get(role, "")):
            continue
        if plain_name(name) in present:
            return f"its {role} column is {name!r}: say --column {role}={name}"
        if not named.get(role):
            return (
                f"its {role} column is {name!r}, which is gone: give it this name again, or say "
                f"--column {role}=NAME"
            )
    return ""


def without_recorded_roles(settings: Mapping[str, object]) -> list[str]:
    """What `--column` says of other roles: of these, the columns themselves are compared."""
    chosen = _list_of(settings, CHOSEN)
    return [
        each
        for each in chosen
        if not (_parse([each]).keys() & {*RECORDED_ROLES} and _name_of(each))
    ]


def _parse(roles: Iterable[str]) -> dict[str, str]:
    return {each.partition("=")[0].strip(): _name_of(each) for each in roles}


def _name_of(role: str) -> str:
    return role.partition("=")[2].strip()


def _list_of(settings: Mapping[str, object], name: str) -> list[str]:
    found = settings.get(name)
    return [str(each) for each in found] if isinstance(found, (list, tuple)) else []
