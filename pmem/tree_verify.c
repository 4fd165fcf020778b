/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree_verify.c - what tree.h and tree_node.h say, looked at for every node of a tree
 * Media:   reads struct sdb_m_tree, struct sdb_m_node
 * Holds:   tree_verify.h
 * Threads: see tree_verify.h
 * Memory:  on the stack, for each level
 */
#include "tree_verify.h"

#include <string.h>

#include "persist.h"
#include "stream_record.h"
#include "tree_internal.h"

/* One tree on its way. */
struct verifying {
    struct tree_walk *walk;
    const struct tree_shape *shape;
    enum tree_kind kind;
    uint64_t header;
    uint64_t bytes;
    struct tree_probe last; /* the element before, in an ordered tree */
    struct stream_check *stream; /* what a stream's trees have to agree on; NULL: nothing is to be compared */
    bool any;
    bool sound;
};

/* What a subtree's elements must lie between: NULL where nothing is said. */
struct bounds {
    const uint64_t *low, *high;
};

static void problem(struct verifying *v, uint64_t offset, const char *what)
{
    v->walk->problem(v->walk->context, offset, what);
    v->sound = false;
}

static const uint64_t *words_at(const struct verifying *v, uint64_t offset)
{
    return (const uint64_t *)(const void *)(v->walk->file->base + offset);
}

