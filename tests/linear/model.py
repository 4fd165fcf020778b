# SPDX-License-Identifier: BSD-3-Clause
"""
model.py - what each operation does to a group's keys, and what it replies

A state is the tuple of the values of the group's keys, None for a key that is not there. An action is a tuple: the
operation's name, and its arguments, in which keys stand as their places in the state. A reply that is an error is
ERROR, whatever its text.

Values are of two kinds, and the operations are the same for both: bytes, as RESP clients see them, and tuples of tags,
as the embedded workload writes them (workload.c); a counter there is an int.
"""

ERROR = "error"
READS = frozenset(["get", "mget", "strlen", "exists", "aborted"])
INT_MAX = (1 << 63) - 1


class Model:
    """The operations. `empty` is the value that an append begins with."""

    def __init__(self, keys, empty=b"", digest=None):
        self.initial = (None,) * keys
        self.empty = empty
        self.digest = digest or (lambda value: value)
        self.memory = {}

    def apply(self, state, action):
        """(the new state, the reply)"""
        found = self.memory.get((state, action))
        if found is None:
            values = list(state)
            reply = getattr(self, action[0])(values, *action[1:])
            if len(self.memory) > 200000:
                self.memory.clear()
            found = self.memory[state, action] = (tuple(values), reply)
        return found

    def only_reads(self, action):
        return action[0] in READS

    def is_read(self, action, reply):
        """The action changes nothing in any state in which it gives this reply."""
        name = action[0]
        if name in READS or reply == ERROR:
            return True
        if name in ("delete", "setnx", "msetnx", "renamenx", "copy", "move"):
            return reply == 0
        return name == "set_if" and reply == 0 or name == "getdel" and reply is None

    def keys(self, action):
        """Which keys the action may read or change."""
        return frozenset(keys_of(action))

    # ---- one key ----

    def get(self, values, key):
        return self.digest(values[key])

    def strlen(self, values, key):
        return len(values[key] or b"")

    def set(self, values, key, value):
        values[key] = value
        return "OK"

    def setnx(self, values, key, value):
        if values[key] is not None:
            return 0
        values[key] = value
        return 1

    def set_if(self, values, key, condition, value):
        """condition: "present", or a digest that the present value must have. 1 where it was stored."""
        old = values[key]
        if old is None or condition not in ("present", self.digest(old)):
            return 0
        values[key] = value
        return 1

    def getset(self, values, key, value):
        old, values[key] = values[key], value
        return self.digest(old)

    def getdel(self, values, key):
        old, values[key] = values[key], None
        return self.digest(old)

    def append(self, values, key, value):
        values[key] = (values[key] if values[key] is not None else self.empty) + value
        return len(values[key])

    def add(self, values, key, delta):
        old = values[key]
        if isinstance(old, bytes):
            if not is_integer(old):
                return ERROR
        elif old is not None and not isinstance(old, int):
            return ERROR
        new = int(old or 0) + delta
        values[key] = b"%d" % new if isinstance(self.empty, bytes) else new
        return new

    # ---- several keys ----

    def exists(self, values, *keys):
        return sum(values[key] is not None for key in keys)

    def delete(self, values, *keys):
        count = 0
        for key in keys:
            count += values[key] is not None
            values[key] = None
        return count

    def mget(self, values, *keys):
        return tuple(self.digest(values[key]) for key in keys)

    def mset(self, values, *pairs):
        for key, value in pairs:
            values[key] = value
        return "OK"

    def msetnx(self, values, *pairs):
        if any(values[key] is not None for key, _ in pairs):
            return 0
        self.mset(values, *pairs)
        return 1

    def rename(self, values, key, new):
        if values[key] is None:
            return ERROR
        value, values[key] = values[key], None
        values[new] = value
        return "OK"

    def renamenx(self, values, key, new):
        if values[key] is None:
            return ERROR
        if values[new] is not None:
            return 0
        self.rename(values, key, new)
        return 1

    def copy(self, values, key, new, replace):
        if values[key] is None or values[new] is not None and not replace:
            return 0
        values[new] = values[key]
        return 1

    def move(self, values, key, new):
        if values[key] is None or values[new] is not None:
            return 0
        return self.renamenx(values, key, new)

    def flush(self, values, *keys):
        for key in keys:
            values[key] = None
        return "OK"

    def swap(self, values, *pairs):
        for one, other in pairs:
            values[one], values[other] = values[other], values[one]
        return "OK"

    def transaction(self, values, *actions):
        """All of the actions, and their replies."""
        return tuple(getattr(self, action[0])(values, *action[1:]) for action in actions)

    def guarded(self, values, keys, seen, *actions):
        """All of the actions if the keys hold what was seen of them: EXEC behind WATCH. None where they do not."""
        return self.transaction(values, *actions) if self.mget(values, *keys) == seen else None

    def aborted(self, values, *actions):
        """They saw one state and their own changes, and nothing of them stays."""
        return self.transaction(list(values), *actions)


def first(action):
    return action[1:2]


def rest(action):
    return action[1:]


def paired(action):
    return [pair[0] for pair in action[1:]]


def two(action):
    return action[1:3]


def of_parts(action):
    return {key for part in action[1:] for key in keys_of(part)}


def guards_and_parts(action):
    return {*action[1], *(key for part in action[3:] for key in keys_of(part))}


KEYS = {
    "get": first, "strlen": first, "set": first, "setnx": first, "set_if": first, "getset": first, "getdel": first,
    "append": first, "add": first, "exists": rest, "delete": rest, "mget": rest, "mset": paired, "msetnx": paired,
    "rename": two, "renamenx": two, "copy": two, "move": two, "flush": rest, "transaction": of_parts, "aborted": of_parts,
    "guarded": guards_and_parts,
    "swap": lambda action: [key for pair in action[1:] for key in pair],
}


def keys_of(action):
    """Which keys the action may read or change: an operation that is missing here would be ordered with all others of its process."""
    return KEYS[action[0]](action)


def is_integer(text):
    try:
        return b"%d" % int(text) == text and -INT_MAX - 1 <= int(text) <= INT_MAX
    except ValueError:
        return False
