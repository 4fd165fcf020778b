# SPDX-License-Identifier: BSD-3-Clause
"""
elements.py - the model of collections: what operations on a hash, a list, a set and a sorted set do, and what they reply

A key's value is a tuple: a hash's pairs by field, a list's elements, a set's members in order, a sorted set's (score, member) in order;
None where there is none. Each key is of one type for good. Names and values are bytes, scores and counters are ints; what replies say
of a whole collection goes through the model's digest.
"""
from model import KEYS, READS, Model, first, two

READS_OF_ELEMENTS = frozenset(["hget", "hgetall", "lrange", "sismember", "smembers", "zscore", "zrange"])
UNCHANGED = {"hsetnx": 0, "hdel": 0, "pop": None, "lmove": None, "sadd": 0, "srem": 0, "smove": 0, "zrem": 0, "zpopmin": None}
KEYS.update(dict.fromkeys([*READS_OF_ELEMENTS, "hset", "hsetnx", "hdel", "hincrby", "push", "pop", "sadd", "srem", "zadd", "zincrby",
                           "zrem", "zpopmin"], first))
KEYS.update(lmove=two, smove=two)


class Elements(Model):
    def only_reads(self, action):
        return action[0] in READS or action[0] in READS_OF_ELEMENTS

    def is_read(self, action, reply):
        name = action[0]
        if name in READS_OF_ELEMENTS or name in UNCHANGED and reply == UNCHANGED[name]:
            return True
        return super().is_read(action, reply)

    @staticmethod
    def put(values, key, elements):
        """A collection ends with its last element."""
        values[key] = tuple(elements) or None

    # ---- hashes ----

    def hset(self, values, key, field, value):
        fields = dict(values[key] or ())
        is_new = field not in fields
        fields[field] = value
        self.put(values, key, sorted(fields.items()))
        return int(is_new)

    def hsetnx(self, values, key, field, value):
        return 0 if field in dict(values[key] or ()) else self.hset(values, key, field, value)

    def hincrby(self, values, key, field, delta):
        new = int(dict(values[key] or ()).get(field, 0)) + delta
        self.hset(values, key, field, b"%d" % new)
        return new

    def hdel(self, values, key, field):
        fields = dict(values[key] or ())
        was_there = fields.pop(field, None) is not None
        self.put(values, key, sorted(fields.items()))
        return int(was_there)

    def hget(self, values, key, field):
        return dict(values[key] or ()).get(field)

    def hgetall(self, values, key):
        return self.digest(values[key] or ())

    # ---- lists ----

    def push(self, values, key, end, element):
        elements = values[key] or ()
        self.put(values, key, (element, *elements) if end == "left" else (*elements, element))
        return len(values[key])

    def pop(self, values, key, end):
        elements = values[key] or ()
        self.put(values, key, elements[1:] if end == "left" else elements[:-1])
        return None if not elements else elements[0 if end == "left" else -1]

    def lmove(self, values, key, new):
        """From the left of the one to the right of the other."""
        element = self.pop(values, key, "left")
        if element is not None:
            self.push(values, new, "right", element)
        return element

    def lrange(self, values, key):
        return self.digest(values[key] or ())

    # ---- sets ----

    def sadd(self, values, key, member):
        members = set(values[key] or ())
        self.put(values, key, sorted(members | {member}))
        return int(member not in members)

    def srem(self, values, key, member):
        members = set(values[key] or ())
        self.put(values, key, sorted(members - {member}))
        return int(member in members)

    def sismember(self, values, key, member):
        return int(member in (values[key] or ()))

    def smembers(self, values, key):
        return self.digest(values[key] or ())

    def smove(self, values, key, new, member):
        if not self.srem(values, key, member):
            return 0
        self.sadd(values, new, member)
        return 1

    # ---- sorted sets ----

    def zadd(self, values, key, member, score):
        scores = {name: one for one, name in values[key] or ()}
        is_new = member not in scores
        scores[member] = score
        self.put(values, key, sorted((one, name) for name, one in scores.items()))
        return int(is_new)

    def zincrby(self, values, key, member, delta):
        score = {name: one for one, name in values[key] or ()}.get(member, 0) + delta
        self.zadd(values, key, member, score)
        return score

    def zrem(self, values, key, member):
        scores = values[key] or ()
        self.put(values, key, [one for one in scores if one[1] != member])
        return int(len(values[key] or ()) < len(scores))

    def zscore(self, values, key, member):
        return {name: one for one, name in values[key] or ()}.get(member)

    def zpopmin(self, values, key):
        scores = values[key] or ()
        self.put(values, key, scores[1:])
        return scores[0] if scores else None

    def zrange(self, values, key):
        return self.digest(values[key] or ())
