# SPDX-License-Identifier: BSD-3-Clause
"""
test_differential_fixed.py - fixed commands, SuperDB's replies against redis-server's, byte for byte, in RESP2 and RESP3

The cases are the lines of cases/*.txt. A line is a command in redis-cli's quoting; `== name` begins a group, which runs
on empty databases and new connections. In a word outside quotes {ab*100} stands for a repetition, {now+5} for the time
in seconds and {ms-5} in milliseconds. A mark before the command says how the replies are compared:

    (none)  byte for byte
    ~       elements of an array (or pairs of a map) in any order
    %       integers may differ by 2 (seconds; 2000 where they are milliseconds)
    ?       the kind of reply only: its first byte
    @       what is told of a stream: times may differ a little (stream_replies.py)

    test_differential_fixed.py [GROUP ...]      runs these groups only
"""
import glob
import itertools
import os
import re
import sys
import time

import differences
import stream_replies
from harness import DEADLINE, ROOT, Closed, Failures, Map, both, encode, parse

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")
WORD = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(\S+))')
EXPANSION = re.compile(r"\{(?:(now|ms)([+-]\d+)|([^*{}]+)\*(\d+))\}")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b"}


def unquote(text):
    def one(match):
        if match.group(1):
            return chr(int(match.group(1), 16))
        return ESCAPES.get(match.group(2), match.group(2))
    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|(.))", one, text).encode("latin-1")


def expand(word, now):
    def one(match):
        if match.group(1):
            base = int(now) if match.group(1) == "now" else int(now * 1000)
            return str(base + int(match.group(2)))
        return match.group(3) * int(match.group(4))
    return EXPANSION.sub(one, word).encode("latin-1")


def words(line, now):
    return [unquote(match.group(1)) if match.group(1) is not None else expand(match.group(2), now)
            for match in WORD.finditer(line)]


def read_groups():
    """(name, [(mode, line or list of bytes)])"""
    groups = []
    for path in sorted(glob.glob(os.path.join(CASES, "*.txt"))):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                if line.startswith("== "):
                    groups.append((os.path.basename(path)[:-4] + "/" + line[3:], []))
                elif line[:2] in ("~ ", "% ", "? ", "@ "):
                    groups[-1][1].append((line[0], line[2:]))
                else:
                    groups[-1][1].append(("=", line))
    return groups


# ---- generated groups ------------------------------------------------------------------------------------------------


def set_combinations():
    """Every pair and triple of SET's options, on an absent key, a present one and one with a time to live."""
    options = [["NX"], ["XX"], ["GET"], ["KEEPTTL"], ["EX", "100"], ["PX", "100000"], ["EXAT", "4000000000"],
               ["PXAT", "4000000000000"], ["EX", "0"], ["PX", "-1"], ["EXAT", "1"]]
    cases = []
    for count in (1, 2, 3):
        for chosen in itertools.permutations(options, count) if count < 3 else itertools.combinations(options, count):
            flat = sum(chosen, [])
            for prepare in (["DEL", "k"], ["SET", "k", "old"], ["SET", "k", "old", "EXAT", "3000000000"]):
                cases.append(("=", prepare))
                cases.append(("=", ["SET", "k", "new", *flat]))
                cases.append(("=", ["GET", "k"]))
                cases.append(("%", ["PTTL", "k"]))
    return "generated/set_combinations", cases


def expire_combinations():
    """Every family of EXPIRE with every pair of conditions, over the states that a key can be in."""
    conditions = [[], ["NX"], ["XX"], ["GT"], ["LT"]]
    conditions += [list(pair) for pair in itertools.permutations(["NX", "XX", "GT", "LT"], 2)]
    times = {"EXPIRE": ["100", "1000", "-1", "0"], "PEXPIRE": ["100000", "1000000", "-1"],
             "EXPIREAT": ["3000000000", "3000000001", "1"], "PEXPIREAT": ["3000000000000", "3000000000001", "1"]}
    cases = []
    for command, values in times.items():
        for value in values:
            for condition in conditions:
                for prepare in (["DEL", "k"], ["SET", "k", "v"], ["SET", "k", "v", "EXAT", "3000000000"],
                                ["SET", "k", "v", "EX", "500"]):
                    cases.append(("=", prepare))
                    cases.append(("=", [command, "k", value, *condition]))
                    cases.append(("%", ["PTTL", "k"]))
    return "generated/expire_combinations", cases


