# SPDX-License-Identifier: BSD-3-Clause
"""
test_differential_sessions.py - several connections whose requests come in a given order, SuperDB's replies against
redis-server's, byte for byte, in RESP2 and RESP3

The cases are the lines of cases/sessions/*.txt; `== name` begins a group, which runs on empty databases. A connection is
named by a letter and made when it is first used, on SuperDB by turns on each of its threads; where a group's name ends in
`(2)` or `(3)` it runs in that protocol only.

    a: COMMAND ...        one request, its reply compared; the words and marks are those of test_differential_fixed.py
    a| C1 ; C2 ; C3       requests sent at once, with as many replies; `a|5` with five
    a< 2                  two more replies, which somebody else's request has caused
    a list b              what CLIENT LIST tells of b: flags, database, subscriptions, multi, command, protocol, redirection
    a close               the connection is closed, and the server has noticed
    a silent              nothing more has come: the next reply is that to a PING
    until 20              waits until the servers' clocks have gone on by so many milliseconds
    blocked 2             waits until so many clients wait for keys
    {id:a}                a connection's number, in words outside quotes

A step waits for its replies, and nothing else: what one connection's reply tells has happened before the next step begins.

    test_differential_sessions.py [GROUP ...]      runs these groups only
"""
import glob
import os
import re
import sys
import time

from harness import DEADLINE, Closed, Failures, both, encode
from test_differential_fixed import same, short, words

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases", "sessions")
STEP = re.compile(r"(\w)(:|\|\d*|<| list| close| silent)\s*(.*)")
LISTED = ("flags", "db", "sub", "psub", "ssub", "multi", "cmd", "resp", "redir")


def read_groups():
    """(name, protocols, lines)"""
    groups = []
    for path in sorted(glob.glob(os.path.join(CASES, "*.txt"))):
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(map(str.strip, lines), 1):
                if line.startswith("== "):
                    only = re.search(r"\((\d)\)$", line)
                    name = os.path.basename(path)[:-4] + "/" + line[3:]
                    groups.append((name, (int(only.group(1)),) if only else (2, 3), []))
                elif line and not line.startswith("#"):
                    groups[-1][2].append((number, line))
    return groups


