# SPDX-License-Identifier: BSD-3-Clause
"""
test_checker.py - the checker tells good histories from bad ones

Each case is a history by hand, in rounds that end with a crash. A line: process, invoked, returned (None: nobody heard
of it), the action, the reply.
"""
import itertools
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from checker import Checker, Undecided, Violation  # noqa: E402
from elements import Elements  # noqa: E402
from harness import run_tests  # noqa: E402
from history import UNKNOWN, Operation  # noqa: E402
from model import ERROR, Model  # noqa: E402

A, B = 0, 1


def is_linear(*rounds, keys=2, in_order=False, make_model=Model):
    model = make_model(keys)
    try:
        Checker(model).check([[Operation(*line, is_ordered=in_order) for line in lines] for lines in rounds])
    except Violation:
        return False
    return True


def good(*rounds, **options):
    assert is_linear(*rounds, **options), "a good history was refused"


def bad(*rounds, **options):
    assert not is_linear(*rounds, **options), "a bad history was taken"


# ---- without crashes ----

def test_a_read_sees_the_last_write():
    good([(1, 0, 1, ("set", A, b"x"), "OK"), (1, 2, 3, ("get", A), b"x")])
    bad([(1, 0, 1, ("set", A, b"x"), "OK"), (1, 2, 3, ("get", A), None)])


def test_a_stale_read_is_told():
    writes = [(1, 0, 1, ("set", A, b"x"), "OK"), (1, 2, 3, ("set", A, b"y"), "OK")]
    bad([*writes, (2, 4, 5, ("get", A), b"x")])
    good([*writes, (2, 2, 5, ("get", A), b"x")])  # it overlaps the second write


def test_reads_do_not_go_back():
    write = [(1, 0, 1, ("set", A, b"x"), "OK"), (1, 2, 9, ("set", A, b"y"), "OK")]
    good([*write, (2, 3, 4, ("get", A), b"x"), (3, 5, 6, ("get", A), b"y")])
    bad([*write, (2, 3, 4, ("get", A), b"y"), (3, 5, 6, ("get", A), b"x")])


def test_a_lost_update_is_told():
    good([(1, 0, 5, ("add", A, 1), 1), (2, 0, 5, ("add", A, 1), 2), (1, 6, 7, ("get", A), b"2")])
    bad([(1, 0, 5, ("add", A, 1), 1), (2, 0, 5, ("add", A, 1), 1)])
    bad([(1, 0, 5, ("append", A, b"p"), 1), (2, 0, 5, ("append", A, b"q"), 2), (1, 6, 7, ("get", A), b"q")])


def test_a_condition_holds_for_one_of_two():
    bad([(1, 0, 5, ("setnx", A, b"x"), 1), (2, 0, 5, ("setnx", A, b"y"), 1)])
    good([(1, 0, 5, ("setnx", A, b"x"), 1), (2, 0, 5, ("setnx", A, b"y"), 0), (3, 6, 7, ("get", A), b"x")])
    bad([(1, 0, 1, ("set", A, b"x"), "OK"),
         (1, 2, 9, ("set_if", A, b"x", b"y"), 1), (2, 2, 9, ("set_if", A, b"x", b"z"), 1)])


def test_a_pipeline_of_one_process_keeps_its_order():
    pipeline = [(1, 0, 9, ("set", A, b"x"), "OK"), (1, 0, 9, ("set", A, b"y"), "OK")]
    good([*pipeline, (2, 10, 11, ("get", A), b"y")])
    bad([*pipeline, (2, 10, 11, ("get", A), b"x")])
    good([(1, 0, 9, ("set", A, b"x"), "OK"), (2, 0, 9, ("set", A, b"y"), "OK"), (2, 10, 11, ("get", A), b"x")])


def test_the_order_across_keys_counts_where_it_is_asked_for():
    crossed = [(1, 0, 9, ("set", A, b"x"), "OK"), (1, 0, 9, ("get", B), None),
               (2, 0, 9, ("set", B, b"y"), "OK"), (2, 0, 9, ("get", A), None)]
    good(crossed)
    bad(crossed, in_order=True)