def getex_combinations():
    options = [["EX", "100"], ["PX", "100000"], ["EXAT", "3000000000"], ["PXAT", "3000000000000"], ["PERSIST"],
               ["EX", "-5"],
               ["EX", "x"], ["PXAT", "5"], ["NX"]]
    cases = []
    for count in (0, 1, 2):
        for chosen in itertools.permutations(options, count):
            for prepare in (["DEL", "k"], ["SET", "k", "v"], ["SET", "k", "v", "EX", "500"]):
                cases += [("=", prepare), ("=", ["GETEX", "k", *sum(chosen, [])]), ("%", ["PTTL", "k"])]
    return "generated/getex_combinations", cases


COMMANDS = """SET GET GETDEL GETEX GETSET SETNX SETEX PSETEX MGET MSET MSETNX APPEND STRLEN GETRANGE SUBSTR SETRANGE
    INCR INCRBY INCRBYFLOAT DECR DECRBY LCS SETBIT GETBIT BITCOUNT BITPOS BITOP BITFIELD BITFIELD_RO DEL UNLINK EXISTS
    TYPE EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME PERSIST RENAME RENAMENX COPY MOVE SWAPDB KEYS
    SCAN RANDOMKEY TOUCH OBJECT PING ECHO SELECT HELLO AUTH CLIENT COMMAND CONFIG INFO DBSIZE FLUSHDB FLUSHALL TIME
    LASTSAVE SLOWLOG LATENCY MEMORY QUIT RESET DEBUG MULTI EXEC DISCARD WATCH UNWATCH SUBSCRIBE UNSUBSCRIBE
    SADD SCARD SDIFF SDIFFSTORE SINTER SINTERCARD SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SPOP SRANDMEMBER SREM SSCAN SUNION
    SUNIONSTORE
    PFADD PFCOUNT PFDEBUG PFMERGE PFSELFTEST DUMP RESTORE
    PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE PUBLISH SPUBLISH PUBSUB SHUTDOWN HDEL HEXISTS HGET HGETALL HINCRBY
    HINCRBYFLOAT HKEYS HLEN HMGET HMSET HRANDFIELD HSCAN HSET HSETNX HSTRLEN HVALS EVAL EVALSHA EVAL_RO EVALSHA_RO
    SCRIPT FUNCTION FCALL FCALL_RO BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH LINDEX LINSERT LLEN LMOVE LMPOP LPOP LPOS LPUSH LPUSHX
    LRANGE LREM LSET LTRIM RPOP RPOPLPUSH RPUSH RPUSHX GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER
    GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE BZMPOP BZPOPMAX BZPOPMIN ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER
    ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE
    ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN
    ZSCORE ZUNION ZUNIONSTORE XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XINFO XLEN XPENDING XRANGE XREAD XREADGROUP XREVRANGE XSETID
    XTRIM ASKING CLUSTER MODULE READONLY READWRITE REPLICAOF SLAVEOF SAVE BGSAVE BGREWRITEAOF""".split()
SUBCOMMANDS = {
    "OBJECT": "ENCODING FREQ HELP IDLETIME REFCOUNT",
    "CLIENT": "CACHING GETNAME GETREDIR HELP ID INFO KILL LIST NO-EVICT PAUSE REPLY SETNAME TRACKINGINFO UNBLOCK "
              "UNPAUSE",
    "COMMAND": "COUNT DOCS GETKEYS GETKEYSANDFLAGS HELP INFO LIST",
    "CONFIG": "GET HELP RESETSTAT REWRITE SET",
    "SLOWLOG": "GET HELP LEN RESET",
    "LATENCY": "DOCTOR HELP HISTOGRAM HISTORY LATEST RESET",
    "PUBSUB": "CHANNELS HELP NUMPAT NUMSUB SHARDCHANNELS SHARDNUMSUB",
    "FUNCTION": "DELETE DUMP FLUSH HELP KILL LIST LOAD RESTORE STATS",
    "SCRIPT": "DEBUG EXISTS FLUSH HELP KILL LOAD",
    "CLUSTER": "ADDSLOTS ADDSLOTSRANGE BUMPEPOCH COUNT-FAILURE-REPORTS COUNTKEYSINSLOT DELSLOTS DELSLOTSRANGE FAILOVER FLUSHSLOTS "
               "FORGET GETKEYSINSLOT HELP INFO KEYSLOT LINKS MEET MYID NODES REPLICAS REPLICATE RESET SAVECONFIG SET-CONFIG-EPOCH "
               "SETSLOT SHARDS SLAVES SLOTS",
    "MODULE": "HELP LIST LOAD LOADEX UNLOAD",
    "XGROUP": "CREATE CREATECONSUMER DELCONSUMER DESTROY HELP SETID",
    "XINFO": "CONSUMERS GROUPS HELP STREAM",
    "MEMORY": "DOCTOR HELP PURGE STATS USAGE",
}


