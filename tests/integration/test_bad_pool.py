# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 900
"""
test_bad_pool.py - pools that are truncated, foreign, newer, locked, forbidden, out of disk, damaged, or shrunk

What is allowed: a clear error that names the pool, or the right data. What is not: a signal, a hang, a wrong answer.

The damage tests take a sample of bytes (unit_flips takes thousands, in process). SUPERDB_DAMAGE says how many instead; "all"
takes every byte of the superblocks and of everything else that is not zero in the metadata.
SUPERDB_SEED says which ones. SUPERDB_KEEP names a directory that receives the damaged pools of failures.
"""
import contextlib
import ctypes
import ctypes.util
import functools
import os
import random
import resource
import shutil
import stat
import struct
import subprocess
import tempfile

from harness import Superdb, parse, run_tests, superdb_pool, superdb_server

LIMIT = 60  # seconds after which a program counts as hanging
POOL_SIZE = 16 << 20
SUPERBLOCKS = (0, 4096)
CHECKSUM = 504  # offset of a superblock's checksum, XXH3-64 of what is before it


def sample_data():
    """What the pool holds: every way in which keys and values can lie in it."""
    data = {}
    for i in range(300):
        data[b"i%d" % i] = b"%d" % (i * 7919 - 1000)
        data[b"short%d" % i] = b"v%d" % i
        data[b"a key that is too long to be inline %d" % i] = b"%d" % i
        data[b"b%d" % i] = (b"a value in a blob %d " % i) * (i % 40 + 2)
    data[b"big"] = b"0123456789abcdef" * 20000
    data[b"huge"] = b"more than an extent " * 110000
    data[b"binary"] = random.Random(3).randbytes(20000)
    data[b""] = b"under the empty key"
    return data


DATA = sample_data()


@functools.lru_cache(maxsize=None)
def good_pool():
    """The bytes of a good pool, closed cleanly, and the lines of its dump: made once."""
    with Superdb(pool_size=str(POOL_SIZE), threads=1) as server:
        server.start()
        with server.connect() as connection:
            replies = connection.pipeline([("SET", key, value) for key, value in DATA.items()])
            assert set(replies) == {b"+OK\r\n"}, set(replies)
            assert connection.command("PEXPIREAT", "i0", "4000000000000") == b":1\r\n"
        assert server.terminate() == 0, server.log()
        with open(server.pool, "rb") as pool:
            image = pool.read()
        status, output = run(superdb_pool(), "check", server.pool)
        assert status == 0, output
        lines = dump(server.pool)[1]
    assert len(lines) == len(DATA), (len(lines), len(DATA))
    return image, lines


@functools.lru_cache(maxsize=None)
def bytes_in_use():
    """Of each 32 KiB of the good pool the offsets that are not zero; what has none is left out."""
    image = good_pool()[0]
    return {begin: [offset for offset in range(begin, begin + 32768) if image[offset]]
            for begin in range(0, len(image), 32768) if any(image[begin:begin + 32768])}


def dump(path):
    status, output = run(superdb_pool(), "dump", path, "--format", "text", errors=False)
    return status, set(output.splitlines())


class Workplace:
    """A directory with the good pool, and its bytes."""

    def __init__(self):
        self.image, self.good_dump = good_pool()
        self.directory = tempfile.mkdtemp(prefix="superdb-bad-", dir=os.environ.get("SUPERDB_TEST_DIR", "/dev/shm"))
        self.path = os.path.join(self.directory, "pool.sdb")
        with open(self.path, "wb") as pool:
            pool.write(self.image)
        os.chmod(self.path, 0o600)

    def dump(self):
        return dump(self.path)

    def restore(self):
        with open(self.path, "r+b") as pool:
            pool.write(self.image)
            pool.truncate(len(self.image))

    def put_back(self, offset, size):
        """Takes a change back that only tools have seen, which write nothing."""
        self.write([(offset, self.image[offset:offset + size])])

    def expect_untouched(self):
        with open(self.path, "rb") as pool:
            assert pool.read() == self.image, "a tool that only reads has written"

    def write(self, changes):
        with open(self.path, "r+b") as pool:
            for offset, data in changes:
                pool.seek(offset)
                pool.write(data)

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def keep(self, what, failures):
        """Remembers a failure, and the damaged pool where SUPERDB_KEEP names a directory for it."""
        failures.append(what)
        if os.environ.get("SUPERDB_KEEP"):
            shutil.copy(self.path, os.path.join(os.environ["SUPERDB_KEEP"], f"damaged-{len(failures)}.sdb"))


