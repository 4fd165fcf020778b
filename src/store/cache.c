/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cache.c - the L1 hot-handle cache: filling, replacing, writing through
 *
 * Media:   none; all of it is DRAM.
 * Holds:   (1) a line's sequence is odd only while a thread changes the line; that thread alone stores to its hash,
 *          offset,
 *              entry and tags.
 *          (2) line n of a set holds a key exactly where byte n of the tags in that key's home line is the key's tag.
 *          (3) a hash is in at most one line of its set.
 *          (4) a copy equals the entry as last committed: every commit to a key passes through the key's home line before
 *              it changes the entry. There it finds the copy by (2), hides it and shows it with its new words later, or
 *              finds none. Either way it raises the sequence, which is the token that a fill must find unchanged when
 *              it locks the same line. Who takes a token behind that reads the entry as it was before only while the
 *              commit is being applied, and who has seen that does not offer what he read (cache.h).
 * Threads: sequences are locks that are tried, never waited for while another one is held, so that there is no order
 *          to keep: who fails lets go of everything and starts again (commits) or gives up (fills).
 * Policy:  a key is let in on its second miss while the home line remembers the first (its three newest misses), so
 *          that a scan leaves no trace but ghosts. It takes the place of a cold line, and is cold itself until it is
 *          hit, or a little warmer where no other key missed in between; where all eight lines are warm it stays out,
 *          and they grow colder by it, a third as fast as a hit warms them. Measured: docs/decisions/011.
 */
#include "cache.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "superdb/superdb.h"

#define HUGE_PAGE_SIZE ((size_t)2 << 20)
#define SET_SIZE (CACHE_WAYS * sizeof(struct cache_line))
#define TAG_BITS 4u
#define TAG_MASK 15u
#define TAG_ONES 0x11111111u /* a 1 in each tag */

static_assert(sizeof(struct cache_line) == 64, "a copy is one cache line");
static_assert(offsetof(struct cache, copies) == 64, "counted on a line of its own");

/* Bits of the hash that choose neither the set (the upper half) nor the home (the lowest two). Never 0. */
static inline uint32_t tag_of(uint64_t hash)
{
    const uint32_t tag = (uint32_t)(hash >> 8) & TAG_MASK;

    return tag != 0 ? tag : 1;
}

static inline uint32_t tag_at(uint32_t tags, unsigned way)
{
    return tags >> TAG_BITS * way & TAG_MASK;
}

/* The ways with this tag, by the highest bits of their tags; perhaps more behind the first one. */
static inline uint32_t ways_of(uint32_t tags, uint32_t tag)
{
    const uint32_t difference = tags ^ tag * TAG_ONES;

    return (difference - TAG_ONES) & ~difference & TAG_ONES << (TAG_BITS - 1);
}