def wrong_arity():
    """Each command with too few and too many words: only what is an arity error at the judge is compared."""
    cases = []
    for name in COMMANDS:
        for count in range(0, 7):
            cases.append(("arity", [name] + ["1"] * count))
    for name, subcommands in SUBCOMMANDS.items():
        for subcommand in subcommands.split():
            for count in range(0, 6):
                cases.append(("arity", [name, subcommand] + ["1"] * count))
    return "generated/wrong_arity", cases


def command_information():
    """COMMAND INFO of each command that both servers have."""
    cases = [("command", ["COMMAND", "INFO", name]) for name in COMMANDS]
    for name, subcommands in SUBCOMMANDS.items():
        cases += [("command", ["COMMAND", "INFO", f"{name}|{subcommand}".lower()])
                  for subcommand in subcommands.split()]
    return "generated/command_information", cases


def scan_all():
    """SCAN and KEYS over a thousand keys: each key at least once, with COUNT, MATCH and TYPE."""
    cases = [("=", ["MSET", *sum(([f"key:{i}", str(i)] for i in range(1000)), [])])]
    for options in ([], ["COUNT", "1"], ["COUNT", "7"], ["COUNT", "100"], ["COUNT", "5000"], ["MATCH", "key:1*"],
                    ["MATCH", "key:?5", "COUNT", "50"], ["TYPE", "string"], ["TYPE", "list"],
                    ["match", "nothing", "type", "STRING"],
                    ["COUNT", "9223372036854775807"]):
        cases.append(("scan", ["SCAN", "0", *options]))
    return "generated/scan_all", cases


ABSENT = re.compile(r"^- \*\*`([A-Z -]+)`\*\*", re.MULTILINE)


def absent_commands(failures, servers):
    """docs/COMMANDS.md names each command of Redis that is not here, and no other."""
    ours, theirs = ({name.upper().replace(b"|", b" ").decode() for name in server.connect().call("COMMAND", "LIST")}
                    for server in servers)
    with open(os.path.join(ROOT, "docs", "COMMANDS.md"), encoding="utf-8") as document:
        named = set(ABSENT.findall(document.read().split("## Commands of Redis 7.0 that are not here")[1]))
    failures.check(named == theirs - ours, "commands of Redis that are absent", f"not named {sorted(theirs - ours - named)}",
                   f"named and there {sorted(named - (theirs - ours))}")


# ---- comparing -------------------------------------------------------------------------------------------------------


def any_order(value):
    if isinstance(value, Map):
        return sorted(repr(pair) for pair in value)
    if isinstance(value, list):
        return sorted(repr(item) for item in value)
    return value


def pairs_any_order(words_, value):
    """CONFIG GET in RESP2 is a flat list of pairs."""
    if isinstance(value, list) and words_[0].upper() == b"CONFIG":
        return sorted(zip(value[0::2], value[1::2]))
    return any_order(value)


def command_row(value):
    """A row of COMMAND INFO: flags, categories and hints as sets, key specifications left out."""
    def row(item):
        if item is None:
            return None
        name, arity, flags, first, last, step, categories, hints = item[:8]
        subcommands = sorted(name_of[0] for name_of in item[9]) if len(item) > 9 else []
        return name, arity, sorted(flags), first, last, step, sorted(categories), sorted(hints), subcommands
    return [row(item) for item in value]


def close_numbers(words_, ours, theirs):
    if not isinstance(ours, int) or not isinstance(theirs, int) or (ours < 0) != (theirs < 0):
        return ours == theirs
    return abs(ours - theirs) <= (2000 if words_[0][:1].upper() == b"P" else 2)


def scan_keys(connection, words_):
    """All keys that a whole iteration yields."""
    keys = set()
    cursor = b"0"
    for _ in range(100000):
        reply = connection.call(words_[0], cursor, *words_[2:])
        cursor = reply[0]
        keys.update(reply[1])
        if cursor == b"0":
            return keys
    raise AssertionError("the iteration does not end")