@contextlib.contextmanager
def workplace():
    place = Workplace()
    try:
        yield place
    finally:
        place.remove()


def run(*command, errors=True, **options):
    """Exit status and output of a program that ends by itself, and by no signal. SIGXFSZ stays ignored."""
    result = subprocess.run(list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, restore_signals=False,
                            stderr=subprocess.STDOUT if errors else subprocess.PIPE, timeout=LIMIT, check=False,
                            **options)
    assert result.returncode >= 0, f"{command[:3]} ended by signal {-result.returncode}:\n{result.stdout[-2000:]!r}"
    return result.returncode, result.stdout


def run_server(path, *arguments, **options):
    """Exit status and output of a server that must not come to serving."""
    return run(superdb_server(), "--pool", path, "--port", "0", "--unixsocket",
               os.path.join(os.path.dirname(path), "never"), "--threads", "1",
               *arguments, **options)


def expect_refusal(path, words, *arguments, **options):
    """Both programs refuse, with a text that names the pool and holds one of the words."""
    for name, (status, output) in (("superdb-pool", run(superdb_pool(), "info", path, **options)),
                                   ("superdb-server", run_server(path, *arguments, **options))):
        text = output.decode("utf-8", "replace")
        assert status != 0, f"{name} accepts {path}:\n{text}"
        assert os.path.basename(path) in text, f"{name} does not name the pool:\n{text}"
        assert any(word in text.lower() for word in words), f"{name} says none of {words}:\n{text}"


def superblock_with(image, offset, data):
    """Both superblocks changed at an offset, with checksums that are right."""
    library = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    library.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    changes = []
    for begin in SUPERBLOCKS:
        block = bytearray(image[begin:begin + 512])
        if not any(block):
            continue
        assert struct.unpack_from("<Q", block, CHECKSUM)[0] == library.XXH3_64bits(bytes(block[:CHECKSUM]), CHECKSUM)
        block[offset:offset + len(data)] = data
        struct.pack_into("<Q", block, CHECKSUM, library.XXH3_64bits(bytes(block[:CHECKSUM]), CHECKSUM))
        changes.append((begin, bytes(block)))
    return changes


def test_truncated_pools_are_refused():
    with workplace() as place:
        size = len(place.image)
        for length in (1, 511, 512, 4095, 4096, 4608, 8192, 65536, 1 << 20, size // 2, size - (2 << 20), size - 4096,
                       size - 1):
            place.restore()
            os.truncate(place.path, length)
            expect_refusal(place.path, ("truncated", "damaged", "not a superdb pool", "shorter", "too small",
                                        "too short", "ends at"))


def hollow_files(image):
    """What a pool that was wiped looks like, and a file that somebody has prepared for one: nobody can tell one from the other."""
    return {"nothing": b"", "zeros": bytes(len(image)), "a few zeros": bytes(4096)}


def test_no_pool_is_made_over_a_file_that_may_have_been_one():
    with workplace() as place:
        for name, content in hollow_files(place.image).items():
            place.restore()
            with open(place.path, "r+b") as file:
                file.write(content)
                file.truncate(len(content))
            for arguments in ((), ("--pool-create", "no"), ("--pool-create", "absent")):
                expect_refusal(place.path, ("unless that is asked for",), *arguments)
            for command in (("check",), ("check", "--repair"), ("check", "--repair", "--dry-run"), ("create",)):
                status, output = run(superdb_pool(), command[0], place.path, *command[1:])
                assert status == 2 and b"pool.sdb" in output, (name, command, status, output)
            with open(place.path, "rb") as file:
                assert file.read() == content, f"{name} was changed"


