/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * import_reader.h - reads what `superdb-pool dump` writes, in either format, a key at a time. Pure: no pool, no I/O of its own
 *
 * Text: a line a string: database, "key", "value", time to live (0: never). A collection is a line that deletes its key, one for each
 * element, and perhaps one with its time to live:
 *
 *     0 "user:1" delete
 *     0 "user:1" hash "name" "Ada"
 *     0 "user:1" expire 1900000000000
 *
 * and in the same way list "element", set "member", zset "member" "1.5". A stream has lines of several kinds (import_stream.h), the words
 * of which are quoted: stream entry "1-0" "field" "value". A library of functions is a line without a database: library "code". Commands:
 * SELECT, SET with PXAT or without, DEL, HSET, RPUSH, SADD and ZADD of one element, PEXPIREAT, those that make streams, and FUNCTION LOAD
 * REPLACE, as RESP; the first byte tells which ('*' begins a command). Blank lines are skipped.
 *
 * Memory: one buffer, which grows with the bytes of the largest key and value that did come, never with what was announced.
 */
#ifndef SDB_TOOLS_IMPORT_READER_H
#define SDB_TOOLS_IMPORT_READER_H

#include <stddef.h>
#include <stdint.h>

#include "import_stream.h"
#include "superdb/superdb.h"

/* Gives up to size bytes; returns how many, 0 at the end, -1 with errno set. */
typedef int64_t import_read(void *context, void *buffer, size_t size);

enum import_kind { IMPORT_STRING, IMPORT_ELEMENT, IMPORT_DELETE, IMPORT_EXPIRE, IMPORT_STREAM, IMPORT_LIBRARY };

struct import_key {
    enum import_kind kind;
    uint32_t type; /* of an element: SDB_TYPE_ */
    uint32_t database;
    struct sdb_slice key;   /* into the reader's buffer, until the next call */
    struct sdb_slice name;  /* of an element: a field, a member, an element of a list */
    struct sdb_slice value; /* of a string, or a field; a library's code */
    double score;           /* of a sorted set's member */
    int64_t expire_ms;      /* of a string (0: never), or IMPORT_EXPIRE */
    struct import_stream stream;
};

/* A part of the unread bytes. */
struct import_part {
    size_t at, size;
};

struct import_reader {
    /* Where the reader stands, for messages: of the key that was read last, or could not be. */
    uint64_t line;   /* text: from 1 on */
    uint64_t offset; /* bytes from the beginning */
    char error[128]; /* what is wrong there */
    /* private */
    import_read *read;
    void *context;
    uint8_t *buffer;
    size_t start, end, capacity; /* bytes [start, end) are read and not taken yet */
    uint64_t taken;              /* bytes before start */
    uint64_t lines;
    uint32_t database;
    int ended;
    int format; /* 0: not known yet */
    struct import_part *words; /* of a command, or a line of a stream; and the same as slices */
    struct sdb_slice *slices;
    size_t words_capacity;
};

void import_reader_init(struct import_reader *reader, import_read *read, void *context);
void import_reader_free(struct import_reader *reader);

/*
 * Reads the next key. Returns 1, 0 at the end, or an error, with line, offset and error set: SDB_EFORMAT (it is not what dump
 * writes, or ends in the middle), SDB_ETOOBIG (the key or value is larger than a pool takes), SDB_EIO (reading failed),
 * SDB_ENOMEM.
 */
int import_reader_next(struct import_reader *reader, struct import_key *key);

#endif
