/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_parts.c - the groups of a stream, or a group's consumers
 * Memory: one piece for each of them.
 */
#include "stream_parts.h"

#include <stdlib.h>
#include <string.h>

struct taking {
    struct stream_part *first, **end;
    int failed; /* out of memory */
};

static struct stream_part *add(struct taking *taking, const struct sdb_slice *name)
{
    struct stream_part *part = calloc(1, sizeof(*part) + name->size);

    if (part == NULL) {
        taking->failed = 1;
        return NULL;
    }
    if (name->size > 0)
        memcpy(part->name, name->data, name->size);
    *taking->end = part;
    taking->end = &part->next;
    return part;
}

static int take_group(void *context, const struct sdb_stream_group *group)
{
    struct stream_part *part = add(context, &group->name);

    if (part == NULL)
        return 1;
    part->group = *group;
    part->group.name.data = part->name;
    return 0;
}

static int take_consumer(void *context, const struct sdb_stream_consumer *consumer)
{
    struct stream_part *part = add(context, &consumer->name);

    if (part == NULL)
        return 1;
    part->consumer = *consumer;
    part->consumer.name.data = part->name;
    return 0;
}

static int end(struct taking *taking, int result, struct stream_part **parts)
{
    if (result == SDB_OK && taking->failed)
        result = SDB_ENOMEM;
    if (result != SDB_OK) {
        stream_parts_free(taking->first);
        taking->first = NULL;
    }
    *parts = taking->first;
    return result;
}

int stream_parts_groups(struct sdb_session *session, const struct sdb_slice *key, struct stream_part **parts)
{
    struct taking taking = {.end = &taking.first};

    return end(&taking, sdb_stream_groups(session, key->data, key->size, take_group, &taking), parts);
}

int stream_parts_consumers(struct sdb_session *session, const struct sdb_slice *key, const struct sdb_slice *group,
                           struct stream_part **parts)
{
    struct taking taking = {.end = &taking.first};

    return end(&taking, sdb_stream_consumers(session, key->data, key->size, group, take_consumer, &taking), parts);
}

size_t stream_parts_count(const struct stream_part *parts)
{
    size_t count = 0;

    for (; parts != NULL; parts = parts->next)
        count++;
    return count;
}

void stream_parts_free(struct stream_part *parts)
{
    while (parts != NULL) {
        struct stream_part *next = parts->next;

        free(parts);
        parts = next;
    }
}
