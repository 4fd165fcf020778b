# SPDX-License-Identifier: BSD-3-Clause
"""
test_configuration.py - options from the command line and from files, wrong ones, and CONFIG REWRITE
"""
import os
import subprocess

from harness import Redis, Superdb, run_tests, superdb_server


def refused(*arguments, data=None):
    """The text with which a server that must not start ends."""
    result = subprocess.run([superdb_server(), *arguments], input=data, capture_output=True, timeout=20, check=False)
    text = (result.stdout + result.stderr).decode()
    assert result.returncode > 0, f"{arguments}: exit status {result.returncode}\n{text}"
    assert text.strip(), f"{arguments}: no word"
    return text


def test_wrong_options_are_named():
    for arguments, word in ((["--bogus", "1"], "bogus"), (["--port"], "port"), (["--port", "abc"], "port"),
                            (["--port", "70000"], "port"),
                            (["--threads", "-1"], "threads"), (["--durability", "perhaps"], "durability"),
                            (["--pool-size", "12xy"], "pool-size"),
                            (["--maxclients", "0"], "maxclients"),
                            (["--bind", "999.1.2.3", "--pool", "/nonexistent/x"], ""),
                            (["/nonexistent/superdb.conf"], "superdb.conf"),
                            (["--unixsocketperm", "9"], "unixsocketperm")):
        assert word in refused(*arguments), arguments


def test_wrong_lines_of_a_file_are_named_by_number():
    with Superdb() as server:
        path = os.path.join(server.directory, "shop.conf")
        for lines, word in (("port 0\n\n# fine\nprot 6379\n", "4"), ("port abc\n", "1"), ("port 0\ntimeout \"1\n", "2"),
                            ("port 0\nmaxclients\n", "2")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(lines)
            text = refused(path, "--pool", os.path.join(server.directory, "pool"))
            assert "shop.conf" in text and word in text, text


def test_a_port_that_is_taken_is_told():
    with Superdb() as first, Superdb() as second:
        first.start()
        text = refused("--pool", second.pool, "--port", str(first.port), "--bind", "127.0.0.1", "--pool-size", "16mb")
        assert str(first.port) in text and "in use" in text, text


def test_file_flags_and_rewrite():
    """A flag wins over the file; REWRITE keeps comments and what was set; the next start reads it."""
    with Superdb() as server:
        path = os.path.join(server.directory, "superdb.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# my settings\nmaxclients 123\ntimeout 7\npool-size 32mb\n")
            file.write(f"pool {server.pool}\nbind 127.0.0.1\nport 1\n")
        server.command_line = lambda: [superdb_server(), path, "--port", str(server.port), "--threads", "2"]
        server.start()
        with server.connect() as connection:
            assert connection.call("CONFIG", "GET", "maxclients") == [b"maxclients", b"123"]
            assert connection.call("CONFIG", "GET", "timeout") == [b"timeout", b"7"]
            assert connection.command("CONFIG", "SET", "timeout", "99", "slowlog-max-len", "5") == b"+OK\r\n"
            assert connection.command("CONFIG", "REWRITE") == b"+OK\r\n"
            connection.command("SET", "k", "v")
        assert server.terminate() == 0
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for line in ("# my settings", "maxclients 123", "timeout 99", "slowlog-max-len 5"):
            assert line in text, text
        server.start()
        with server.connect() as connection:
            assert connection.call("CONFIG", "GET", "timeout") == [b"timeout", b"99"]
            assert connection.call("CONFIG", "GET", "slowlog-max-len") == [b"slowlog-max-len", b"5"]
            assert connection.command("GET", "k") == b"$1\r\nv\r\n"


def serve_file(server, lines):
    """Starts the server with a file of these lines, where the test needs it to listen."""
    path = os.path.join(server.directory, "redis.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    flags = server.command_line()[1:]
    server.command_line = lambda: [superdb_server(), path, *flags, "--dir", server.directory, "--logfile", "", "--pidfile", ""]
    return server.start()


def test_a_redis_configuration_starts_and_what_means_nothing_is_named():
    """Every directive that redis-server has, with its own value, and those that Debian's file sets otherwise."""
    with Redis() as redis:
        with redis.start().connect() as connection:
            words = [word.decode() for word in connection.call("CONFIG", "GET", "*")]
    theirs = dict(zip(words[::2], words[1::2]))
    assert len(theirs) > 150, len(theirs)
    lines = [f"{name} {value or chr(34) * 2}" for name, value in theirs.items()]
    other = ("daemonize yes", "save 3600 1 300 100", "save 60 10000", "appendonly yes", "appendfsync everysec",
             "databases 4", "supervised systemd", "io-threads 4", "SYSLOG-ENABLED yes")
    with Superdb() as server:
        serve_file(server, [*lines, *other])
        with server.connect() as connection:
            assert connection.command("SET", "k", "v") == b"+OK\r\n"
            ours = {word.decode() for word in connection.call("CONFIG", "GET", "*")[::2]}
            assert connection.command("CONFIG", "SET", "appendonly", "yes").startswith(b"-ERR CONFIG SET failed")
            for name in set(theirs) - ours:
                assert b" in a file it is ignored, it has no value here: " in connection.command("CONFIG", "SET", name, "1"), name
            assert connection.command("CONFIG", "SET", "no-such-option", "1").startswith(b"-ERR Unknown option")
            assert connection.command("CONFIG", "REWRITE") == b"+OK\r\n"
        with open(server.log_path, encoding="utf-8") as log:
            text = log.read()
        for name in set(theirs) - ours:
            assert f": {name} is ignored: " in text, name
        for number, line in enumerate(other, len(lines) + 1):
            assert f"redis.conf:{number}: {line.split()[0]} is ignored: " in text, line
        for name in ("port", "timeout", "maxclients", "requirepass"):
            assert f": {name} is ignored" not in text
        with open(os.path.join(server.directory, "redis.conf"), encoding="utf-8") as file:
            rewritten = file.read()
        for line in other:
            assert f"{line}\n" in rewritten, line


def test_what_would_break_a_promise_is_refused():
    with Superdb() as server:
        path = os.path.join(server.directory, "redis.conf")
        for line in ("replicaof 127.0.0.1 6380", "cluster-enabled yes", "tls-port 6380", "databases 17",
                     "min-replicas-to-write 1", "user al on +nosuch", "rename-command FLUSHALL \"\"",
                     "loadmodule /x.so", "tls-por 0", "save-x 1", "databases x", "databases 0"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"daemonize yes\n{line}\n")
            text = refused(path, "--pool", server.pool)
            assert "redis.conf:2: " in text and line.split()[0] in text, text
            assert not os.path.exists(server.pool)


def test_help_and_version():
    for option, word in (("--help", "usage"), ("--version", "0.")):
        result = subprocess.run([superdb_server(), option], capture_output=True, timeout=20, check=False)
        assert result.returncode == 0 and word in result.stdout.decode().lower(), (option, result)


def test_start_says_what_is_served():
    """The durability and why, the size, threads, I/O backend and port, before the first client comes."""
    for backend in ("uring", "epoll"):
        with Superdb(["--io-backend", backend], threads=2) as server:
            server.start()
            text = server.log().lower()
            for word in ("pool.sdb", "durability", "tmpfs", "2 threads" if "2 threads" in text else "threads",
                         str(server.port)):
                assert word in text, f"{word} is missing:\n{text}"
            assert backend in text or "epoll" in text, text
            with server.connect() as connection:
                assert connection.command("SET", "k", "v") == b"+OK\r\n"


if __name__ == "__main__":
    run_tests(globals())
