"""How many children are started where."""

import pytest

from app.workers import cpu


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of eight cores whose container files lie in a folder of the test's own."""
    monkeypatch.setattr(cpu.os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(cpu, "_CGROUP", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8)],
)
def test_a_container_gets_the_cores_of_its_share_rounded_up(machine, limit, expected):
    """cgroup v2 says quota and period in one line."""
    (machine / "cpu.max").write_text(limit)
    assert cpu.usable_cores() == expected


def test_the_older_kind_of_container_limit_is_read_too(machine):
    """cgroup v1 has a file for each."""
    (machine / "cpu").mkdir()
    (machine / "cpu/cpu.cfs_quota_us").write_text("300000\n")
    (machine / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert cpu.usable_cores() == 3


def test_without_a_container_the_affinity_counts(machine):
    """No file, no limit."""
    assert cpu.usable_cores() == 8


@pytest.mark.parametrize(("workers", "expected"), [(1, 4), (2, 4), (4, 2), (8, 1), (16, 1)])
def test_workers_share_the_cores(machine, workers, expected):
    """At least one child each, at most four."""
    assert cpu.children_for_this_machine(workers) == expected
