/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_kind.c - keys of elements, and their order
 * Media:   none
 * Holds:   a key follows from the element's bytes alone (and the pool's seed), so that whoever checks a tree can verify its order
 * Threads: any
 * Memory:  none
 */
#include "tree_kind.h"

#include <string.h>

#include "hash.h"

#define HASH_SALT 0x6a09e667f3bcc909ull /* members' hashes have nothing to do with keys' hashes */

const struct tree_shape tree_shapes[16] = {
    [TREE_HASH] = {.keys = 1, .width = 3, .counted = true, .valid = true},
    [TREE_SET] = {.keys = 1, .width = 3, .counted = true, .valid = true},
    [TREE_LIST] = {.keys = 0, .width = 2, .counted = true, .ordered = true, .valid = true},
    [TREE_SCORES] = {.keys = 2, .width = 4, .counted = true, .ordered = true, .tied = true, .valid = true},
    [TREE_MEMBERS] = {.keys = 1, .width = 2, .valid = true},
    [TREE_STREAM] = {.keys = 2, .width = 4, .counted = true, .ordered = true, .valid = true},
    [TREE_RECORDS] = {.keys = 2, .width = 4, .counted = true, .ordered = true, .tied = true, .valid = true},
};

/* ---- sizes ---- */

size_t tree_size_write(uint8_t out[TREE_SIZE_BYTES], uint32_t value)
{
    size_t n = 0;

    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

size_t tree_size_read(const uint8_t *data, size_t size, uint32_t *value)
{
    uint64_t sum = 0;

    for (size_t n = 0; n < size && n < TREE_SIZE_BYTES; n++) {
        sum |= (uint64_t)(data[n] & 0x7f) << 7 * n;
        if (!(data[n] & 0x80)) {
            *value = (uint32_t)sum;
            return sum <= UINT32_MAX ? n + 1 : 0;
        }
    }
    return 0;
}

/* ---- probes ---- */

void tree_probe_name(const struct pool_file *file, const void *name, size_t size, struct tree_probe *probe)
{
    *probe = (struct tree_probe){.name = size ? name : "", .name_size = size};
    probe->key[0] = hash_key(file->superblock.hash_seed ^ HASH_SALT, probe->name, size);
}

/* The first eight bytes, so that they compare as the bytes do. */
static uint64_t prefix_of(const uint8_t *name, size_t size)
{
    uint64_t prefix = 0;

    for (size_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < size ? name[i] : 0);
    return prefix;
}

void tree_probe_score(uint64_t score, const void *name, size_t size, struct tree_probe *probe)
{
    *probe = (struct tree_probe){.key = {score, prefix_of(name, size)}, .name = size ? name : "", .name_size = size};
}

void tree_probe_id(uint64_t high, uint64_t low, struct tree_probe *probe)
{
    *probe = (struct tree_probe){.key = {high, low}, .name = ""};
}

void tree_probe_record(const void *key, size_t size, struct tree_probe *probe)
{
    const uint8_t *bytes = size ? key : (const void *)"";

    *probe = (struct tree_probe){.name = bytes, .name_size = size};
    probe->key[0] = prefix_of(bytes, size);
    probe->key[1] = size > 8 ? prefix_of(bytes + 8, size - 8) : 0;
}

bool tree_probe_element(const struct pool_file *file, enum tree_kind kind, const uint8_t *data, size_t size,
                        struct tree_probe *probe)
{
    uint64_t words[2] = {0, 0};
    uint32_t field;
    size_t n;

    switch (kind) {
    case TREE_HASH:
    case TREE_RECORDS:
        n = tree_size_read(data, size, &field);
        if (n == 0 || field > size - n)
            return false;
        if (kind == TREE_HASH)
            tree_probe_name(file, data + n, field, probe);
        else
            tree_probe_record(data + n, field, probe);
        return true;
    case TREE_SET:
        tree_probe_name(file, data, size, probe);
        return true;
    case TREE_SCORES:
    case TREE_MEMBERS:
        if (size < 8)
            return false;
        memcpy(words, data, 8);
        if (kind == TREE_SCORES)
            tree_probe_score(words[0], data + 8, size - 8, probe);
        else
            tree_probe_name(file, data + 8, size - 8, probe);
        return true;
    case TREE_STREAM:
        if (size < 16)
            return false;
        memcpy(words, data, 16);
        tree_probe_id(words[0], words[1], probe);
        return true;
    default:
        *probe = (struct tree_probe){.name = ""};
        return true;
    }
}

int tree_probe_compare(const struct tree_shape *shape, const struct tree_probe *a, const struct tree_probe *b)
{
    for (unsigned i = 0; i < shape->keys; i++)
        if (a->key[i] != b->key[i])
            return a->key[i] < b->key[i] ? -1 : 1;
    if (!shape->tied)
        return 0;
    const size_t least = a->name_size < b->name_size ? a->name_size : b->name_size;
    const int order = least ? memcmp(a->name, b->name, least) : 0;
    return order ? order : a->name_size < b->name_size ? -1 : a->name_size > b->name_size;
}
