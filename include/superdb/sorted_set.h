/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sorted_set.h - sorted sets: members, each once, in the order of their scores
 *
 *     struct sdb_member players[] = {{{"ada", 3}, 100}, {{"grace", 5}, 250.5}};
 *     struct sdb_zset_range best = SDB_ZSET_BY_RANK(0, 9);
 *
 *     sdb_zset_add(session, "scores", 6, players, 2, 0, NULL, NULL);   // both or none
 *     best.flags = SDB_ZSET_REVERSE;
 *     sdb_zset_range(session, "scores", 6, &best, show, NULL);         // the ten with the highest scores
 *
 * A score is any double but NaN; -0 is 0. Members with the same score stand in the order of their bytes. A rank counts from 0, which
 * has the lowest score. Finding a place, by rank, score or member, takes O(log n), and so does counting what is between two of them.
 *
 * sdb_collection_count, sdb_collection_each, sdb_collection_scan and sdb_collection_random work with SDB_TYPE_ZSET; elements have a
 * name, the member, and a score. Errors of all functions: SDB_ETYPE; of those that write, those of sdb_set; of those that read, those of
 * sdb_view.
 */
#ifndef SUPERDB_SORTED_SET_H
#define SUPERDB_SORTED_SET_H

#include "collection.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdb_member {
    struct sdb_slice name;
    double score;
};

/* ---- members ---- */

enum sdb_zset_add_flags { /* next to SDB_IF_ABSENT and SDB_IF_PRESENT, which mean the member here */
    SDB_IF_GREATER = 1u << 8, /* a member that is there only gets a higher score */
    SDB_IF_LESS = 1u << 9,    /* or only a lower one */
};

/*
 * Gives members their scores. *added and *changed, which may be NULL: how many were new, and how many got another score. What the flags
 * rule out is passed over, without an error.
 * Errors: SDB_EINVAL: a score is NaN, or flags rule each other out (SDB_IF_ABSENT and any other, SDB_IF_GREATER and SDB_IF_LESS). One fence.
 */
SDB_API int sdb_zset_add(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_member *members,
                         size_t count, uint32_t flags, size_t *added, size_t *changed);

/*
 * Adds to a member's score; one that is not there has 0. *score, which may be NULL: the sum.
 * Errors: SDB_ECONDITION: the flags, as above, rule it out. SDB_EOVERFLOW: the sum would be NaN. One fence.
 */
SDB_API int sdb_zset_increment(struct sdb_session *session, const void *key, size_t key_size, const void *member, size_t member_size,
                               double delta, uint32_t flags, double *score);

/* Takes members out. *removed, which may be NULL: how many there were. Errors: SDB_ENOTFOUND: no such key. One fence. */
SDB_API int sdb_zset_remove(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members,
                            size_t count, size_t *removed);

/* Errors: SDB_ENOTFOUND: no such key, or member. */
SDB_API int sdb_zset_score(struct sdb_session *session, const void *key, size_t key_size, const void *member, size_t member_size,
                           double *score);

/* Shows members in the order in which they are named, as of one moment: name.data is NULL where there is no such member, or no such key. */
SDB_API int sdb_zset_score_many(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *members,
                                size_t count, sdb_element_fn *visit, void *context);

/* flags: 0, or SDB_ZSET_REVERSE: the highest score has rank 0. Errors: SDB_ENOTFOUND: no such key, or member. */
SDB_API int sdb_zset_rank(struct sdb_session *session, const void *key, size_t key_size, const void *member, size_t member_size,
                          uint32_t flags, uint64_t *rank);

/* ---- ranges ---- */

enum sdb_zset_by { SDB_ZSET_RANKS, SDB_ZSET_SCORES, SDB_ZSET_MEMBERS };

enum sdb_zset_range_flags {
    SDB_ZSET_REVERSE = 1u << 0,       /* from the highest score to the lowest; ranks count from there */
    SDB_ZSET_MIN_EXCLUDED = 1u << 1,  /* the bounds themselves do not belong to it; not of ranks */
    SDB_ZSET_MAX_EXCLUDED = 1u << 2,
};

