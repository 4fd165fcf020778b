/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tree.h - large collections: one counted B+ tree in the pool for all types, changed in place by one-fence commits
 *
 * Media:   struct sdb_m_tree (a header of one line), struct sdb_m_node; blobs for elements larger than TREE_INLINE_MAX
 * Commit:  an insert that finds room stages a slot, the element's words and the leaf's head, a count on each level above, and the
 *          tree's header. What does not fit is built anew as fresh nodes, published by words of their parent in the same commit, which
 *          frees the old ones. A tree is dropped by two words: its header joins its shard's list of trees to reclaim, and what it
 *          had is freed leaf by leaf (tree_reclaim), each step a commit, so that a crash leaves a shorter list and no leak.
 * Holds:
 *  1. All elements of a child lie at or behind its key and before the next child's (tree_kind.h has the orders). Leaves are all on
 *     level 0. Counts on each level are those of what lies below.
 *  2. A node belongs to one tree, whose header it names, and to the shard of that header. An entry of another shard may lead to a
 *     tree (a key that was renamed): whoever changes it holds both shards.
 *  3. tree_node.h: everything is verified before it is followed.
 *  4. A leaf that is less than a quarter full is joined with a neighbour where both fit one; an empty one goes; inner nodes likewise.
 * Threads: under the shard's lock, readers too: it costs an uncontended lock (15 ns), and what is read is of one moment
 *          (docs/decisions/015-collections.md). Blobs stay readable behind the lock for whoever has a pin.
 * Memory:  struct tree, 6 KiB, on the caller's stack; none else
 *
 * How a type uses it:
 *   hash, set      one tree (HASH, SET). Found by tree_find with tree_probe_name; a random element is tree_at of a random rank; SCAN goes
 *                  by tree_seek in the order of hashes, its cursor the hash to go on with (probe.key[0]): stateless, and what is there all
 *                  the time is seen, whatever is split or joined meanwhile. Elements of a leaf stand in any order: sort by hash.
 *   list           one tree (LIST). tree_at(rank) finds places, also behind the last element, for tree_insert there.
 *   sorted set     a tree of SCORES and a companion of MEMBERS (tree_set_companion), both changed in the same commit. Member to score by
 *                  the one; ranges, ranks (tree_rank, tree_seek, tree_at) and pops by the other.
 *   stream         a tree of its entries (STREAM), and a companion of RECORDS for its groups and what is pending (stream_record.h).
 * A change makes all places of the tree invalid: look again. tree_drop drops companions, too.
 */
#ifndef SDB_PMEM_TREE_H
#define SDB_PMEM_TREE_H

#include "heap.h"
#include "tree_kind.h"
#include "tree_node.h"

struct tree {
    struct heap *heap;
    struct tx *tx;
    uint32_t shard;
    enum tree_kind kind;
    const struct tree_shape *shape;
    uint64_t header; /* file offset */
    unsigned height; /* levels of inner nodes */
    uint64_t root, count, version, bytes;
    uint64_t scratch[3][TREE_NODE_WORDS]; /* copies of nodes that have staged words: the leaf, a neighbour, an inner node */
};

/* Where an element is, or would be. Until the tree changes, or another node is looked at with the same struct tree. */
struct tree_place {
    uint64_t node[TREE_HEIGHT_MAX + 1];  /* by level; 0 in an empty tree */
    unsigned index[TREE_HEIGHT_MAX + 1]; /* the child taken there; [0]: the element in the leaf */
    struct tree_node leaf;
};

enum tree_result { TREE_FOUND, TREE_MISSING, TREE_DAMAGED /* error_set says where */ };

/* A new, empty tree; staged. Errors: those of heap_alloc. */
int tree_create(struct heap *heap, struct tx *tx, uint32_t shard, enum tree_kind kind, uint64_t *header);

