# SPDX-License-Identifier: BSD-3-Clause
"""
clients_elements.py - what RESP connections do to shared collections, and their replies as the model has them

Fields and members are few, so that connections meet on them; some values are long enough for a tree, so that collections are packed
at times and trees at others.
"""
from harness import parse
from elements import Elements
from verdict import Group

COLLECTIONS = (("hash",), ("list",), ("list", "list"), ("set", "set"), ("zset",), ("hash", "list", "set", "zset"))
SIZES = (0, 0, 10, 70, 700)
WORDS = {"left": (b"LPUSH", b"LPOP"), "right": (b"RPUSH", b"RPOP")}
LONG = b" and a name that is too long for a packed collection, which therefore becomes a tree"


class Collections(Group):
    """Keys of the types that are named. Commands concern one key, or two of the same type; transactions any of them."""

    def __init__(self, number, types, transaction):
        super().__init__(f"group {number}: {' '.join(types)}", Elements(len(types)))
        self.types = types
        self.transaction = transaction
        self.names = [b"e%d:%d" % (number, place) for place in range(len(types))]

    def command(self, source, tag):
        return self.transaction(source, tag, self.one) if source.random() < 0.12 else self.one(source, tag)

    def one(self, source, tag):
        key = source.randrange(len(self.types))
        kind = self.types[key]
        others = [place for place, other in enumerate(self.types) if other == kind and place != key]
        choice = source.random()
        if choice < 0.03:
            return [b"DEL", self.names[key]], ("delete", key)
        if others and choice < 0.18:
            return self.two(source, kind, key, source.choice(others))
        return getattr(self, f"on_{kind}")(source, tag, key, self.names[key])

    def two(self, source, kind, key, other):
        name, new = self.names[key], self.names[other]
        if kind == "list" and source.random() < 0.6:
            return [b"LMOVE", name, new, b"LEFT", b"RIGHT"], ("lmove", key, other)
        if kind == "set" and source.random() < 0.6:
            member = self.member(source)
            return [b"SMOVE", name, new, member], ("smove", key, other, member)
        return source.choice([([b"RENAMENX", name, new], ("renamenx", key, other)),
                              ([b"COPY", name, new, b"REPLACE"], ("copy", key, other, True))])

    @staticmethod
    def member(source):
        number = source.randrange(8)
        return b"m%d" % number + (LONG if number == 7 else b"")

    def on_hash(self, source, tag, key, name):
        field, value = b"f%d" % source.randrange(4), tag + b"." * source.choice(SIZES)
        counter = b"n%d" % source.randrange(2)
        return source.choice([
            ([b"HSET", name, field, value], ("hset", key, field, value)),
            ([b"HSET", name, field, value], ("hset", key, field, value)),
            ([b"HSETNX", name, field, value], ("hsetnx", key, field, value)),
            ([b"HINCRBY", name, counter, b"3"], ("hincrby", key, counter, 3)),
            ([b"HDEL", name, field], ("hdel", key, field)),
            ([b"HDEL", name, counter], ("hdel", key, counter)),
            ([b"HGET", name, field], ("hget", key, field)),
            ([b"HGET", name, counter], ("hget", key, counter)),
            ([b"HGETALL", name], ("hgetall", key)),
        ])

    def on_list(self, source, tag, key, name):
        end = source.choice(("left", "right"))
        choice = source.random()
        if choice < 0.4:
            element = tag + b"." * source.choice(SIZES)
            return [WORDS[end][0], name, element], ("push", key, end, element)
        if choice < 0.8:
            return [WORDS[end][1], name], ("pop", key, end)
        return [b"LRANGE", name, b"0", b"-1"], ("lrange", key)

    def on_set(self, source, _, key, name):
        member = self.member(source)
        return source.choice([
            ([b"SADD", name, member], ("sadd", key, member)),
            ([b"SADD", name, member], ("sadd", key, member)),
            ([b"SREM", name, member], ("srem", key, member)),
            ([b"SREM", name, member], ("srem", key, member)),
            ([b"SISMEMBER", name, member], ("sismember", key, member)),
            ([b"SMEMBERS", name], ("smembers", key)),
        ])

    def on_zset(self, source, _, key, name):
        member, score = self.member(source), source.randrange(-20, 20)
        return source.choice([
            ([b"ZADD", name, b"%d" % score, member], ("zadd", key, member, score)),
            ([b"ZINCRBY", name, b"3", member], ("zincrby", key, member, 3)),
            ([b"ZINCRBY", name, b"3", member], ("zincrby", key, member, 3)),
            ([b"ZREM", name, member], ("zrem", key, member)),
            ([b"ZPOPMIN", name], ("zpopmin", key)),
            ([b"ZSCORE", name, member], ("zscore", key, member)),
            ([b"ZRANGE", name, b"0", b"-1", b"WITHSCORES"], ("zrange", key)),
        ])

    def reading(self):
        whole = {"hash": ([b"HGETALL"], "hgetall"), "list": ([b"LRANGE", b"0", b"-1"], "lrange"), "set": ([b"SMEMBERS"], "smembers"),
                 "zset": ([b"ZRANGE", b"0", b"-1", b"WITHSCORES"], "zrange")}
        for key, (kind, name) in enumerate(zip(self.types, self.names)):
            words, action = whole[kind]
            yield 0, [words[0], name, *words[1:]], (action, key)


def pairs(words):
    return list(zip(words[::2], words[1::2]))


CONVERT = {
    "hgetall": lambda value: tuple(sorted(pairs(value))),
    "smembers": lambda value: tuple(sorted(value)),
    "zrange": lambda value: tuple((int(score), member) for member, score in pairs(value)),
    "zpopmin": lambda value: (int(value[1]), value[0]) if value else None,
    "zincrby": int,
    "zscore": lambda value: None if value is None else int(value),
}


def converts(data, action):
    """Whether a reply is one of those that the model says in another form."""
    return action[0] in CONVERT and data[:1] != b"-"


def convert(data, action):
    return CONVERT[action[0]](parse(data))
