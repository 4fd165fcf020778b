/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * point.c - crash points: which of the legal images of a moment are tried
 *
 * In front of a fence more is undecided than at any moment since the fence before it: whatever could have been found
 * then could still be found now. So fences, and the ends of operations, are the only moments that need to be looked at.
 *
 * Threads: under the domain's lock; the scheduler stands still
 * Memory:  a state for each dirty unit
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "run.h"
#include "schedule.h"

#define STATES_MAX_USUAL 4096u
#define RANDOM_IMAGES_USUAL 512u
#define LINES_MAX_USUAL 64u
#define NESTED_IMAGES_USUAL 32u
#define SEEN_MAX (1u << 20)

/* -- keys of images -- */

bool seen_add(struct seen *seen, uint64_t key)
{
    size_t i;

    key |= key == 0;
    if (seen->count * 2 >= seen->capacity) {
        struct seen bigger = {.capacity = seen->capacity ? seen->capacity * 2 : 4096};

        bigger.keys = crash_alloc(NULL, bigger.capacity * sizeof(*bigger.keys));
        memset(bigger.keys, 0, bigger.capacity * sizeof(*bigger.keys));
        for (size_t k = 0; k < seen->capacity; k++)
            if (seen->keys[k])
                (void)seen_add(&bigger, seen->keys[k]);
        free(seen->keys);
        *seen = bigger;
    }
    for (i = key & (seen->capacity - 1); seen->keys[i]; i = (i + 1) & (seen->capacity - 1))
        if (seen->keys[i] == key)
            return true;
    seen->keys[i] = key;
    seen->count++;
    return false;
}

void seen_clear(struct seen *seen)
{
    if (seen->count > SEEN_MAX) {
        free(seen->keys);
        memset(seen, 0, sizeof(*seen));
    } else if (seen->count) {
        memset(seen->keys, 0, seen->capacity * sizeof(*seen->keys));
        seen->count = 0;
    }
}

/* -- plans -- */

static void plan_reserve(struct plan *plan, size_t count)
{
    if (plan->capacity < count) {
        plan->capacity = count * 2;
        plan->states = crash_alloc(plan->states, plan->capacity * sizeof(*plan->states));
    }
}

static void plan_all(struct sdb_crashtest *test, unsigned level, bool all)
{
    const struct domain *domain = &domains.levels[level];

    for (size_t i = 0; i < domain->dirty_count; i++) {
        const struct shape shape = unit_shape(domain->dirty[i]);

        test->plan[level].states[i] = all ? state_all(&shape) : state_none();
    }
}

static bool may_be_exhaustive(const struct domain *domain)
{
    for (size_t i = 0; i < domain->dirty_count; i++)
        if (unit_shape(domain->dirty[i]).streams > 1)
            return false;
    return true;
}

/* The legal images of the moment. */
static double count_states(const struct domain *domain)
{
    double product = domain->medium.size != domain->medium.size_durable ? 2 : 1;

    for (size_t i = 0; i < domain->dirty_count; i++)
        product *= unit_shape(domain->dirty[i]).states;
    return product;
}

/* log10(10^a + 10^b) */
static double log10_sum(double a, double b)
{
    return a > b ? a + log10(1 + pow(10, b - a)) : b + log10(1 + pow(10, a - b));
}

/* Adds the point's legal images, 10^here, to the report's. */
static void count_images(struct sdb_crashtest *test, double here)
{
    double *sum = &test->report->states_log10;

    *sum = test->report->points == 1 ? here : log10_sum(*sum, here);
}

static double states_log10(const struct domain *domain)
{
    double sum = domain->medium.size != domain->medium.size_durable ? log10(2) : 0;

    for (size_t i = 0; i < domain->dirty_count; i++)
        sum += unit_shape(domain->dirty[i]).states_log2 * log10(2);
    return sum;
}

static void try_every_state(struct sdb_crashtest *test, unsigned level, uint64_t count)
{
    const struct domain *domain = &domains.levels[level];

    for (uint64_t n = 0; n < count && !test->error; n++) {
        uint64_t rest = n;

        for (size_t i = 0; i < domain->dirty_count; i++) {
            const struct shape shape = unit_shape(domain->dirty[i]);
            uint64_t radix = (uint64_t)shape.states;

            test->plan[level].states[i] = state_at(domain->dirty[i], &shape, rest % radix);
            rest /= radix;
        }
        test->plan[level].small = rest != 0;
        image_try(test, level);
    }
}

