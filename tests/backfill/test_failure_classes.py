"""Failure classes: the table in the documentation is the table in the code."""

from pathlib import Path

from altwright.backfill.failure_class import FAILURE_CLASSES, Scope, exit_code_of
from altwright.backfill.stop_reason import StopKind
from altwright.cli.exit_codes import ExitCode

PAGE = Path(__file__).parents[2] / "docs" / "backfill.md"


def test_the_documentation_has_the_table_of_the_code() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for each in FAILURE_CLASSES:
        cells = (
            each.scope.value,
            each.example,
            each.run,
            each.cost,
            str(each.exit_code),
            each.told,
        )
        assert f"| {' | '.join(cells)} |" in lines


def test_every_reason_to_stop_has_one_exit_code() -> None:
    for kind in StopKind:
        codes = {each.exit_code for each in FAILURE_CLASSES if each.stop_kind == kind.value}
        assert codes == {ExitCode(exit_code_of(kind.value))}


def test_a_bad_row_never_ends_a_run_and_a_bad_target_never_starts_one() -> None:
    for each in FAILURE_CLASSES:
        if each.scope in (Scope.ROW, Scope.COLUMN):
            assert not each.stop_kind
        if each.exit_code == ExitCode.USAGE:
            assert each.cost == "nothing"
