# SPDX-License-Identifier: BSD-3-Clause
"""
killing_types.py - killing.py with every type: lists, sets, hashes, sorted sets, streams with groups, HyperLogLogs

A unit is ten keys of one connection, of all types. Most commands change one or two of them; MULTI/EXEC and scripts change several at once.
Each command's reply is known beforehand, and behind a kill all ten keys are as after one and the same command: what EXEC or a script
did is there as a whole, or not at all. The kill falls into a volley: all connections send 400 commands at the same time.
"""
from harness import Error
from killing import FAR, WRITERS, Killing, Unit, Writer, bulk

LIST, SETS, HASHES, SCORES, STREAM, LOGS, TEXT = b"list", (b"set:a", b"set:b"), (b"hash:a", b"hash:b"), b"zset", b"stream", \
    (b"log:a", b"log:b"), b"text"
NAMES = [LIST, *SETS, *HASHES, SCORES, STREAM, *LOGS, TEXT]
GROUPS = (b"g1", b"g2")
LOG_MAX = 200  # elements of a HyperLogLog, counted in order

SCRIPT = (b"redis.call('rpush',KEYS[1],ARGV[1]) redis.call('sadd',KEYS[2],ARGV[1]) redis.call('hset',KEYS[3],'script',ARGV[1]) "
          b"redis.call('zadd',KEYS[4],ARGV[2],'script') redis.call('set',KEYS[5],ARGV[1]) "
          b"redis.call('xadd',KEYS[6],ARGV[3],'f',ARGV[1]) return redis.call('llen',KEYS[1])")


def number(value):
    return b":%d\r\n" % value


def array(replies):
    return b"*%d\r\n%s" % (len(replies), b"".join(replies))


def stamp_of(index):
    return b"%d-1" % index


def index_of(stamp):
    return int(stamp.split(b"-")[0])


def padding(source):
    """What makes an element small, or large enough for a tree."""
    return b"v" * source.choice([0, 0, 0, 5, 20, 90, 600])


def shown_stream(replies):
    entries, info, groups, *pending = replies
    if isinstance(info, Error):
        return None
    told = []
    for group in groups:
        fields = dict(zip(group[::2], group[1::2]))
        rows = pending[GROUPS.index(fields[b"name"])]
        told.append((fields[b"name"], index_of(fields[b"last-delivered-id"]), tuple((index_of(row[0]), row[1], row[3]) for row in rows)))
    return (tuple((index_of(stamp), words[1]) for stamp, words in entries),
            index_of(dict(zip(info[::2], info[1::2]))[b"last-generated-id"]), tuple(sorted(told)))


class Stream:
    """Entries by number (the id is NUMBER-1), and for each group where it is and what is pending: {number: [consumer, deliveries]}."""

    def __init__(self, state=None):
        entries, self.last, groups = state or ((), 0, ())
        self.entries = dict(entries)
        self.groups = {name: (at, {index: [consumer, count] for index, consumer, count in pending}) for name, at, pending in groups}

    def state(self):
        return (tuple(self.entries.items()), self.last,
                tuple((name, at, tuple((index, *pending[index]) for index in sorted(pending)))
                      for name, (at, pending) in sorted(self.groups.items())))

    def shown(self, index):
        return array([bulk(stamp_of(index)), array([bulk(b"f"), bulk(self.entries[index])])])


