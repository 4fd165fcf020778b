/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cache.h - the L1 hot-handle cache: copies of handle entries in DRAM, found by the key's hash in one cache line
 *
 * A hit costs one line instead of two dependent ones of slower memory (bucket, entry). The cache starts cold, is
 * shared by all threads, and is never needed for correctness: every function may be left out, except that each commit
 * must pass each entry that it changes through cache_hide.
 *
 * Never stale: before a commit changes an entry's words in the pool, it says so to readers of the pool (the shard's
 * sequence goes odd), and hides the copy, which is there but not seen from then on, so that nobody reads an old copy
 * after somebody else read the new entry. Behind the change it shows the copy with the new words, or removes it. A reader
 * that missed takes a token *before* it reads the entry in the pool, and hands it in with the copy, but only where no commit was
 * being applied to the shard at any time from its token until it had read the entry. The copy is dropped if the key was
 * hidden since the token; a token taken later belongs to a reader who met the odd sequence, or the new entry.
 *
 * A line is found by 64 bits of hash. The caller compares the key (or its blob) with the one that the entry names,
 * and takes a difference for a miss.
 *
 * Threads: any for all functions but cache_create and cache_destroy. Lookups take no lock.
 */
#ifndef SDB_STORE_CACHE_H
#define SDB_STORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_WAYS 8u
#define CACHE_ENTRY_WORDS 4u
#define CACHE_SIZE_MIN (64u << 10)
#define CACHE_HEAT_HIT 3u /* what a hit adds, to a copy whose heat is below CACHE_HEAT_MAX */
#define CACHE_HEAT_MAX 9u
#define CACHE_GHOSTS 3u
#define CACHE_HIDDEN 1u /* in an offset, which is a multiple of 32 */

/*
 * One cached entry. Every word is accessed atomically.
 *
 * A key has a home line in its set of eight, by its hash, and its copy lies there or in one of the other seven. The home
 * line's tags say in which: the tags' four bits n are not 0 where line n holds a key whose home this line is.
 */
struct cache_line {
    /*
     * Odd: being written. Raised by each change of the line, and by each commit to a key whose home it is: the version
     * that cache_fill compares.
     */
    uint64_t sequence;
    uint64_t hash;
    uint64_t offset; /* of the entry in the pool, with CACHE_HIDDEN while it is being committed; 0: the line is empty */
    uint64_t entry[CACHE_ENTRY_WORDS];
    uint32_t tags;     /* of keys at home here, by the line that they lie in */
    uint8_t heat;      /* of this copy: hits, aged by keys that want in. A hint, races allowed */
    uint8_t ghosts[CACHE_GHOSTS]; /* tags of keys at home here that missed lately. Hints likewise */
};

struct cache {
    /* Immutable after cache_create. */
    struct cache_line *lines;
    uint64_t sets;
    size_t mapped_size;
    uint8_t other_line[40]; /* what every lookup reads is no neighbour of what fills change */
    /* Atomic, relaxed. */
    uint64_t copies;
};

/* How many copies there are, and how many there can be. A figure: of a moment that was. */
static inline uint64_t cache_copies(const struct cache *cache)
{
    return __atomic_load_n(&cache->copies, __ATOMIC_RELAXED);
}
static inline uint64_t cache_copies_max(const struct cache *cache)
{
    return cache->sets * CACHE_WAYS;
}

/* The lines of the set other than the home line, for cache_lookup and behind cache_lookup_home. */
bool cache_lookup_elsewhere(const struct cache *cache, uint64_t hash, uint64_t entry[CACHE_ENTRY_WORDS],
                            uint64_t *entry_offset);

/* Starts loading the line that cache_lookup_elsewhere will look at first. False: there is none. */
bool cache_prefetch_elsewhere(const struct cache *cache, uint64_t hash);

/*
 * Makes a cache of `size` bytes, rounded down to whole sets, at least CACHE_SIZE_MIN. Its memory is touched as it
 * fills.
 * Owner: the caller; cache_destroy. Errors: SDB_ENOMEM.
 */
int cache_create(size_t size, struct cache **cache);

/* NULL is allowed. */
void cache_destroy(struct cache *cache);

static inline unsigned cache_home(uint64_t hash)
{
    return (unsigned)hash & (CACHE_WAYS - 1);
}

static inline struct cache_line *cache_set(const struct cache *cache, uint64_t hash)
{
    return cache->lines + ((hash >> 32) * cache->sets >> 32) * CACHE_WAYS;
}

/* Starts loading what cache_lookup and cache_hide on this hash will need. */
static inline void cache_prefetch(const struct cache *cache, uint64_t hash)
{
    __builtin_prefetch(cache_set(cache, hash) + cache_home(hash), 0, 3);
}

/*
 * Copies a line's entry if the line holds this hash and nobody changed it meanwhile. Each load acquires, so that the
 * second look at the sequence cannot come before it (on x86 this is free).
 */
static inline bool cache_line_copy(struct cache_line *line, uint64_t hash, uint64_t entry[CACHE_ENTRY_WORDS],
                                   uint64_t *entry_offset)
{
    const uint64_t sequence = __atomic_load_n(&line->sequence, __ATOMIC_ACQUIRE);

    if (__atomic_load_n(&line->hash, __ATOMIC_ACQUIRE) != hash)
        return false;
    const uint64_t offset = __atomic_load_n(&line->offset, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < CACHE_ENTRY_WORDS; i++)
        entry[i] = __atomic_load_n(&line->entry[i], __ATOMIC_ACQUIRE);
    if ((sequence & 1) != 0 || offset == 0 || (offset & CACHE_HIDDEN) != 0 ||
        __atomic_load_n(&line->sequence, __ATOMIC_RELAXED) != sequence)
        return false;
    const uint8_t heat = __atomic_load_n(&line->heat, __ATOMIC_RELAXED);
    if (heat < CACHE_HEAT_MAX)
        __atomic_store_n(&line->heat, (uint8_t)(heat + CACHE_HEAT_HIT), __ATOMIC_RELAXED);
    *entry_offset = offset;
    return true;
}