/* Opens the tree with this header: no work. Safe for any offset. Errors: SDB_ECORRUPT. */
int tree_open(struct tree *tree, struct heap *heap, struct tx *tx, uint64_t header);

/* Whether a tree's header may stand there; its shard. */
bool tree_shard(const struct heap *heap, const struct tx *tx, uint64_t header, uint32_t *shard);

/*
 * Whether the header of a tree that is in use agrees with itself and with its root: what a look at nodes by themselves does not tell.
 * Under the shard's lock for certainty; without, what it says may be a writer's work.
 */
bool tree_header_sound(struct heap *heap, struct tx *tx, uint64_t header);

/* ---- looking ---- */

/* TREE_MISSING: the place is where it would be inserted. Not for a LIST. */
enum tree_result tree_find(struct tree *tree, const struct tree_probe *probe, struct tree_place *place);

/* The element with this rank, in the tree's order (in an unordered leaf: in some order). TREE_MISSING: rank is the count or more, and
 * the place behind the last element. */
enum tree_result tree_at(struct tree *tree, uint64_t rank, struct tree_place *place);

/*
 * The first element at or behind the probe; for hashed kinds: the first of its leaf, when the leaf may have some at or behind it.
 * TREE_MISSING: there is none.
 */
enum tree_result tree_seek(struct tree *tree, const struct tree_probe *probe, struct tree_place *place);

/* The rank of a place that was found, or is missing. Errors: SDB_ECORRUPT. */
int tree_rank(struct tree *tree, const struct tree_place *place, uint64_t *rank);

/* On to the neighbour; TREE_MISSING: there is none. tree_next_leaf: to the first element of the next leaf. */
enum tree_result tree_next(struct tree *tree, struct tree_place *place);
enum tree_result tree_previous(struct tree *tree, struct tree_place *place);
enum tree_result tree_next_leaf(struct tree *tree, struct tree_place *place);

/* The element at a place, verified. Valid as long as the place; a blob's data as long as a pin. Errors: SDB_ECORRUPT. */
int tree_read(const struct tree *tree, const struct tree_place *place, struct tree_element *element);

/* ---- changing: staged; errors: those of heap_alloc, SDB_ECORRUPT, SDB_ETOOBIG; the caller rolls the operation back ---- */

/* Inserts at a place that tree_find or tree_at said is missing, or of a LIST any place: before what is there. The parts follow each other. */
int tree_insert(struct tree *tree, const struct tree_place *place, const struct sdb_slice *parts, unsigned count);

/* Replaces the element at the place by another with the same key and name. Parts that lie in the old element are allowed. */
int tree_replace(struct tree *tree, const struct tree_place *place, const struct sdb_slice *parts, unsigned count);

int tree_remove(struct tree *tree, const struct tree_place *place);

/* Removes all elements of the place's leaf. */
int tree_remove_leaf(struct tree *tree, const struct tree_place *place);

void tree_set_user(struct tree *tree, uint64_t value); /* up to NONZERO_VALUE_MAX */
int tree_user(const struct tree *tree, uint64_t *value);
void tree_set_companion(struct tree *tree, uint64_t header);
int tree_companion(const struct tree *tree, uint64_t *header); /* 0: none */

/* ---- dropping and reclaiming ---- */

/* Unlinks: the tree joins its shard's list. Errors: SDB_ECORRUPT. */
int tree_drop(struct heap *heap, struct tx *tx, uint64_t header);

/* Whether the shard has trees to reclaim, as far as it can be told without its lock. */
bool tree_any_dropped(const struct heap *heap, uint32_t shard);

/*
 * One step: frees a leaf of the first tree of the shard's list, with its blobs, or the tree's header. *freed: how many elements; *done:
 * the list is empty. Under the shard's lock; the caller commits. Errors: those of heap_free; SDB_ECORRUPT.
 */
int tree_reclaim(struct heap *heap, struct tx *tx, uint32_t shard, unsigned *freed, bool *done);

#endif