class Mixed(Unit):
    """Ten keys. A state is (value, time to live) or None for each; values are tuples in the order in which they are shown."""

    elements, counts = [], {}  # of a HyperLogLog, each of which changes what PFCOUNT says; and which count stands for how many

    def __init__(self, prefix):
        super().__init__([prefix + name for name in NAMES])
        self.prefix = prefix

    def command(self, source, number_of_writer):
        self.version += 1
        model = dict(zip(NAMES, self.last()))
        stamp = b"%d.%d." % (number_of_writer, self.version)
        choice = source.random()
        if choice < 0.12:
            steps = [self.step(model, source, stamp + b"%d" % i) for i in range(source.randint(2, 6))]
            words = [[b"MULTI"], *(step[0] for step in steps), [b"EXEC"]]
            reply = b"+OK\r\n" + b"+QUEUED\r\n" * len(steps) + array([step[1] for step in steps])
        elif choice < 0.2:
            words, reply = self.script(model, source, stamp)
        else:
            words, reply = self.step(model, source, stamp)
        return words, tuple(model[name] for name in NAMES), reply

    def key(self, name):
        return self.prefix + name

    @staticmethod
    def value(model, name, empty=()):
        return model[name][0] if model[name] else empty

    @staticmethod
    def put(model, name, value):
        """A key keeps its time to live, but ends with its last element."""
        model[name] = (value, model[name][1] if model[name] else -1) if value or name == STREAM else None

    def step(self, model, source, stamp):
        """Does to the model what a command does. The command's words, and its reply."""
        kinds = [self.list, self.set, self.set, self.hash, self.hash, self.zset, self.zset, self.stream, self.stream, self.log,
                 self.any_type]
        return source.choice(kinds)(model, source, stamp)

    def list(self, model, source, stamp):
        elements = list(self.value(model, LIST))
        choice = source.random()
        if len(elements) > 200:
            self.put(model, LIST, tuple(elements[20:]))
            return [b"LTRIM", self.key(LIST), b"20", b"-1"], b"+OK\r\n"
        if choice < 0.6 or not elements:
            new = [stamp + b"%d%s" % (i, padding(source)) for i in range(source.choice([1, 1, 5, 20]))]
            self.put(model, LIST, tuple(new[::-1] + elements if choice < 0.3 else elements + new))
            return [b"LPUSH" if choice < 0.3 else b"RPUSH", self.key(LIST), *new], number(len(elements) + len(new))
        count = source.choice([1, 1, 3, 20])
        self.put(model, LIST, tuple(elements[count:]))
        return [b"LPOP", self.key(LIST), b"%d" % count], array([bulk(one) for one in elements[:count]])

    def set(self, model, source, stamp):
        here, there = SETS if source.random() < 0.5 else SETS[::-1]
        members = set(self.value(model, here))
        choice = source.random()
        if choice < 0.5 or not members:
            new = {b"%d" % source.randrange(500) if source.random() < 0.6 else stamp + b"%d%s" % (i, padding(source))
                   for i in range(source.choice([1, 1, 5, 30]))}
            self.put(model, here, tuple(sorted(members | new)))
            return [b"SADD", self.key(here), *sorted(new)], number(len(new - members))
        if choice < 0.75:
            gone = set(source.sample(sorted(members), min(len(members), source.choice([1, 1, 3, 30]))))
            self.put(model, here, tuple(sorted(members - gone)))
            return [b"SREM", self.key(here), b"nothing", *sorted(gone)], number(len(gone))
        others = set(self.value(model, there))
        if choice < 0.95:
            member = source.choice(sorted(members))
            self.put(model, here, tuple(sorted(members - {member})))
            self.put(model, there, tuple(sorted(others | {member})))
            return [b"SMOVE", self.key(here), self.key(there), member], number(1)
        result = members - others
        model[there] = (tuple(sorted(result)), -1) if result else None
        return [b"SDIFFSTORE", self.key(there), self.key(here), self.key(there)], number(len(result))

    def hash(self, model, source, stamp):
        here, there = HASHES if source.random() < 0.5 else HASHES[::-1]
        fields = dict(self.value(model, here))
        before = len(fields)
        choice = source.random()
        if choice < 0.55 or not fields:
            new = {b"f%d" % source.randrange(80): stamp + padding(source) for _ in range(source.choice([1, 1, 5, 20]))}
            fields.update(new)
            self.put(model, here, tuple(sorted(fields.items())))
            return [b"HSET", self.key(here), *(word for pair in new.items() for word in pair)], number(len(fields) - before)
        if choice < 0.75:
            name = b"n%d" % source.randrange(5)
            fields[name] = b"%d" % (int(fields.get(name, b"0")) + 7)
            self.put(model, here, tuple(sorted(fields.items())))
            return [b"HINCRBY", self.key(here), name, b"7"], number(int(fields[name]))
        if choice < 0.97:
            gone = source.sample(sorted(fields), min(before, source.choice([1, 1, 3, 30])))
            self.put(model, here, tuple(sorted((name, value) for name, value in fields.items() if name not in gone)))
            return [b"HDEL", self.key(here), b"nothing", *gone], number(len(gone))
        model[there], model[here] = model[here], None
        return [b"RENAME", self.key(here), self.key(there)], b"+OK\r\n"

    def put_scores(self, model, scores):
        self.put(model, SCORES, tuple(sorted(scores.items(), key=lambda one: (one[1], one[0]))))

    def zset(self, model, source, stamp):
        scores = dict(self.value(model, SCORES))
        before = len(scores)
        choice = source.random()
        if choice < 0.5 or not scores:
            new = {b"m%d" % source.randrange(150) if source.random() < 0.7 else stamp + b"%d%s" % (i, padding(source)):
                   source.randrange(-1000, 1000) for i in range(source.choice([1, 1, 5, 20]))}
            scores.update(new)
            self.put_scores(model, scores)
            return [b"ZADD", self.key(SCORES), *(word for member, score in new.items() for word in (b"%d" % score, member))], \
                number(len(scores) - before)
        if choice < 0.65:
            member = source.choice(sorted(scores))
            scores[member] += 11
            self.put_scores(model, scores)
            return [b"ZINCRBY", self.key(SCORES), b"11", member], bulk(b"%d" % scores[member])
        if choice < 0.8:
            member, score = self.value(model, SCORES)[0]
            self.put(model, SCORES, self.value(model, SCORES)[1:])
            return [b"ZPOPMIN", self.key(SCORES)], array([bulk(member), bulk(b"%d" % score)])
        low = source.randrange(-1000, 1000)
        kept = {member: score for member, score in scores.items() if not low <= score <= low + 80}
        self.put_scores(model, kept)
        return [b"ZREMRANGEBYSCORE", self.key(SCORES), b"%d" % low, b"%d" % (low + 80)], number(before - len(kept))

    def stream(self, model, source, stamp):
        stream = Stream(self.value(model, STREAM, None))
        words, reply = self.change_stream(stream, source, stamp, model[STREAM] is not None)
        self.put(model, STREAM, stream.state())
        return words, reply

    def change_stream(self, stream, source, stamp, is_there):
        key = self.key(STREAM)
        choice = source.random()
        if choice < 0.4 or not is_there:
            stream.last += source.choice([1, 1, 7])
            stream.entries[stream.last] = stamp + padding(source)
            words = [b"XADD", key, stamp_of(stream.last), b"f", stream.entries[stream.last]]
            if len(stream.entries) > 120:
                words[2:2] = [b"MAXLEN", b"40"]
                stream.entries = dict(list(stream.entries.items())[-40:])
            return words, bulk(stamp_of(stream.last))
        if choice < 0.5:
            gone = source.sample(sorted(stream.entries), min(len(stream.entries), source.choice([1, 5])))
            for index in gone:
                del stream.entries[index]
            return [b"XDEL", key, stamp_of(stream.last + 1), *map(stamp_of, gone)], number(len(gone))
        group = source.choice(GROUPS)
        if group not in stream.groups:
            stream.groups[group] = (0, {})
            return [b"XGROUP", b"CREATE", key, group, b"0"], b"+OK\r\n"
        return self.change_group(stream, source, group)

    def change_group(self, stream, source, group):
        key = self.key(STREAM)
        at, pending = stream.groups[group]
        consumer = source.choice([b"ann", b"bob"])
        choice = source.random()
        if choice < 0.55:
            new = [index for index in stream.entries if index > at][:10]
            pending.update({index: [consumer, 1] for index in new})
            stream.groups[group] = (new[-1] if new else at, pending)
            words = [b"XREADGROUP", b"GROUP", group, consumer, b"COUNT", b"10", b"STREAMS", key, b">"]
            return words, array([array([bulk(key), array([stream.shown(index) for index in new])])]) if new else b"*-1\r\n"
        some = source.sample(sorted(pending), min(len(pending), 4))
        if choice < 0.8:
            for index in some:
                del pending[index]
            return [b"XACK", key, group, stamp_of(stream.last + 1), *map(stamp_of, some)], number(len(some))
        if choice < 0.97:
            claimed = [index for index in some if index in stream.entries]
            for index in some:
                if index in stream.entries:
                    pending[index][0] = consumer
                else:
                    del pending[index]  # claiming what was deleted takes it off the list
            words = [b"XCLAIM", key, group, consumer, b"0", stamp_of(stream.last + 1), *map(stamp_of, some), b"JUSTID"]
            return words, array([bulk(stamp_of(index)) for index in claimed])
        del stream.groups[group]
        return [b"XGROUP", b"DESTROY", key, group], number(1)

    def log(self, model, source, _):
        here, there = LOGS if source.random() < 0.5 else LOGS[::-1]
        count, other = self.value(model, here, (0,))[0], self.value(model, there, (0,))[0]
        if count == LOG_MAX:
            model[here] = None
            return [b"DEL", self.key(here)], number(1)
        if source.random() < 0.2 and count:
            self.put(model, there, (max(count, other),))
            return [b"PFMERGE", self.key(there), self.key(here)], b"+OK\r\n"
        end = min(count + source.choice([1, 1, 10]), LOG_MAX)
        self.put(model, here, (end,))
        return [b"PFADD", self.key(here), *self.elements[count:end]], number(1)

    def any_type(self, model, source, stamp):
        """What concerns keys of any type."""
        name = source.choice(NAMES)
        if source.random() < 0.06:
            had, model[name] = model[name] is not None, None
            return [source.choice([b"DEL", b"UNLINK"]), self.key(name)], number(had)
        if source.random() < 0.5:
            model[TEXT] = (stamp + padding(source), -1)
            return [b"SET", self.key(TEXT), model[TEXT][0]], b"+OK\r\n"
        at = FAR + self.version
        had, model[name] = model[name] is not None, (model[name][0], at) if model[name] else None
        return [b"PEXPIREAT", self.key(name), b"%d" % at], number(had)

    def script(self, model, source, stamp):
        value, score = stamp + padding(source), source.randrange(-1000, 1000)
        elements = self.value(model, LIST) + (value,)
        self.put(model, LIST, elements)
        self.put(model, SETS[0], tuple(sorted({*self.value(model, SETS[0]), value})))
        self.put(model, HASHES[0], tuple(sorted({**dict(self.value(model, HASHES[0])), b"script": value}.items())))
        self.put_scores(model, {**dict(self.value(model, SCORES)), b"script": score})
        model[TEXT] = (value, -1)
        stream = Stream(self.value(model, STREAM, None))
        stream.last += 1
        stream.entries[stream.last] = value
        self.put(model, STREAM, stream.state())
        keys = [self.key(name) for name in (LIST, SETS[0], HASHES[0], SCORES, TEXT, STREAM)]
        return [b"EVAL", SCRIPT, b"6", *keys, value, b"%d" % score, stamp_of(stream.last)], number(len(elements))

    # ---- what the server shows, as it stands in a state ----

    def shows(self, place):
        name, key = NAMES[place], self.keys[place]
        return {LIST: [[b"LRANGE", key, b"0", b"-1"]],
                SCORES: [[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]],
                TEXT: [[b"GET", key]],
                STREAM: [[b"XRANGE", key, b"-", b"+"], [b"XINFO", b"STREAM", key], [b"XINFO", b"GROUPS", key],
                         *([b"XPENDING", key, group, b"-", b"+", b"10000"] for group in GROUPS)],
                **{one: [[b"SMEMBERS", key]] for one in SETS},
                **{one: [[b"HGETALL", key]] for one in HASHES},
                **{one: [[b"PFCOUNT", key]] for one in LOGS}}[name]

    def shown(self, place, replies):
        name, reply = NAMES[place], replies[0]
        if name == STREAM:
            return shown_stream(replies)
        if not reply:
            return None
        if name == LIST:
            return tuple(reply)
        if name in SETS:
            return tuple(sorted(reply))
        if name in LOGS:
            return (self.counts.get(reply, -reply),)
        pairs = tuple(zip(reply[::2], reply[1::2]))
        if name == SCORES:
            return tuple((member, int(score)) for member, score in pairs)
        return tuple(sorted(pairs)) if name in HASHES else reply