/*
 * Finds a copy of the entry of a key with this hash. True: entry and *entry_offset are set, as they were committed
 * together.
 * False: entry is unspecified.
 */
static inline bool cache_lookup(const struct cache *cache, uint64_t hash, uint64_t entry[CACHE_ENTRY_WORDS],
                                uint64_t *entry_offset)
{
    struct cache_line *line = cache_set(cache, hash) + cache_home(hash);

    if (__builtin_expect(cache_line_copy(line, hash, entry, entry_offset), 1))
        return true;
    /* Without tags (racing ones included: a miss is always allowed) there is nowhere else to look. */
    if (__atomic_load_n(&line->tags, __ATOMIC_RELAXED) == 0)
        return false;
    return cache_lookup_elsewhere(cache, hash, entry, entry_offset);
}

/*
 * For keys that are looked for together: cache_lookup, but where the home line says that the copy may be in another line, that
 * one is fetched, and *elsewhere set: it is for cache_lookup_elsewhere then.
 */
static inline bool cache_lookup_home(const struct cache *cache, uint64_t hash, uint64_t entry[CACHE_ENTRY_WORDS],
                                     uint64_t *entry_offset, bool *elsewhere)
{
    struct cache_line *line = cache_set(cache, hash) + cache_home(hash);

    if (__builtin_expect(cache_line_copy(line, hash, entry, entry_offset), 1))
        return true;
    *elsewhere = __atomic_load_n(&line->tags, __ATOMIC_RELAXED) != 0 && cache_prefetch_elsewhere(cache, hash);
    return false;
}

/* To be called after a miss and before the entry is read in the pool: the token for cache_fill. */
static inline uint64_t cache_read_begin(const struct cache *cache, uint64_t hash)
{
    return __atomic_load_n(&(cache_set(cache, hash) + cache_home(hash))->sequence, __ATOMIC_ACQUIRE);
}

/*
 * Offers a copy read from the pool at entry_offset (not 0) since `token` was taken. It is taken in when the key
 * missed for the second time of late and there is room, or a colder neighbour; and never if a commit changed the key
 * since. Returns whether it was. Never waits.
 */
bool cache_fill(struct cache *cache, uint64_t hash, uint64_t entry_offset, const uint64_t entry[CACHE_ENTRY_WORDS],
                uint64_t token);

/*
 * For a commit that is about to change or to make the entry: hides the copy where there is one. Returns it, or NULL: none, or hidden
 * already for the same commit. Tokens taken before become worthless. May wait for another thread's change of a line, a few
 * nanoseconds. The copy stays where it is until it was shown or removed, and is missed meanwhile.
 */
struct cache_line *cache_hide(struct cache *cache, uint64_t hash, uint64_t entry_offset);

/* For a commit that has changed the entry: the copy that cache_hide returned gets the new words, and is seen again. */
void cache_show(struct cache_line *hidden, const uint64_t entry[CACHE_ENTRY_WORDS]);

/* For a commit that freed the entry: drops the copy where there is one, hidden or not. Otherwise as cache_hide. */
void cache_remove(struct cache *cache, uint64_t hash, uint64_t entry_offset);

/*
 * Whether what must hold does, while no other thread works on the cache: (1) no sequence is odd; (2) a copy is named
 * by its home line's tag, and each tag names such a copy; (3) no two lines of a set hold the same hash; (4) there are as
 * many copies as cache_copies says. *copies, may be NULL, counts them.
 */
bool cache_check(const struct cache *cache, size_t *copies);

/*
 * Whether asking the cache pays at present, for each thread by itself. Where next to nothing hits (uniform access to
 * far more keys than there are lines), a lookup only adds a line to fetch; then only the keys of one part of the sets in
 * 16 go on asking, and tell when that changes. They alone are counted at all times: their sets fill, and are fought for, as
 * if all keys asked. Keys that are looked for many at a time wait for the lines of all of them together, so that a hit saves
 * little, and asking pays only where most hit. Zero-initialised. Owner: one thread.
 */
struct cache_pace {
    uint32_t lookups, hits;
    bool sparse;
    bool sparse_many; /* for keys that are looked for together */
};
#define CACHE_PACE_WINDOW 512u /* counted lookups between two decisions */
#define CACHE_PACE_HITS_MIN (CACHE_PACE_WINDOW / 16)
#define CACHE_PACE_HITS_MIN_MANY (CACHE_PACE_WINDOW / 8 * 5)

/* The highest bits choose the set. */
static inline bool cache_pace_counts(uint64_t hash)
{
    return hash >> 60 == 0;
}

static inline bool cache_pace_ask(const struct cache_pace *pace, uint64_t hash)
{
    return !pace->sparse || cache_pace_counts(hash);
}

static inline bool cache_pace_ask_many(const struct cache_pace *pace, uint64_t hash)
{
    return !pace->sparse_many || cache_pace_counts(hash);
}

/* To be called with the outcome of each lookup. */
static inline void cache_pace_note(struct cache_pace *pace, uint64_t hash, bool hit)
{
    if (!cache_pace_counts(hash))
        return;
    pace->hits += hit;
    if (++pace->lookups < CACHE_PACE_WINDOW)
        return;
    pace->sparse = pace->hits < CACHE_PACE_HITS_MIN;
    pace->sparse_many = pace->hits < CACHE_PACE_HITS_MIN_MANY;
    pace->lookups = pace->hits = 0;
}

#endif
