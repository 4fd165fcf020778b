/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_main.c - superdb-pool: makes, describes, checks, dumps, fills and grows pools
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "number.h"
#include "pool_tool.h"

static const char help[] =
    "usage: superdb-pool create PATH [--size SIZE] [--max-size SIZE] [--shards N] [--durability CLASS]\n"
    "       superdb-pool info PATH\n"
    "       superdb-pool check PATH [--repair] [--dry-run] [--quiet]\n"
    "       superdb-pool dump PATH [--database N] [--format text|resp]\n"
    "       superdb-pool import PATH [FILE] [--quiet]\n"
    "       superdb-pool resize PATH SIZE\n"
    "       superdb-pool --help | --version\n"
    "\n"
    "create  makes a pool where there is none. --size: of the file (1gb), --max-size: that it can grow to (64 times "
    "the\n"
    "        size), --shards: a power of two up to 1024 (by size), --durability: what a write survives that returned:\n"
    "          auto     the strongest class that the medium gives without a system call for each commit (the default)\n"
    "          pmem     a power cut, on persistent memory\n"
    "          msync    a power cut, on a plain file, by a system call for each commit\n"
    "          process  a kill of the process\n"
    "info    tells what the pool is, what it promises and what it holds.\n"
    "check   verifies everything that is reachable and everything that is allocated, and names what is wrong and "
    "where.\n"
    "        --repair: drops the keys that are damaged, each by name, and builds the rest anew, so that the pool is "
    "sound.\n"
    "        --dry-run: says what --repair would do, and stores nothing. --quiet: the exit status alone.\n"
    "dump    writes keys, values and times to live. text: a line a key: database, key, value, expiry in ms since 1970\n"
    "        (0: never). resp: commands that `redis-cli --pipe` loads into any server.\n"
    "import  writes what dump wrote, in either format, from FILE or standard input: databases and times to live are kept, keys\n"
    "        that are there already get the new value, what has expired since is left out. Keys are written in transactions of\n"
    "        up to 1024 keys; where the input is wrong it says in which line and byte, and how many keys were written before.\n"
    "        --quiet: no summary.\n"
    "resize  grows the pool's file to SIZE. No other process may have the pool open.\n"
    "\n"
    "info, check and dump open a pool for reading only; one that was not closed is recovered first, and closed.\n"
    "SIZE is a number of bytes, or one with kb, mb, gb, tb (powers of 1024) or k, m, g, t (powers of 1000).\n"
    "Exit status: 0: all is well, or was made so; 1: the pool is damaged; 2: wrong usage, or the pool cannot be opened or written.\n";

enum option_key {
    OPTION_SIZE = 256, /* above all characters, which getopt would take for short options */
    OPTION_SIZE_MAX,
    OPTION_SHARDS,
    OPTION_DURABILITY,
    OPTION_QUIET,
    OPTION_REPAIR,
    OPTION_DRY_RUN,
    OPTION_DATABASE,
    OPTION_FORMAT,
};

static const struct option create_options[] = {{"size", required_argument, NULL, OPTION_SIZE},
                                               {"max-size", required_argument, NULL, OPTION_SIZE_MAX},
                                               {"shards", required_argument, NULL, OPTION_SHARDS},
                                               {"durability", required_argument, NULL, OPTION_DURABILITY},
                                               {NULL, 0, NULL, 0}};
static const struct option check_options[] = {{"quiet", no_argument, NULL, OPTION_QUIET},
                                              {"repair", no_argument, NULL, OPTION_REPAIR},
                                              {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
                                              {NULL, 0, NULL, 0}};
static const struct option dump_options[] = {{"database", required_argument, NULL, OPTION_DATABASE},
                                             {"format", required_argument, NULL, OPTION_FORMAT},
                                             {NULL, 0, NULL, 0}};
static const struct option no_options[] = {{NULL, 0, NULL, 0}};

static const struct command {
    const char *name;
    const struct option *options;
    int arguments, arguments_max; /* PATH, and SIZE of resize, and perhaps FILE of import */
    enum tool_status (*run)(const struct tool_options *options);
} commands[] = {
    {"create", create_options, 1, 1, tool_create}, {"info", no_options, 1, 1, tool_info},
    {"check", check_options, 1, 1, tool_check},    {"dump", dump_options, 1, 1, tool_dump},
    {"import", check_options, 1, 2, tool_import},  {"resize", no_options, 2, 2, tool_resize},
};

static bool parse_size(const char *text, uint64_t *size)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1000},
        {"kb", 1ull << 10},
        {"m", 1000000},
        {"mb", 1ull << 20},
        {"g", 1000000000},
        {"gb", 1ull << 30},
        {"t", 1000000000000},
        {"tb", 1ull << 40},
    };
    const size_t digits = strspn(text, "0123456789");
    int64_t number;

    if (!number_parse_i64(text, digits, &number))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(text + digits, units[i].name) == 0)
            return !__builtin_mul_overflow((uint64_t)number, units[i].factor, size);
    }
    return false;
}

