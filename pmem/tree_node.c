/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_node.c - reading and verifying nodes
 * Media:   read only
 * Holds:   tree_node.h
 * Threads: see tree_node.h
 * Memory:  none
 */
#include "tree_node.h"

#include "entry.h"
#include "superdb/superdb.h"

_Static_assert(TREE_INLINE_MAX / WORD_SIZE <= TREE_ROOM / 4, "two halves of a leaf and one more element fit two leaves");

bool tree_node_in_pool(const struct pool_file *file, uint64_t offset)
{
    return offset >= file->superblock.heap_offset && offset % TREE_NODE_SIZE == 0 &&
           offset + TREE_NODE_SIZE <= __atomic_load_n(&file->size, __ATOMIC_ACQUIRE);
}

static bool leaf_is_sane(const struct tree_node *leaf)
{
    return leaf->count <= leaf->capacity && leaf->capacity <= TREE_ROOM && leaf->first < leaf->capacity &&
           leaf->floor <= TREE_NODE_WORDS && leaf->floor >= TREE_NODE_HEADER + leaf->capacity;
}

static uint64_t slots_sum(const struct tree_node *leaf)
{
    const unsigned start = TREE_NODE_HEADER + leaf->first, end = start + leaf->count, wrap = TREE_NODE_HEADER + leaf->capacity;
    uint64_t sum = 0;

    for (unsigned i = start; i < end && i < wrap; i++)
        sum += leaf->words[i];
    for (unsigned i = TREE_NODE_HEADER; i + leaf->capacity < end; i++)
        sum += leaf->words[i];
    return sum;
}

bool tree_node_verify(uint64_t offset, const uint64_t *words, uint64_t owner, unsigned level, const struct tree_shape *shape,
                      struct tree_node *node)
{
    uint64_t head, mine;

    if (!checked_value(words[0], offset, &head) || !checked_value(words[1], offset + WORD_SIZE, &mine) || mine == 0)
        return false;
    *node = (struct tree_node){.offset = offset, .words = words, .level = (unsigned)(head & 15), .count = (unsigned)(head >> 4 & 1023)};
    if ((level != TREE_ANY && node->level != level) || (owner != TREE_ANY && mine << 6 != owner))
        return false;
    if (node->level > 0)
        return head >> 14 == 0 && node->count >= 1 && words[2] == 0 &&
               (!shape || node->count <= tree_records_max(shape));
    node->capacity = (unsigned)(head >> 14 & 1023);
    node->first = (unsigned)(head >> 24 & 1023);
    node->floor = (unsigned)(head >> 34 & 1023);
    return head >> 44 == 0 && node->count >= 1 && leaf_is_sane(node) && slots_sum(node) == words[2];
}

bool tree_child_read(const struct tree_shape *shape, const struct tree_node *node, unsigned i, struct tree_child *child)
{
    const unsigned at = tree_record_word(shape, i);
    const uint64_t *words = node->words + at, place = node->offset + at * WORD_SIZE;

    child->key[0] = shape->keys > 0 ? words[0] : 0;
    child->key[1] = shape->keys > 1 ? words[1] : 0;
    child->offset = tree_child_offset(words[shape->keys]);
    child->count = 0;
    return words[shape->keys] == tree_child_word(child->offset, child->key, place) &&
           (!shape->counted ||
            (checked_value(words[shape->keys + 1], place + (shape->keys + 1u) * WORD_SIZE, &child->count) && child->count != 0));
}

void tree_child_write(const struct tree_shape *shape, uint64_t *words, uint64_t node, unsigned i, const struct tree_child *child)
{
    const unsigned at = tree_record_word(shape, i);
    const uint64_t place = node + at * WORD_SIZE;
    const uint64_t key[2] = {shape->keys > 0 ? child->key[0] : 0, shape->keys > 1 ? child->key[1] : 0};

    for (unsigned k = 0; k < shape->keys && k < 2; k++)
        words[at + k] = key[k];
    words[at + shape->keys] = tree_child_word(child->offset, key, place);
    if (shape->counted)
        words[at + shape->keys + 1u] = checked_word(child->count, place + (shape->keys + 1u) * WORD_SIZE);
}

bool tree_element_read(const struct pool_file *file, const struct tree_node *leaf, unsigned i, bool verify, struct tree_element *element)
{
    const uint64_t slot = tree_slot_of(leaf, i);
    const unsigned word = tree_slot_word(slot);
    uint32_t size;

    if (word < leaf->floor || word + tree_slot_words(slot) > TREE_NODE_WORDS ||
        (tree_slot_blob(slot) ? tree_slot_size(slot) != 0 : tree_slot_size(slot) > TREE_INLINE_MAX) ||
        tree_slot_seal(slot, leaf->offset, leaf->words + word) != slot)
        return false;
    if (!tree_slot_blob(slot)) {
        *element = (struct tree_element){.data = (const uint8_t *)(leaf->words + word), .size = tree_slot_size(slot)};
        return true;
    }
    element->blob = leaf->words[word];
    if (!entry_blob(file, element->blob, &element->data, &size) || (verify && !entry_blob_verify(file, element->blob)))
        return false;
    element->size = size;
    return true;
}
