/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * collection.h - one collection, as the types' files (hash.c, list.c, set.c, zset.c) work with it: small or large alike
 *
 * A small one is packed (pmem/packed.h): a change edits a copy in DRAM, which collection_end stores as one fresh blob. A large one is
 * a tree (pmem/tree.h) that is changed in place; a sorted set has a second one, by member, which is kept here and seen by nobody else.
 * What was packed becomes a tree when the limits say so (struct sdb_limits), and stays one for as long as the key exists.
 * docs/decisions/016-types.md says which kind of tree a type has, and in which order its elements come. A stream is always a tree; stream.h
 * goes on from here.
 *
 * Life of a change: collection_change calls the type's function with the collection found, locked, and perhaps not there (count 0);
 * behind it stores what was changed, keeps the key's time to live, and deletes a key whose last element is gone. One commit. The
 * function may be called again from the beginning: where the pool was full, and something could be reclaimed.
 *
 * A look at a packed collection takes no lock: it works on the blob, under a pin. A tree is read under its shard's lock.
 */
#ifndef SDB_STORE_COLLECTION_H
#define SDB_STORE_COLLECTION_H

#include "packed.h"
#include "session.h"
#include "superdb/collection.h"
#include "tree.h"

struct collection {
    struct sdb_session *session;
    enum tree_kind kind;
    unsigned type;
    uint64_t count;
    unsigned form;     /* PACKED_ flags */
    bool in_tree;
    /* private */
    bool writing, changed, pinned;
    bool anew;       /* what the key held goes: collection_store */
    bool fresh_tree; /* the entry does not lead to it yet */
    bool groups_only; /* of a stream: what changed is none of its entries */
    bool has_records; /* of a stream: its records are open, in members */
    unsigned stored_form;
    uint64_t stored_count;
    struct operation operation;
    const uint8_t *data; /* packed: the elements */
    size_t size;
    uint8_t *edited; /* packed and changed: a copy, with room for a header in front */
    size_t capacity;
    uint32_t locked[2]; /* looking: shards that were locked for it */
    unsigned locked_count;
    struct tree tree, members; /* members: the tree's companion */
};

/* An element, taken apart. Which of these there are, the type says. */
struct collection_element {
    struct sdb_slice name;  /* a field, a member, an element of a list */
    struct sdb_slice value; /* of a field */
    uint64_t score;         /* collection_score_word */
};

/* Where an element is. Valid until the collection changes. */
struct collection_place {
    uint64_t rank;       /* packed */
    size_t offset, next; /* packed */
    struct tree_place tree;
};

/* ---- opening ---- */

/* What a type does with its collection. Returns SDB_OK or an error; after SDB_ENOTFOUND and SDB_ECONDITION it has changed nothing. */
typedef int collection_fn(struct collection *collection, void *context);

/*
 * Changes the key's collection, which may not exist yet. Errors: SDB_ETYPE, those of the function, those of sdb_set.
 */
int collection_change(struct sdb_session *session, const void *key, size_t key_size, unsigned type, collection_fn *change,
                      void *context);

/* The same, but it begins with nothing, whatever key it is: what is stored takes its place, and has no time to live. Nothing: it is gone. */
int collection_store(struct sdb_session *session, const void *key, size_t key_size, unsigned type, collection_fn *change,
                     void *context);

/* Looks at it; the function must change nothing. What it is shown is valid until it returns. Errors: SDB_ENOTFOUND (no such key), SDB_ETYPE. */
int collection_look(struct sdb_session *session, const void *key, size_t key_size, unsigned type, collection_fn *look,
                    void *context);

/* The same, but it does not count as a use of the key. */
int collection_peek(struct sdb_session *session, const void *key, size_t key_size, unsigned type, collection_fn *look,
                    void *context);

/*
 * For several keys that change, or are looked at, together: a transaction that names them, around a function that calls the two
 * functions above. Starts again where another thread was in the way.
 */
typedef int collection_together_fn(struct sdb_session *session, void *context);
int collection_together(struct sdb_session *session, const struct sdb_slice *keys, size_t count, collection_together_fn *run,
                        void *context);

/* ---- finding: SDB_OK, SDB_ENOTFOUND, SDB_ECORRUPT ---- */

/* By field or member. Not of a list. Of a set, the place has no rank, and leads to no neighbours. */
int collection_find(struct collection *collection, const void *name, size_t size, struct collection_place *place);

/* A member's score, from the companion alone. Of a sorted set. */
int collection_find_score(struct collection *collection, const void *name, size_t size, uint64_t *score);

/* By rank, from 0: of lists and sorted sets in their order, of others in some order, which stays while nothing changes. */
int collection_at(struct collection *collection, uint64_t rank, struct collection_place *place);

/* Of a sorted set: the first element at or behind this score and member. name NULL: before all members with the score. */
int collection_seek(struct collection *collection, uint64_t score, const void *name, size_t size, struct collection_place *place);

