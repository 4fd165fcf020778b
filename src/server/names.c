/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * names.c - a hash table of byte strings
 * Memory:  the slots; they grow twofold, and never shrink
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "runtime.h"

#define SLOTS_FIRST 64

uint64_t name_hash(uint32_t space, const void *data, size_t size)
{
    uint64_t seed;

    memcpy(&seed, runtime.run_id, sizeof(seed));
    return hash_key(seed + space * 0x9e3779b97f4a7c15u, data, size);
}

static struct name **slot_of(const struct names *names, uint64_t hash)
{
    return &names->slots[hash & (names->slot_count - 1)];
}

struct name *names_find(const struct names *names, uint32_t space, const void *data, size_t size)
{
    uint64_t hash;

    if (names->count == 0)
        return NULL;
    hash = name_hash(space, data, size);
    for (struct name *name = *slot_of(names, hash); name != NULL; name = name->next)
        if (name->hash == hash && name->space == space && name->size == size && memcmp(name->data, data, size) == 0)
            return name;
    return NULL;
}

/* Errors: 0, out of memory; the table is as before. */
static int grow(struct names *names)
{
    struct names larger = {.slot_count = names->slot_count == 0 ? SLOTS_FIRST : names->slot_count * 2};

    larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return 0;
    for (size_t i = 0; i < names->slot_count; i++) {
        for (struct name *name = names->slots[i], *next; name != NULL; name = next) {
            struct name **slot = slot_of(&larger, name->hash);

            next = name->next;
            name->next = *slot;
            *slot = name;
        }
    }
    free(names->slots);
    names->slots = larger.slots;
    names->slot_count = larger.slot_count;
    return 1;
}

int names_add(struct names *names, struct name *name)
{
    struct name **slot;

    if (names->count == names->slot_count && !grow(names) && names->slot_count == 0)
        return 0;
    name->hash = name_hash(name->space, name->data, name->size);
    slot = slot_of(names, name->hash);
    name->next = *slot;
    *slot = name;
    __atomic_store_n(&names->count, names->count + 1, __ATOMIC_RELAXED);
    return 1;
}

void names_remove(struct names *names, struct name *name)
{
    struct name **link = slot_of(names, name->hash);

    while (*link != name)
        link = &(*link)->next;
    *link = name->next;
    __atomic_store_n(&names->count, names->count - 1, __ATOMIC_RELAXED);
}

struct name *names_next(const struct names *names, const struct name *name)
{
    size_t slot = 0;

    if (name != NULL && name->next != NULL)
        return name->next;
    if (name != NULL)
        slot = (size_t)(name->hash & (names->slot_count - 1)) + 1;
    for (; slot < names->slot_count; slot++)
        if (names->slots[slot] != NULL)
            return names->slots[slot];
    return NULL;
}
