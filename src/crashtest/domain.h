/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain.h - a simulated persistence domain: which of the stores to a medium a power cut would find on it
 *
 * A domain watches one medium, an area of memory that the engine takes for a mapped file. There are LEVELS of them: 0
 * is the pool that is worked on, 1 the crash image of it that is tried, 2 a crash image of the recovery of that image.
 * The medium of the level above always holds the durable contents of the domain below, so that an image is made by
 * changing the lines that differ, and taken back by undoing whatever was stored since.
 *
 * Every store is an event: a word of 8 bytes, which is durable at once or not at all. Events of one unit (a cache
 * line, or a sector of a page that the kernel writes back) become durable in their order; words of one copy have no
 * order among themselves; what bypassed the cache has none with anything. A fence makes durable what its own thread
 * flushed before (ADR), everything so far (eADR), or the pages that it wrote back (pages).
 *
 * Threads: any; one lock around everything, which a crash point holds from its beginning to its end. In an ordering of
 *          events by that lock, a store stands where it was made, because whoever stores to the same word has the
 *          engine's lock for it.
 * Memory:  aborts where there is none: a harness that forgets an event proves nothing.
 */
#ifndef SDB_CRASHTEST_DOMAIN_H
#define SDB_CRASHTEST_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "site.h"

#define LEVELS 3u
#define LINE_WORDS 8u

enum domain_kind { DOMAIN_ADR = 0, DOMAIN_EADR = 1, DOMAIN_PAGES = 2 };

enum event_kind {
    EVENT_STORE = 0,  /* a word by itself, in order */
    EVENT_COPY = 1,   /* one of the words of a copy */
    EVENT_STREAM = 2, /* the same, past the cache */
};

struct event {
    uint64_t value;
    uint64_t group;          /* rises with every store or copy; the words of a copy share theirs */
    const struct site *site; /* who stored it */
    uint32_t thread;
    uint8_t word;   /* in its unit */
    uint8_t kind;   /* enum event_kind */
    bool abandoned; /* in memory that was free at the end of an operation (unflushed.c) */
};

/* A unit with events that are not durable. */
struct unit {
    uint64_t number; /* offset / unit size */
    struct event *events;
    uint32_t count, capacity;
    uint32_t place; /* in the list of dirty units */
};

struct undo {
    uint64_t line;
    uint64_t words[LINE_WORDS];
};

struct medium {
    uint8_t *base;
    uint64_t capacity; /* bytes that may be mapped */
    uint64_t size;     /* of the file */
    uint64_t size_durable;
    bool exists;
    /* While there are marks: old contents of every line changed since. */
    uint32_t marks;
    uint32_t *stamps; /* by line: the mark under which it was saved last */
    uint32_t stamp;
    struct undo *undo;
    size_t undo_count, undo_capacity;
};

struct domain {
    struct medium medium;
    bool tracked;        /* events are noted; else a store counts as durable at once */
    struct unit **units; /* by number; NULL: never dirty */
    struct unit **dirty;
    size_t dirty_count, dirty_capacity;
    uint64_t durable_hash; /* over all words of the durable contents */
};

struct domains {
    enum domain_kind kind;
    uint32_t unit_size, unit_words;
    struct domain levels[LEVELS];
    uint64_t group; /* of the newest event */
    uint64_t stores;
    unsigned floor; /* levels below stand still: an image of theirs is being tried */
    /* Called with the domain's lock, before a fence of a tracked level takes effect. */
    void (*at_fence)(void *context, unsigned level);
    void *context;
};
extern struct domains domains;

/* Reserves media of capacity bytes each. */
void domains_begin(enum domain_kind kind, uint64_t capacity);
void domains_end(void);
bool domains_active(void);
void domains_lock(void);
void domains_unlock(void);
/* A number for the calling thread, from 1. */
uint32_t domains_thread(void);

/* The level whose medium holds the address, or -1. */
int domain_of(const void *address);

/*
 * Everything that the medium holds counts as durable from here on, and stores are noted. The next level's medium gets
 * the same contents.
 */
void domain_track(unsigned level);
void domain_untrack(unsigned level);

/*
 * The process is killed at the moment of this group's store: the medium of the level above gets every store of the level up to it.
 * Those that were not durable are not durable there either: events of that level, which is tracked from here on.
 */
void domain_kill(unsigned level, uint64_t moment);

/*
 * The contents of level 0 are now the ones that it has, in place of old ones, and so they are durably: the medium was damaged. Other
 * stores to a damaged unit are durable, too.
 */
void domain_damaged(const uint8_t *old, uint64_t size);

/*
 * Ends the tracking of level 0, and looks for what was stored to its medium without an event: the first such word's
 * offset, or UINT64_MAX.
 */
uint64_t domain_unannounced(void);

/* Stores, by the engine. */
void domain_store(unsigned level, uint64_t *to, uint64_t value, bool release, const struct site *site);
/* from NULL: zeros */
void domain_copy(unsigned level, uint8_t *to, const uint8_t *from, size_t size, enum event_kind kind,
                 const struct site *site);
void domain_flush_line(unsigned level, uint64_t offset);
/* ADR and eADR: what the calling thread's fence covers, on every level. */
void domain_fence(void);
/* Everything of a range is durable: msync, fsync. */
void domain_sync(unsigned level, uint64_t from, uint64_t to);

/* Changes one word that is not the engine's doing: noted for undoing, no event. */
void medium_put(struct medium *medium, uint64_t offset, uint64_t value);
/* From here on changes are noted; returns the mark for medium_undo. Marks nest. */
size_t medium_mark(struct medium *medium);
void medium_undo(struct medium *medium, size_t mark);
/* The sum by which the contents' hash changed since the mark. */
uint64_t medium_hash_since(const struct medium *medium, size_t mark);

uint64_t domain_word_hash(uint64_t offset, uint64_t value);

void *crash_alloc(void *old, size_t size);

#endif