class Session:
    """One server's connections, by their letters."""

    def __init__(self, server, protocol):
        self.server = server
        self.protocol = protocol
        self.open = {}
        self.ids = {}
        self.control = server.connect()

    def connection(self, letter):
        if letter not in self.open:
            self.open[letter] = self.server.connect(self.protocol)
            self.ids[letter] = self.open[letter].call("CLIENT", "ID")
        return self.open[letter]

    def words(self, line):
        for letter in re.findall(r"\{id:(\w)\}", line):
            self.connection(letter)
        return words(re.sub(r"\{id:(\w)\}", lambda match: str(self.ids[match.group(1)]), line), time.time())

    def read(self, letter, count):
        replies = []
        for _ in range(count):
            try:
                replies.append(self.connection(letter).read())
            except (Closed, OSError, TimeoutError) as error:
                replies.append(b"" if isinstance(error, Closed) else repr(error).encode())
                break
        return replies

    def without_ids(self, replies):
        """Connections' numbers, which differ, as their letters."""
        for letter, number in self.ids.items():
            replies = [reply.replace(b":%d\r\n" % number, b":%s\r\n" % letter.encode()) for reply in replies]
        return replies

    def send(self, letter, requests):
        try:
            self.connection(letter).send(b"".join(encode(*request) for request in requests))
        except OSError:
            pass

    def listed(self, letter):
        text = self.control.call("CLIENT", "LIST", "ID", str(self.ids[letter])).decode()
        fields = dict(field.partition("=")[::2] for field in text.split())
        if fields.get("redir", "-1") not in ("-1", "0"):
            fields["redir"] = next((name for name, number in self.ids.items() if str(number) == fields["redir"]), "?")
        return {name: fields.get(name) for name in LISTED}

    def close_one(self, letter):
        """The server has noticed once it lists the connection no more."""
        self.open.pop(letter).close()
        while self.control.call("CLIENT", "LIST", "ID", str(self.ids[letter])):
            pass

    def wait_for_blocked(self, count):
        """Until as many wait as are expected to; a TimeoutError names what there is instead."""
        deadline = time.monotonic() + DEADLINE
        while b"\r\nblocked_clients:%d\r\n" % count not in self.control.call("INFO", "clients"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not {count} clients wait: {self.control.call('INFO', 'clients')}")

    def wait(self, milliseconds):
        def now():
            seconds, micros = self.control.call("TIME")
            return int(seconds) * 1000 + int(micros) // 1000
        end = now() + milliseconds
        while now() <= end:
            pass

    def close(self):
        for connection in [*self.open.values(), self.control]:
            connection.close()


def compare(failures, label, mode, request, replies):
    ours, theirs = replies
    if len(ours) != len(theirs):
        failures.check(False, label, f"superdb {short(repr(ours).encode())}", f"redis   {short(repr(theirs).encode())}")
        return
    for one, other in zip(ours, theirs):
        failures.check(same(mode, request, one, other), label, f"superdb {short(one)}", f"redis   {short(other)}")


def run_step(failures, sessions, group, number, line):
    label = f"[{group} RESP{sessions[0].protocol}] line {number}: {line[:200]}"
    if line.startswith("until "):
        for session in sessions:
            session.wait(int(line.split()[1]))
        return
    if line.startswith("blocked "):
        for session in sessions:
            try:
                session.wait_for_blocked(int(line.split()[1]))
            except TimeoutError as error:
                failures.check(False, label, session.server.name, str(error))
        return
    letter, kind, rest = STEP.fullmatch(line).groups()
    if kind == " close":
        for session in sessions:
            session.close_one(letter)
    elif kind == " list":
        ours, theirs = (session.listed(rest) for session in sessions)
        failures.check(ours == theirs, label, f"superdb {ours}", f"redis   {theirs}")
    elif kind == "<":
        compare(failures, label, "=", [b""], [session.without_ids(session.read(letter, int(rest or 1))) for session in sessions])
    elif kind == " silent":
        for session in sessions:
            session.send(letter, [[b"PING"]])
        compare(failures, label, "=", [b""], [session.read(letter, 1) for session in sessions])
    else:
        mode = rest[0] if rest[:2] in ("~ ", "% ", "? ", "@ ") else "="
        rest = rest[2:] if mode != "=" else rest
        requests = [[session.words(part) for part in (rest.split(" ; ") if kind[0] == "|" else [rest])] for session in sessions]
        count = int(kind[1:] or len(requests[0])) if kind[0] == "|" else 1
        for session, request in zip(sessions, requests):
            session.send(letter, request)
        replies = [session.read(letter, count) for session in sessions]
        if rest.startswith("CLIENT TRACKINGINFO") or rest.startswith("CLIENT GETREDIR"):
            replies = [session.without_ids(reply) for session, reply in zip(sessions, replies)]
        compare(failures, label, mode, requests[0][0], replies)


def run_groups(failures, servers, wanted):
    for name, protocols, lines in read_groups():
        if not any(part in name for part in wanted):
            continue
        for protocol in protocols:
            for server in servers:
                with server.connect() as connection:
                    connection.command("FLUSHALL")
                    connection.command("CONFIG", "SET", "notify-keyspace-events", "")
                    connection.command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            sessions = [Session(server, protocol) for server in servers]
            for number, line in lines:
                run_step(failures, sessions, name, number, line)
            for session in sessions:
                session.close()


def main():
    failures = Failures()
    with both() as servers:
        run_groups(failures, servers, sys.argv[1:] or [""])
    with both(["--threads", "1"]) as servers:  # who waits, and who serves, on one thread
        run_groups(failures, servers, sys.argv[1:] or ["blocking/", "streams/"])
    failures.finish("cases with several connections")


if __name__ == "__main__":
    main()