/* Each unit through its notable states, with all others durable, and with none of them. */
static void try_units_alone(struct sdb_crashtest *test, unsigned level, uint32_t units_max)
{
    const struct domain *domain = &domains.levels[level];
    struct state *states = test->plan[level].states;
    size_t count = domain->dirty_count;

    for (unsigned others = 0; others < 2; others++) {
        plan_all(test, level, others);
        image_try(test, level);
        for (size_t k = 0; k < count && k < units_max && !test->error; k++) {
            size_t i = count <= units_max ? k : (size_t)(random_next(&test->random) % count);
            const struct state usual = states[i];
            const struct shape shape = unit_shape(domain->dirty[i]);

            states[i] = others ? state_none() : state_all(&shape);
            image_try(test, level);
            for (uint32_t n = 0; !test->error && state_notable(domain->dirty[i], &shape, n, &states[i]); n++)
                image_try(test, level);
            states[i] = usual;
        }
    }
}

/* Any states; mostly durable ones with a few that are not; the reverse; all up to a moment. */
static void plan_random(struct sdb_crashtest *test, unsigned level)
{
    const struct domain *domain = &domains.levels[level];
    struct state *states = test->plan[level].states;
    uint64_t *random = &test->random;
    const unsigned way = (unsigned)(random_next(random) % 4);
    const uint64_t few = 1 + random_next(random) % (domain->dirty_count / 2 + 1);
    const uint64_t from = domain->dirty[0]->events[0].group;
    const uint64_t moment = from + random_next(random) % (domains.group - from + 1);

    for (size_t i = 0; i < domain->dirty_count; i++) {
        const struct unit *unit = domain->dirty[i];
        const struct shape shape = unit_shape(unit);
        const bool odd = random_next(random) % (domain->dirty_count + 1) < few;

        if (way == 0 || (way < 3 && odd))
            states[i] = random_next(random) % 4 ? state_random(unit, &shape, random)
                                                : (way == 1 ? state_none() : state_all(&shape));
        else if (way < 3)
            states[i] = way == 1 ? state_all(&shape) : state_none();
        else
            states[i] = state_at_moment(unit, moment, random_next(random), random_next(random));
    }
    test->plan[level].small = random_next(random) & 1;
}

static void try_random(struct sdb_crashtest *test, unsigned level, uint32_t images)
{
    const struct domain *domain = &domains.levels[level];

    for (uint32_t n = 0; n < images && !test->error && domain->dirty_count; n++) {
        plan_random(test, level);
        image_try(test, level);
    }
}

/* -- eADR: one order of all stores -- */

