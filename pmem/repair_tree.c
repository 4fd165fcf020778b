/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * repair_tree.c - whether a large collection is whole, and its blocks
 * Media:   reads struct sdb_m_tree, struct sdb_m_node, struct sdb_m_blob
 * Holds:   nothing is claimed for a collection that is not whole. Where its blocks are in use already, it goes, and what was
 *          claimed for it so far is found out by the next round (src/store/repair.c).
 * Threads: see repair.h
 * Memory:  none
 */
#include "entry.h"
#include "repair_internal.h"
#include "tree_verify.h"

struct subject {
    struct repair *repair;
    uint32_t shard;
    uint64_t nodes, nodes_max; /* no tree has more than the pool */
};

static void say_nothing(void *context, uint64_t offset, const char *what)
{
    (void)context;
    (void)offset;
    (void)what;
}

/* ---- looking ---- */

static bool may_be_header(void *context, uint64_t from, uint64_t offset)
{
    const struct subject *subject = context;
    const struct repair_extent *extent = repair_extent_at(subject->repair, offset);

    (void)from;
    return extent != NULL && offset % sizeof(struct sdb_m_tree) == 0 &&
           (extent->state == EXTENT_FREE || (extent->state == EXTENT_PAGES && extent->shard == subject->shard));
}

static bool may_be_node(void *context, uint64_t from, uint64_t offset)
{
    struct subject *subject = context;

    (void)from;
    (void)offset;
    return subject->nodes++ < subject->nodes_max;
}

static bool is_whole_blob(void *context, uint64_t from, uint64_t reference)
{
    const struct subject *subject = context;

    (void)from;
    return entry_blob_verify(subject->repair->file, reference);
}

/* ---- claiming ---- */

static bool claim_header(void *context, uint64_t from, uint64_t offset)
{
    struct subject *subject = context;

    (void)from;
    return repair_claim(subject->repair, offset, sizeof(struct sdb_m_tree), subject->shard, REPAIR_BLOCK);
}

static bool claim_node(void *context, uint64_t from, uint64_t offset)
{
    struct subject *subject = context;

    (void)from;
    return repair_claim(subject->repair, offset, TREE_NODE_SIZE, subject->shard, REPAIR_NODE);
}

static bool claim_blob(void *context, uint64_t from, uint64_t reference)
{
    struct subject *subject = context;
    const uint8_t *data;
    uint32_t size;

    (void)from;
    return entry_blob(subject->repair->file, reference, &data, &size) &&
           repair_claim(subject->repair, blob_reference_offset(reference), sizeof(struct sdb_m_blob) + (uint64_t)size, subject->shard,
                        REPAIR_BLOCK);
}

const char *repair_tree(struct repair *repair, uint64_t header, unsigned type, uint32_t entry_shard)
{
    const struct repair_extent *extent = repair_extent_at(repair, header);
    struct subject subject = {.repair = repair,
                              .shard = extent != NULL && extent->state == EXTENT_PAGES ? extent->shard : entry_shard,
                              .nodes_max = repair->file->size / TREE_NODE_SIZE};
    struct tree_walk walk = {.file = repair->file,
                             .context = &subject,
                             .header = may_be_header,
                             .node = may_be_node,
                             .blob = is_whole_blob,
                             .problem = say_nothing};

    if (!tree_verify(&walk, header, header, tree_kind_of(type)))
        return "its collection is damaged";
    walk.header = claim_header;
    walk.node = claim_node;
    walk.blob = claim_blob;
    return tree_verify(&walk, header, header, tree_kind_of(type)) ? NULL : "its collection lies where something else is";
}