def made_anew(place, *arguments):
    """A server with a pool that it has made says so, once."""
    with Superdb(arguments, pool=place.path, pool_size=str(POOL_SIZE)) as server:
        for _ in range(2):
            server.start()
            with server.connect() as connection:
                assert connection.command("DBSIZE") == b":0\r\n"
            assert server.terminate() == 0, server.log()
            assert server.log().count(f"Created a new pool: {place.path}") == 1, server.log()


def test_a_pool_is_made_where_there_is_none_and_where_that_is_asked_for():
    with workplace() as place:
        os.unlink(place.path)
        status, output = run_server(place.path, "--pool-create", "no")
        assert status != 0 and b"pool.sdb" in output and not os.path.exists(place.path), output
        made_anew(place)
        for content in hollow_files(place.image).values():
            with open(place.path, "wb") as file:
                file.write(content)
            made_anew(place, "--pool-create", "empty")
        with open(place.path, "wb") as file:  # what is not empty stays what it is
            file.write(place.image)
        with Superdb(("--pool-create", "empty"), pool=place.path, directory=place.directory) as server:
            server.start()
            with server.connect() as connection:
                expect_right_values(connection, strict=True)


def test_foreign_files_are_refused_and_left_as_they_are():
    with workplace() as place:
        noise = random.Random(5).randbytes(POOL_SIZE)
        foreign = {"noise": noise, "text": b"hello world\n" * 100000, "zeros first": bytes(16384) + noise[16384:],
                   "rdb": b"REDIS0010" + noise[:100000],
                   "elf": b"\x7fELF" + noise[:1 << 20], "almost": place.image[:7] + b"X" + place.image[8:]}
        foreign["almost"] = foreign["almost"][:4096] + foreign["almost"][:512] + foreign["almost"][4608:]
        for name, content in foreign.items():
            path = os.path.join(place.directory, name)
            with open(path, "wb") as file:
                file.write(content)
            expect_refusal(path, ("not a superdb pool", "damaged"))
            with open(path, "rb") as file:
                assert file.read() == content, f"{name} was changed"


def test_what_is_no_regular_file_is_refused():
    with workplace() as place:
        directory = os.path.join(place.directory, "directory")
        os.mkdir(directory)
        fifo = os.path.join(place.directory, "fifo")
        os.mkfifo(fifo)
        link = os.path.join(place.directory, "dangling")
        os.symlink("/nonexistent/pool", link)
        for path in (directory, fifo, link, "/dev/null", os.path.join(place.directory, "no", "such", "directory")):
            for status, output in (run(superdb_pool(), "info", path), run(superdb_pool(), "check", path),
                                   run(superdb_server(), "--pool", path, "--port", "0", "--unixsocket",
                                       os.path.join(place.directory, "s"))):
                assert status != 0 and os.path.basename(path) in output.decode(), (path, status, output)


def test_newer_formats_are_told_by_their_version():
    with workplace() as place:
        for offset, data, what in ((8, struct.pack("<I", 2), "version"), (8, struct.pack("<I", 0xffffffff), "version"),
                                   (24, struct.pack("<Q", 3), "incompatible feature"),
                                   (24, struct.pack("<Q", 1 << 63), "incompatible feature")):
            place.restore()
            place.write(superblock_with(place.image, offset, data))
            expect_refusal(place.path, ("version", "feature"))
            with open(place.path, "rb") as pool:
                assert pool.read(8) == place.image[:8], what
        place.restore()
        place.write(superblock_with(place.image, 16, struct.pack("<Q", 1)))  # a compatible feature may be ignored
        assert place.dump() == (0, place.good_dump)
        place.restore()
        place.write(superblock_with(place.image, 32, struct.pack("<Q", 1)))  # one that must be known to write
        assert place.dump() == (0, place.good_dump)
        status, output = run_server(place.path)
        assert status != 0 and b"pool.sdb" in output, output