static int compare_keys(const struct tree_shape *shape, const uint64_t *a, const uint64_t *b)
{
    for (unsigned i = 0; i < shape->keys; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

/* ---- leaves ---- */

/* Notes the words of an element as used. False: they were. */
static bool use_words(uint64_t used[TREE_NODE_WORDS / 64], uint64_t slot)
{
    for (unsigned i = 0; i < tree_slot_words(slot); i++) {
        const unsigned word = tree_slot_word(slot) + i;

        if (used[word / 64] >> word % 64 & 1)
            return false;
        used[word / 64] |= 1ull << word % 64;
    }
    return true;
}

static void verify_order(struct verifying *v, uint64_t at, const struct tree_probe *probe, const struct bounds *bounds)
{
    const struct tree_shape *shape = v->shape;

    const int behind = bounds->high ? compare_keys(shape, probe->key, bounds->high) : -1;

    if ((bounds->low && compare_keys(shape, probe->key, bounds->low) < 0) || behind > 0 || (behind == 0 && shape->keys && !shape->tied))
        problem(v, at, "collection: an element stands in the wrong leaf");
    if (shape->ordered && shape->keys && v->any && tree_probe_compare(shape, &v->last, probe) >= 0)
        problem(v, at, "collection: elements are not in order");
    v->last = *probe;
    v->any = true;
}

/* Of a hashed leaf: no element is there twice. */
static void verify_unique(struct verifying *v, const struct tree_node *leaf, unsigned i, const struct tree_probe *probe)
{
    const unsigned mine = tree_slot_fingerprint(tree_slot_of(leaf, i));

    if (mine != (probe->key[0] & 0x7fff))
        problem(v, leaf->offset, "collection: a fingerprint is wrong");
    for (unsigned other = 0; other < i; other++) {
        struct tree_element element;
        struct tree_probe second;

        if (tree_slot_fingerprint(tree_slot_of(leaf, other)) != mine ||
            !tree_element_read(v->walk->file, leaf, other, false, &element) ||
            !tree_probe_element(v->walk->file, v->kind, element.data, element.size, &second))
            continue;
        if (second.name_size == probe->name_size && memcmp(second.name, probe->name, probe->name_size) == 0)
            problem(v, leaf->offset, "collection: an element is there twice");
    }
}

static void verify_element(struct verifying *v, const struct tree_node *leaf, unsigned i, const struct bounds *bounds,
                           uint64_t used[TREE_NODE_WORDS / 64])
{
    const uint64_t slot = tree_slot_of(leaf, i), at = leaf->offset + tree_slot_place(leaf, i) * WORD_SIZE;
    const uint64_t from = leaf->offset + tree_slot_word(slot) * WORD_SIZE;
    struct tree_element element;
    struct tree_probe probe;

    v->walk->elements++;
    /* The blob's size is known once its block was claimed: read what leads there first. */
    if (tree_slot_word(slot) < leaf->floor || tree_slot_word(slot) + tree_slot_words(slot) > TREE_NODE_WORDS || !use_words(used, slot)) {
        problem(v, at, "collection: an element's place is impossible");
        return;
    }
    if (tree_slot_seal(slot, leaf->offset, leaf->words + tree_slot_word(slot)) != slot) {
        problem(v, at, "collection: an element is damaged: its check is wrong");
        return;
    }
    if (tree_slot_blob(slot) && !v->walk->blob(v->walk->context, from, leaf->words[tree_slot_word(slot)])) {
        v->sound = false;
        return;
    }
    if (!tree_element_read(v->walk->file, leaf, i, false, &element) ||
        !tree_probe_element(v->walk->file, v->kind, element.data, element.size, &probe)) {
        problem(v, at, "collection: an element makes no sense");
        return;
    }
    v->bytes += element.blob ? heap_block_size(element.size + sizeof(struct sdb_m_blob)) : 0;
    verify_order(v, at, &probe, bounds);
    if (!v->shape->ordered)
        verify_unique(v, leaf, i, &probe);
    if (v->stream && v->kind == TREE_STREAM)
        stream_check_entry(v->stream, element.data, element.size);
    else if (v->stream)
        stream_check_record(v->stream, element.data, element.size);
}

/* ---- nodes ---- */

static uint64_t verify_node(struct verifying *v, uint64_t from, uint64_t offset, unsigned level, struct bounds bounds);

/* Reads a child and the key behind which its elements end. False: told. */
static bool read_record(struct verifying *v, const struct tree_node *node, unsigned i, struct tree_child *child, struct tree_child *next)
{
    if (!tree_child_read(v->shape, node, i, child) || (i + 1 < node->count && !tree_child_read(v->shape, node, i + 1, next))) {
        problem(v, node->offset + tree_record_word(v->shape, i) * WORD_SIZE, "collection: a node's record is damaged");
        return false;
    }
    if (i > 0 && i + 1 < node->count && compare_keys(v->shape, child->key, next->key) > (v->shape->tied || !v->shape->keys ? 0 : -1))
        problem(v, node->offset + tree_record_word(v->shape, i) * WORD_SIZE, "collection: keys are not in order");
    return true;
}

static uint64_t verify_inner(struct verifying *v, const struct tree_node *node, struct bounds bounds)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < node->count; i++) {
        const uint64_t from = node->offset + (tree_record_word(v->shape, i) + v->shape->keys) * WORD_SIZE;
        struct tree_child child, next;

        if (!read_record(v, node, i, &child, &next))
            continue;
        const struct bounds mine = {i > 0 ? child.key : bounds.low, i + 1 < node->count ? next.key : bounds.high};
        const uint64_t count = verify_node(v, from, child.offset, node->level - 1, mine);
        if (v->shape->counted && !v->walk->dropped && count != child.count)
            problem(v, from + WORD_SIZE, "collection: a count is wrong");
        sum += count;
    }
    return sum;
}

/* Returns how many elements there are below. */
static uint64_t verify_node(struct verifying *v, uint64_t from, uint64_t offset, unsigned level, struct bounds bounds)
{
    uint64_t used[TREE_NODE_WORDS / 64] = {0};
    struct tree_node node;

    if (!tree_node_in_pool(v->walk->file, offset) || !v->walk->node(v->walk->context, from, offset)) {
        v->sound = false;
        return 0;
    }
    v->walk->nodes++;
    v->bytes += TREE_NODE_SIZE;
    if (!tree_node_verify(offset, words_at(v, offset), v->header, level, v->shape, &node)) {
        problem(v, offset, "collection: a node is damaged");
        return 0;
    }
    if (level > 0)
        return verify_inner(v, &node, bounds);
    if (node.count == 0 || (!v->shape->ordered && node.first != 0))
        problem(v, offset, "collection: a leaf makes no sense");
    for (unsigned i = 0; i < node.count; i++)
        verify_element(v, &node, i, &bounds, used);
    return node.count;
}

