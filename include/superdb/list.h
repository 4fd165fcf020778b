/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list.h - lists: elements in a row, by position from either end
 *
 *     struct sdb_slice jobs[] = {{"first", 5}, {"second", 6}};
 *     sdb_list_push(session, "jobs", 4, SDB_LIST_TAIL, jobs, 2, 0, NULL);     // both or none
 *     sdb_list_pop(session, "jobs", 4, SDB_LIST_HEAD, 1, show, context);      // "first"
 *
 * Positions count from 0 at the head; negative ones from the tail, where -1 is the last element. In a large list an element is found by
 * its position, inserted and taken out in steps that grow with the logarithm of the length, wherever it is; finding an element by
 * its bytes compares one after the other.
 *
 * sdb_collection_count, sdb_collection_each and sdb_collection_random work with SDB_TYPE_LIST; elements have a name only. Errors of all
 * functions: SDB_ETYPE; of those that write, those of sdb_set; of those that read, those of sdb_view.
 */
#ifndef SUPERDB_LIST_H
#define SUPERDB_LIST_H

#include "collection.h"

#ifdef __cplusplus
extern "C" {
#endif

enum sdb_list_end { SDB_LIST_HEAD = 0, SDB_LIST_TAIL = 1 };

/*
 * Adds elements at an end, one after the other: pushed at the head, the last of them becomes the first. flags: SDB_IF_PRESENT: only if
 * there is such a key. *length, which may be NULL: of the list now. Errors: SDB_ECONDITION, SDB_ETOOBIG. One fence.
 */
SDB_API int sdb_list_push(struct sdb_session *session, const void *key, size_t key_size, enum sdb_list_end end,
                          const struct sdb_slice *elements, size_t count, uint32_t flags, uint64_t *length);

/*
 * Takes up to count elements away, from the end on, and shows them in that order, when all of them are gone: a visitor that stops
 * misses the others. Copies them meanwhile. Errors: SDB_ENOTFOUND: no such key. One fence; none for a count of 0.
 */
SDB_API int sdb_list_pop(struct sdb_session *session, const void *key, size_t key_size, enum sdb_list_end end, uint64_t count,
                         sdb_element_fn *visit, void *context);

/* Shows the elements from the one position to the other, both included, as far as there are any. Errors: SDB_ENOTFOUND: no such key. */
SDB_API int sdb_list_range(struct sdb_session *session, const void *key, size_t key_size, int64_t first, int64_t last,
                           sdb_element_fn *visit, void *context);

/* Copies an element (up to buffer_size bytes) and gives its whole size. Errors: SDB_ENOTFOUND: no such key, or position. */
SDB_API int sdb_list_get(struct sdb_session *session, const void *key, size_t key_size, int64_t position, void *buffer,
                         size_t buffer_size, size_t *element_size);

/* Puts another element in the place of one. Errors: SDB_ENOTFOUND: no such key; SDB_ECONDITION: no such position. One fence. */
SDB_API int sdb_list_set(struct sdb_session *session, const void *key, size_t key_size, int64_t position, const void *element,
                         size_t element_size);

/*
 * Inserts an element before or behind the first one that has the pivot's bytes. Errors: SDB_ENOTFOUND: no such key; SDB_ECONDITION: no
 * such element. One fence.
 */
SDB_API int sdb_list_insert_before(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *pivot,
                                   const struct sdb_slice *element, uint64_t *length);
SDB_API int sdb_list_insert_behind(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *pivot,
                                   const struct sdb_slice *element, uint64_t *length);

/*
 * Takes elements with these bytes away: the first `count` of them, the last -count where it is negative, all where it is 0. *removed,
 * which may be NULL: how many. Errors: SDB_ENOTFOUND: no such key. One fence.
 */
SDB_API int sdb_list_remove(struct sdb_session *session, const void *key, size_t key_size, int64_t count, const void *element,
                            size_t element_size, uint64_t *removed);

/*
 * Keeps the elements from the one position to the other, both included, and takes the others away: none left, and the key is gone. Takes
 * as many steps as elements go or stay, whichever are fewer. Errors: SDB_ENOTFOUND: no such key. One fence.
 */
SDB_API int sdb_list_trim(struct sdb_session *session, const void *key, size_t key_size, int64_t first, int64_t last);

/* What to search, and how far. */
struct sdb_list_search {
    int64_t rank;     /* 1 (0 likewise): from the head on, 2: but for the first match, ...; -1: from the tail on, -2: but for the last ... */
    uint64_t count;   /* matches wanted; 0: all */
    uint64_t compare; /* elements to look at; 0: all */
};

/* Return 0 to go on. It must not use the session. */
typedef int sdb_position_fn(void *context, uint64_t position);

/* Shows the positions, from the head, of elements with these bytes, in the order in which they are met. Errors: SDB_ENOTFOUND: no such key. */
SDB_API int sdb_list_search(struct sdb_session *session, const void *key, size_t key_size, const void *element, size_t element_size,
                            const struct sdb_list_search *search, sdb_position_fn *visit, void *context);

/*
 * Moves an element from an end of one list to an end of another, or of the same, and shows it when it is there. First the one changes
 * that it comes to. Errors: SDB_ENOTFOUND: no such source. One fence.
 */
SDB_API int sdb_list_move(struct sdb_session *session, const struct sdb_slice *source, enum sdb_list_end source_end,
                          const struct sdb_slice *destination, enum sdb_list_end destination_end, sdb_element_fn *visit, void *context);

#ifdef __cplusplus
}
#endif
#endif