/* The rank of a place that was found. */
int collection_rank(struct collection *collection, const struct collection_place *place, uint64_t *rank);

/* On to the neighbour. collection_previous of a packed one walks from the beginning. */
int collection_next(struct collection *collection, struct collection_place *place);
int collection_previous(struct collection *collection, struct collection_place *place);

/* The element there. Its bytes are valid until the collection changes, or ends. */
int collection_read(const struct collection *collection, const struct collection_place *place, struct collection_element *element);

/* ---- changing: places are invalid afterwards; an element's bytes must not lie in the collection itself ---- */

/* Stores an element under its name: a new one, or instead of the one with this name. *added, which may be NULL, tells. Not of a list. */
int collection_put(struct collection *collection, const struct collection_element *element, bool *added);

/* Takes the element at the place away. */
int collection_take(struct collection *collection, const struct collection_place *place);

/* Of a list: inserts before the element with this rank (the count: behind all), or puts another in its place. */
int collection_insert(struct collection *collection, uint64_t rank, const struct sdb_slice *element);
int collection_set(struct collection *collection, uint64_t rank, const struct sdb_slice *element);

/*
 * Of a list: keeps `count` elements from the rank on, which it has, and takes the others away. Where fewer stay than go they are built anew,
 * which takes memory; in_place: it does not, however many go.
 */
int collection_keep(struct collection *collection, uint64_t rank, uint64_t count, bool in_place);

/* Takes all elements away, however many, at once. */
int collection_clear(struct collection *collection);

/* ---- iterating ---- */

typedef int collection_visit(void *context, const struct collection_element *element); /* anything but 0 ends it, and is returned */

/* All elements, from the rank on, at most so many; in order where there is one. Backwards: towards rank 0. */
int collection_each(struct collection *collection, uint64_t rank, uint64_t count, bool backwards, collection_visit *visit,
                    void *context);

/*
 * About `effort` elements, from *cursor (0: the beginning) on; writes where to go on to *cursor, 0 at the end. By hash: what is there all the
 * time is met, whatever changes meanwhile. A packed collection is shown whole. Not of a list.
 */
int collection_scan(struct collection *collection, uint64_t *cursor, uint64_t effort, collection_visit *visit, void *context);

/* ---- the rest of the engine ---- */

/* Shows an element to who uses the library. context: struct collection_shown. */
struct collection_shown {
    sdb_element_fn *visit;
    void *context;
    bool scores;
    int result; /* the visitor's */
};
int collection_show(void *context, const struct collection_element *element);

/* What sdb_stat says of a key that had this type. Errors: as collection_look. */
int collection_stat(struct sdb_session *session, const void *key, size_t key_size, unsigned type, struct sdb_stat *stat);

/* A copy of a tree in another shard, and the companion's. Errors: those of tree_insert. */
int collection_copy_tree(struct sdb_session *session, uint64_t header, uint32_t shard, uint64_t *copy);

/* ---- scores: words in their order. -0 becomes 0; NaN is the caller's matter ---- */
static inline uint64_t collection_score_word(double score)
{
    uint64_t bits;

    if (score == 0)
        score = 0;
    __builtin_memcpy(&bits, &score, sizeof(bits));
    return bits >> 63 ? ~bits : bits | 1ull << 63;
}
static inline double collection_score(uint64_t word)
{
    const uint64_t bits = word >> 63 ? word & ~(1ull << 63) : ~word;
    double score;

    __builtin_memcpy(&score, &bits, sizeof(score));
    return score;
}

/* -- private to collection*.c -- */

/* The bytes of an element of a kind of tree, as parts. */
struct collection_parts {
    struct sdb_slice slices[3];
    unsigned count;
    size_t size;
    uint8_t bytes[8]; /* the size of the field, or the score */
};
void collection_take_apart(const struct collection *collection, const struct collection_element *element, struct collection_parts *parts);
int collection_put_together(const struct collection *collection, const uint8_t *data, size_t size, struct collection_element *element);

/* Empty and packed. */
void collection_start(struct collection *collection);
/* Opens what the words of an entry say. pinned or locked: its blob stays. */
int collection_open(struct collection *collection, const uint64_t words[4]);
/* Opens the trees behind a header. */
int collection_open_tree(struct collection *collection, uint64_t header);
int collection_result(enum tree_result result);
/* Of a sorted set in trees: where the companion has the member, and its score; SDB_ENOTFOUND: where it would have it. */
int collection_find_member(struct collection *collection, const void *name, size_t size, struct tree_place *member, uint64_t *score);
void collection_note_damage(const struct collection *collection);
static inline int collection_damaged(const struct collection *collection)
{
    collection_note_damage(collection);
    return SDB_ECORRUPT;
}
/* Stores what was changed. */
int collection_publish(struct collection *collection);

#endif