def test_an_operation_on_two_keys_is_ordered_with_those_on_the_same_keys_only():
    c = 2
    for moving in [("rename", A, B), ("transaction", ("set", A, b"x"), ("delete", B)), ("copy", B, A, True)]:
        reply = {"rename": "OK", "copy": 1}.get(moving[0], ("OK", 1))
        before = (1, 0, 1, ("mset", (A, b"a"), (B, b"b")), "OK")
        crossed = [before, (1, 2, 9, moving, reply), (1, 2, 9, ("get", c), None),
                   (2, 3, 4, ("set", c, b"c"), "OK"), (2, 5, 6, ("mget", A, B), (b"a", b"b"))]
        good(crossed, keys=3)
        bad([before, (1, 2, 9, moving, reply), (1, 2, 9, ("get", A), b"a"), (2, 3, 4, ("set", c, b"c"), "OK")], keys=3)


def test_an_answer_that_never_came_may_have_happened_at_any_time():
    for value in (None, b"x"):
        good([(1, 0, None, ("set", A, b"x")), (2, 5, 6, ("get", A), value)])
    good([(1, 0, None, ("set", A, b"x")), (2, 5, 6, ("get", A), None), (2, 7, 8, ("get", A), b"x")])
    bad([(1, 0, None, ("set", A, b"x")), (2, 5, 6, ("get", A), b"x"), (2, 7, 8, ("get", A), None)])
    bad([(1, 4, None, ("set", A, b"x")), (2, 1, 2, ("get", A), b"x")])


# ---- crashes ----

def test_what_was_acknowledged_survives():
    good([(1, 0, 1, ("set", A, b"x"), "OK")], [(1, 0, 1, ("get", A), b"x")])
    bad([(1, 0, 1, ("set", A, b"x"), "OK")], [(1, 0, 1, ("get", A), None)])
    bad([(1, 0, 1, ("add", A, 1), 1), (1, 2, 3, ("add", A, 1), 2)], [(1, 0, 1, ("add", A, 1), 2)])


def test_what_was_pending_happened_or_not():
    for value in (None, b"x"):
        good([(1, 0, None, ("set", A, b"x"))], [(1, 0, 1, ("get", A), value)])


def test_what_was_read_does_not_vanish():
    bad([(1, 0, None, ("set", A, b"x")), (2, 1, 2, ("get", A), b"x")], [(1, 0, 1, ("get", A), None)])
    good([(1, 0, None, ("set", A, b"x")), (2, 1, None, ("get", A))], [(1, 0, 1, ("get", A), None)])


def test_what_was_pending_does_not_surface_later():
    bad([(1, 0, None, ("set", A, b"x"))], [(1, 0, 1, ("get", A), None), (1, 2, 3, ("get", A), b"x")])
    bad([(1, 0, None, ("set", A, b"x"))], [(1, 0, 1, ("get", A), None)], [(1, 0, 1, ("get", A), b"x")])
    bad([(1, 0, None, ("set", A, b"x"))], [], [(2, 0, 1, ("get", A), None), (2, 2, 3, ("get", A), b"x")])


def test_what_was_pending_does_not_happen_twice():
    append = (1, 2, None, ("append", A, b"q"))
    good([(1, 0, 1, ("set", A, b"p"), "OK"), append], [(1, 0, 1, ("get", A), b"pq")])
    bad([(1, 0, 1, ("set", A, b"p"), "OK"), append], [(1, 0, 1, ("get", A), b"pqq")])
    bad([(1, 0, 1, ("set", A, b"p"), "OK"), append], [(1, 0, 1, ("get", A), b"pq"), (1, 2, 3, ("get", A), b"pqq")])


def test_a_pending_pipeline_happened_up_to_some_place():
    pending = [(1, 0, None, ("append", A, b"%d" % i)) for i in range(3)]
    for value in (None, b"0", b"01", b"012"):
        good(pending, [(1, 0, 1, ("get", A), value)])
    for value in (b"1", b"02", b"10"):
        bad(pending, [(1, 0, 1, ("get", A), value)])


