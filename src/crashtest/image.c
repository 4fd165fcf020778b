/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * image.c - one crash image: made, opened, verified, used, taken back
 *
 * Holds:   when image_try returns, the media of the levels above are as they were
 * Threads: one: a crash point holds the domain's lock, and the scheduler stands still
 * Memory:  that of an open pool
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "contents.h"
#include "pool.h"
#include "run.h"

#define REOPEN_EVERY 8u

static const char *const paths[LEVELS] = {"crashtest:/0", "crashtest:/1", "crashtest:/2"};

const char *run_path(unsigned level)
{
    return paths[level];
}

/* -- what went wrong -- */

static size_t describe_unit(char *text, size_t room, const struct unit *unit, const struct state *state)
{
    char name[64];
    uint32_t last = unit->count - 1;

    return (size_t)snprintf(
        text, room, "\n  offset 0x%" PRIx64 ": %u words not durable, the last stored at %s: groups %u, mask %" PRIx64,
        unit->number * domains.unit_size, unit->count, site_name(unit->events[last].site, name, sizeof(name)),
        state->prefix, state->mask);
}

static void describe_plan(struct sdb_crashtest *test, unsigned level, char *text, size_t room)
{
    const struct domain *domain = &domains.levels[level];

    for (size_t i = 0; i < domain->dirty_count && room > 200; i++) {
        const struct unit *unit = domain->dirty[i];
        const struct shape shape = unit_shape(unit);
        const struct state *state = &test->plan[level].states[i];
        size_t n;

        if (i >= test->plan[level].capacity ||
            (state->prefix == shape.groups && (shape.streams == 0 || ~state->streams == 0)))
            continue; /* whole: the usual */
        n = describe_unit(text, room, unit, state);
        text += n;
        room -= n;
    }
}

void run_fail(struct sdb_crashtest *test, unsigned level, const char *format, ...)
{
    char *text = test->report->failure;
    size_t room = sizeof(test->report->failure);
    va_list arguments;
    int n;

    if (test->error)
        return;
    test->error = SDB_ECORRUPT;
    test->report->failed_point = test->point;
    va_start(arguments, format);
    n = vsnprintf(text, room, format, arguments);
    va_end(arguments);
    n += snprintf(text + n, room - (size_t)n,
                  "; point %" PRIu64 "%s, image %" PRIu64 ", seed %" PRIu64 ", operations %" PRIu64
                  " begun and %" PRIu64 " acknowledged",
                  test->point, level ? " (in the recovery)" : "", test->report->images, test->report->seed, test->begun,
                  test->acknowledged);
    if (domains.floor > level) /* an image of that level is being tried */
        describe_plan(test, level, text + n, room - (size_t)n);
}

/* -- trying -- */

struct found {
    char text[160];
};

static void problem(void *context, uint64_t offset, const char *what)
{
    struct found *found = context;

    if (!found->text[0])
        (void)snprintf(found->text, sizeof(found->text), "offset 0x%" PRIx64 ": %.120s", offset, what);
}

static bool check(struct sdb_crashtest *test, unsigned level, struct sdb_pool *pool, const char *when)
{
    struct found found = {""};
    struct sdb_check result;

    if (sdb_check(pool, problem, &found, &result) == SDB_OK)
        return true;
    run_fail(test, level, "the check %s: %s", when, found.text);
    return false;
}

static bool ask(struct sdb_crashtest *test, unsigned level, struct sdb_pool *pool)
{
    struct sdb_crashtest_image image = {.pool = pool,
                                        .begun = test->begun,
                                        .acknowledged = test->acknowledged,
                                        .point = test->point,
                                        .nested = level > 0};
    struct sdb_session *session;
    int verdict;

    if (test->phase == PHASE_CREATION || test->phase == PHASE_REPAIR || !test->test.invariant)
        return true;
    if (sdb_session_open(pool, &session) != SDB_OK) {
        run_fail(test, level, "no session on the image: %s", sdb_last_error());
        return false;
    }
    verdict = test->test.invariant(test->test.context, session, &image);
    sdb_session_close(session);
    image.why[sizeof(image.why) - 1] = '\0';
    if (verdict)
        run_fail(test, level, "the invariant does not hold (%d): %s", verdict, image.why);
    return verdict == 0;
}

