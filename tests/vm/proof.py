# SPDX-License-Identifier: BSD-3-Clause
"""
proof.py - power cuts under load on real DAX: nothing acknowledged is missing, `superdb-pool check` is clean

The clients, and with them the log of what was acknowledged, run outside of the guest (killing.py tells what is compared).
A campaign is one image: a file system, a kind, and up to 24 rounds. From cut to cut these vary: the
persistence domain (the same pool under ADR and eADR), processors, server threads, I/O backend, whether recovery is the
server's or the checker's, and whether it is cut short itself.

    pmem      the file system mounted with DAX, `--durability pmem`
    msync     mounted without, `--durability msync`: /dev/pmem0 is an ordinary drive then
    embedded  as pmem, but an application with the library instead of the server (embedded.py)

--self-test: the proof must fail on media that lose data: the class that promises no power cut, and a drive that gives back
what it had some time ago.
"""
import argparse
import os
import random
import shutil
import sys
import time

import guest as guests  # first: it says where killing and harness are
import embedded
import image
import machine
from killing import Killing

CUTS = 24
CLASSES = {"pmem": "always", "msync": "never"}
KINDS = [*CLASSES, "embedded"]
FLUSHES = {"adr": "clwb", "eadr": "none"}


class PowerCuts(Killing):
    """A campaign. Each kill is a power cut."""

    SETTLING = 120
    KILL_WITHIN = 0.5

    def __init__(self, fs, durability, rounds, seed, dax=None):
        super().__init__(rounds, seed)
        self.fs = fs
        self.durability = durability
        self.dax = dax or CLASSES[durability]
        self.cuts = 0
        self.recovered_by = ""

    def make_server(self):
        server = guests.GuestServer(self.fs, self.durability, self.dax, str(self.pool_size))
        try:
            self.vary(server)
            self.cut_in_creation(server)
        except guests.GuestError:
            server.remove()
            raise
        return server

    def vary(self, server):
        server.guest.domain = self.source.choice(list(FLUSHES))
        server.guest.cpus = self.source.choice([1, 2])

    def cut_in_creation(self, server):
        for _ in range(2):
            server.start(wait=False)
            time.sleep(self.source.uniform(0, 0.4))
            server.kill()
            self.cuts += 1

    def one_round(self, server, number):
        before, begun = self.acknowledged(), time.monotonic()
        text = (f"  {number:3} {server.guest.domain:4} {server.guest.cpus} cpus, {server.threads} threads, "
                f"{server.facts()['io_backend']:8}")
        super().one_round(server, number)
        self.cuts += 1
        print(f"{text} {self.acknowledged() - before:6} acknowledged, recovered by {self.recovered_by}, boot "
              f"{server.guest.boot_seconds:.1f} s, all {time.monotonic() - begun:.1f} s")
        sys.stdout.flush()

    def kill_while_starting(self, server):
        """Recovery is cut short: the server's, then the checker's. Without a name for the class, as people do it."""
        wanted, server.durability = server.durability, "auto"
        for begin in (lambda: server.start(wait=False),
                      lambda: (server.boot(), server.guest.must(f"superdb-pool check {server.pool} >/dev/null &")),
                      server.start):
            self.vary(server)
            begin()
            if begin != server.start:
                time.sleep(self.source.uniform(0, 0.4))
            server.kill()
            self.cuts += 1
        server.durability = wanted

    def check_pool(self, server, when):
        """By the checker, which recovers first; or once the server has recovered, and stopped."""
        if not server.guest.alive():
            self.vary(server)
        self.recovered_by = self.source.choice(["check ", "server"])
        if self.recovered_by == "server" and not server.guest.alive():
            self.start_again(server)
            status = server.terminate()
            if status != 0:
                self.lost.append(f"{when}: SIGTERM: exit status {status}\n{server.log()}")
        status, output = server.check()
        if status != 0:
            self.lost.append(f"{when}: superdb-pool check: exit status {status}\n{output[-2000:]}")

    def start_again(self, server):
        super().start_again(server)
        facts = server.facts()
        flush = FLUSHES[server.guest.domain] if self.durability == "pmem" else self.durability
        if self.durability != "process" and (facts["durability"], facts["flush_instruction"]) != (self.durability, flush):
            self.lost.append(f"under {server.guest.domain} the server says {facts}")
        if self.durability == "pmem" and not server.is_mapped_with_sync():
            self.lost.append("the pool is not mapped with MAP_SYNC")