def test_superblock_fields_with_right_checksums_but_wrong_values_are_refused():
    """Geometry that makes no sense: an error, no crash."""
    with workplace() as place:
        fields = {"size": (80, "<Q"), "size_max": (88, "<Q"), "shards": (96, "<I"), "lanes": (100, "<I"),
                  "lane_size": (104, "<Q"),
                  "root": (112, "<Q"), "counters": (120, "<Q"), "shards_offset": (128, "<Q"), "map": (136, "<Q"),
                  "lanes_offset": (144, "<Q"),
                  "heap": (152, "<Q"), "state": (12, "<I")}
        for name, (offset, form) in fields.items():
            now = struct.unpack_from(form, place.image, offset)[0]
            top = 2 ** (8 * struct.calcsize(form)) - 1
            for value in {0, 1, now + 1, now * 2, top, top // 2 + 1, POOL_SIZE * 4, 4095} - {now}:
                if value > top or (name == "state" and value in (1, 2)):
                    continue
                place.restore()
                place.write(superblock_with(place.image, offset, struct.pack(form, value)))
                status, output = run(superdb_pool(), "check", place.path)
                if status == 0:
                    assert place.dump() == (0, place.good_dump), f"{name} = {value} is accepted: {output!r}"
                run(superdb_pool(), "info", place.path)


def test_a_second_process_is_refused_and_told_who_holds_the_pool():
    with Superdb(threads=1) as server:
        server.start()
        link = server.pool + ".link"
        os.symlink(server.pool, link)
        pid = str(server.process.pid)
        for path in (server.pool, link):
            for status, output in (run_server(path), run(superdb_pool(), "check", path),
                                   run(superdb_pool(), "resize", path, "512mb")):
                text = output.decode()
                assert status != 0 and pid in text, f"{status}: process {pid} is not named:\n{text}"
        with server.connect() as connection:
            assert connection.command("SET", "k", "v") == b"+OK\r\n"
        server.kill()
        server.start()  # the lock ends with its holder
        with server.connect() as connection:
            assert connection.command("GET", "k") == b"$1\r\nv\r\n"


def as_nobody(place, *command):
    """Runs a copy of the program as a user without rights: the build directory may be closed to that user."""
    os.chmod(place.directory, 0o755)
    program = os.path.join(place.directory, os.path.basename(command[0]))
    if not os.path.exists(program):
        shutil.copy(command[0], program)
        os.chmod(program, 0o755)
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    return run(*prefix, program, *command[1:], cwd=place.directory)


def test_missing_permissions_are_told():
    with workplace() as place:
        os.chmod(place.path, 0 if os.geteuid() else 0o600)
        for status, output in (as_nobody(place, superdb_pool(), "info", place.path),
                               as_nobody(place, superdb_pool(), "check", place.path),
                               as_nobody(place, superdb_server(), "--pool", place.path, "--port", "0", "--unixsocket",
                                         "/tmp/never")):
            assert status != 0 and b"ermission denied" in output and b"pool.sdb" in output, (status, output)
        if os.geteuid() == 0:  # readable, not writable: tools read it, the server says no
            os.chmod(place.path, 0o444)
            status, output = as_nobody(place, superdb_pool(), "dump", place.path)
            assert status == 0 and set(output.splitlines()) == place.good_dump, (status, output[:300])
            status, output = as_nobody(place, superdb_server(), "--pool", place.path, "--port", "0", "--unixsocket",
                                       "/tmp/never")
            assert status != 0 and b"ermission denied" in output, (status, output)
        closed = os.path.join(place.directory, "closed")
        os.mkdir(closed, 0o555)
        status, output = as_nobody(place, superdb_pool(), "create", os.path.join(closed, "new.sdb"), "--size", "16mb")
        assert status != 0 and b"ermission denied" in output, (status, output)
        assert os.listdir(closed) == []


def test_new_pools_are_private():
    with Superdb(pool_size="16mb") as server:
        server.start()
        assert stat.S_IMODE(os.stat(server.pool).st_mode) == 0o600


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, 20 << 20))


def test_a_file_size_limit_is_an_error():
    """A disk that refuses more: creation fails, says so, and leaves nothing; growing fails and loses nothing."""
    with workplace() as place:
        path = os.path.join(place.directory, "new.sdb")
        for status, output in (run(superdb_pool(), "create", path, "--size", "64mb", preexec_fn=limit_file_size),
                               run_server(path, "--pool-size", "64mb", preexec_fn=limit_file_size)):
            assert status != 0 and b"new.sdb" in output, (status, output)
            assert not os.path.exists(path), "half a pool is left"
        status, output = run(superdb_pool(), "resize", place.path, "64mb", preexec_fn=limit_file_size)
        assert status != 0 and b"pool.sdb" in output, (status, output)
        assert place.dump() == (0, place.good_dump)
        assert run(superdb_pool(), "check", place.path)[0] == 0


