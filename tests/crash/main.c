/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - runs scenarios on the crash harness, and says how many states of each it went through
 *
 *     crash_images [--seed N] [--random N] [--states N] [--lines N] [--every N] [--kills N] [--less N] [--point N] [--sites] [NAME...]
 *     crash_images --list
 *
 * Without --seed the seeds are the fixed ones of the suite; with --seed 0 a fresh one. With --sites every place in the
 * engine that flushes or fences must have been reached, but those that are named below.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

#define SEED_USUAL 20231114u

struct arguments {
    struct sdb_crashtest_options options;
    int sites;
    uint32_t less; /* looks at so many times fewer points: where the build is slow */
};

static int judge(void *context, struct sdb_session *session, struct sdb_crashtest_image *image)
{
    return oracle_judge(context, session, image);
}

static int work(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct oracle *oracle = context;
    const struct scenario *scenario = oracle->scenario;

    oracle->test = test;
    return scenario->work(oracle, test, pool);
}

static void override(uint32_t *option, uint32_t wanted)
{
    if (wanted)
        *option = wanted;
}

static int run(const struct scenario *scenario, const struct arguments *arguments)
{
    static struct oracle oracle;
    struct sdb_crashtest_options options = SDB_CRASHTEST_OPTIONS_INIT;
    struct sdb_crashtest_case mine = {.context = &oracle, .setup = scenario->setup, .work = work, .invariant = scenario->judge ? scenario->judge : judge};
    struct sdb_crashtest_report report;
    int error;

    options.seed = arguments->options.seed;
    oracle_init(&oracle, 48, 1, options.seed);
    oracle.scenario = scenario;
    scenario->prepare(&oracle, &options);
    override(&options.random_images, arguments->options.random_images);
    override(&options.states_max, arguments->options.states_max);
    override(&options.lines_max, arguments->options.lines_max);
    override(&options.every, arguments->options.every);
    override(&options.kill_every, arguments->options.kill_every);
    if (arguments->less)
        options.every = (options.every ? options.every : 1) * arguments->less;
    options.only_point = arguments->options.only_point;
    error = sdb_crashtest_run(&options, &mine, &report);
    printf("%-14s seed %" PRIu64 ": %" PRIu64 " fences, %" PRIu64 " points, 10^%.1f states, %" PRIu64
           " images (%" PRIu64 " in recoveries), %" PRIu64 " kills, %" PRIu64 " converged, %.1f s\n",
           scenario->name, report.seed, report.fences, report.points, report.states_log10, report.images, report.nested,
           report.kills, report.converged, report.seconds);
    if (error)
        printf("FAILED %s: %s: %s\n", scenario->name, sdb_strerror(error),
               report.failed_point ? report.failure : sdb_last_error());
    (void)fflush(stdout);
    return error != SDB_OK;
}

static const struct scenario *scenario_named(const char *name)
{
    for (unsigned i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    fprintf(stderr, "no scenario is called %s; there are:", name);
    for (unsigned i = 0; i < scenario_count; i++)
        fprintf(stderr, " %s", scenarios[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

/* Takes the options; returns the index of the first name. */
static int parse(int argc, char **argv, struct arguments *arguments)
{
    struct sdb_crashtest_options *options = &arguments->options;
    struct {
        const char *name;
        uint32_t *value;
    } numbers[] = {{"--random", &options->random_images},
                   {"--states", &options->states_max},
                   {"--lines", &options->lines_max},
                   {"--less", &arguments->less},
                   {"--kills", &options->kill_every},
                   {"--every", &options->every}};
    int i = 1;

    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            for (unsigned s = 0; s < scenario_count; s++)
                printf("%s\n", scenarios[s].name);
            exit(0);
        } else if (strcmp(argv[i], "--sites") == 0) {
            arguments->sites = 1;
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            options->seed = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--point") == 0) {
            options->only_point = strtoull(argv[++i], NULL, 10);
        } else {
            size_t n = 0;

            while (n < sizeof(numbers) / sizeof(numbers[0]) && strcmp(argv[i], numbers[n].name) != 0)
                n++;
            if (n == sizeof(numbers) / sizeof(numbers[0]) || i + 1 == argc) {
                fprintf(stderr,
                        "usage: %s [--seed|--random|--states|--lines|--every|--kills|--less|--point N] [--sites] [NAME...]\n",
                        argv[0]);
                exit(2);
            }
            *numbers[n].value = (uint32_t)strtoul(argv[++i], NULL, 10);
        }
    }
    return i;
}

/* -- places that flush or fence -- */

/* Those that no scenario can reach, each with its reason. */
static const struct {
    const char *file, *function, *reason;
} unreachable[] = {
    {"file_state.c", "pool_file_mark_clean", "class process, which promises nothing over a power cut"},
    {"file_state.c", "file_write_back_superblock", "the same"},
    {"file_state.c", "sync_recovered",
     "class process behind class msync, which no scenario changes to: test_power_cut.c shows it"},
    {"lost_pages.c", "mend", "the simulated medium loses no pages: test_bad_pages.py shows it"},
    {"lost_pages.c", "mend_lanes", "the same"},
    {"lost_pages.c", "sync_pages", "the same"},
    {"lost_pages.c", "renew_page", "the same"},
};

static int is_unreachable(const char *file, const char *function)
{
    for (size_t i = 0; i < sizeof(unreachable) / sizeof(unreachable[0]); i++)
        if (strcmp(file, unreachable[i].file) == 0 && strcmp(function, unreachable[i].function) == 0)
            return 1;
    return 0;
}

struct sites {
    unsigned reached, unreached, excepted;
};

static void look_at_site(void *context, const struct sdb_crashtest_site *site)
{
    struct sites *sites = context;
    const char *slash = strrchr(site->file, '/');
    const char *file = slash ? slash + 1 : site->file;

    if (site->reached) {
        sites->reached++;
    } else if (is_unreachable(file, site->function)) {
        sites->excepted++;
    } else {
        sites->unreached++;
        printf("NOT REACHED: %s:%u, in %s: a %s\n", file, site->line, site->function, site->fences ? "fence" : "flush");
    }
}

static int check_sites(void)
{
    struct sites sites = {0, 0, 0};

    sdb_crashtest_sites(look_at_site, &sites);
    printf("%u places that flush or fence were reached, %u were not, %u cannot be\n", sites.reached, sites.unreached,
           sites.excepted);
    return sites.unreached != 0 || sites.reached == 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.options = {.seed = SEED_USUAL}};
    int first = parse(argc, argv, &arguments), failed = 0;

    for (int i = first; i < argc; i++)
        failed += run(scenario_named(argv[i]), &arguments);
    for (unsigned i = 0; first == argc && i < scenario_count; i++)
        failed += run(&scenarios[i], &arguments);
    if (arguments.sites)
        failed += check_sites();
    return failed != 0;
}
