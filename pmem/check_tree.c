/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_tree.c - large collections: those that entries lead to, and those that wait to be reclaimed
 * Media:   reads struct sdb_m_tree, struct sdb_m_node, struct sdb_m_blob
 * Holds:   a node's or blob's bytes are read only after its block was claimed and found large enough.
 * Threads: see check.h
 * Memory:  none
 */
#include <inttypes.h>

#include "check_internal.h"
#include "entry.h"
#include "index.h"
#include "tree_verify.h"

struct subject {
    struct check *check;
    uint32_t shard; /* the tree's, known from its header on */
};

static bool claim_header(void *context, uint64_t from, uint64_t offset)
{
    struct subject *subject = context;

    if (!check_shard_of(subject->check, offset, &subject->shard) || offset % sizeof(struct sdb_m_tree) != 0) {
        check_problem(subject->check, from, "collection: leads to offset %" PRIu64 ", where no header can be", offset);
        return false;
    }
    return check_claim_block(subject->check, from, offset, sizeof(struct sdb_m_tree), subject->shard, "collection");
}

static bool claim_node(void *context, uint64_t from, uint64_t offset)
{
    struct subject *subject = context;

    if (!check_is_node(subject->check, offset)) {
        check_problem(subject->check, from, "collection: leads to offset %" PRIu64 ", where no node can be", offset);
        return false;
    }
    subject->check->result->bytes_checked += TREE_NODE_SIZE;
    return check_claim_block(subject->check, from, offset, TREE_NODE_SIZE, subject->shard, "collection: node");
}

static bool claim_blob(void *context, uint64_t from, uint64_t reference)
{
    struct subject *subject = context;

    return check_blob(subject->check, from, reference, subject->shard, TREE_ELEMENT_SIZE_MAX, "element");
}

static void tell(void *context, uint64_t offset, const char *what)
{
    struct subject *subject = context;

    check_problem(subject->check, offset, "%s", what);
}

static bool walk(struct check *check, uint64_t from, uint64_t header, enum tree_kind kind, bool dropped, uint32_t *shard)
{
    struct subject subject = {.check = check};
    struct tree_walk walk = {.file = check->file,
                             .context = &subject,
                             .header = claim_header,
                             .node = claim_node,
                             .blob = claim_blob,
                             .problem = tell,
                             .dropped = dropped};
    const bool sound = tree_verify(&walk, from, header, kind);

    check->result->nodes += walk.nodes;
    check->result->elements += dropped ? 0 : walk.elements;
    *shard = subject.shard;
    return sound;
}

void check_tree(struct check *check, uint64_t from, uint64_t header, unsigned type)
{
    uint32_t shard;

    (void)walk(check, from, header, tree_kind_of(type), false, &shard);
}

static void check_list(struct check *check, uint32_t list_shard)
{
    uint64_t from = index_shard_offset(check->file, list_shard) + offsetof(struct sdb_m_shard, reclaim), value;

    if (!check_word(check, from, "list of dropped collections", &value))
        return;
    while (value != 0) { /* ends: no header is claimed twice */
        const uint64_t header = value << 6;
        uint32_t shard;

        if (check_is_claimed(check, header)) {
            check_problem(check, from, "list of dropped collections: leads to one in use");
            return;
        }
        if (!walk(check, from, header, 0, true, &shard))
            return;
        if (shard != list_shard)
            check_problem(check, from, "list of dropped collections: leads to another shard");
        from = header + offsetof(struct sdb_m_tree, next);
        (void)nonzero_word_value(check_load(check, from), from, &value); /* the walk has verified it */
    }
}

void check_dropped(struct check *check)
{
    for (uint32_t shard = 0; shard < check->file->superblock.shards; shard++)
        check_list(check, shard);
}
