# SPDX-License-Identifier: BSD-3-Clause
"""
check.py - two boots on one image and a power cut between them: what only a kernel with persistent memory can show

First boot, eADR: the class, the mapping and the flush are what they should be; load, a power cut. Second boot, ADR: nothing is
missing, the same pool is served with flushes; a page is lost and costs the keys on it; without DAX the class pmem is refused.
"""
import os
import sys

import guest as guests  # first: it says where harness is
import image
import machine
from harness import Error, Failures
from proof import PowerCuts

PLAIN = "/mnt/pmem/plain.sdb"
VICTIM_SIZE = 12000  # a page in its midst is no other key's


class OneCut(PowerCuts):
    """One power cut, from eADR to ADR."""

    def vary(self, server):
        server.guest.domain = "adr"

    def check_pool(self, server, when):
        self.vary(server)
        self.recovered_by = "check"
        status, output = server.check()
        if status != 0:
            self.lost.append(f"{when}: superdb-pool check: exit status {status}\n{output}")


def info(server, path, options=""):
    """superdb-pool info as a dictionary."""
    text = server.guest.must(f"{options} superdb-pool info {path}")
    return {line[:18].strip(): line[19:].strip() for line in text.splitlines()}


def check_huge_pages(failures, server):
    """The kernel's tracing says how it mapped what a tool touched: 2 MiB at once, or it fell back to 4 KiB."""
    faults = server.guest.must("mount -t tracefs tracefs /sys/kernel/tracing; cd /sys/kernel/tracing; "
                               "echo 1 >events/fs_dax/dax_pmd_fault_done/enable; "
                               f"superdb-pool info {server.pool} >/tmp/info; "
                               "echo 0 >events/fs_dax/dax_pmd_fault_done/enable; grep dax_pmd_fault_done: trace").splitlines()
    failures.check(faults and all(line.endswith("NOPAGE") for line in faults), "the kernel maps 2 MiB at once", *faults)
    facts = info(server, server.pool)
    failures.check(facts["huge_page_bytes"].split()[0] == facts["size"].split()[0], f"info says so: {facts['huge_page_bytes']}")


def check_tool(failures, server, flush, reason):
    facts = info(server, server.pool)
    failures.check(facts["durability"].startswith("pmem (") and reason in facts["durability"],
                   f"superdb-pool info tells class and reason: {facts['durability']}")
    failures.check(facts["flush"] == flush, f"superdb-pool info tells the flush: {facts['flush']}")
    failures.check(facts["persistent_caches"] == ("yes" if flush == "none" else "no"),
                   f"superdb-pool info tells whether caches are persistent: {facts['persistent_caches']}")


def check_server(failures, server, flush, reason):
    facts = server.facts()
    failures.check(facts["durability"] == "pmem", f"the server's class is {facts['durability']}")
    failures.check(reason in facts["durability_reason"], f"INFO's reason: {facts['durability_reason']}")
    failures.check(facts["flush_instruction"] == flush, f"the server flushes with {facts['flush_instruction']}")
    failures.check(facts["persistent_caches"] == str(int(flush == "none")), f"caches: {facts['persistent_caches']}")
    failures.check(f"Durability: pmem ({facts['durability_reason']}); cache lines are flushed with: {flush}" in server.log(),
                   "the server's first lines say the same", server.log())
    failures.check(server.is_mapped_with_sync(), "the kernel says that the pool is mapped with MAP_SYNC")
    failures.check(server.facts()["huge_page_bytes"] == facts["pool_size"] and "Huge pages: yes" in server.log(),
                   f"the image is laid out for huge pages: {facts['huge_page_bytes']} of {facts['pool_size']}", server.log())
    print(f"{server.guest.domain}: {facts['durability_reason']}; {facts['io_backend']}, huge pages: "
          f"{int(facts['huge_page_bytes']) >> 20} MiB, boot {server.guest.boot_seconds:.1f} s")


# ---- a lost page -----------------------------------------------------------------------------------------------------