/* A pool that was recovered must serve as any other. */
static bool use(struct sdb_crashtest *test, unsigned level, struct sdb_pool *pool)
{
    static const char key[] = "crashtest: a key, long enough for a blob";
    static const char value[] = "and a value that does not fit its entry either";
    struct sdb_session *session;
    int error = sdb_session_open(pool, &session);

    if (!error) {
        char back[sizeof(value)];
        size_t size = 0;

        error = sdb_set(session, key, sizeof(key), value, sizeof(value), NULL);
        if (!error)
            error = sdb_get(session, key, sizeof(key), back, sizeof(back), &size);
        if (!error && (size != sizeof(value) || memcmp(back, value, size) != 0))
            error = SDB_ECORRUPT;
        if (!error)
            error = sdb_set(session, "short", 5, "1", 1, NULL);
        if (!error)
            error = sdb_delete(session, key, sizeof(key));
        sdb_session_close(session);
    }
    if (error && error != SDB_ENOSPC)
        run_fail(test, level, "the image cannot be used: %s: %s", sdb_strerror(error), sdb_last_error());
    return error == SDB_OK || error == SDB_ENOSPC;
}

static bool reopen(struct sdb_crashtest *test, unsigned level, struct sdb_pool **pool)
{
    struct sdb_options options;
    int error = sdb_close(*pool);

    run_options(test, &options);
    options.flags = 0;
    *pool = NULL;
    if (!error)
        error = sdb_open(run_path(level + 1), &options, pool);
    if (error)
        run_fail(test, level, "the image does not open a second time: %s: %s", sdb_strerror(error), sdb_last_error());
    return error == SDB_OK && check(test, level, *pool, "after the image was used and opened again");
}

static uint64_t key_of(const struct sdb_crashtest *test, unsigned level, size_t mark)
{
    const struct medium *medium = &domains.levels[level + 1].medium;

    return (domains.levels[level].durable_hash + medium_hash_since(medium, mark)) ^
           domain_word_hash(~0ull, medium->size + level) ^
           domain_word_hash(test->begun * 3 + test->phase, test->acknowledged) ^
           (test->expecting ? domain_word_hash(~1ull, test->expected) : 0);
}

/* Whether what was read on the level below, of the recovered pool, is still there. */
static bool compare(struct sdb_crashtest *test, unsigned level, struct sdb_pool *pool)
{
    uint64_t now;
    const int error = contents_hash(pool, &now);

    if (error)
        run_fail(test, level, "the image cannot be read: %s: %s", sdb_strerror(error), sdb_last_error());
    else if (now != test->expected)
        run_fail(test, level, "the image does not hold what was read before the crash");
    return error == SDB_OK && now == test->expected;
}

/* The image was recovered, and what it holds may have been read: no crash takes it back, from here on. */
static void expect(struct sdb_crashtest *test, unsigned level, struct sdb_pool *pool)
{
    const bool expecting = test->expecting;
    const uint64_t expected = test->expected;
    const int error = contents_hash(pool, &test->expected);

    if (error) {
        run_fail(test, level, "what a kill left cannot be read: %s: %s", sdb_strerror(error), sdb_last_error());
        return;
    }
    test->expecting = true;
    point_reached(test, level + 1);
    test->expecting = expecting;
    test->expected = expected;
}

/* As somebody would who knows of no repair; what that stores stays. *clean: the pool was closed. */
static struct unrepaired look(const struct sdb_crashtest *test, unsigned level, bool *clean)
{
    struct unrepaired found = {.known = true};
    struct sdb_options options;
    struct sdb_pool *pool;

    run_options(test, &options);
    options.flags = 0;
    options.cache_size = 0;
    found.error = sdb_open(run_path(level), &options, &pool);
    if (found.error)
        return found;
    *clean = pool->file.was_clean;
    found.error = contents_hash_damaged(pool, &found.contents);
    pool_release(pool);
    return found;
}