static bool parse_number(const char *text, int64_t limit, int64_t *number)
{
    return number_parse_i64(text, strlen(text), number) && *number >= 0 && *number <= limit;
}

static bool parse_durability(const char *text, uint32_t *durability)
{
    for (uint32_t i = SDB_DURABILITY_AUTO; i <= SDB_DURABILITY_PROCESS; i++) {
        if (strcmp(text, tool_durability_name(i)) == 0) {
            *durability = i;
            return true;
        }
    }
    return false;
}

static bool parse_format(const char *text, enum tool_format *format)
{
    const bool resp = strcmp(text, "resp") == 0;

    *format = resp ? TOOL_FORMAT_RESP : TOOL_FORMAT_TEXT;
    return resp || strcmp(text, "text") == 0;
}

static bool parse_option(int key, const char *text, struct tool_options *options)
{
    int64_t number = 0;
    bool good = true;

    switch (key) {
    case OPTION_SIZE:
        return parse_size(text, &options->size);
    case OPTION_SIZE_MAX:
        return parse_size(text, &options->size_max);
    case OPTION_SHARDS:
        good = parse_number(text, UINT32_MAX, &number) && number > 0;
        options->shards = (uint32_t)number;
        return good;
    case OPTION_DURABILITY:
        return parse_durability(text, &options->durability);
    case OPTION_DATABASE:
        good = parse_number(text, SDB_DATABASES - 1, &number);
        options->database = (int)number;
        return good;
    case OPTION_FORMAT:
        return parse_format(text, &options->format);
    case OPTION_REPAIR:
        options->repair = true;
        return true;
    case OPTION_DRY_RUN:
        options->repair = options->dry_run = true;
        return true;
    default:
        options->quiet = true;
        return true;
    }
}

static enum tool_status wrong_usage(const char *what, const char *text)
{
    (void)fprintf(stderr, "superdb-pool: %s%s\nTry 'superdb-pool --help'.\n", what, text);
    return TOOL_FAILED;
}

static enum tool_status run(const struct command *command, int argc, char **argv)
{
    struct tool_options options = {.database = -1};
    int key, index = 0;

    opterr = 0;
    while ((key = getopt_long(argc, argv, "", command->options, &index)) != -1) {
        if (key == '?') {
            const bool known = optopt >= OPTION_SIZE;
            return wrong_usage(known ? "a value is missing, or one too many: " : "unknown option: ", argv[optind - 1]);
        }
        if (!parse_option(key, optarg, &options)) {
            (void)fprintf(stderr, "superdb-pool: invalid value for --%s: %s\n", command->options[index].name, optarg);
            return TOOL_FAILED;
        }
    }
    if (argc - optind < command->arguments)
        return wrong_usage(argc == optind ? "a PATH is missing" : "a SIZE is missing", "");
    if (argc - optind > command->arguments_max)
        return wrong_usage("one argument too many: ", argv[optind + command->arguments_max]);
    options.path = argv[optind];
    if (command->arguments_max > command->arguments)
        options.input = argv[optind + 1]; /* NULL: there is none */
    if (command->arguments == 2 && !parse_size(argv[optind + 1], &options.size))
        return wrong_usage("not a size: ", argv[optind + 1]);
    return command->run(&options);
}

static enum tool_status dispatch(int argc, char **argv)
{
    if (argc < 2)
        return wrong_usage("a command is missing", "");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        (void)fputs(help, stdout);
        return TOOL_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0) {
        (void)printf("superdb-pool %s\n", sdb_version());
        return TOOL_OK;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run(&commands[i], argc - 1, argv + 1);
    return wrong_usage("unknown command: ", argv[1]);
}

int main(int argc, char **argv)
{
    enum tool_status status = dispatch(argc, argv);

    /* A dump that did not fit on the disk must not look like a whole one. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "superdb-pool: standard output: %s\n", strerror(errno));
        if (status == TOOL_OK)
            status = TOOL_FAILED;
    }
    return (int)status;
}