def same(mode, words_, ours, theirs):
    if ours == theirs:
        return True
    if not ours or not theirs or ours[:1] != theirs[:1]:
        return False
    if mode == "=":
        return False
    if mode == "?":
        return ours[:1] == theirs[:1]
    if ours[:1] == b"-":
        return False
    ours, theirs = parse(ours), parse(theirs)
    if mode == "~":
        return pairs_any_order(words_, ours) == pairs_any_order(words_, theirs)
    if mode == "%":
        return close_numbers(words_, ours, theirs)
    if mode == "@":
        return stream_replies.same(ours, theirs)
    if mode == "command":
        return command_row(ours) == command_row(theirs)
    raise ValueError(mode)


class Pair:
    """A connection to each server, replaced when a server closes it."""

    def __init__(self, servers, protocol):
        self.servers = servers
        self.protocol = protocol
        self.connections = [server.connect(protocol) for server in servers]

    def command(self, words_):
        """Both replies; b'' where the connection was closed instead."""
        replies = []
        request = encode(*words_)
        for connection in self.connections:
            try:
                connection.send(request)
            except OSError:
                pass
        for index, connection in enumerate(self.connections):
            try:
                replies.append(connection.read())
            except (Closed, OSError, TimeoutError) as error:
                replies.append(b"" if isinstance(error, Closed) else repr(error).encode())
        if words_[0].upper() in (b"QUIT", b"RESET", b"HELLO", b"SHUTDOWN") or b"" in replies:
            self.refresh(words_)
        return replies

    def refresh(self, words_):
        """Where the command may have changed the protocol or closed the connection: back to the group's protocol."""
        if words_[0].upper() in (b"RESET", b"HELLO"):
            for connection in self.connections:
                connection.command("HELLO", str(self.protocol))
            return
        self.close()
        self.connections = [server.connect(self.protocol) for server in self.servers]

    def begin(self):
        """Empty databases, and no other client: a server may not have seen yet that the group before has gone."""
        for connection in self.connections:
            connection.call("FLUSHALL")
            deadline = time.monotonic() + DEADLINE
            while connection.call("CLIENT", "LIST").count(b"\n") != 1:
                assert time.monotonic() < deadline, connection.call("CLIENT", "LIST")

    def close(self):
        for connection in self.connections:
            connection.close()


def as_words(line):
    if isinstance(line, str):
        return words(line, time.time())
    return [word.encode() if isinstance(word, str) else word for word in line]


def short(data, limit=600):
    return repr(data) if len(data) <= limit else repr(data[:limit]) + f"... {len(data)} bytes"


def run_case(failures, pair, group, mode, line):
    words_ = as_words(line)
    if mode == "arity" and words_[0].upper() in (b"SHUTDOWN", b"DEBUG") and words_ != [b"DEBUG"]:
        return  # these would be carried out
    if mode == "arity" and words_[0].upper() in (b"REPLICAOF", b"SLAVEOF") and len(words_) == 3:
        return  # and make the judge a replica
    label = f"[{group} RESP{pair.protocol}] " + " ".join(short(word, 80)[1:] for word in words_[:30])
    if mode == "scan":
        ours, theirs = (scan_keys(connection, words_) for connection in pair.connections)
        failures.check(ours == theirs, label, f"missing {sorted(theirs - ours)[:20]}",
                       f"too many {sorted(ours - theirs)[:20]}")
        return
    try:
        ours, theirs = pair.command(words_)
    except (OSError, Closed) as error:
        raise AssertionError(f"a server is gone after {label}: {error!r}") from error
    if mode == "arity":
        if b"wrong number of arguments" not in theirs and b"unknown subcommand" not in theirs:
            return
        mode = "="
    if differences.reason(words_):
        mode = "?"
    failures.check(same(mode, words_, ours, theirs), label, f"superdb {short(ours)}", f"redis   {short(theirs)}")


def main():
    wanted = sys.argv[1:]
    groups = read_groups() + [set_combinations(), expire_combinations(), getex_combinations(), wrong_arity(),
                              command_information(), scan_all()]
    failures = Failures()
    with both() as servers:
        if not wanted:
            absent_commands(failures, servers)
        for protocol in (2, 3):
            for name, cases in groups:
                if wanted and not any(part in name for part in wanted):
                    continue
                pair = Pair(servers, protocol)
                pair.begin()
                for mode, line in cases:
                    run_case(failures, pair, name, mode, line)
                pair.close()
    failures.finish("fixed cases")


if __name__ == "__main__":
    main()
