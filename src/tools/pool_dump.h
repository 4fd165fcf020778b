/* SPDX-License-Identifier: BSD-3-Clause */
/* pool_dump.h - between the files of superdb-pool dump: keys (pool_dump.c), and streams (dump_stream.c) */
#ifndef SDB_TOOLS_POOL_DUMP_H
#define SDB_TOOLS_POOL_DUMP_H

#include "pool_tool.h"

struct dump {
    const struct tool_options *options;
    struct sdb_session *session;
    uint32_t database;
    bool selected; /* resp: SELECT was written for the database */
    bool damaged;
    uint64_t visited; /* keys of the database, expired ones included */
    int64_t now;
    int error; /* that ends the dump */
};

/* The beginning of a command of so many words, or of a line. */
void dump_command(struct dump *dump, size_t words, const char *command);
void dump_line(struct dump *dump, const struct sdb_slice *key, const char *word);
/* A word of a command, or a quoted one of a line; and the end of either. */
void dump_part(const struct dump *dump, const void *data, size_t size);
void dump_end(const struct dump *dump);

/* What a stream consists of: see import_stream.h. Errors: those of sdb_stream_range, SDB_ENOMEM. */
int dump_stream(struct dump *dump, const struct sdb_slice *key);

#endif
