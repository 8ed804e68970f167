"""How many child processes are started, and on which cores they run."""

import os

import pytest

from app.workers import cpu
from tests.workers.pools import express_pid, run, running_pool
from tests.workers.test_confinement import linux


@pytest.fixture
def cgroup(monkeypatch, tmp_path):
    """The cgroup folder of a machine of eight cores."""
    monkeypatch.setattr(cpu.os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(cpu, "_CGROUP", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8)],
)
def test_the_cpu_limit_of_a_container_is_rounded_up_to_cores(cgroup, limit, expected):
    """cgroup v2 has quota and period in one line."""
    (cgroup / "cpu.max").write_text(limit)
    assert cpu.usable_cores() == expected


def test_the_cpu_limit_of_cgroup_v1_is_read_too(cgroup):
    """It has quota and period in a file each."""
    (cgroup / "cpu").mkdir()
    (cgroup / "cpu/cpu.cfs_quota_us").write_text("300000\n")
    (cgroup / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert cpu.usable_cores() == 3


def test_without_a_container_the_affinity_counts(cgroup):
    """No file means no limit."""
    assert cpu.usable_cores() == 8


@pytest.mark.parametrize(
    ("server_processes", "expected"), [(1, 4), (2, 4), (4, 2), (8, 1), (16, 1)]
)
def test_server_processes_divide_the_cores(cgroup, server_processes, expected):
    """At least one child each, at most four."""
    assert cpu.children_per_server_process(server_processes) == expected


@linux
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
async def test_the_express_child_does_not_run_on_the_core_of_the_server():
    """There it would wait for the event loop, while expensive work has the other core."""
    async with running_pool(size=2) as pool:
        server_cores = os.sched_getaffinity(0)
        await run(pool, "echo")
        express_cores = os.sched_getaffinity(express_pid(pool))
        assert express_cores < server_cores
        assert len(express_cores) == len(server_cores) - 1