static inline void pause_briefly(unsigned turn)
{
    /* The holder changes a line in a few ns. Longer means that it lost the processor: let it have ours. */
    if (turn % 256 == 255) {
        (void)sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* ---- Lines: locking and changing ---- */

/*
 * Locks the line if its sequence is this even number. Release: unlock_changed or unlock_unchanged with the same
 * number.
 */
static inline bool try_lock(struct cache_line *line, uint64_t sequence)
{
    return (sequence & 1) == 0 && __atomic_compare_exchange_n(&line->sequence, &sequence, sequence + 1, false,
                                                              __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline void unlock_changed(struct cache_line *line, uint64_t sequence)
{
    __atomic_store_n(&line->sequence, sequence + 2, __ATOMIC_RELEASE);
}

static inline void unlock_unchanged(struct cache_line *line, uint64_t sequence)
{
    __atomic_store_n(&line->sequence, sequence, __ATOMIC_RELEASE);
}

/* The stores release, so that nobody sees one of them without the odd sequence before it. */
static inline void store_word(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void store_entry(struct cache_line *line, const uint64_t entry[CACHE_ENTRY_WORDS])
{
    for (unsigned i = 0; i < CACHE_ENTRY_WORDS; i++)
        store_word(&line->entry[i], entry[i]);
}

static inline uint32_t load_tags(const struct cache_line *line)
{
    return __atomic_load_n(&line->tags, __ATOMIC_ACQUIRE);
}

/* The home line is locked. tag 0 takes the way's tag away. */
static void store_tag(struct cache_line *home, unsigned way, uint32_t tag)
{
    const uint32_t tags = load_tags(home);

    __atomic_store_n(&home->tags, (tags & ~(TAG_MASK << TAG_BITS * way)) | tag << TAG_BITS * way, __ATOMIC_RELEASE);
}

static inline uint64_t load_hash(const struct cache_line *line)
{
    return __atomic_load_n(&line->hash, __ATOMIC_ACQUIRE);
}

static inline uint64_t load_offset(const struct cache_line *line)
{
    return __atomic_load_n(&line->offset, __ATOMIC_ACQUIRE);
}

/*
 * The way that holds this hash, CACHE_WAYS where none does. Reliable while the home line is locked: a key neither
 * comes nor goes without that lock.
 */
static unsigned find(const struct cache_line *set, uint64_t hash)
{
    for (uint32_t ways = ways_of(load_tags(set + cache_home(hash)), tag_of(hash)); ways; ways &= ways - 1) {
        const unsigned way = (unsigned)__builtin_ctz(ways) / TAG_BITS;
        if (load_hash(&set[way]) == hash && load_offset(&set[way]) != 0)
            return way;
    }
    return CACHE_WAYS;
}

bool cache_lookup_elsewhere(const struct cache *cache, uint64_t hash, uint64_t entry[CACHE_ENTRY_WORDS],
                            uint64_t *entry_offset)
{
    struct cache_line *set = cache_set(cache, hash);

    for (uint32_t ways = ways_of(load_tags(set + cache_home(hash)), tag_of(hash)); ways; ways &= ways - 1)
        if (cache_line_copy(&set[(unsigned)__builtin_ctz(ways) / TAG_BITS], hash, entry, entry_offset))
            return true;
    return false;
}

bool cache_prefetch_elsewhere(const struct cache *cache, uint64_t hash)
{
    const struct cache_line *set = cache_set(cache, hash);
    const uint32_t ways = ways_of(load_tags(set + cache_home(hash)), tag_of(hash));

    if (ways == 0)
        return false;
    __builtin_prefetch(&set[(unsigned)__builtin_ctz(ways) / TAG_BITS]);
    return true;
}

/* ---- Commits ---- */

/* The home line and the line are locked. */
static void remove_copy(struct cache *cache, struct cache_line *set, unsigned home, unsigned way)
{
    store_word(&set[way].offset, 0);
    store_word(&set[way].hash, 0);
    __atomic_store_n(&set[way].heat, 0, __ATOMIC_RELAXED);
    store_tag(&set[home], way, 0);
    __atomic_fetch_sub(&cache->copies, 1, __ATOMIC_RELAXED);
}

/*
 * One try at hiding or removing the copy, the home line's sequence having been seen at `sequence`. *hidden: the copy that
 * was hidden by it. False: another thread was there first; nothing changed.
 */
static bool try_commit(struct cache *cache, struct cache_line *set, uint64_t hash, uint64_t offset, bool removal,
                       uint64_t sequence, struct cache_line **hidden)
{
    const unsigned home = cache_home(hash);

    if (!try_lock(&set[home], sequence))
        return false;
    const unsigned way = find(set, hash);
    const uint64_t found = way == CACHE_WAYS ? 0 : load_offset(&set[way]);
    if (way == CACHE_WAYS || (found & ~(uint64_t)CACHE_HIDDEN) != offset || (found == (offset | CACHE_HIDDEN) && !removal)) {
        unlock_changed(&set[home], sequence);
        return true;
    }
    const uint64_t way_sequence = __atomic_load_n(&set[way].sequence, __ATOMIC_RELAXED);
    if (way != home && !try_lock(&set[way], way_sequence)) {
        unlock_unchanged(&set[home], sequence);
        return false;
    }
    if (removal) {
        remove_copy(cache, set, home, way);
    } else {
        store_word(&set[way].offset, offset | CACHE_HIDDEN);
        *hidden = &set[way];
    }
    if (way != home)
        unlock_changed(&set[way], way_sequence);
    unlock_changed(&set[home], sequence);
    return true;
}

static struct cache_line *commit(struct cache *cache, uint64_t hash, uint64_t offset, bool removal)
{
    struct cache_line *set = cache_set(cache, hash);
    struct cache_line *home = set + cache_home(hash);
    struct cache_line *hidden = NULL;
    const uint32_t tag = tag_of(hash);

    for (unsigned turn = 0;; turn++) {
        uint64_t sequence = __atomic_load_n(&home->sequence, __ATOMIC_ACQUIRE);
        if ((sequence & 1) == 0) {
            /* None of the tags is ours: then a sequence that is still the same proves that there is no copy. */
            if (ways_of(load_tags(home), tag) == 0) {
                if (__atomic_compare_exchange_n(&home->sequence, &sequence, sequence + 2, false, __ATOMIC_ACQ_REL,
                                                __ATOMIC_RELAXED))
                    return NULL;
            } else if (try_commit(cache, set, hash, offset, removal, sequence, &hidden)) {
                return hidden;
            }
        }
        pause_briefly(turn);
    }
}

struct cache_line *cache_hide(struct cache *cache, uint64_t hash, uint64_t entry_offset)
{
    return commit(cache, hash, entry_offset, false);
}

void cache_show(struct cache_line *hidden, const uint64_t entry[CACHE_ENTRY_WORDS])
{
    const uint64_t offset = load_offset(hidden);

    assert((offset & CACHE_HIDDEN) != 0);
    store_entry(hidden, entry);
    store_word(&hidden->offset, offset & ~(uint64_t)CACHE_HIDDEN);
}

void cache_remove(struct cache *cache, uint64_t hash, uint64_t entry_offset)
{
    (void)commit(cache, hash, entry_offset, true);
}

/* ---- Fills ---- */

/*
 * How many other keys missed here since this one did: less than CACHE_GHOSTS. CACHE_GHOSTS where its miss is not
 * remembered; now it is.
 */
static unsigned missed_since(struct cache_line *home, uint64_t hash)
{
    const uint8_t tag = (uint8_t)(hash >> 16); /* other bits than the tags', which its neighbours may share */
    uint8_t newest = tag;

    for (unsigned i = 0; i < CACHE_GHOSTS; i++)
        if (__atomic_load_n(&home->ghosts[i], __ATOMIC_RELAXED) == tag)
            return i;
    for (unsigned i = 0; i < CACHE_GHOSTS; i++) {
        const uint8_t older = __atomic_load_n(&home->ghosts[i], __ATOMIC_RELAXED);
        __atomic_store_n(&home->ghosts[i], newest, __ATOMIC_RELAXED);
        newest = older;
    }
    return CACHE_GHOSTS;
}

/*
 * Where a key may go: an empty line, the home line first, or the coldest one if it is cold. CACHE_WAYS where all are
 * warm; being asked for has then cooled them.
 */
static unsigned choose_way(struct cache_line *set, unsigned home)
{
    unsigned coldest = home, least = UINT32_MAX;

    for (unsigned i = 0; i < CACHE_WAYS; i++) {
        const unsigned way = home ^ i;
        if (load_offset(&set[way]) == 0)
            return way;
        const unsigned heat = __atomic_load_n(&set[way].heat, __ATOMIC_RELAXED);
        if (heat < least) {
            least = heat;
            coldest = way;
        }
    }
    if (least == 0)
        return coldest;
    for (unsigned way = 0; way < CACHE_WAYS; way++) {
        const uint8_t heat = __atomic_load_n(&set[way].heat, __ATOMIC_RELAXED);
        if (heat > 0)
            __atomic_store_n(&set[way].heat, (uint8_t)(heat - 1), __ATOMIC_RELAXED);
    }
    return CACHE_WAYS;
}

/*
 * Takes the key in `way` out of its home line's tags, if there is a key and its home is neither that line nor the
 * filler's. All but that line are locked. False: it is locked by another thread, or a commit has hidden the copy: that is
 * looked at with its home line locked, so that nobody can hide it meanwhile.
 */
static bool forget(struct cache_line *set, unsigned way, unsigned filler_home)
{
    if (load_offset(&set[way]) == 0)
        return true;
    const unsigned home = cache_home(load_hash(&set[way]));
    const bool lock = home != way && home != filler_home;
    const uint64_t sequence = lock ? __atomic_load_n(&set[home].sequence, __ATOMIC_RELAXED) : 0;
    if (lock && !try_lock(&set[home], sequence))
        return false;
    const bool hidden = (load_offset(&set[way]) & CACHE_HIDDEN) != 0;
    if (!hidden)
        store_tag(&set[home], way, 0);
    if (lock && hidden)
        unlock_unchanged(&set[home], sequence);
    else if (lock)
        unlock_changed(&set[home], sequence);
    return !hidden;
}

bool cache_fill(struct cache *cache, uint64_t hash, uint64_t entry_offset, const uint64_t entry[CACHE_ENTRY_WORDS],
                uint64_t token)
{
    struct cache_line *set = cache_set(cache, hash);
    const unsigned home = cache_home(hash);

    assert(entry_offset != 0);
    if ((token & 1) != 0)
        return false;
    const unsigned since = missed_since(&set[home], hash);
    if (since == CACHE_GHOSTS)
        return false;
    const unsigned way = choose_way(set, home);
    if (way == CACHE_WAYS || !try_lock(&set[home], token))
        return false;
    uint64_t way_sequence = 0;
    if (find(set, hash) != CACHE_WAYS) /* another thread was faster, or another key has the same hash */
        goto unlock_home;
    way_sequence = __atomic_load_n(&set[way].sequence, __ATOMIC_RELAXED);
    if (way != home && !try_lock(&set[way], way_sequence))
        goto unlock_home;
    if (!forget(set, way, home))
        goto unlock_way;
    if (load_offset(&set[way]) == 0)
        __atomic_fetch_add(&cache->copies, 1, __ATOMIC_RELAXED);

    store_word(&set[way].hash, hash);
    store_word(&set[way].offset, entry_offset);
    store_entry(&set[way], entry);
    store_tag(&set[home], way, tag_of(hash));
    __atomic_store_n(&set[way].heat, since == 0, __ATOMIC_RELAXED);
    if (way != home)
        unlock_changed(&set[way], way_sequence);
    unlock_changed(&set[home], token);
    return true;

unlock_way:
    if (way != home)
        unlock_unchanged(&set[way], way_sequence);
unlock_home:
    unlock_unchanged(&set[home], token);
    return false;
}

/* ---- Life ---- */

int cache_create(size_t size, struct cache **cache)
{
    if (size < CACHE_SIZE_MIN)
        size = CACHE_SIZE_MIN;
    struct cache *made = aligned_alloc(64, 2 * sizeof(struct cache_line));
    if (made == NULL)
        return SDB_ENOMEM;
    made->copies = 0;
    made->sets = size / SET_SIZE;
    /* Whole huge pages are asked for: on small ones, half of a hit's time goes to address translation. */
    made->mapped_size = (made->sets * SET_SIZE + HUGE_PAGE_SIZE - 1) / HUGE_PAGE_SIZE * HUGE_PAGE_SIZE;
    char *mapping = mmap(NULL, made->mapped_size + HUGE_PAGE_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED || made->sets > UINT32_MAX) {
        if (mapping != MAP_FAILED)
            (void)munmap(mapping, made->mapped_size + HUGE_PAGE_SIZE);
        free(made);
        return SDB_ENOMEM;
    }
    const size_t before = (HUGE_PAGE_SIZE - (uintptr_t)mapping % HUGE_PAGE_SIZE) % HUGE_PAGE_SIZE;
    if (before > 0)
        (void)munmap(mapping, before);
    (void)munmap(mapping + before + made->mapped_size, HUGE_PAGE_SIZE - before);
    made->lines = (struct cache_line *)(void *)(mapping + before);
    (void)madvise(made->lines, made->mapped_size, MADV_HUGEPAGE);
    *cache = made;
    return SDB_OK;
}

void cache_destroy(struct cache *cache)
{
    if (cache == NULL)
        return;
    (void)munmap(cache->lines, cache->mapped_size);
    free(cache);
}

/* Whether a line's tags and the copy in it are as they must be. */
static bool check_line(const struct cache_line *set, unsigned way)
{
    for (unsigned other = 0; other < CACHE_WAYS; other++) {
        const uint32_t tag = tag_at(set[way].tags, other);
        if (tag != 0 &&
            (set[other].offset == 0 || cache_home(set[other].hash) != way || tag_of(set[other].hash) != tag))
            return false;
    }
    if ((set[way].sequence & 1) != 0)
        return false;
    if (set[way].offset == 0)
        return true;
    for (unsigned other = 0; other < way; other++)
        if (set[other].offset != 0 && set[other].hash == set[way].hash)
            return false;
    return tag_at(set[cache_home(set[way].hash)].tags, way) == tag_of(set[way].hash);
}

bool cache_check(const struct cache *cache, size_t *copies)
{
    size_t count = 0;

    for (uint64_t i = 0; i < cache->sets; i++) {
        const struct cache_line *set = cache->lines + i * CACHE_WAYS;
        for (unsigned way = 0; way < CACHE_WAYS; way++) {
            if (!check_line(set, way))
                return false;
            count += set[way].offset != 0;
        }
    }
    if (copies != NULL)
        *copies = count;
    return count == cache_copies(cache);
}
