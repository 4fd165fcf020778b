/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain.c - the simulated persistence domain: events, flushes, fences, and undoing
 *
 * Holds:   1. the medium of level k + 1 has the durable contents of level k, while k is tracked and no image is made
 *          there
 *          2. a unit is in the dirty list as long as it has events
 *          3. with the events of a unit applied in order, its durable contents are what the medium of its level holds
 * Threads, memory: see domain.h
 */
#include "domain.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINE 64u
#define EXTENT (2ull << 20)

/* What a thread flushed and no fence of it has covered yet. */
struct pending {
    struct unit *unit;
    uint64_t group; /* events of the unit up to this one */
    bool stream;    /* this one alone */
};

struct thread_state {
    struct thread_state *next;
    uint32_t number;
    uint64_t run; /* of domains_begin that it belongs to */
    struct pending *pending[LEVELS];
    size_t count[LEVELS], capacity[LEVELS];
};

struct domains domains;
_Thread_local const struct site *site_here;
static _Thread_local struct thread_state *this_thread;
static _Thread_local uint64_t this_run;
static struct thread_state *threads;
static uint32_t thread_numbers;
static uint64_t run;
static bool active;
static pthread_mutex_t lock;

void *crash_alloc(void *old, size_t size)
{
    void *new = realloc(old, size);

    if (!new &&size) {
        fprintf(stderr, "crashtest: out of memory\n");
        abort();
    }
    return new;
}

const char *site_name(const struct site *site, char *buffer, unsigned size)
{
    const char *slash;

    if (!site)
        return "an unknown place";
    slash = strrchr(site->file, '/');
    (void)snprintf(buffer, size, "%s:%u", slash ? slash + 1 : site->file, site->line);
    return buffer;
}

/* -- begin and end -- */

static void *reserve(size_t size)
{
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED) {
        fprintf(stderr, "crashtest: no address space for %zu bytes\n", size);
        abort();
    }
    return room;
}

static void medium_begin(struct medium *medium, uint64_t capacity)
{
    uint8_t *room = reserve(capacity + 2 * EXTENT);

    memset(medium, 0, sizeof(*medium));
    medium->base = room + (-(uintptr_t)room & (EXTENT - 1));
    (void)munmap(room, (size_t)(medium->base - room));
    medium->capacity = capacity;
    medium->stamps = reserve(capacity / LINE * sizeof(uint32_t));
}

static void medium_end(struct medium *medium)
{
    (void)munmap(medium->base, medium->capacity + EXTENT);
    (void)munmap(medium->stamps, medium->capacity / LINE * sizeof(uint32_t));
    free(medium->undo);
    memset(medium, 0, sizeof(*medium));
}

void domains_begin(enum domain_kind kind, uint64_t capacity)
{
    pthread_mutexattr_t attributes;

    (void)pthread_mutexattr_init(&attributes);
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&lock, &attributes);
    memset(&domains, 0, sizeof(domains));
    domains.kind = kind;
    domains.unit_size = kind == DOMAIN_PAGES ? 512 : LINE;
    domains.unit_words = domains.unit_size / 8;
    capacity = (capacity + EXTENT - 1) & ~(EXTENT - 1);
    for (unsigned i = 0; i < LEVELS; i++) {
        medium_begin(&domains.levels[i].medium, capacity);
        domains.levels[i].units = reserve(capacity / domains.unit_size * sizeof(struct unit *));
    }
    run++;
    thread_numbers = 0;
    active = true;
}

static void units_free(struct domain *domain)
{
    uint64_t count = domain->medium.capacity / domains.unit_size;

    for (uint64_t i = 0; i < count; i++) {
        if (domain->units[i]) {
            free(domain->units[i]->events);
            free(domain->units[i]);
        }
    }
    (void)munmap(domain->units, count * sizeof(struct unit *));
    free(domain->dirty);
}

void domains_end(void)
{
    active = false;
    for (unsigned i = 0; i < LEVELS; i++) {
        units_free(&domains.levels[i]);
        medium_end(&domains.levels[i].medium);
    }
    while (threads) {
        struct thread_state *next = threads->next;

        for (unsigned i = 0; i < LEVELS; i++)
            free(threads->pending[i]);
        free(threads);
        threads = next;
    }
    (void)pthread_mutex_destroy(&lock);
    memset(&domains, 0, sizeof(domains));
}

bool domains_active(void)
{
    return active;
}

void domains_lock(void)
{
    (void)pthread_mutex_lock(&lock);
}

void domains_unlock(void)
{
    (void)pthread_mutex_unlock(&lock);
}

