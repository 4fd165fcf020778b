# SPDX-License-Identifier: BSD-3-Clause
"""
test_placement.py - workers are bound to CPUs where numa-placement says so, and left to the kernel otherwise
"""
import os

import redis

from harness import DEADLINE, Superdb, run_tests


def workers(pid):
    """The CPUs that each worker may use, by its number."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as file:
            name = file.read().strip()
        if name.startswith("worker-"):
            found[int(name[7:])] = os.sched_getaffinity(int(task))
    return found


def figures(server):
    return redis.Redis("127.0.0.1", server.port, socket_timeout=DEADLINE).info("superdb")


def test_bound_workers_have_a_cpu_each_and_begin_anew():
    allowed = os.sched_getaffinity(0)
    count = len(allowed) + 1
    with Superdb(("--numa-placement", "always"), threads=count).start() as server:
        bound = workers(server.process.pid)
        assert sorted(bound) == list(range(count)), bound
        assert all(len(cpus) == 1 and cpus <= allowed for cpus in bound.values()), bound
        assert set.union(*bound.values()) == allowed and bound[0] == bound[count - 1], bound
        assert figures(server)["numa_workers"].startswith("pool on"), figures(server)


def test_unbound_workers_may_use_every_cpu():
    allowed = os.sched_getaffinity(0)
    with Superdb(("--numa-placement", "no")).start() as server:
        assert all(cpus == allowed for cpus in workers(server.process.pid).values())
        assert figures(server)["numa_workers"] == "left to the kernel"


def test_auto_binds_where_there_are_several_nodes():
    allowed = os.sched_getaffinity(0)
    with Superdb(()).start() as server:
        several = figures(server)["numa_nodes"] > 1
        assert all((cpus != allowed) == (several and len(allowed) > 1) for cpus in workers(server.process.pid).values())


if __name__ == "__main__":
    run_tests(globals())