/* ---- trees ---- */

/* The header's words. False: told. */
static bool read_header(struct verifying *v, uint64_t values[8])
{
    const uint64_t *words = words_at(v, v->header);

    for (unsigned i = 0; i < 8; i++) {
        if (nonzero_word_value(persist_load(&words[i]), v->header + i * WORD_SIZE, &values[i]))
            continue;
        problem(v, v->header + i * WORD_SIZE, "collection: a word of its header is damaged");
        return false;
    }
    return true;
}

#define WORD_OF(name) (TREE_FIELD(name) / WORD_SIZE)

static bool verify_one(struct tree_walk *walk, uint64_t from, uint64_t header, enum tree_kind kind, struct stream_check *stream,
                       uint64_t *companion, uint64_t *user)
{
    struct verifying v = {.walk = walk, .header = header, .stream = stream, .sound = true};
    uint64_t values[8], count = 0;

    *companion = 0;
    if (!walk->header(walk->context, from, header) || !read_header(&v, values))
        return false;
    v.kind = (enum tree_kind)(values[WORD_OF(shape)] & 15);
    v.shape = &tree_shapes[v.kind];
    *companion = values[WORD_OF(companion)] << 6;
    *user = values[WORD_OF(user)];
    if (!v.shape->valid || (kind && v.kind != kind) || values[WORD_OF(shape)] >> 4 > TREE_HEIGHT_MAX) {
        problem(&v, header, "collection: an impossible kind or height");
        return false;
    }
    if (values[WORD_OF(root)])
        count = verify_node(&v, header + TREE_FIELD(root), values[WORD_OF(root)] << 6, (unsigned)(values[WORD_OF(shape)] >> 4),
                            (struct bounds){NULL, NULL});
    if (walk->dropped)
        return v.sound;
    if (v.sound && count != values[WORD_OF(count)])
        problem(&v, header + TREE_FIELD(count), "collection: the number of its elements is wrong");
    if (v.sound && v.bytes != values[WORD_OF(bytes)])
        problem(&v, header + TREE_FIELD(bytes), "collection: the number of its bytes is wrong");
    if (values[WORD_OF(next)])
        problem(&v, header + TREE_FIELD(next), "collection: in use, and in a list of dropped ones");
    return v.sound;
}

/* An entry that leads to a stream: two trees, which are to agree. */
static bool verify_stream(struct tree_walk *walk, uint64_t from, uint64_t header)
{
    struct stream_check stream = {.problem = NULL};
    uint64_t companion, user = 0, none, nothing;
    bool sound = verify_one(walk, from, header, TREE_STREAM, &stream, &companion, &user);
    const char *what;

    if (companion && !verify_one(walk, header + TREE_FIELD(companion), companion, TREE_RECORDS, &stream, &none, &nothing))
        sound = false;
    what = stream_check_end(&stream, user);
    if (!sound || !what)
        return sound;
    walk->problem(walk->context, header, what);
    return false;
}

bool tree_verify(struct tree_walk *walk, uint64_t from, uint64_t header, enum tree_kind kind)
{
    bool sound = true;

    if (kind == TREE_STREAM)
        return verify_stream(walk, from, header);
    while (header) { /* ends: no header is used twice */
        uint64_t companion, user;

        if (!verify_one(walk, from, header, kind, NULL, &companion, &user))
            sound = false;
        from = header + TREE_FIELD(companion);
        header = companion;
        kind = 0;
    }
    return sound;
}