/*
 * An image of a repair is refused to everybody but the next repair, or holds what it did before the first one, or what that keeps:
 * nobody takes a pool that is half repaired for a whole one.
 */
static void open_unrepaired(struct sdb_crashtest *test, unsigned level)
{
    struct medium *medium = &domains.levels[level + 1].medium;
    const size_t mark = medium_mark(medium);
    const struct unrepaired *before = &test->unrepaired;
    bool clean = false;
    const struct unrepaired found = look(test, level + 1, &clean);
    const bool done = test->expecting ? found.contents == test->expected : clean;
    const bool as_before = before->error == SDB_OK && (!test->expecting || found.contents == before->contents);

    medium_undo(medium, mark);
    if (found.error == SDB_OK && before->known && !done && !as_before)
        run_fail(test, level, "a pool that is half repaired opens as a whole one");
}

static int open_image(struct sdb_crashtest *test, unsigned level, const struct sdb_options *options, struct sdb_pool **pool)
{
    const bool repaired = test->repaired;
    int error = SDB_OK;

    if (test->phase == PHASE_REPAIR)
        error = sdb_repair(run_path(level + 1), 0, NULL, NULL, NULL);
    test->repaired = true;
    error = error ? error : sdb_open(run_path(level + 1), options, pool);
    test->repaired = repaired;
    return error;
}

enum recovery { RECOVERY_PLAIN = 0, RECOVERY_CRASHED, RECOVERY_OF_KILL };

/*
 * The image stands on the next level's medium: recovery, with crashes in it where it is not a plain one; then everything that
 * must hold.
 */
static void open_and_verify(struct sdb_crashtest *test, unsigned level, size_t mark, enum recovery recovery)
{
    struct sdb_options options;
    struct sdb_pool *pool;
    int error;

    run_options(test, &options);
    options.flags = test->phase == PHASE_CREATION ? SDB_CREATE : 0;
    options.cache_size = 0;
    if (test->phase == PHASE_REPAIR && !test->repaired && recovery == RECOVERY_PLAIN)
        open_unrepaired(test, level);
    error = open_image(test, level, &options, &pool);
    if (!error && recovery == RECOVERY_OF_KILL && !test->error)
        expect(test, level, pool);
    if (recovery != RECOVERY_PLAIN)
        domain_untrack(level + 1);
    if (error) {
        run_fail(test, level, "the image does not open: %s: %s", sdb_strerror(error), sdb_last_error());
        return;
    }
    if (test->error) { /* in the recovery */
        (void)sdb_close(pool);
        return;
    }
    if (seen_add(&test->recovered, key_of(test, level, mark)))
        test->report->converged++;
    else if ((!test->expecting || compare(test, level, pool)) && check(test, level, pool, "of the image") && ask(test, level, pool) && use(test, level, pool) &&
             test->report->images % REOPEN_EVERY == 0)
        (void)reopen(test, level, &pool);
    if (pool)
        (void)sdb_close(pool);
}

/* The image of an image's recovery starts from what the image is made of. */
static size_t copy_changes(const struct medium *from, size_t mark, struct medium *to)
{
    size_t to_mark = medium_mark(to);

    for (size_t i = mark; i < from->undo_count; i++) {
        uint64_t offset = from->undo[i].line * 64;

        for (unsigned w = 0; w < LINE_WORDS; w++, offset += 8)
            medium_put(to, offset, *(const uint64_t *)(const void *)(from->base + offset));
    }
    to->exists = true;
    to->size = to->size_durable = from->size;
    return to_mark;
}