class MixedWriter(Writer):
    """One connection and its units."""

    UNITS = 4

    def __init__(self, number_of_writer, seed):
        super().__init__(number_of_writer, f"{seed}/types")
        self.units = [Mixed(b"w%d:%d:" % (number_of_writer, i)) for i in range(self.UNITS)]


class KillingTypes(Killing):
    KILL_IN_VOLLEY = 0.03  # seconds, which 2,000 commands take at least

    def make_writers(self):
        return [MixedWriter(number_of_writer, self.seed) for number_of_writer in range(WRITERS)]

    def wait_for_the_kill(self):
        self.fire_a_volley(self.KILL_IN_VOLLEY)

    def prepare(self, connection):
        """Which elements change a HyperLogLog's count, and to what."""
        candidates = [b"element %d" % i for i in range(2 * LOG_MAX)]
        replies = connection.pipeline([words for element in candidates for words in ([b"PFADD", b"probe", element], [b"PFCOUNT", b"probe"])])
        counts = [int(reply[1:-2]) for reply in replies[1::2]]
        for element, count, before in zip(candidates, counts, [0, *counts]):
            if count > before and len(Mixed.elements) < LOG_MAX:
                Mixed.elements.append(element)
                Mixed.counts[count] = len(Mixed.elements)
        connection.command("DEL", "probe")