static struct thread_state *thread_state(void)
{
    if (!this_thread || this_run != run) {
        struct thread_state *state = crash_alloc(NULL, sizeof(*state));

        memset(state, 0, sizeof(*state));
        domains_lock();
        state->number = ++thread_numbers;
        state->next = threads;
        threads = state;
        domains_unlock();
        this_thread = state;
        this_run = run;
    }
    return this_thread;
}

uint32_t domains_thread(void)
{
    return thread_state()->number;
}

int domain_of(const void *address)
{
    if (!active)
        return -1;
    for (unsigned i = 0; i < LEVELS; i++) {
        const struct medium *medium = &domains.levels[i].medium;

        if ((uintptr_t)address - (uintptr_t)medium->base < medium->capacity)
            return (int)i;
    }
    return -1;
}

/* -- the media -- */

uint64_t domain_word_hash(uint64_t offset, uint64_t value)
{
    uint64_t h = (value ^ (offset + 1) * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;

    h = (h ^ h >> 29) * 0x94d049bb133111ebull;
    return h ^ h >> 32;
}

static uint64_t *word_at(const struct medium *medium, uint64_t offset)
{
    return (uint64_t *)(void *)(medium->base + offset);
}

/* Saves the line that holds the offset, unless that was done under the present mark. */
static void save(struct medium *medium, uint64_t offset)
{
    uint64_t line = offset / LINE;

    if (!medium->marks || medium->stamps[line] == medium->stamp)
        return;
    if (medium->undo_count == medium->undo_capacity) {
        medium->undo_capacity = medium->undo_capacity ? medium->undo_capacity * 2 : 1024;
        medium->undo = crash_alloc(medium->undo, medium->undo_capacity * sizeof(*medium->undo));
    }
    medium->undo[medium->undo_count].line = line;
    memcpy(medium->undo[medium->undo_count++].words, medium->base + line * LINE, LINE);
    medium->stamps[line] = medium->stamp;
}

void medium_put(struct medium *medium, uint64_t offset, uint64_t value)
{
    uint64_t *word = word_at(medium, offset);

    if (*word == value)
        return;
    save(medium, offset);
    *word = value;
}

size_t medium_mark(struct medium *medium)
{
    medium->marks++;
    medium->stamp++;
    return medium->undo_count;
}

void medium_undo(struct medium *medium, size_t mark)
{
    while (medium->undo_count > mark) {
        const struct undo *undo = &medium->undo[--medium->undo_count];

        memcpy(medium->base + undo->line * LINE, undo->words, LINE);
    }
    medium->stamp++;
    medium->marks--;
}

uint64_t medium_hash_since(const struct medium *medium, size_t mark)
{
    uint64_t sum = 0;

    for (size_t i = mark; i < medium->undo_count; i++) {
        const struct undo *undo = &medium->undo[i];
        uint64_t offset = undo->line * LINE;

        for (unsigned w = 0; w < LINE_WORDS; w++, offset += 8) {
            uint64_t now = *word_at(medium, offset);

            if (now != undo->words[w])
                sum += domain_word_hash(offset, now) - domain_word_hash(offset, undo->words[w]);
        }
    }
    return sum;
}

/* -- events -- */

static struct unit *unit_of(struct domain *domain, uint64_t offset)
{
    uint64_t number = offset / domains.unit_size;
    struct unit *unit = domain->units[number];

    if (!unit) {
        unit = domain->units[number] = crash_alloc(NULL, sizeof(*unit));
        memset(unit, 0, sizeof(*unit));
        unit->number = number;
    }
    return unit;
}

static void note(struct domain *domain, uint64_t offset, const struct event *event)
{
    struct unit *unit = unit_of(domain, offset);

    if (unit->count == 0) {
        if (domain->dirty_count == domain->dirty_capacity) {
            domain->dirty_capacity = domain->dirty_capacity ? domain->dirty_capacity * 2 : 1024;
            domain->dirty = crash_alloc(domain->dirty, domain->dirty_capacity * sizeof(*domain->dirty));
        }
        unit->place = (uint32_t)domain->dirty_count;
        domain->dirty[domain->dirty_count++] = unit;
    }
    if (unit->count == unit->capacity) {
        unit->capacity = unit->capacity ? unit->capacity * 2 : 8;
        unit->events = crash_alloc(unit->events, unit->capacity * sizeof(*unit->events));
    }
    unit->events[unit->count++] = *event;
}

static void add_pending(unsigned level, struct unit *unit, bool stream)
{
    struct thread_state *state = thread_state();

    if (state->count[level] == state->capacity[level]) {
        state->capacity[level] = state->capacity[level] ? state->capacity[level] * 2 : 256;
        state->pending[level] =
            crash_alloc(state->pending[level], state->capacity[level] * sizeof(*state->pending[level]));
    }
    state->pending[level][state->count[level]++] =
        (struct pending){.unit = unit, .group = domains.group, .stream = stream};
}

/* One word changes on the medium. A word that stays as it is makes no image that would not be legal without it. */
static void put(struct domain *domain, uint64_t offset, uint64_t value, enum event_kind kind, const struct site *site)
{
    uint64_t *word = word_at(&domain->medium, offset);

    if (*word == value)
        return;
    save(&domain->medium, offset);
    if (domain->tracked)
        note(domain, offset,
             &(struct event){.value = value,
                             .group = domains.group,
                             .site = site,
                             .thread = domains_thread(),
                             .word = (uint8_t)(offset % domains.unit_size / 8),
                             .kind = (uint8_t)kind});
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void domain_store(unsigned level, uint64_t *to, uint64_t value, bool release, const struct site *site)
{
    struct domain *domain = &domains.levels[level];

    (void)release; /* the lock orders more than that */
    domains_lock();
    domains.group++;
    domains.stores++;
    put(domain, (uint64_t)((uint8_t *)to - domain->medium.base), value, EVENT_STORE, site);
    domains_unlock();
}

void domain_copy(unsigned level, uint8_t *to, const uint8_t *from, size_t size, enum event_kind kind,
                 const struct site *site)
{
    struct domain *domain = &domains.levels[level];
    uint64_t offset = (uint64_t)(to - domain->medium.base);

    domains_lock();
    domains.group++;
    domains.stores++;
    for (size_t done = 0; done < size;) {
        uint64_t at = (offset + done) % 8, word_offset = offset + done - at;
        size_t n = size - done < 8 - at ? size - done : (size_t)(8 - at);
        uint64_t value = *word_at(&domain->medium, word_offset);

        if (from)
            memcpy((uint8_t *)&value + at, from + done, n);
        else
            memset((uint8_t *)&value + at, 0, n);
        put(domain, word_offset, value, kind, site);
        done += n;
    }
    for (uint64_t at = offset; kind == EVENT_STREAM && domains.kind != DOMAIN_PAGES && domain->tracked && at < offset + size; at += domains.unit_size) {
        struct unit *unit = domain->units[at / domains.unit_size];

        if (unit && unit->count)
            add_pending(level, unit, true);
    }
    domains_unlock();
}

/* -- becoming durable -- */

/* One event's word reaches the medium for good: the level above has it. */
static void settle(unsigned level, uint64_t offset, uint64_t value)
{
    struct domain *domain = &domains.levels[level];

    for (unsigned above = level + 1; above < LEVELS && !domains.levels[above].tracked; above++) {
        struct medium *medium = &domains.levels[above].medium;

        if (above == level + 1)
            domain->durable_hash +=
                domain_word_hash(offset, value) - domain_word_hash(offset, *word_at(medium, offset));
        medium_put(medium, offset, value);
    }
}

static void clean(struct domain *domain, struct unit *unit)
{
    struct unit *last = domain->dirty[--domain->dirty_count];

    domain->dirty[unit->place] = last;
    last->place = unit->place;
}

/* Makes durable the unit's streamed events of this group, or its others up to this group. */
static void make_durable(unsigned level, struct unit *unit, uint64_t group, bool stream)
{
    struct domain *domain = &domains.levels[level];
    uint64_t offset = unit->number * domains.unit_size;
    uint32_t kept = 0;

    if (unit->count == 0)
        return;
    for (uint32_t i = 0; i < unit->count; i++) {
        struct event *event = &unit->events[i];

        if (stream ? event->group == group : event->group <= group && event->kind != EVENT_STREAM) {
            settle(level, offset + event->word * 8u, event->value);
            for (uint32_t k = 0; k < kept;) { /* what it overwrote is gone with it */
                if (unit->events[k].word == event->word)
                    memmove(&unit->events[k], &unit->events[k + 1], (--kept - k) * sizeof(*unit->events));
                else
                    k++;
            }
        } else {
            unit->events[kept++] = *event;
        }
    }
    unit->count = kept;
    if (kept == 0)
        clean(domain, unit);
}

void domain_flush_line(unsigned level, uint64_t offset)
{
    struct domain *domain = &domains.levels[level];

    if (domains.kind == DOMAIN_PAGES) /* what leaves the cache is in the kernel's pages, and no further */
        return;
    domains_lock();
    if (domain->tracked) {
        struct unit *unit = domain->units[offset / domains.unit_size];

        if (unit && unit->count)
            add_pending(level, unit, false);
    }
    domains_unlock();
}

static void forget_pending(unsigned level)
{
    for (struct thread_state *state = threads; state; state = state->next)
        state->count[level] = 0;
}

void domain_fence(void)
{
    struct thread_state *state = thread_state();

    domains_lock();
    for (unsigned level = domains.floor; level < LEVELS; level++) {
        struct domain *domain = &domains.levels[level];

        if (!domain->tracked)
            continue;
        if (domains.at_fence)
            domains.at_fence(domains.context, level);
        if (domains.kind == DOMAIN_EADR) {
            while (domain->dirty_count) {
                struct unit *unit = domain->dirty[domain->dirty_count - 1];

                for (uint32_t i = 0; i < unit->count; i++)
                    settle(level, unit->number * domains.unit_size + unit->events[i].word * 8u, unit->events[i].value);
                unit->count = 0;
                clean(domain, unit);
            }
        }
        for (size_t i = 0; i < state->count[level]; i++) {
            const struct pending *pending = &state->pending[level][i];

            make_durable(level, pending->unit, pending->group, pending->stream);
        }
        state->count[level] = 0;
    }
    domains_unlock();
}

void domain_sync(unsigned level, uint64_t from, uint64_t to)
{
    struct domain *domain = &domains.levels[level];

    domains_lock();
    if (domain->tracked) {
        if (domains.at_fence)
            domains.at_fence(domains.context, level);
        for (size_t i = domain->dirty_count; i-- > 0;) {
            struct unit *unit = domain->dirty[i];
            uint64_t offset = unit->number * domains.unit_size;

            if (offset < from || offset >= to)
                continue;
            for (uint32_t e = 0; e < unit->count; e++)
                settle(level, offset + unit->events[e].word * 8u, unit->events[e].value);
            unit->count = 0;
            clean(domain, unit);
        }
    }
    domains_unlock();
}

void domain_track(unsigned level)
{
    struct domain *domain = &domains.levels[level];

    domain->tracked = true;
    forget_pending(level);
    for (unsigned above = level + 1; level == 0 && above < LEVELS; above++)
        memcpy(domains.levels[above].medium.base, domain->medium.base, domain->medium.size);
}

void domain_untrack(unsigned level)
{
    struct domain *domain = &domains.levels[level];

    domain->tracked = false;
    while (domain->dirty_count)
        domain->dirty[--domain->dirty_count]->count = 0;
    forget_pending(level);
}

void domain_kill(unsigned level, uint64_t moment)
{
    const struct domain *killed = &domains.levels[level];
    struct domain *domain = &domains.levels[level + 1];

    domain_track(level + 1);
    for (size_t i = 0; i < killed->dirty_count; i++) {
        const struct unit *unit = killed->dirty[i];

        for (uint32_t e = 0; e < unit->count && unit->events[e].group <= moment; e++) {
            const uint64_t offset = unit->number * domains.unit_size + unit->events[e].word * 8u;
            struct event event = unit->events[e];

            /* What bypassed the cache has left the processor by now; where it is no one need know: it can be flushed like the rest. */
            event.kind = event.kind == EVENT_STREAM ? EVENT_COPY : event.kind;
            medium_put(&domain->medium, offset, event.value);
            note(domain, offset, &event);
        }
    }
}

void domain_damaged(const uint8_t *old, uint64_t size)
{
    struct domain *domain = &domains.levels[0];

    for (uint64_t offset = 0; offset < size; offset += 8) {
        uint64_t was;

        memcpy(&was, old + offset, sizeof(was));
        if (was == *word_at(&domain->medium, offset))
            continue;
        struct unit *unit = domain->units[offset / domains.unit_size];
        for (uint32_t e = 0; unit && e < unit->count; e++)
            settle(0, unit->number * domains.unit_size + unit->events[e].word * 8u, unit->events[e].value);
        if (unit && unit->count) {
            unit->count = 0;
            clean(domain, unit);
        }
        settle(0, offset, *word_at(&domain->medium, offset));
    }
}

uint64_t domain_unannounced(void)
{
    struct domain *domain = &domains.levels[0];
    const struct medium *durable = &domains.levels[1].medium;

    while (domain->dirty_count) {
        struct unit *unit = domain->dirty[domain->dirty_count - 1];

        for (uint32_t i = 0; i < unit->count; i++)
            settle(0, unit->number * domains.unit_size + unit->events[i].word * 8u, unit->events[i].value);
        unit->count = 0;
        clean(domain, unit);
    }
    domain_untrack(0);
    for (uint64_t offset = 0; offset < domain->medium.size; offset += 4096) {
        if (memcmp(domain->medium.base + offset, durable->base + offset, 4096) == 0)
            continue;
        while (*word_at(&domain->medium, offset) == *word_at(durable, offset))
            offset += 8;
        return offset;
    }
    return UINT64_MAX;
}
