# SPDX-License-Identifier: BSD-3-Clause
"""
test_scripts.py - scripts and functions where redis-server is no judge: kills, restarts, runaways, many threads

    functions survive kill -9; a script that runs too long is told of, and ended, by who comes only then, too; one that has written is not; SIGTERM ends any and takes
    back what it did; scripts of several threads on keys that they do not name are atomic; memory without end is an error
"""

import signal
import threading
import time

from harness import Failures, Superdb, both, encode

LIBRARY = "#!lua name=kept\nredis.register_function('kept', function(keys) return redis.call('incr', keys[1]) end)"


def connections_of_two_workers(server):
    """Two connections that different workers serve: clients are given to the worker with the fewest."""
    return server.connect(timeout=20), server.connect(timeout=20)


def functions_survive_a_kill(failures):
    with Superdb(threads=2).start() as server:
        with server.connect() as connection:
            failures.check(connection.call("FUNCTION", "LOAD", LIBRARY) == b"kept", "a library is loaded")
            failures.check(connection.call("FCALL", "kept", "1", "n") == 1, "its function runs")
            connection.call("FLUSHALL")
        server.kill()
        server.start()
        with server.connect() as connection:
            failures.check(connection.call("FCALL", "kept", "1", "n") == 1, "its function runs after a kill and FLUSHALL")
            failures.check(connection.call("FUNCTION", "DELETE", "kept") == b"OK", "it is deleted")
        server.kill()
        server.start()
        with server.connect() as connection:
            failures.check(connection.call("FUNCTION", "LIST") == [], "and stays so after a kill")


def wait_until_busy(other):
    """Until the script has been running too long. Bounded by the connection's own time limit."""
    while not bytes(other.command("PING")).startswith(b"-BUSY"):
        pass


def wait_until_idle(other):
    while bytes(other.command("PING")).startswith(b"-BUSY"):
        pass


def a_runaway_is_ended(failures):
    with Superdb(("--busy-reply-threshold", "50"), threads=2).start() as server:
        one, other = connections_of_two_workers(server)
        one.send(encode("EVAL", "while true do end", "1", "k"))
        wait_until_busy(other)
        failures.check(other.command("GET", "k").startswith(b"-BUSY"), "commands are refused meanwhile")
        failures.check(other.command("FUNCTION", "KILL").startswith(b"-BUSY"), "it is no function")
        failures.check(other.command("SCRIPT", "KILL") == b"+OK\r\n", "it is ended")
        failures.check(one.read().startswith(b"-ERR Script killed by user"), "and says so")
        failures.check(other.command("SCRIPT", "KILL").startswith(b"-NOTBUSY"), "then there is none")
        one.send(encode("EVAL", "redis.call('set', KEYS[1], 'v') while true do pcall(function() error('x') end) end", "1", "k"))
        wait_until_busy(other)
        failures.check(other.command("SCRIPT", "KILL").startswith(b"-UNKILLABLE"), "one that wrote is not ended")
        server.process.send_signal(signal.SIGTERM)
        failures.check(server.process.wait(20) == 0, "SIGTERM ends the server")
        server.start()
        with server.connect() as connection:
            failures.check(connection.call("GET", "k") is None, "what it wrote is taken back")


def wait_until_slow(server, times):
    """Until a script has been running too long, by the log: a connection might be the script's worker's."""
    deadline = time.monotonic() + 20
    while server.log().count("Slow script detected") < times:
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.005)


def who_comes_while_it_runs_is_served(failures):
    """Whichever thread runs it, and with one thread, too."""
    for backend, threads in (("auto", 1), ("auto", 2), ("epoll", 1), ("epoll", 2)):
        what = f"{backend}, {threads} threads: "
        with Superdb(("--busy-reply-threshold", "50", "--io-backend", backend), threads=threads).start() as server:
            for turn in range(2):
                idle = [server.connect(timeout=20) for _ in range(turn)]  # the next gets another worker
                one = server.connect(timeout=20)
                one.send(encode("EVAL", "while true do end", "0"))
                wait_until_slow(server, turn + 1)
                late = [server.connect(timeout=20) for _ in range(4)]
                for connection in late:
                    failures.check(bytes(connection.command("PING")).startswith(b"-BUSY"), what + "who comes now is told")
                failures.check(late[0].command("SCRIPT", "KILL") == b"+OK\r\n", what + "and may end it")
                failures.check(one.read().startswith(b"-ERR Script killed by user"), what + "which is said")
                failures.check(late[1].call("SUBSCRIBE", "channel") is not None, what + "they stay, and hear of others")
                failures.check(late[2].call("SET", "k", "v") == b"OK" and one.call("GET", "k") == b"v", what + "as others of them")
                failures.check(one.call("PUBLISH", "channel", "hello") == 1, what + "who is heard")
                failures.check(b"hello" in late[1].read(), what + "by them")
                for connection in (one, *idle, *late):
                    connection.close()
            one = server.connect(timeout=20)
            one.send(encode("EVAL", "while true do end", "0"))
            wait_until_slow(server, 3)
            server.connect(timeout=20).send(encode("SHUTDOWN", "NOSAVE"))
            failures.check(server.process.wait(20) == 0, what + "and may end the server")


