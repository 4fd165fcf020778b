/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_copies.c - entries copied into DRAM: what a change gave away, to be shown once it is done
 * Media:   none
 * Threads: one
 * Memory:  one piece, which doubles
 */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

struct head {
    struct sdb_stream_id id;
    uint64_t count;
    size_t size;
};
#define NO_ENTRY SIZE_MAX /* as a size */

static int add(struct stream_copies *copies, const struct head *head, const void *data, size_t size)
{
    const size_t needed = copies->size + sizeof(*head) + size;

    if (copies->capacity < needed || !copies->bytes) {
        uint8_t *memory = realloc(copies->bytes, needed * 2);

        if (!memory)
            return SDB_ENOMEM;
        copies->bytes = memory;
        copies->capacity = needed * 2;
    }
    memcpy(copies->bytes + copies->size, head, sizeof(*head));
    if (size)
        memcpy(copies->bytes + copies->size + sizeof(*head), data, size);
    copies->size = needed;
    return SDB_OK;
}

int stream_copies_add(struct stream_copies *copies, const struct sdb_stream_entry *entry)
{
    const struct head head = {entry->id, entry->count, entry->packed.size};

    return add(copies, &head, entry->packed.data, entry->packed.size);
}

int stream_copies_add_id(struct stream_copies *copies, const struct sdb_stream_id *id)
{
    const struct head head = {*id, 0, NO_ENTRY};

    return add(copies, &head, NULL, 0);
}

void stream_copies_show(const struct stream_copies *copies, sdb_stream_fn *visit, void *context)
{
    struct sdb_stream_entry entry;
    struct head head;
    int stop = 0;

    for (size_t at = 0; at < copies->size && !stop;) {
        memcpy(&head, copies->bytes + at, sizeof(head));
        at += sizeof(head);
        entry = (struct sdb_stream_entry){.id = head.id, .count = head.count};
        if (head.size != NO_ENTRY)
            entry.packed = (struct sdb_slice){copies->bytes + at, head.size};
        stop = visit(context, &entry);
        at += entry.packed.size;
    }
}

void stream_copies_free(struct stream_copies *copies)
{
    free(copies->bytes);
}
