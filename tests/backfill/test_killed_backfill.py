"""A backfill that is killed while people write; python -m benchmarks.backfill kills does more."""

from pathlib import Path

import pytest

from testing.backfill_kills import kill_repeatedly


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql", "pgbouncer", "mariadb", "sqlite"])
def test_a_short_run_loses_and_misplaces_nothing(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if database == "sqlite":
        direct_url = url = f"sqlite:///{tmp_path}/shop.db"
    elif database == "mariadb":
        direct_url = url = request.getfixturevalue("mysql")
    else:
        direct_url = request.getfixturevalue("postgresql")
        url = request.getfixturevalue(database)
    report = kill_repeatedly(direct_url, url, rows=120, most_kills=3, seed=1)
    assert report.holds, report