class OldImage(PowerCuts):
    """The drive gives back what it had when the round began."""

    def one_round(self, server, number):
        old = server.image + ".old"
        shutil.copyfile(server.image, old)
        kill = server.kill

        def kill_and_forget():
            kill()
            os.replace(old, server.image)
            server.kill = kill

        server.kill = kill_and_forget
        super().one_round(server, number)


def campaign(cuts, label):
    print(f"{label}:")
    good = cuts.run()
    print()
    return good


def cuts_of(fs, kind, rounds, seed):
    if kind == "embedded":
        return embedded.EmbeddedCuts(fs, rounds, seed)
    return PowerCuts(fs, kind, rounds, seed)


def prove(rounds, seed, kinds):
    """Campaigns of all kinds by turns, until there were as many rounds. rows: rounds, cuts, acknowledged, lost, of each kind."""
    rows, begun = {kind: [0, 0, 0, 0] for kind in kinds}, time.monotonic()
    while (left := rounds - sum(row[0] for row in rows.values())) > 0:
        fs, kind = min(rows, key=lambda one: rows[one][0])
        cuts = cuts_of(fs, kind, min(CUTS, -(-rounds // len(kinds)), left), seed + rounds - left)
        good = campaign(cuts, f"{fs}, {kind}")
        for place, value in enumerate((cuts.rounds, cuts.cuts, cuts.acknowledged(), len(cuts.lost))):
            rows[fs, kind][place] += value
        if not good:
            break
    print("| file system, kind | rounds | power cuts | acknowledged | lost or wrong |\n|---|---|---|---|---|")
    for (fs, kind), row in rows.items():
        print(f"| {fs}, {kind} | {' | '.join(f'{value:,}' for value in row)} |")
    total = [sum(row[place] for row in rows.values()) for place in range(4)]
    print(f"{total[0]} rounds, {total[1]} power cuts, {total[2]} operations acknowledged, {total[3]} lost or wrong, "
          f"{time.monotonic() - begun:.0f} s")
    return total[3] == 0


def self_test(seed):
    """Each of these must be found."""
    missed = []
    for label, broken in (("class process, no DAX", PowerCuts("ext4", "process", 1, seed, dax="never")),
                          ("a drive that gives back what it had", OldImage("ext4", "pmem", 1, seed))):
        if campaign(broken, f"must fail: {label}"):
            missed.append(label)
    print(f"self-test: {'MISSED: ' + ', '.join(missed) if missed else 'what was lost was found, both times'}")
    return not missed


def main():
    parser = argparse.ArgumentParser(prog="pmem-vm.sh proof", description="power cuts under load in a guest")
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--seed", type=int, default=random.randrange(1000000))
    parser.add_argument("--fs", choices=image.SIZES, help="this file system alone")
    parser.add_argument("--kind", choices=KINDS, help="this kind alone")
    parser.add_argument("--self-test", action="store_true")
    wanted = parser.parse_args()
    try:
        if wanted.self_test:
            return 0 if self_test(wanted.seed) else 1
        kinds = [(fs, kind) for kind in KINDS for fs in image.SIZES if wanted.fs in (None, fs) and wanted.kind in (None, kind)]
        return 0 if prove(wanted.rounds, wanted.seed, kinds) else 1
    except guests.GuestError as error:
        print(f"FAIL {error}")
        return 1
    finally:
        machine.end_all()


if __name__ == "__main__":
    sys.exit(main())
