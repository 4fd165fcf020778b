/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access.c - the words beside the entries
 * Media:   none
 * Threads: any; see access.h
 * Memory:  one mapping without reserve, an eighth of the pool's largest size in addresses; filled where there are entries
 */
#include "access.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "error.h"
#include "random.h"

#define TICK_MS 64
#define TICKS_BEFORE (1u << 28) /* half a year: keys may be said to be unused since before the noting began */
#define COUNTER_NEW 5u /* of a key that was just made: it must not go before it had a chance */
#define COUNTER_MAX 255u
#define FREQUENCY_KNOWN (1u << 31)
#define MINUTE_MASK 0xffffu

static uint32_t *word_of(const struct access *access, uint64_t entry)
{
    return &access->words[entry / ENTRY_SIZE];
}

static uint32_t load(const struct access *access, uint64_t entry)
{
    return __atomic_load_n(word_of(access, entry), __ATOMIC_RELAXED);
}

/* A word that stays as it is need not be written: its line stays shared. */
static void store(const struct access *access, uint64_t entry, uint32_t value)
{
    if (load(access, entry) != value)
        __atomic_store_n(word_of(access, entry), value, __ATOMIC_RELAXED);
}

/* ---- recency ---- */

static uint32_t tick(const struct access *access, int64_t now_ms)
{
    return now_ms <= access->begin_ms ? TICKS_BEFORE : (uint32_t)((now_ms - access->begin_ms) / TICK_MS) + TICKS_BEFORE;
}

uint64_t access_idle_ms(const struct access *access, uint64_t entry, int64_t now_ms)
{
    const uint32_t now = tick(access, now_ms), then = load(access, entry);

    return now > then ? (uint64_t)(now - (then ? then : TICKS_BEFORE)) * TICK_MS : 0;
}

/* ---- frequency ---- */

static uint32_t minute(int64_t now_ms)
{
    return (uint32_t)(now_ms / 60000) & MINUTE_MASK;
}

static uint32_t frequency_word(uint32_t now, unsigned counter)
{
    return FREQUENCY_KNOWN | now << 8 | counter;
}

unsigned access_frequency(const struct access *access, uint64_t entry, int64_t now_ms)
{
    const uint32_t decay = __atomic_load_n(&access->decay_minutes, __ATOMIC_RELAXED);
    uint32_t word = load(access, entry), passed;
    unsigned counter;

    if (!(word & FREQUENCY_KNOWN))
        word = frequency_word(minute(access->begin_ms), COUNTER_NEW);
    counter = word & COUNTER_MAX;
    passed = decay ? ((minute(now_ms) - (word >> 8)) & MINUTE_MASK) / decay : 0;
    return passed < counter ? counter - passed : 0;
}

/* The more it was used the less likely one use more counts. */
static unsigned count_use(const struct access *access, unsigned counter)
{
    const unsigned above = counter > COUNTER_NEW ? counter - COUNTER_NEW : 0;
    const double chance = 1.0 / ((double)above * __atomic_load_n(&access->log_factor, __ATOMIC_RELAXED) + 1);

    if (counter == COUNTER_MAX)
        return counter;
    return counter + ((double)(random_number() >> 11) * 0x1p-53 < chance);
}

/* ---- noting ---- */

void access_touch(const struct sdb_session *session, struct access *access, uint64_t entry)
{
    const int64_t now_ms = session_now(session);

    if (__atomic_load_n(&access->kind, __ATOMIC_RELAXED) == SDB_ACCESS_FREQUENCY)
        store(access, entry, frequency_word(minute(now_ms), count_use(access, access_frequency(access, entry, now_ms))));
    else
        store(access, entry, tick(access, now_ms));
}

void access_begin(const struct sdb_session *session, struct access *access, uint64_t entry)
{
    const int64_t now_ms = session_now(session);

    if (__atomic_load_n(&access->kind, __ATOMIC_RELAXED) == SDB_ACCESS_FREQUENCY)
        store(access, entry, frequency_word(minute(now_ms), COUNTER_NEW));
    else
        store(access, entry, tick(access, now_ms));
}

void access_set(const struct sdb_session *session, struct access *access, uint64_t entry, uint64_t idle_ms, unsigned frequency)
{
    const int64_t now_ms = session_now(session);
    const uint32_t now = tick(access, now_ms);
    const uint64_t ticks = idle_ms / TICK_MS;

    if (__atomic_load_n(&access->kind, __ATOMIC_RELAXED) == SDB_ACCESS_FREQUENCY)
        store(access, entry, frequency_word(minute(now_ms), frequency < COUNTER_MAX ? frequency : COUNTER_MAX));
    else
        store(access, entry, ticks < now ? now - (uint32_t)ticks : 1);
}

/* ---- beginning and end ---- */

static int start(struct sdb_pool *pool)
{
    struct access *access = calloc(1, sizeof(*access));

    if (!access)
        return SDB_ENOMEM;
    access->size = ((uint64_t)pool->heap.extent_max << EXTENT_SHIFT) / ENTRY_SIZE * sizeof(uint32_t);
    access->words = mmap(NULL, access->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (access->words == MAP_FAILED) {
        error_set("no room for %llu MiB of addresses, to note the use of keys", (unsigned long long)(access->size >> 20));
        free(access);
        return SDB_ENOMEM;
    }
    access->begin_ms = clock_ms();
    pool->access_memory = access;
    return SDB_OK;
}

int sdb_track_access(struct sdb_pool *pool, enum sdb_access what, unsigned log_factor, unsigned decay_minutes)
{
    struct access *access;
    int error = SDB_OK;

    if (what > SDB_ACCESS_FREQUENCY)
        return SDB_EINVAL;
    lock_acquire(&pool->sessions_lock);
    if (!pool->access_memory && what != SDB_ACCESS_NONE)
        error = start(pool);
    access = pool->access_memory;
    if (!error && access) {
        __atomic_store_n(&access->log_factor, log_factor, __ATOMIC_RELAXED);
        __atomic_store_n(&access->decay_minutes, decay_minutes, __ATOMIC_RELAXED);
        if (access->kind != what) { /* the words mean something else: from the beginning again */
            __atomic_store_n(&access->kind, what, __ATOMIC_RELAXED);
            (void)madvise(access->words, access->size, MADV_DONTNEED);
        }
        /* Those who still note what nobody wants to know any more do no harm: the memory stays. */
        __atomic_store_n(&pool->access, what == SDB_ACCESS_NONE ? NULL : access, __ATOMIC_RELEASE);
    }
    lock_release(&pool->sessions_lock);
    return error;
}

void access_end(struct access *access)
{
    if (!access)
        return;
    (void)munmap(access->words, access->size);
    free(access);
}
