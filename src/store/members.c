/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * members.c - members of sets outside of the pool
 * Media:   none
 * Holds:   a table is at most half full; what was taken away keeps its slot, so that others are found behind it
 * Threads: one
 * Memory:  three arrays, each of which doubles when it is full
 */
#include "members.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "hash.h"

#define SLOTS_MIN 64u

void members_free(struct members *members)
{
    free(members->items);
    free(members->bytes);
    free(members->slots);
    members_init(members, members->seed);
}

void members_clear(struct members *members)
{
    members->count = members->left = 0;
    members->size = 0;
}

static int make_room(struct members *members, size_t size)
{
    return grow(&members->items, &members->capacity, members->count + 1, sizeof(*members->items)) &&
                   grow(&members->bytes, &members->bytes_capacity, members->size + size, 1)
               ? SDB_OK
               : SDB_ENOMEM;
}

int members_append(struct members *members, const struct sdb_slice *name)
{
    int error = make_room(members, name->size);

    if (error)
        return error;
    members->items[members->count++] = (struct member){members->size, name->size, 0};
    members->left++;
    if (name->size)
        memcpy(members->bytes + members->size, name->data, name->size);
    members->size += name->size;
    return SDB_OK;
}

/* -- the table -- */

static uint64_t hash_of(const struct members *members, const struct sdb_slice *name)
{
    return hash_key(members->seed, name->size ? name->data : "", name->size);
}

/* The slot that has it, or where it would be. */
static uint32_t *find(const struct members *members, const struct sdb_slice *name, uint64_t hash)
{
    for (size_t at = hash & members->slots_mask;; at = (at + 1) & members->slots_mask) {
        uint32_t *slot = &members->slots[at];
        const struct member *item = *slot ? &members->items[*slot - 1] : NULL;

        if (!item || (item->at != MEMBER_GONE && item->hash == hash && item->size == name->size &&
                      memcmp(members->bytes + item->at, name->size ? name->data : "", name->size) == 0))
            return slot;
    }
}

static int more_slots(struct members *members)
{
    const size_t count = members->slots ? (members->slots_mask + 1) * 2 : SLOTS_MIN;
    uint32_t *slots = calloc(count, sizeof(*slots));

    if (!slots)
        return SDB_ENOMEM;
    free(members->slots);
    members->slots = slots;
    members->slots_mask = count - 1;
    for (size_t i = 0; i < members->count; i++) {
        size_t at = members->items[i].hash & members->slots_mask;

        while (slots[at])
            at = (at + 1) & members->slots_mask;
        slots[at] = (uint32_t)i + 1;
    }
    return SDB_OK;
}

int members_insert(struct members *members, const struct sdb_slice *name)
{
    const uint64_t hash = hash_of(members, name);
    uint32_t *slot;
    int error = SDB_OK;

    if (members->count >= UINT32_MAX - 1)
        return SDB_ETOOBIG;
    if (!members->slots || members->count * 2 > members->slots_mask)
        error = more_slots(members);
    if (error)
        return error;
    slot = find(members, name, hash);
    if (*slot)
        return SDB_OK;
    error = members_append(members, name);
    if (error)
        return error;
    members->items[members->count - 1].hash = hash;
    *slot = (uint32_t)members->count;
    return SDB_OK;
}

bool members_contain(const struct members *members, const struct sdb_slice *name)
{
    return members->slots && *find(members, name, hash_of(members, name));
}

void members_remove(struct members *members, const struct sdb_slice *name)
{
    const uint32_t slot = members->slots ? *find(members, name, hash_of(members, name)) : 0;

    if (slot)
        members_drop(members, slot - 1);
}

void members_show(const struct members *members, uint64_t limit, sdb_element_fn *visit, void *context)
{
    uint64_t shown = 0;
    int stop = 0;

    for (size_t i = 0; i < members->count && !stop && (!limit || shown < limit); i++) {
        if (!members_has(members, i))
            continue;
        stop = visit(context, &(struct sdb_element){.name = members_at(members, i), .value = {"", 0}});
        shown++;
    }
}
