/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handles.c - asks with libsuperdb_client, many keys at a time
 */
#include "handles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "superdb/client.h"

#define CHUNK 4096u

static int fetch_chunk(struct sdb_client *client, const struct network_options *options, uint64_t first, uint64_t count, char *names,
                       uint64_t *handles)
{
    struct sdb_slice keys[CHUNK];
    struct sdb_client_reply reply = {0};
    int result;

    for (uint64_t i = 0; i < count; i++) {
        keys[i] = (struct sdb_slice){names + i * options->key_size, options->key_size};
        text_key(first + i, names + i * options->key_size, options->key_size);
    }
    result = sdb_client_queue_handle_many(client, keys, count);
    if (result == SDB_OK)
        result = sdb_client_reply(client, &reply);
    if (result != SDB_OK || reply.result != SDB_OK) {
        fprintf(stderr, "superdb-bench: handles: %s\n", sdb_client_strerror(result != SDB_OK ? result : reply.result));
        return -1;
    }
    memcpy(handles, reply.handles, count * sizeof *handles);
    for (uint64_t i = 0; i < count; i++) {
        if (!handles[i]) {
            fprintf(stderr, "superdb-bench: handles: key %llu is not there; --preload stores all keys\n", (unsigned long long)(first + i));
            return -1;
        }
    }
    return 0;
}

uint64_t *handles_fetch(const struct network_options *options)
{
    struct sdb_client_options where = SDB_CLIENT_OPTIONS_INIT;
    uint64_t *handles = malloc(options->keys * sizeof *handles);
    char *names = malloc(CHUNK * options->key_size);
    struct sdb_client *client = NULL;
    int failed = !handles || !names;

    where.host = options->target.host;
    where.port = options->target.port;
    where.unix_path = options->target.unix_path;
    if (!failed && sdb_client_open(&where, &client) != SDB_OK) {
        fprintf(stderr, "superdb-bench: %s\n", sdb_client_last_error());
        failed = 1;
    }
    for (uint64_t done = 0; !failed && done < options->keys; done += CHUNK) {
        uint64_t left = options->keys - done;

        failed = fetch_chunk(client, options, done, left < CHUNK ? left : CHUNK, names, handles + done);
    }
    sdb_client_close(client);
    free(names);
    if (!failed)
        return handles;
    free(handles);
    return NULL;
}
