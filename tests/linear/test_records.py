# SPDX-License-Identifier: BSD-3-Clause
"""
test_records.py - what threads of the embedded library note of collections is judged as it should be

Records by hand, as collections.c writes them: those of a good history are explained, and each that tells of something wrong is not.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from checker import Checker, Violation  # noqa: E402
from elements import Elements  # noqa: E402
from embedded import KINDS, Record, digest_of_elements, operations_of  # noqa: E402
from harness import run_tests  # noqa: E402

A, B = 0, 1


def noted(begin, end, kind, key, *, name=0, word=0, result=0, parts=0, is_part=0, other=0):
    """One record of workload.c's: `word` is what was stored, or what was read."""
    stores = kind in ("hset", "hsetnx", "hincrby", "lpush", "rpush", "zadd", "zincrby")
    return Record((begin, end or 0, KINDS.index(kind), 0, key, other, word if stores else 0, name, result,
                   0 if stores else word & (1 << 64) - 1, parts, is_part, 0))


def explained(*threads, keys=2):
    operations = [one for process, track in enumerate(threads) for _, one in operations_of(track, process)]
    try:
        Checker(Elements(keys, digest=digest_of_elements)).check([operations])
    except Violation:
        return False
    return True


def test_records_of_fields_tell_wrong_histories():
    begun = [noted(1, 2, "hset", A, name=3, word=70, result=1), noted(3, 4, "hincrby", A, name=4, word=3, result=3)]
    assert explained([*begun, noted(5, 6, "hgetall", A, word=digest_of_elements(((3, 70), (4, b"3"))))])
    assert not explained([*begun, noted(5, 6, "hgetall", A, word=digest_of_elements(((3, 71), (4, b"3"))))])
    assert not explained([*begun, noted(5, 6, "hgetall", A, word=digest_of_elements(()))])
    for name, word in ((3, 70), (4, 3)):
        assert explained([*begun, noted(5, 6, "hget", A, name=name, word=word, result=1)])
        assert not explained([*begun, noted(5, 6, "hget", A, name=name, word=word + 1, result=1)])
        assert not explained([*begun, noted(5, 6, "hget", A, name=name)])
    assert explained(begun, [noted(5, 9, "hincrby", A, name=4, word=3, result=9)], [noted(5, 9, "hincrby", A, name=4, word=3, result=6)])
    assert not explained(begun, [noted(5, 9, "hincrby", A, name=4, word=3, result=6)], [noted(5, 9, "hincrby", A, name=4, word=3, result=6)])
    assert not explained(begun, [noted(5, 6, "hsetnx", A, name=3, word=80, result=1)])
    assert not explained(begun, [noted(5, 6, "hdel", A, name=3)])


def test_records_of_lists_tell_wrong_histories():
    begun = [noted(1, 2, "rpush", A, word=70, result=1), noted(3, 4, "rpush", A, word=71, result=2), noted(5, 6, "lpush", A, word=72, result=3)]
    assert explained([*begun, noted(7, 8, "lrange", A, word=digest_of_elements((72, 70, 71)))])
    assert not explained([*begun, noted(7, 8, "lrange", A, word=digest_of_elements((70, 71, 72)))])
    for kind, element in (("lpop", 72), ("rpop", 71), ("lmove", 72)):
        assert explained([*begun, noted(7, 8, kind, A, word=element, result=1, other=B)])
        assert not explained([*begun, noted(7, 8, kind, A, word=70, result=1, other=B)])
        assert not explained([*begun, noted(7, 8, kind, A, other=B)])
    taken = [noted(7, 9, "lpop", A, word=72, result=1)]
    assert not explained(begun, taken, taken)
    assert not explained([*begun, noted(7, 8, "rpush", A, word=73, result=3)])


def test_records_of_members_tell_wrong_histories():
    begun = [noted(1, 2, "sadd", A, name=5, result=1), noted(3, 4, "smove", A, name=5, other=B, result=1)]
    for key, word in ((A, ()), (B, (5,))):
        assert explained([*begun, noted(5, 6, "smembers", key, word=digest_of_elements(word))])
        assert not explained([*begun, noted(5, 6, "smembers", 1 - key, word=digest_of_elements(word))])
        assert explained([*begun, noted(5, 6, "sismember", key, name=5, result=len(word))])
        assert not explained([*begun, noted(5, 6, "srem", key, name=5, result=1 - len(word))])
    assert not explained([begun[0]], [noted(1, 2, "sadd", A, name=5, result=1)])
    scores = [noted(1, 2, "zadd", A, name=5, word=-7, result=1), noted(3, 4, "zincrby", A, name=6, word=3, result=3)]
    for kind, good_word, options in (("zrange", digest_of_elements(((-7, 5), (3, 6))), {}), ("zpopmin", -7, {"name": 5, "result": 1}),
                                     ("zscore", -7, {"name": 5, "result": 1})):
        assert explained([*scores, noted(5, 6, kind, A, word=good_word, **options)])
        assert not explained([*scores, noted(5, 6, kind, A, word=good_word + 1, **options)])
    assert not explained([*scores, noted(5, 6, "zpopmin", A, word=-7, name=6, result=1)])
    assert not explained([*scores, noted(5, 6, "zincrby", A, name=6, word=3, result=3)])
    assert not explained([*scores, noted(5, 6, "zrem", A, name=6)])


def test_records_of_half_a_transaction_over_collections_are_told():
    both = [noted(1, 0, "hset", A, name=1, word=70, result=1, is_part=1), noted(1, 0, "rpush", B, word=71, result=1, is_part=1),
            noted(1, 9, "transaction", A, parts=2)]
    seen = [noted(2, 3, "hgetall", A, word=digest_of_elements(((1, 70),)))]
    assert explained(both, [*seen, noted(4, 5, "lrange", B, word=digest_of_elements((71,)))])
    assert not explained(both, [*seen, noted(4, 5, "lrange", B, word=digest_of_elements(()))])


if __name__ == "__main__":
    run_tests(globals())