@contextlib.contextmanager
def small_disk(directory, size):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", directory], check=True)


def test_a_full_disk_is_an_error():
    if os.geteuid() != 0:
        print("     as root only (mounts a small tmpfs); test_a_file_size_limit_is_an_error stands in for it")
        return
    with workplace() as place:
        disk = os.path.join(place.directory, "disk")
        os.mkdir(disk)
        try:
            with small_disk(disk, "24m"):
                path = os.path.join(disk, "pool.sdb")
                for status, output in (run(superdb_pool(), "create", path, "--size", "64mb"),
                                       run_server(path, "--pool-size", "64mb")):
                    assert status != 0 and b"pool.sdb" in output and b"space" in output.lower(), (status, output)
                    assert os.listdir(disk) == [], f"left behind: {os.listdir(disk)}"
                shutil.copy(place.path, path)
                status, output = run(superdb_pool(), "resize", path, "64mb")
                assert status != 0 and b"space" in output.lower(), (status, output)
                with Superdb(pool=path, threads=1) as server:  # grown while it serves: refused, and it goes on
                    server.start()
                    with server.connect() as connection:
                        reply = connection.command("CONFIG", "SET", "pool-size", "64mb")
                        assert reply.startswith(b"-ERR"), reply
                        expect_right_values(connection, strict=True)
                        assert connection.command("SET", "i1", DATA[b"i1"]) == b"+OK\r\n"
                    assert server.terminate() == 0, server.log()
                assert run(superdb_pool(), "check", path)[0] == 0
        except subprocess.CalledProcessError as error:
            print(f"     no mounting here ({error.stderr.decode().strip()}): a file size limit stands in for it")


def test_durability_that_the_medium_cannot_give_is_refused():
    with workplace() as place:
        status, output = run_server(place.path, "--durability", "pmem")
        assert status != 0 and b"durability" in output.lower() and b"pool.sdb" in output, (status, output)
        assert place.dump() == (0, place.good_dump)


def expect_right_values(connection, strict=False):
    """Each key gives its value, or an error; strict: its value. How many gave an error."""
    keys = list(DATA)
    errors = 0
    for key, reply in zip(keys, connection.pipeline([("GET", key) for key in keys])):
        if reply[:1] == b"-":
            assert not strict, (key, reply)
            errors += 1
            continue
        value = parse(reply)
        assert value == DATA[key], f"{key!r} gives {value[:80] if value else value!r} instead of {DATA[key][:80]!r}"
    return errors


# ---- damage ----------------------------------------------------------------------------------------------------------


def seed():
    return int(os.environ.get("SUPERDB_SEED", "1"))


def heap_offset(image):
    return struct.unpack_from("<Q", image, 152)[0]


