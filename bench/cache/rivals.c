/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rivals.c - least recently used, direct-mapped, and the one that knows the future
 */
#include "rivals.h"

#include "keyspace.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* ---- least recently used: a list through the keys, newest first ---- */

struct list {
    uint32_t *newer;
    uint32_t *older;
    uint32_t newest;
    uint32_t oldest;
};

static void list_push(struct list *list, uint32_t key)
{
    list->newer[key] = NONE;
    list->older[key] = list->newest;
    if (list->newest != NONE)
        list->newer[list->newest] = key;
    else
        list->oldest = key;
    list->newest = key;
}

static void list_take(struct list *list, uint32_t key)
{
    uint32_t newer = list->newer[key];
    uint32_t older = list->older[key];

    if (newer != NONE)
        list->older[newer] = older;
    else
        list->newest = older;
    if (older != NONE)
        list->newer[older] = newer;
    else
        list->oldest = newer;
}

int rival_lru(const struct trace *trace, uint32_t copies, struct hits *hits)
{
    struct list list = {.newest = NONE, .oldest = NONE};
    uint8_t *held = calloc(trace->key_count, 1);
    uint32_t count = 0;
    int failed;

    memset(hits, 0, sizeof *hits);
    list.newer = malloc(trace->key_count * sizeof *list.newer);
    list.older = malloc(trace->key_count * sizeof *list.older);
    failed = !held || !list.newer || !list.older;
    for (size_t i = 0; !failed && i < trace->count; i++) {
        uint32_t key = trace->keys[i];

        hits_count(hits, trace, i, held[key]);
        if (held[key]) {
            list_take(&list, key);
        } else if (count < copies) {
            count++;
        } else {
            held[list.oldest] = 0;
            list_take(&list, list.oldest);
        }
        held[key] = 1;
        list_push(&list, key);
    }
    free(held);
    free(list.newer);
    free(list.older);
    return failed ? -1 : 0;
}

int rival_direct_mapped(const struct trace *trace, uint32_t copies, struct hits *hits)
{
    uint32_t *places = malloc(copies * sizeof *places);

    memset(hits, 0, sizeof *hits);
    if (!places)
        return -1;
    memset(places, 0xff, copies * sizeof *places);
    for (size_t i = 0; i < trace->count; i++) {
        uint32_t *place = &places[(mix64(trace->keys[i]) >> 32) * copies >> 32];

        hits_count(hits, trace, i, *place == trace->keys[i]);
        *place = trace->keys[i];
    }
    free(places);
    return 0;
}

/* ---- the one that knows the future: a heap of the held keys, the one asked for last on top ---- */

struct future {
    uint32_t *next;  /* of each access: where its key is asked for again; NONE: never */
    uint32_t *when;  /* of each held key: where it is asked for next */
    uint32_t *place; /* of each key: where it stands in the heap; NONE: not held */
    uint32_t *heap;
    uint32_t count;
};

static void heap_set(struct future *f, uint32_t at, uint32_t key)
{
    f->heap[at] = key;
    f->place[key] = at;
}

/* The key belongs at `at`, or above, or below. */
static void heap_settle(struct future *f, uint32_t at, uint32_t key)
{
    while (at > 0 && f->when[f->heap[(at - 1) / 2]] < f->when[key]) {
        heap_set(f, at, f->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < f->count && f->when[f->heap[child + 1]] > f->when[f->heap[child]])
            child++;
        if (child >= f->count || f->when[f->heap[child]] <= f->when[key])
            break;
        heap_set(f, at, f->heap[child]);
        at = child;
    }
    heap_set(f, at, key);
}

static void future_access(struct future *f, uint32_t key, uint32_t next, uint32_t copies)
{
    uint32_t at = f->place[key];

    f->when[key] = next;
    if (at == NONE && f->count < copies) {
        at = f->count++;
    } else if (at == NONE) {
        if (next >= f->when[f->heap[0]])
            return;
        at = 0;
        f->place[f->heap[0]] = NONE;
    }
    heap_settle(f, at, key);
}

int rival_min(const struct trace *trace, uint32_t copies, struct hits *hits)
{
    struct future f = {.count = 0};
    int failed;

    memset(hits, 0, sizeof *hits);
    f.next = malloc(trace->count * sizeof *f.next);
    f.when = malloc(trace->key_count * sizeof *f.when);
    f.place = malloc(trace->key_count * sizeof *f.place);
    f.heap = malloc(copies * sizeof *f.heap);
    failed = !f.next || !f.when || !f.place || !f.heap;
    if (!failed) {
        memset(f.when, 0xff, trace->key_count * sizeof *f.when);
        for (size_t i = trace->count; i-- > 0;) {
            f.next[i] = f.when[trace->keys[i]];
            f.when[trace->keys[i]] = (uint32_t)i;
        }
        memset(f.place, 0xff, trace->key_count * sizeof *f.place);
        for (size_t i = 0; i < trace->count; i++) {
            hits_count(hits, trace, i, f.place[trace->keys[i]] != NONE);
            future_access(&f, trace->keys[i], f.next[i], copies);
        }
    }
    free(f.next);
    free(f.when);
    free(f.place);
    free(f.heap);
    return failed ? -1 : 0;
}