def check_lost_page(failures, server):
    marker = os.urandom(16).hex().encode()
    victim = (b"v" * (VICTIM_SIZE // 2) + marker).ljust(VICTIM_SIZE, b"v")
    others = {b"other:%d" % i: b"%d" % i * (1 + i * 7 % 900) for i in range(300)}
    with server.connect() as connection:
        words = [word for pair in others.items() for word in pair]
        failures.check(connection.call("MSET", *words) == b"OK", "MSET")
        failures.check(connection.call("SET", "victim", victim) == b"OK", "SET")
    failures.check(server.terminate() == 0, "the server stops in good order")
    status, output = server.check()
    failures.check(status == 0, "the pool is clean before", output)

    sector = image.sector_of(server.image, marker)
    server.guest.must(f"echo '{sector} 1' >/sys/block/pmem0/badblocks")
    status, output = server.check()
    failures.check(status == 1, f"check says that the pool is damaged: exit status {status}", output)
    failures.check("offset" in output and "DAMAGED" in output, "check says where", output)
    print("check of the lost page:", *output.splitlines()[:6], sep="\n    ")

    server.start()
    with server.connect() as connection:
        reply = connection.call("GET", "victim")
        failures.check(isinstance(reply, Error), f"the lost key is an error: {reply!r:.80}")
        print(f"    GET: {reply!r}")
        found = dict(zip(others, connection.call("MGET", *others)))
        failures.check(found == others, "every other key is there",
                       [key for key in others if found[key] != others[key]][:5])
        reply = connection.call("SET", "new", "value")
        failures.check(isinstance(reply, Error), f"a pool that lost a page takes no writes: {reply!r}")
        print(f"    SET: {reply!r}")
    failures.check(server.facts()["pool_failed"] == "1", "INFO says that the pool has failed")
    failures.check(server.alive(), "the server lives", server.log())
    print(f"    exit status {server.terminate()}")


# ---- without DAX -----------------------------------------------------------------------------------------------------


def check_refusals(failures, server):
    status, output = server.guest.shell(f"SUPERDB_FLUSH=none superdb-pool create {PLAIN} --size 16mb --durability pmem")
    failures.check(status == 2 and "SUPERDB_FLUSH=none without eADR" in output, "no flushes, no eADR: refused", output)
    server.guest.must("umount /mnt/pmem")
    server.dax = "never"
    server.guest.mount(server.fs, server.dax)
    status, output = server.guest.shell(f"superdb-pool create {PLAIN} --size 16mb --durability pmem")
    failures.check(status == 2 and "durability pmem needs persistent memory" in output, "no DAX: refused", output)
    failures.check(server.guest.shell(f"test -e {PLAIN}")[0] == 1, "what was refused leaves no file")
    server.pool, server.durability = PLAIN, "auto"
    server.start()
    facts = server.facts()
    failures.check(facts["durability"] == "process" and "no MAP_SYNC" in facts["durability_reason"],
                   f"no DAX: downgraded, and it says why: {facts['durability_reason']}")
    failures.check("survive a kill of the process, but not a power cut" in server.log(), "a warning", server.log())
    failures.check(not server.is_mapped_with_sync(), "the look at the mapping can tell")
    failures.check(server.terminate() == 0, "the server stops in good order")
    server.durability = "msync"
    server.start()
    failures.check(server.facts()["durability"] == "msync", "no DAX, msync asked for: given")
    failures.check(server.terminate() == 0, "the server stops in good order")


def main():
    failures = Failures()
    cuts = OneCut("ext4", "pmem", 1, int.from_bytes(os.urandom(3), "big"))
    server = guests.GuestServer("ext4", pool_size=str(cuts.pool_size))
    try:
        server.guest.domain = "eadr"
        server.boot()
        server.guest.must(f"superdb-pool create {server.pool} --size 64mb --durability pmem")
        check_tool(failures, server, "none", "(MAP_SYNC), caches are persistent (eADR)")
        check_huge_pages(failures, server)
        server.start()
        check_server(failures, server, "none", "(MAP_SYNC), caches are persistent (eADR)")
        cuts.one_round(server, 2)  # in the round of this number the pool grows
        for line in cuts.lost:
            failures.check(False, line)
        failures.check(server.facts()["pool_failed"] == "0" and server.alive(), "the server is well")
        check_server(failures, server, "clwb", "(MAP_SYNC), cache lines are flushed with clwb")
        check_lost_page(failures, server)
        check_refusals(failures, server)
        server.guest.stop()
    except guests.GuestError as error:
        failures.check(False, str(error))
    finally:
        server.remove()
        machine.end_all()
    failures.finish(f"{cuts.acknowledged()} operations acknowledged, {len(cuts.lost)} lost")


if __name__ == "__main__":
    sys.exit(main())