def offsets_to_damage(place, count):
    """Half of the sample from the metadata in front of the heap, half from what is in use in the heap."""
    source = random.Random(seed())
    heap = heap_offset(place.image)
    used = [offset for page in bytes_in_use().values() for offset in page if offset < heap or count == "all"]
    front = sorted(set(range(0, 512)) | set(range(4096, 4608)) | {offset for offset in used if offset < heap})
    if count == "all":
        return front + [offset for offset in used if offset >= heap and (offset - heap) % (2 << 20) < 32768]
    # The large values are nearly all of the heap: the sample is drawn from each 32 KiB page in use alike.
    pages = [page for begin, page in bytes_in_use().items() if begin >= heap]
    count = int(count)
    sample = source.sample(front, min(len(front), count // 2))
    sample += [source.choice(source.choice(pages)) for _ in range(count - len(sample))]
    source.shuffle(sample)
    return sample


def damaged_byte(image, offset, source):
    """The byte with one bit flipped, or turned over, or zeroed."""
    byte = image[offset]
    other = source.choice([byte ^ (1 << source.randrange(8)), byte ^ 0xff, 0])
    return bytes([other if other != byte else byte ^ 1])


def told_or_right(place, failures, what):
    """check and dump over a damaged pool: the damage is told, or the data is right. check's exit status."""
    try:
        status, output = run(superdb_pool(), "check", place.path)
        dump_status, lines = place.dump()
    except (AssertionError, subprocess.TimeoutExpired) as error:
        place.keep(f"{what}: {error}", failures)
        return -1
    wrong, missing = lines - place.good_dump, place.good_dump - lines
    if wrong:
        place.keep(f"{what}: dump gives wrong data: {sorted(wrong)[:2]}, check said {status} {output[-300:]!r}",
                   failures)
    elif status == 0 and (dump_status != 0 or missing):
        place.keep(f"{what}: check finds nothing, dump ends with {dump_status} and lacks {len(missing)}", failures)
    elif status != 0 and not output.strip():
        place.keep(f"{what}: exit status {status} without a word", failures)
    elif missing and dump_status == 0:
        place.keep(f"{what}: dump lacks {len(missing)} lines and does not say so; check said {output[:200]!r}",
                   failures)
    return status


def test_a_damaged_byte_is_told_or_does_no_harm():
    source = random.Random(seed())
    with workplace() as place:
        results, failures = {}, []
        for offset in offsets_to_damage(place, os.environ.get("SUPERDB_DAMAGE", "120")):
            data = damaged_byte(place.image, offset, source)
            place.write([(offset, data)])
            what = f"offset {offset}: {place.image[offset]:02x} -> {data.hex()} (heap at {heap_offset(place.image)})"
            status = told_or_right(place, failures, what)
            results[status] = results.get(status, 0) + 1
            place.put_back(offset, 1)
        place.expect_untouched()
        print(f"     {sum(results.values())} bytes: {results.get(0, 0)} harmless, {results.get(1, 0)} told by check, "
              f"{results.get(2, 0)} refused")
        assert not failures, f"{len(failures)} of {sum(results.values())}:\n" + "\n".join(failures[:10])


def test_damaged_lines_and_pages_are_told_or_do_no_harm():
    source = random.Random(seed() + 1)
    failures = []
    with workplace() as place:
        for offset in offsets_to_damage(place, 60):
            size = source.choice([8, 64, 4096])
            begin = offset // size * size
            data = source.choice([bytes(size), b"\xff" * size, source.randbytes(size)])
            place.write([(begin, data)])
            told_or_right(place, failures,
                          f"{size} bytes at {begin}: {place.image[begin:begin + 8].hex()}... -> {data[:8].hex()}...")
            place.put_back(begin, size)
        place.expect_untouched()
        assert not failures, f"{len(failures)}:\n" + "\n".join(failures[:10])


def test_a_server_on_a_damaged_pool_answers_right_or_with_an_error():
    source = random.Random(seed() + 2)
    started = errors = 0
    with workplace() as place:
        for offset in offsets_to_damage(place, 60):
            data = damaged_byte(place.image, offset, source)
            place.write([(offset, data)])
            what = f"offset {offset}: {place.image[offset]:02x} -> {data.hex()}"
            with Superdb(pool=place.path, directory=place.directory, threads=source.choice([1, 2])) as server:
                try:
                    server.start()
                except RuntimeError as refused:
                    assert server.process.returncode > 0 and "pool.sdb" in str(refused), f"{what}: {refused}"
                else:
                    started += 1
                    try:
                        with server.connect() as connection:
                            errors += expect_right_values(connection)
                            for key in (b"i5", b"short7", b"b9"):
                                assert connection.command("SET", key, DATA[key])[:1] in (b"+", b"-")
                            errors += expect_right_values(connection)
                            assert connection.command("PING") == b"+PONG\r\n"
                        assert server.terminate() == 0, server.log()
                    except Exception as error:
                        kind = type(error).__name__
                        raise AssertionError(f"{what}: {kind} {error}\n{server.log()[-1500:]}") from error
            os.remove(server.log_path)
            place.restore()
    print(f"     60 damaged pools: {started} served, {errors} GETs answered with an error")


def serve_damaged(place, changes, what):
    """Serves a damaged pool; each GET is right or an error. How many were errors."""
    place.write(changes)
    try:
        with Superdb(pool=place.path, directory=place.directory, threads=2) as server:
            server.start()
            with server.connect() as connection:
                try:
                    errors = expect_right_values(connection)
                    assert connection.command("PING") == b"+PONG\r\n"
                except Exception as error:
                    raise AssertionError(f"{what}: {type(error).__name__} {error}\n{server.log()[-1500:]}") from error
    finally:
        place.restore()
    return errors


def test_a_damaged_key_or_value_is_an_error_and_no_miss():
    """Where the bytes of keys and values lie is known: their own text tells it."""
    with workplace() as place:
        for text in (b"a key that is too long to be inline %d\0", b"a value in a blob %d "):
            changes = []
            for number in range(0, 300, 7):
                found = place.image.find(text % number)
                if found >= 0:
                    changes.append((found + number % 17, bytes([place.image[found + number % 17] ^ (1 << number % 8)])))
            assert len(changes) > 30, text
            errors = serve_damaged(place, changes, text)
            assert errors >= len(changes), f"{text}: {len(changes)} damaged, {errors} GETs gave an error"


def test_damaged_functions_are_told_and_keep_nobody_out():
    library = "#!lua name=lib\nredis.register_function('f', function() return 'a text of the function' end)"
    with workplace() as place:
        with Superdb(pool=place.path, directory=place.directory, threads=2) as server:
            server.start()
            with server.connect() as connection:
                assert connection.command("FUNCTION", "LOAD", library) == b"$3\r\nlib\r\n"
            assert server.terminate() == 0
        with open(place.path, "rb") as pool:
            place.write([(pool.read().find(b"a text of the function"), b"A")])
        with Superdb(pool=place.path, directory=place.directory, threads=2) as server:
            server.start()
            assert "The functions cannot be read" in server.log()
            with server.connect() as connection:
                for request in (("FCALL", "f", "0"), ("FUNCTION", "LIST"), ("FUNCTION", "DUMP"), ("FUNCTION", "LOAD", library)):
                    reply = connection.command(*request)
                    assert reply[:1] == b"-" and b"damaged" in reply, (request, reply)
                expect_right_values(connection, strict=True)
            assert server.terminate() == 0
        status, output = run(superdb_pool(), "check", "--repair", place.path)
        assert status == 0 and b"functions" in output, (status, output)
        with Superdb(pool=place.path, directory=place.directory, threads=2) as server:
            server.start()
            with server.connect() as connection:
                assert connection.command("FCALL", "f", "0") == b"-ERR Function not found\r\n"
                assert connection.command("FUNCTION", "LOAD", library) == b"$3\r\nlib\r\n"
                assert connection.command("FCALL", "f", "0") == b"$22\r\na text of the function\r\n"


def test_damage_in_every_page_at_once():
    """A byte in each page of the heap in use but the extents' headers: entries, index, blobs."""
    source = random.Random(seed() + 3)
    with workplace() as place:
        heap = heap_offset(place.image)
        pages = [page for begin, page in bytes_in_use().items() if begin >= heap and (begin - heap) % (2 << 20)]
        total = 0
        for number in range(15):
            changes = []
            for page in pages:
                offset = source.choice(page)
                changes.append((offset, damaged_byte(place.image, offset, source)))
            total += serve_damaged(place, changes, f"round {number}: {changes}")
        print(f"     {15 * len(pages)} bytes damaged, {total} GETs answered with an error")
        assert total > 0


def test_a_pool_that_is_shrunk_under_the_server_costs_keys_not_the_process():
    with workplace() as place:
        with Superdb(pool=place.path, directory=place.directory, threads=2) as server:
            server.start()
            with server.connect() as connection:
                expect_right_values(connection, strict=True)
                os.truncate(place.path, len(place.image) // 2)
                expect_right_values(connection)
                for key in list(DATA)[:200]:
                    assert connection.command("SET", key, DATA[key])[:1] in (b"+", b"-")
                assert connection.command("PING") == b"+PONG\r\n"
            assert server.alive(), server.log()
            server.terminate()
            assert server.process.returncode >= 0, server.log()
        status, output = run(superdb_pool(), "info", place.path)
        assert status != 0, output


if __name__ == "__main__":
    run_tests(globals())