# ---- several keys ----

def test_half_a_transaction_is_told():
    both = ("transaction", ("append", A, b"t"), ("append", B, b"t"))
    for values in ((None, None), (b"t", b"t")):
        good([(1, 0, None, both)], [(1, 0, 1, ("mget", A, B), values)])
    for values in ((b"t", None), (None, b"t")):
        bad([(1, 0, None, both)], [(1, 0, 1, ("mget", A, B), values)])
        bad([(1, 0, 9, both, (1, 1)), (2, 1, 2, ("mget", A, B), values)])
        bad([(1, 0, 9, ("mset", (A, b"t"), (B, b"t")), "OK"), (2, 1, 2, ("mget", A, B), values)])
    # Read one by one, they may be caught in between, but not the wrong way round.
    good([(1, 0, 9, both, (1, 1)), (2, 1, 2, ("get", A), None), (2, 3, 4, ("get", B), b"t")])
    bad([(1, 0, 9, both, (1, 1)), (2, 1, 2, ("get", A), b"t"), (2, 3, 4, ("get", B), None)])


def test_a_transaction_reads_what_it_is_based_on():
    start = (1, 0, 1, ("mset", (A, b"5"), (B, b"5")), "OK")

    def move(process, seen, begin=2, end=9):
        return (process, begin, end, ("transaction", ("get", A), ("set", A, b"%d" % (seen - 1)), ("add", B, 1)),
                (b"%d" % seen, "OK", 11 - seen))
    good([start, move(1, 5), move(2, 4)])
    bad([start, move(1, 5), (2, 2, 9, move(2, 5)[3], (b"5", "OK", 7))])


def test_an_aborted_transaction_leaves_nothing_and_saw_one_moment():
    start = (1, 0, 1, ("mset", (A, b"5"), (B, b"5")), "OK")
    aborted = ("aborted", ("set", A, b"6"), ("get", A), ("get", B))
    good([start, (1, 2, 3, aborted, ("OK", b"6", b"5")), (1, 4, 5, ("get", A), b"5")])
    bad([start, (1, 2, 3, aborted, ("OK", b"6", b"5")), (1, 4, 5, ("get", A), b"6")])
    bad([start, (1, 2, 9, ("mset", (A, b"7"), (B, b"7")), "OK"),
         (2, 2, 9, ("aborted", ("get", A), ("get", B)), (b"5", b"7"))])


def test_a_renamed_key_is_at_one_place():
    start = [(1, 0, 1, ("set", A, b"x"), "OK")]
    for values in ((b"x", None), (None, b"x")):
        good([*start, (1, 2, None, ("rename", A, B))], [(1, 0, 1, ("mget", A, B), values)])
    for values in ((b"x", b"x"), (None, None)):
        bad([*start, (1, 2, None, ("rename", A, B))], [(1, 0, 1, ("mget", A, B), values)])
    bad([*start, (1, 2, 3, ("rename", A, B), "OK"), (2, 4, 5, ("rename", A, B), "OK")])
    good([*start, (1, 2, 9, ("rename", A, B), "OK"), (2, 2, 9, ("rename", A, B), ERROR)])


def test_exchanged_databases_are_exchanged_as_a_whole():
    start = (1, 0, 1, ("mset", (0, b"a"), (1, b"b")), "OK")
    swap = ("swap", (0, 2), (1, 3))
    good([start, (1, 2, None, swap)], [(1, 0, 1, ("mget", 0, 1, 2, 3), (None, None, b"a", b"b"))], keys=4)
    bad([start, (1, 2, None, swap)], [(1, 0, 1, ("mget", 0, 1, 2, 3), (None, b"b", b"a", None))], keys=4)


# ---- collections ----