static void make(struct sdb_crashtest *test, unsigned level)
{
    const struct domain *domain = &domains.levels[level];
    const struct plan *plan = &test->plan[level];
    struct medium *medium = &domains.levels[level + 1].medium;
    uint64_t words[64];

    medium->exists = true;
    medium->size = medium->size_durable = plan->small ? domain->medium.size_durable : domain->medium.size;
    for (size_t i = 0; i < domain->dirty_count; i++) {
        const struct unit *unit = domain->dirty[i];
        uint64_t offset = unit->number * domains.unit_size;

        if (offset >= medium->size)
            continue;
        state_contents(level, unit, &plan->states[i], words);
        for (unsigned w = 0; w < domains.unit_words; w++)
            medium_put(medium, offset + w * 8u, words[w]);
    }
}

void image_try(struct sdb_crashtest *test, unsigned level)
{
    struct medium *medium = &domains.levels[level + 1].medium;
    size_t mark = medium_mark(medium);
    bool nested;

    make(test, level);
    if (seen_add(&test->tried, key_of(test, level, mark))) {
        test->report->duplicates++;
        medium_undo(medium, mark);
        return;
    }
    test->report->images++;
    test->report->nested += level > 0;
    if (test->verify) {
        test->verify(test, level);
        medium_undo(medium, mark);
        return;
    }
    nested = level == 0 && test->options.nested_every && random_next(&test->random) % test->options.nested_every == 0;
    if (nested) {
        struct domain *recovering = &domains.levels[level + 1];
        size_t above = copy_changes(medium, mark, &domains.levels[level + 2].medium);

        recovering->durable_hash = domains.levels[level].durable_hash + medium_hash_since(medium, mark);
        domain_track(level + 1);
        open_and_verify(test, level, mark, RECOVERY_CRASHED);
        medium_undo(&domains.levels[level + 2].medium, above);
    } else {
        open_and_verify(test, level, mark, RECOVERY_PLAIN);
    }
    medium_undo(medium, mark);
}

void image_kill(struct sdb_crashtest *test, unsigned level, uint64_t moment)
{
    const struct domain *killed = &domains.levels[level];
    struct domain *recovering = &domains.levels[level + 1];
    size_t mark = medium_mark(&recovering->medium), above = medium_mark(&domains.levels[level + 2].medium);

    recovering->medium.exists = true;
    recovering->medium.size = killed->medium.size;
    recovering->medium.size_durable = killed->medium.size_durable;
    recovering->durable_hash = killed->durable_hash;
    test->report->images++;
    test->report->kills++;
    domain_kill(level, moment);
    open_and_verify(test, level, mark, RECOVERY_OF_KILL);
    medium_undo(&domains.levels[level + 2].medium, above);
    medium_undo(&recovering->medium, mark);
}

struct present {
    size_t mark, above;
};

/* Level 0 as it is seen, or as a power cut would leave it now, stands on the next level's medium. */
static struct present present_begin(bool visible)
{
    struct medium *medium = &domains.levels[1].medium;
    const struct present present = {medium_mark(medium), medium_mark(&domains.levels[2].medium)};

    medium->exists = true;
    medium->size = medium->size_durable = domains.levels[0].medium.size;
    domain_kill(0, visible ? UINT64_MAX : 0);
    domain_untrack(1);
    domains.floor = 1;
    return present;
}

static void present_end(const struct present *present)
{
    domains.floor = 0;
    medium_undo(&domains.levels[2].medium, present->above);
    medium_undo(&domains.levels[1].medium, present->mark);
}

struct unrepaired image_unrepaired(struct sdb_crashtest *test, bool visible)
{
    const struct present present = present_begin(visible);
    bool clean;
    const struct unrepaired found = look(test, 1, &clean);

    present_end(&present);
    return found;
}

int image_repaired(struct sdb_crashtest *test, bool visible, uint64_t *contents)
{
    const struct present present = present_begin(visible);
    struct sdb_options options;
    struct sdb_pool *pool;
    int error;

    run_options(test, &options);
    options.cache_size = 0;
    error = sdb_repair(run_path(1), 0, NULL, NULL, NULL);
    if (!error)
        error = sdb_open(run_path(1), &options, &pool);
    if (!error) {
        error = contents_hash(pool, contents);
        (void)sdb_close(pool);
    }
    present_end(&present);
    return error;
}
