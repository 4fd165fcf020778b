/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * journal.h - what threads note of their operations, in a mapped file that a kill leaves as it was
 *
 * A record is published before the operation begins, and gets its time of return last: a kill leaves the operation out,
 * pending, or whole. An operation of several parts (a transaction, many keys at once) is so many records marked as parts,
 * and one behind them that stands for all. embedded.py reads the same layout.
 *
 * Threads: each writes a track of its own.
 */
#ifndef SDB_LINEAR_JOURNAL_H
#define SDB_LINEAR_JOURNAL_H

#include <stdint.h>

#define TRACKS 6u
#define TRACK_RECORDS 32768u

/* Numbered as embedded.py names them. */
enum kind {
    NOTHING, /* it did not happen */
    GET,
    SET,
    SETNX,
    SETXX,
    CAS, /* the digest of the value that must be there is in `condition` */
    DELETE,
    APPEND,
    EXISTS,
    ADD,
    RENAME,
    RENAMENX,
    COPY,
    COPYNX,
    MOVE,
    SWAP,
    FLUSH,
    HSET, /* of collections from here on: see collections.c */
    HSETNX,
    HINCRBY,
    HDEL,
    HGET,
    HGETALL,
    LPUSH,
    RPUSH,
    LPOP,
    RPOP,
    LMOVE,
    LRANGE,
    SADD,
    SREM,
    SISMEMBER,
    SMOVE,
    SMEMBERS,
    ZADD,
    ZINCRBY,
    ZREM,
    ZSCORE,
    ZPOPMIN,
    ZRANGE, /* those up to here may be parts */
    TRANSACTION,
    ABORTED,
    MGET,
    MSET,
    MSETNX,
    MDELETE
};

struct record {
    uint64_t invoked;   /* 00-07: ns of CLOCK_MONOTONIC */
    uint64_t returned;  /* 08-15: 0 while it is pending; a part's says nothing */
    uint32_t kind;      /* 16-19: enum kind */
    uint16_t group;     /* 20-21 */
    uint8_t key, other; /* 22-23: places in the group */
    int64_t argument;   /* 24-31: a tag, a difference */
    uint64_t condition; /* 32-39: a digest; the number of a field or member */
    int64_t result;     /* 40-47: a count, a size, a sum, 1 or 0 for done or not, -1 for an error */
    uint64_t digest;    /* 48-55: of what was read; of one element what it holds */
    uint32_t parts;     /* 56-59: how many records in front belong to it */
    uint16_t is_part;   /* 60-61 */
    uint16_t in_group;  /* 62-63: of the library's, so that nothing is said of the order in which it took effect */
};
_Static_assert(sizeof(struct record) == 64, "embedded.py reads 64 bytes");

struct track {
    uint64_t count; /* Atomic: records published */
    uint64_t unused[7];
    struct record records[TRACK_RECORDS];
};

struct journal {
    uint64_t opened;      /* Atomic: the pool is open and all of it was read once */
    uint64_t returned;    /* Atomic: operations that returned, all threads' */
    uint64_t full;        /* Atomic: a thread's track has no more room */
    uint64_t unused[5];
    struct track tracks[TRACKS];
};

#endif