static int compare_groups(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/*
 * The groups of all units in the order of their stores; each once. *images: a state for each subset of each group's
 * words, as log10.
 */
static uint64_t *moments_of(const struct domain *domain, size_t *count, double *images)
{
    size_t n = 0, events = 0;
    uint64_t *groups;

    for (size_t i = 0; i < domain->dirty_count; i++)
        events += domain->dirty[i]->count;
    groups = crash_alloc(NULL, (events + 1) * sizeof(*groups));
    for (size_t i = 0; i < domain->dirty_count; i++)
        for (uint32_t e = 0; e < domain->dirty[i]->count; e++)
            groups[n++] = domain->dirty[i]->events[e].group;
    qsort(groups, n, sizeof(*groups), compare_groups);
    *count = 0;
    *images = 0;
    for (size_t i = 0, words; i < n; i += words) {
        for (words = 1; i + words < n && groups[i + words] == groups[i]; words++)
            ;
        groups[(*count)++] = groups[i];
        *images = log10_sum(*images, words == 1 ? 0 : (double)words * log10(2));
    }
    return groups;
}

static void try_moments(struct sdb_crashtest *test, unsigned level, uint32_t moments_max)
{
    const struct domain *domain = &domains.levels[level];
    double images;
    size_t count;
    uint64_t *groups = moments_of(domain, &count, &images);

    if (level == 0)
        count_images(test, images);
    groups[count] = count ? groups[count - 1] + 1 : 0; /* everything */
    for (size_t k = 0; k <= count && k <= moments_max && !test->error; k++) {
        size_t m = count <= moments_max ? k : (size_t)(random_next(&test->random) % (count + 1));

        for (unsigned way = 0; way < 4 && !test->error; way++) { /* the copy under way: none of it, some */
            for (size_t i = 0; i < domain->dirty_count; i++)
                test->plan[level].states[i] =
                    state_at_moment(domain->dirty[i], groups[m], way ? random_next(&test->random) : 0,
                                    way == 0   ? 0
                                    : way == 1 ? UINT64_MAX
                                               : random_next(&test->random));
            test->plan[level].small = way & 1;
            image_try(test, level);
        }
    }
    free(groups);
}

/* -- the point -- */

static uint32_t or_usual(uint32_t value, uint32_t usual)
{
    return value ? value : usual;
}

/* At its end, or somewhere in the midst of what is not durable. */
static void try_kill(struct sdb_crashtest *test)
{
    const struct domain *domain = &domains.levels[0];
    uint64_t *random = &test->random;
    const uint64_t from = domain->dirty_count ? domain->dirty[0]->events[0].group : domains.group;

    if (domains.kind == DOMAIN_EADR || !test->options.kill_every || random_next(random) % test->options.kill_every || test->error)
        return;
    plan_all(test, 0, true);
    image_kill(test, 0, random_next(random) % 2 ? domains.group : from + random_next(random) % (domains.group - from + 1));
}

static void try_images(struct sdb_crashtest *test, unsigned level)
{
    const struct domain *domain = &domains.levels[level];
    const struct sdb_crashtest_options *options = &test->options;
    const double states = count_states(domain);
    uint32_t images = level ? or_usual(options->nested_images, NESTED_IMAGES_USUAL)
                            : or_usual(options->random_images, RANDOM_IMAGES_USUAL);
    uint32_t lines = level ? images / 4 : or_usual(options->lines_max, LINES_MAX_USUAL);

    test->plan[level].small = false;
    plan_reserve(&test->plan[level], domain->dirty_count + 1);
    if (domains.kind == DOMAIN_EADR) {
        try_moments(test, level, images);
        return;
    }
    if (level == 0)
        count_images(test, states_log10(domain));
    if (states <= or_usual(options->states_max, STATES_MAX_USUAL) && (level == 0 || states <= images) &&
        may_be_exhaustive(domain)) {
        try_every_state(test, level, (uint64_t)states);
        return;
    }
    try_units_alone(test, level, lines);
    try_random(test, level, images);
}

static void try_point(struct sdb_crashtest *test, unsigned level)
{
    try_images(test, level);
    if (level == 0)
        try_kill(test);
}

static bool is_chosen(struct sdb_crashtest *test)
{
    const struct sdb_crashtest_options *options = &test->options;
    uint64_t random = test->report->seed ^ test->point * 0x9e3779b97f4a7c15ull;

    if (options->only_point)
        return options->only_point == test->point;
    return options->every <= 1 || random_next(&random) % options->every == 0;
}

static bool is_looked_at(const struct sdb_crashtest *test)
{
    const uint32_t flags = test->options.flags;

    return test->phase >= PHASE_WORK || (test->phase == PHASE_CREATION && (flags & SDB_CRASHTEST_CREATION)) ||
           (test->phase == PHASE_SETUP && (flags & SDB_CRASHTEST_SETUP));
}

void point_reached(struct sdb_crashtest *test, unsigned level)
{
    const unsigned floor = domains.floor;
    char text[ERROR_TEXT_SIZE];

    if (level < floor || test->error || test->blind || !is_looked_at(test))
        return;
    if (level == 0) {
        test->point++;
        if (!is_chosen(test))
            return;
        test->random = test->report->seed + test->point * 0x632be59bd9b4e019ull;
        test->report->points++;
    }
    (void)snprintf(text, sizeof(text), "%s", error_text()); /* the work goes on as if nothing had happened */
    domains.floor = level + 1;
    schedule_hold();
    try_point(test, level);
    schedule_go();
    error_set("%s", text);
    domains.floor = floor;
}