def test_fields_are_each_as_written_last():
    writes = [(1, 0, 5, ("hset", A, b"f", b"x"), 1), (2, 0, 5, ("hset", A, b"g", b"y"), 1)]
    good([*writes, (1, 6, 7, ("hgetall", A), ((b"f", b"x"), (b"g", b"y")))], make_model=Elements)
    bad([*writes, (1, 6, 7, ("hgetall", A), ((b"g", b"y"),))], make_model=Elements)
    bad([*writes, (1, 6, 7, ("hdel", A, b"g"), 1), (1, 8, 9, ("hget", A, b"g"), b"y")], make_model=Elements)
    bad([(1, 0, 5, ("hincrby", A, b"n", 3), 3), (2, 0, 5, ("hincrby", A, b"n", 3), 3)], make_model=Elements)
    bad([(1, 0, 5, ("hsetnx", A, b"f", b"x"), 1), (2, 0, 5, ("hsetnx", A, b"f", b"y"), 1)], make_model=Elements)


def test_an_element_is_popped_once_and_in_its_order():
    pushes = [(1, 0, 1, ("push", A, "right", b"x"), 1), (1, 2, 3, ("push", A, "right", b"y"), 2)]
    good([*pushes, (1, 4, 9, ("pop", A, "left"), b"y"), (2, 4, 9, ("pop", A, "left"), b"x")], make_model=Elements)
    bad([*pushes, (1, 4, 9, ("pop", A, "left"), b"x"), (2, 4, 9, ("pop", A, "left"), b"x")], make_model=Elements)
    bad([*pushes, (1, 4, 5, ("pop", A, "left"), b"y")], make_model=Elements)
    bad([(1, 0, 1, ("push", A, "left", b"x"), 1), (1, 2, 3, ("lrange", A), ())], make_model=Elements)
    bad(pushes, [(1, 0, 1, ("lrange", A), (b"x",))], make_model=Elements)


def test_an_element_that_moves_is_at_one_place():
    for start, move, reads in [((1, 0, 1, ("push", A, "left", b"x"), 1), ("lmove", A, B), ("lrange",)),
                               ((1, 0, 1, ("sadd", A, b"x"), 1), ("smove", A, B, b"x"), ("smembers",))]:
        def found(here, there):
            return [(1, 0, 1, (*reads, A), here), (1, 2, 3, (*reads, B), there)]
        good([start, (1, 2, None, move)], found((b"x",), ()), make_model=Elements)
        good([start, (1, 2, None, move)], found((), (b"x",)), make_model=Elements)
        bad([start, (1, 2, None, move)], found((), ()), make_model=Elements)
        bad([start, (1, 2, None, move)], found((b"x",), (b"x",)), make_model=Elements)


def test_members_and_scores_stay():
    bad([(1, 0, 5, ("sadd", A, b"x"), 1), (2, 0, 5, ("sadd", A, b"x"), 1)], make_model=Elements)
    bad([(1, 0, 1, ("sadd", A, b"x"), 1), (2, 2, 3, ("sismember", A, b"x"), 0)], make_model=Elements)
    bad([(1, 0, 1, ("sadd", A, b"x"), 1)], [(1, 0, 1, ("smembers", A), ())], make_model=Elements)
    good([(1, 0, 5, ("zincrby", A, b"x", 3), 6), (2, 0, 5, ("zadd", A, b"x", 3), 1)], make_model=Elements)
    bad([(1, 0, 5, ("zincrby", A, b"x", 3), 3), (2, 0, 5, ("zincrby", A, b"x", 3), 3)], make_model=Elements)
    scores = [(1, 0, 1, ("zadd", A, b"x", 2), 1), (1, 2, 3, ("zadd", A, b"y", 1), 1)]
    good([*scores, (1, 4, 5, ("zpopmin", A), (1, b"y")), (1, 6, 7, ("zrange", A), ((2, b"x"),))], make_model=Elements)
    bad([*scores, (1, 4, 5, ("zpopmin", A), (2, b"x"))], make_model=Elements)
    bad([*scores, (1, 4, 5, ("zrem", A, b"y"), 1), (2, 6, 7, ("zscore", A, b"y"), 1)], make_model=Elements)


