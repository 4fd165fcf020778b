/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - an application that uses the installed library: keeps a counter and a text, closes, opens again, reads both
 *
 * Strict C11, without extensions: the public header may ask for nothing more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <superdb/superdb.h>

static void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "consumer: %s: %s\n", what, sdb_last_error());
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool;
    struct sdb_session *session;
    char text[32];
    size_t size = 0;
    int64_t left = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: %s POOL\n", argv[0]);
        return 2;
    }
    options.pool_size = 64u << 20;
    options.flags = SDB_CREATE | SDB_EXCLUSIVE;
    require(sdb_open(argv[1], &options, &pool) == SDB_OK, "create");
    require(sdb_session_open(pool, &session) == SDB_OK, "session");
    require(sdb_set(session, "stock:42", 8, "17", 2, NULL) == SDB_OK, "set");
    require(sdb_add(session, "stock:42", 8, -1, &left) == SDB_OK && left == 16, "add");
    require(sdb_set(session, "name:42", 7, "a chair of oak", 14, NULL) == SDB_OK, "set");
    sdb_session_close(session);
    require(sdb_close(pool) == SDB_OK, "close");

    require(sdb_open(argv[1], NULL, &pool) == SDB_OK, "open again");
    require(sdb_session_open(pool, &session) == SDB_OK, "session");
    require(sdb_get(session, "stock:42", 8, text, sizeof(text), &size) == SDB_OK, "get");
    require(size == 2 && memcmp(text, "16", 2) == 0, "the counter after reopening");
    require(sdb_get(session, "name:42", 7, text, sizeof(text), &size) == SDB_OK, "get");
    require(size == 14 && memcmp(text, "a chair of oak", 14) == 0, "the text after reopening");
    require(sdb_get(session, "absent", 6, text, sizeof(text), &size) == SDB_ENOTFOUND, "an absent key");
    sdb_session_close(session);
    require(sdb_close(pool) == SDB_OK, "close");
    printf("superdb %s\n", sdb_version());
    return 0;
}
