/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sort.h - SORT and SORT_RO: what a request asks for, and the elements that it sorts
 *
 * Steps:   sort_options (reads the words) -> under one transaction: sort_collect (the elements that are wanted, copied), sort_weigh
 *          (what each is sorted by), sort_order, and then what comes of them.
 * Threads: the client's own. Memory: the elements and what they are sorted by; sort_free.
 */
#ifndef SDB_SERVER_SORT_H
#define SDB_SERVER_SORT_H

#include "request.h"
#include "superdb/superdb.h"

struct client;

/* An element, and what it is sorted by: places in the sort's text. */
struct sort_item {
    size_t at, size;
    size_t by_at, by_size; /* ALPHA with BY; by_at SORT_NOTHING: there is no such key */
    double score;
    size_t rank; /* of the element in the collection: which of two alike comes first */
};
#define SORT_NOTHING SIZE_MAX

struct sort {
    struct client *client;
    const struct request_arg *argv;
    int argc;
    /* what is asked for */
    const struct request_arg *by, *store; /* NULL: not */
    int gets;                             /* how many GET there are */
    int descends, alpha, is_sorted;       /* is_sorted: not: BY has a pattern without * */
    int has_patterns;                     /* other keys than the named ones are looked at */
    int64_t start, count;
    /* the elements */
    struct sort_item *items;
    size_t item_count, capacity;
    size_t first, end; /* those of them that are wanted, once they are in order */
    char *text;
    size_t text_size, text_capacity;
};

/* Reads the options from argv[2] on. may_store: SORT. 1, or 0 after an error reply. */
int sort_options(struct sort *sort, struct client *client, const struct request_arg *argv, int argc, int may_store);

/* Errors: SDB_ETYPE, SDB_ENOMEM, those of reading. A key that is not there has no elements. */
int sort_collect(struct sort *sort);

/* Finds out what the elements are sorted by. *bad: one of them is no number. */
int sort_weigh(struct sort *sort, int *bad);
void sort_order(struct sort *sort);

/*
 * What a pattern stands for with this element: the element ("#"), a string's value, or a field's ("->"), shown as an element's name. NULL data:
 * there is none.
 */
int sort_look_up(struct sort *sort, const struct request_arg *pattern, const struct sort_item *item, sdb_element_fn *visit, void *context);

/* A copy behind the text. */
int sort_keep(struct sort *sort, const void *data, size_t size, size_t *at);

/* Forgets the elements, but not what is asked for: it begins again. */
void sort_reset(struct sort *sort);
void sort_free(struct sort *sort);

#endif