def test_half_a_transaction_over_collections_is_told():
    both = ("transaction", ("hset", A, b"f", b"x"), ("push", B, "left", b"x"))
    for seen, elements in (((), ()), (((b"f", b"x"),), (b"x",))):
        good([(1, 0, None, both)], [(1, 0, 1, ("hgetall", A), seen), (1, 2, 3, ("lrange", B), elements)], make_model=Elements)
    for seen, elements in (((), (b"x",)), (((b"f", b"x"),), ())):
        bad([(1, 0, None, both)], [(1, 0, 1, ("hgetall", A), seen), (1, 2, 3, ("lrange", B), elements)], make_model=Elements)


# ---- the search itself ----

def explains(lines, keys, make_model=Model):
    """By trying every order of every choice of the pending ones: what the checker must agree with."""
    model = make_model(keys)
    operations = [Operation(*line) for line in lines]
    sure = [one for one in operations if one.returned is not None]
    pending = [one for one in operations if one.returned is None]

    def fits(order):
        for position, one in enumerate(order):
            for later in order[position + 1:]:
                if later.returned is not None and later.returned < one.invoked:
                    return False
                if later.process == one.process and operations.index(later) < operations.index(one) and \
                        model.keys(later.action) & model.keys(one.action):
                    return False
        state = model.initial
        for one in order:
            state, reply = model.apply(state, one.action)
            if one.reply is not UNKNOWN and reply != one.reply:
                return False
        return True

    for count in range(len(pending) + 1):
        for chosen in itertools.combinations(pending, count):
            # A process' operations happen in order: what was left out keeps later ones on its keys out.
            left = [one for one in pending if one not in chosen]
            if any(one.process == other.process and operations.index(one) < operations.index(other) and
                   model.keys(one.action) & model.keys(other.action) and not model.only_reads(one.action)
                   for one in left for other in [*chosen, *sure]):
                continue
            if any(fits(order) for order in itertools.permutations([*sure, *chosen])):
                return True
    return False


def draw_strings(source, key, value):
    return source.choice([("get", key), ("get", key), ("set", key, value), ("append", key, value), ("add", key, 1),
                          ("mset", (A, value), (B, value)), ("mget", A, B), ("rename", key, 1 - key),
                          ("delete", key), ("setnx", key, value)])


def draw_elements(source, key, value):
    """The first key is a list, the second a hash."""
    return source.choice([("push", A, "left", value), ("push", A, "right", value), ("pop", A, "left"), ("pop", A, "right"),
                          ("lrange", A)] if key == A else
                         [("hset", B, b"f", value), ("hincrby", B, b"n", 1), ("hdel", B, b"f"), ("hget", B, b"f"), ("hgetall", B)])


def make_history(source, draw=draw_strings, make_model=Model):
    """A small one, more or less true: some replies are of a run, some are wrong."""
    model = make_model(2)
    lines = []
    state = model.initial
    clocks = [0, 0, 0]
    for number in range(6):
        process = source.randrange(3)
        key = source.randrange(2)
        value = b"%d" % number
        action = draw(source, key, value)
        begin = clocks[process] + source.randrange(3)
        end = begin + source.randrange(1, 6)
        clocks[process] = end + 1 if source.random() < 0.7 else begin
        state, reply = model.apply(state, action)
        if source.random() < 0.15:
            _, reply = model.apply(model.initial, action)
        lines.append((process, begin, None if source.random() < 0.2 else end, action, reply))
    return lines


def test_it_agrees_with_trying_every_order():
    for draw, make_model in ((draw_strings, Model), (draw_elements, Elements)):
        source = random.Random(7)
        counts = [0, 0]
        for _ in range(400):
            lines = make_history(source, draw, make_model)
            wanted = explains(lines, 2, make_model)
            counts[wanted] += 1
            assert is_linear(lines, make_model=make_model) == wanted, lines
        assert min(counts) > 50, counts


def test_what_it_cannot_decide_is_not_taken_as_good():
    lines = [Operation(process, 0, None, ("append", A, b"%d" % process)) for process in range(12)]
    try:
        Checker(Model(1), configurations_max=1000).check([lines])
    except Undecided:
        return
    raise AssertionError("it decided")


if __name__ == "__main__":
    run_tests(globals())