/*
 * What is between two bounds, which belong to it. The macros begin one; flags, offset and count are set afterwards where they are needed.
 * A range of members is for sorted sets all of whose scores are the same; where they are not, its bounds stand for members with the
 * lowest of them.
 */
struct sdb_zset_range {
    enum sdb_zset_by by;
    uint32_t flags;
    int64_t first, last;                       /* ranks; negative ones from the end, -1 being the last */
    double min, max;                           /* scores */
    struct sdb_slice min_member, max_member;   /* members; data NULL: no bound */
    uint64_t offset;                           /* so many are passed over */
    uint64_t count;                            /* and at most so many taken */
};

#define SDB_ZSET_BY_RANK(first_, last_) {.by = SDB_ZSET_RANKS, .first = (first_), .last = (last_), .count = UINT64_MAX}
#define SDB_ZSET_BY_SCORE(min_, max_) {.by = SDB_ZSET_SCORES, .min = (min_), .max = (max_), .count = UINT64_MAX}
#define SDB_ZSET_BY_MEMBER(min_, max_) {.by = SDB_ZSET_MEMBERS, .min_member = (min_), .max_member = (max_), .count = UINT64_MAX}

/* Shows what is in the range, in order, as of one moment. Errors: SDB_ENOTFOUND: no such key; SDB_EINVAL: no such range. */
SDB_API int sdb_zset_range(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_zset_range *range,
                           sdb_element_fn *visit, void *context);

/* How many are in the range. Errors: as sdb_zset_range. */
SDB_API int sdb_zset_count(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_zset_range *range,
                           uint64_t *count);

/* Takes what is in the range out. *removed, which may be NULL: how many. Errors: as sdb_zset_range. One fence. */
SDB_API int sdb_zset_remove_range(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_zset_range *range,
                                  uint64_t *removed);

/*
 * Takes what is in the range out, and shows it, in order. Shown is what has been taken: the visitor is called behind the change, which it
 * cannot stop. Errors: as sdb_zset_range. One fence.
 */
SDB_API int sdb_zset_pop(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_zset_range *range,
                         sdb_element_fn *visit, void *context);

/*
 * Stores what is in the range as the sorted set `to`, whatever was there; nothing in it: there is no such key afterwards. *count: how
 * many. Errors: SDB_EINVAL. One fence.
 */
SDB_API int sdb_zset_store_range(struct sdb_session *session, const void *to, size_t to_size, const void *key, size_t key_size,
                                 const struct sdb_zset_range *range, uint64_t *count);

/* ---- several of them ---- */

enum sdb_zset_operation { SDB_ZSET_UNION, SDB_ZSET_INTERSECTION, SDB_ZSET_DIFFERENCE /* the first without the others */ };
enum sdb_zset_aggregate { SDB_ZSET_SUM, SDB_ZSET_MIN, SDB_ZSET_MAX };

struct sdb_zset_combination {
    enum sdb_zset_operation operation;
    enum sdb_zset_aggregate aggregate; /* of a member's scores, where it is in several; not of a difference */
    const struct sdb_slice *keys;      /* of sorted sets, and of sets, whose members have the score 1; there need not be any */
    const double *weights;             /* a factor for each key's scores; NULL: 1; not of a difference */
    size_t count;
};

/* Shows the combination, in the order of a sorted set, as of one moment. Errors: SDB_EINVAL: no key. */
SDB_API int sdb_zset_combine(struct sdb_session *session, const struct sdb_zset_combination *combination, sdb_element_fn *visit,
                             void *context);

/* How many members it has, counted up to limit (0: all). */
SDB_API int sdb_zset_combine_count(struct sdb_session *session, const struct sdb_zset_combination *combination, uint64_t limit,
                                   uint64_t *count);

/* Stores it as sdb_zset_store_range does. One fence. */
SDB_API int sdb_zset_combine_store(struct sdb_session *session, const void *to, size_t to_size,
                                   const struct sdb_zset_combination *combination, uint64_t *count);

/* Stores members instead of whatever was there; count 0: there is no such key afterwards. Errors: SDB_EINVAL (NaN). One fence. */
SDB_API int sdb_zset_store(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_member *members, size_t count);

#ifdef __cplusplus
}
#endif
#endif