def busy_replies(server):
    """What somebody with a transaction open is told beside a script that runs too long."""
    one, other = connections_of_two_workers(server)
    other.pipeline([["FUNCTION", "LOAD", LIBRARY], ["MULTI"], ["SET", "k", "v"]])
    one.send(encode("EVAL", "while true do end", "0"))
    wait_until_slow(server, 1)
    late = server.connect(timeout=20)
    wait_until_busy(late)
    replies = other.pipeline([["EXEC"], ["PING"], ["DISCARD"], ["EXEC"], ["FUNCTION", "STATS"], ["SHUTDOWN", "BOGUS"],
                              ["SHUTDOWN", "SAVE", "NOSAVE"], ["SHUTDOWN", "ABORT"], ["SHUTDOWN"], ["SHUTDOWN", "NOW"],
                              ["SHUTDOWN", "SAVE"], ["SCRIPT", "KILL"]])
    replies.append(one.read()[:len("-ERR Script killed by user")])
    wait_until_idle(late)
    return replies + other.pipeline([["GET", "k"], ["EXEC"], ["PING"]])


def what_is_refused_meanwhile(failures):
    """EXEC leaves the transaction, and only SHUTDOWN NOSAVE stops the server: redis-server is the judge."""
    threshold = ["--busy-reply-threshold", "50"]
    with both(threshold, threshold) as servers:
        ours, theirs = (busy_replies(server) for server in servers)
        failures.check(ours == theirs, "what is refused beside a script", f"superdb {ours}", f"redis   {theirs}")


def a_write_does_not_wait_for_ever(failures):
    with Superdb(("--busy-reply-threshold", "50"), threads=2).start() as server:
        one, other = connections_of_two_workers(server)
        one.send(encode("EVAL", "while true do end", "1", "k"))
        other.send(encode("SET", "k", "v"))
        reply = other.read()
        failures.check(reply.startswith(b"-BUSY") or reply == b"+OK\r\n", f"a write to the script's key is answered: {reply}")
        wait_until_busy(other)
        failures.check(other.command("SCRIPT", "KILL") == b"+OK\r\n", "and the script is ended")
        one.read()


def memory_has_an_end(failures):
    with Superdb(("--lua-memory-limit", "16mb"), threads=1).start() as server:
        with server.connect(timeout=20) as connection:
            reply = connection.command("EVAL", "local t = {} while true do t[#t + 1] = string.rep('x', 1000) .. #t end", "0")
            failures.check(b"not enough memory" in reply, f"memory without end is an error: {reply[:200]}")
            failures.check(connection.call("EVAL", "return 7", "0") == 7, "and the next script runs")
            reply = connection.command("EVAL", "return string.find(string.rep('a', 100000), string.rep('a?', 100000))", "0")
            failures.check(b"pattern too complex" in reply, "a pattern without end is an error")
            reply = connection.command("EVAL", "error({})", "0")
            failures.check(reply.startswith(b"-ERR"), "an error without words is an error")


def scripts_are_atomic(failures):
    script = ("local a = tonumber(redis.call('get', ARGV[1]) or '0') redis.call('set', ARGV[1], a + 1) "
              "redis.call('set', ARGV[2], tonumber(redis.call('get', ARGV[2]) or '0') - 1) return a")
    rounds = 300

    def work(server, number):
        with server.connect(timeout=20) as connection:
            for i in range(rounds):
                first, second = ("x", "y") if (i + number) % 2 else ("y", "x")
                connection.call("EVAL", script, "0", first, second)

    with Superdb(threads=2).start() as server:
        threads = [threading.Thread(target=work, args=(server, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with server.connect() as connection:
            total = int(connection.call("GET", "x")) + int(connection.call("GET", "y"))
            failures.check(total == 0, f"every script took from one key what it gave the other: {total}")


def main():
    failures = Failures()
    for test in (functions_survive_a_kill, a_runaway_is_ended, who_comes_while_it_runs_is_served, what_is_refused_meanwhile,
                 a_write_does_not_wait_for_ever, memory_has_an_end, scripts_are_atomic):
        test(failures)
    failures.finish("scripts")


if __name__ == "__main__":
    main()
