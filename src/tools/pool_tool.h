/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_tool.h - between superdb-pool's main and its commands
 */
#ifndef SDB_TOOLS_POOL_TOOL_H
#define SDB_TOOLS_POOL_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "superdb/superdb.h"

/* Exit status. */
enum tool_status {
    TOOL_OK = 0,
    TOOL_DAMAGED = 1, /* the pool is damaged */
    TOOL_FAILED = 2,  /* wrong usage, the pool cannot be opened, the output cannot be written */
};

enum tool_format { TOOL_FORMAT_TEXT = 0, TOOL_FORMAT_RESP = 1 };

struct tool_options {
    const char *path;
    const char *input; /* import: NULL or "-": standard input */
    uint64_t size; /* create: 0: the library's default. resize: the new size */
    uint64_t size_max;
    uint32_t shards;
    uint32_t durability; /* enum sdb_durability */
    int database;        /* dump: -1: all */
    enum tool_format format;
    bool quiet;
    bool repair;  /* check */
    bool dry_run; /* check: of a repair */
};

enum tool_status tool_create(const struct tool_options *options);
enum tool_status tool_resize(const struct tool_options *options);
enum tool_status tool_info(const struct tool_options *options);
enum tool_status tool_check(const struct tool_options *options);
enum tool_status tool_repair(const struct tool_options *options);
enum tool_status tool_dump(const struct tool_options *options);
enum tool_status tool_import(const struct tool_options *options);

/* Says on stderr what the library's last call met; gives the exit status for its error. */
enum tool_status tool_error(const char *path, int error);

/*
 * Opens a pool to look at it: for reading only where that goes, and else for writing, so that what a crash left is
 * completed first. Owner: the caller; sdb_close. Returns an error of sdb_open.
 */
int tool_open(const char *path, uint32_t durability, struct sdb_pool **pool);

/* "1.50 GiB", in a buffer of 32 bytes. Returns the buffer. */
const char *tool_size_text(uint64_t size, char *buffer);

const char *tool_durability_name(uint32_t durability);

#endif
