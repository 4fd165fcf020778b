/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_config.c - options are read, refused with the line they stand on, shown, and written back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "acl.h"
#include "config.h"
#include "config_option.h"
#include "split.h"

static char directory[64];
static char path[96];
static char error[512];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/superdb-test-config-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/shop.conf", directory);
    return config_init();
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    config_free();
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command) == 0 ? 0 : -1;
}

/* Whether it is the one that the user default comes in with. */
static int password_is(const char *password)
{
    struct acl_user *user = acl_find(ACL_DEFAULT_USER, sizeof(ACL_DEFAULT_USER) - 1);
    const int accepted = acl_user_accepts(user, password, strlen(password));

    acl_user_release(user);
    return accepted;
}

static void write_file(const char *name, const char *text)
{
    char file_path[160];
    FILE *file;

    (void)snprintf(file_path, sizeof(file_path), "%s/%s", directory, name);
    file = fopen(file_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_file_is(const char *text)
{
    char buffer[4096];
    FILE *file = fopen(path, "r");
    size_t size;

    assert_non_null(file);
    size = fread(buffer, 1, sizeof(buffer) - 1, file);
    buffer[size] = '\0';
    (void)fclose(file);
    assert_string_equal(buffer, text);
}

static const struct config_option *option(const char *name)
{
    const struct config_option *found = config_option_find(name, strlen(name));

    assert_non_null(found);
    return found;
}

static void assert_shows(const char *name, const char *value)
{
    char *text = config_option_text(option(name));

    assert_non_null(text);
    assert_string_equal(text, value);
    free(text);
}

/* The error of setting an option; NULL: it took the value. */
static const char *set(const char *name, const char *value)
{
    const char *why = NULL;
    char *word = strdup(value);
    int result;

    assert_non_null(word);
    result = config_option_set(option(name), &word, 1, &why);
    free(word);
    assert_int_equal(result != 0, why != NULL);
    return why;
}

static int load(int argc, ...)
{
    char *argv[16] = {(char *)(uintptr_t) "superdb-server"};
    enum config_action action;
    va_list words;

    va_start(words, argc);
    for (int i = 1; i <= argc; i++)
        argv[i] = va_arg(words, char *);
    va_end(words);
    return config_load(argc + 1, argv, &action, error, sizeof(error));
}

static void every_option_shows_its_default(void **state)
{
    (void)state;
    assert_shows("port", "6379");
    assert_shows("bind", "127.0.0.1 -::1");
    assert_shows("protected-mode", "yes");
    assert_shows("pool-size", "auto");
    assert_shows("cache-size", "auto");
    assert_shows("durability", "auto");
    assert_shows("proto-max-bulk-len", "536870912");
    assert_shows("latency-tracking-info-percentiles", "50 99 99.9");
    assert_shows("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
    assert_shows("save", "");
    assert_shows("databases", "16");
    assert_null(config.unixsocket);
    assert_int_equal(config.cache_size, -1);
}

static void lines_are_split_by_quotes_and_blanks(void **state)
{
    static const struct {
        const char *line;
        int count;
        const char *words[4];
    } cases[] = {
        {"a b  c", 3, {"a", "b", "c"}},
        {"  ", 0, {NULL}},
        {"\"a b\" 'c d'", 2, {"a b", "c d"}},
        {"\"\\x41\\n\\\"\\\\\"", 1, {"A\n\"\\"}},
        {"'it\\'s' \"\"", 2, {"it's", ""}},
        {"\"a\"b", -1, {NULL}},
        {"\"a", -1, {NULL}},
        {"'a", -1, {NULL}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *words[4] = {NULL};
        int count = split_words(cases[i].line, words, 4);

        assert_int_equal(count, cases[i].count);
        for (int j = 0; j < count; j++)
            assert_string_equal(words[j], cases[i].words[j]);
        if (count > 0)
            free(words[0]);
    }
}

static void sizes_have_units_of_a_thousand_and_of_1024(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{"0", 0},         {"100", 100},       {"1k", 1000},    {"1kb", 1024},
                 {"2MB", 2 << 20}, {"3g", 3000000000}, {"1gb", 1 << 30}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_null(set("pool-size", cases[i].text));
        assert_int_equal(config.pool_size, cases[i].bytes);
    }
    assert_null(set("maxmemory", "1gb"));
    assert_shows("maxmemory", "1073741824");
    assert_string_equal(set("pool-size", "1xb"), "argument must be a memory value");
    assert_string_equal(set("pool-size", "-1kb"), "argument must be a memory value");
    assert_string_equal(set("pool-size", "9999999999gb"), "argument must be a memory value");
    assert_null(set("pool-size", "auto"));
    assert_int_equal(config.pool_size, 0);
}

static void bad_values_are_refused_and_change_nothing(void **state)
{
    (void)state;
    assert_string_equal(set("port", "abc"), "argument couldn't be parsed into an integer");
    assert_string_equal(set("port", "65536"), "argument must be between 0 and 65535 inclusive");
    assert_string_equal(set("port", "1 "), "argument couldn't be parsed into an integer");
    assert_string_equal(set("unixsocketperm", "9"), "argument couldn't be parsed as an octal number");
    assert_string_equal(set("protected-mode", "maybe"), "argument must be 'yes' or 'no'");
    assert_string_equal(set("durability", "hope"),
                        "argument(s) must be one of the following: auto, pmem, msync, process");
    assert_string_equal(set("pool-shards", "3"), "argument must be a power of two, or 0");
    assert_shows("port", "6379");
    assert_shows("durability", "auto");
}

static void constants_take_their_value_and_refuse_others(void **state)
{
    (void)state;
    assert_null(set("appendonly", "no"));
    assert_null(set("save", ""));
    assert_non_null(strstr(set("appendonly", "yes"), "durable"));
    assert_non_null(strstr(set("databases", "32"), "16"));
}

static void a_file_sets_options_and_flags_override_it(void **state)
{
    (void)state;
    write_file("shop.conf", "# shop\n\nport 7001\nTIMEOUT 5\nrequirepass \"a b\"\nbind 127.0.0.1 ::1\n"
                            "client-output-buffer-limit normal 1mb 512kb 10\n");
    assert_int_equal(load(5, path, "--port", "7002", "--unixsocketperm", "700"), 0);
    assert_int_equal(config.port, 7002);
    assert_int_equal(config.timeout, 5);
    assert_int_equal(config.unixsocketperm, 0700);
    assert_int_equal(config.bind_count, 2);
    assert_string_equal(config.bind[1], "::1");
    assert_int_equal(config.output_limits[CONFIG_CLIENT_NORMAL].hard, 1 << 20);
    assert_int_equal(config.output_limits[CONFIG_CLIENT_PUBSUB].soft_seconds, 60);
    assert_true(password_is("a b"));
    assert_string_equal(config.file, path);
}

static void what_cannot_be_read_is_named_with_file_and_line(void **state)
{
    char expected[256];

    (void)state;
    write_file("shop.conf", "port 7001\n# one\nprot 7\n");
    assert_int_equal(load(1, path), -1);
    (void)snprintf(expected, sizeof(expected), "%s:3: unknown option 'prot'", path);
    assert_string_equal(error, expected);
    write_file("shop.conf", "port seven\n");
    assert_int_equal(load(1, path), -1);
    (void)snprintf(expected, sizeof(expected), "%s:1: port: argument couldn't be parsed into an integer", path);
    assert_string_equal(error, expected);
    write_file("shop.conf", "rename-command FLUSHALL \"\"\n");
    assert_int_equal(load(1, path), -1);
    assert_non_null(strstr(error, "not supported"));
    assert_int_equal(load(1, "/nonexistent/shop.conf"), -1);
    assert_non_null(strstr(error, "No such file"));
    assert_int_equal(load(2, "--prot", "7"), -1);
    assert_string_equal(error, "command line: unknown option 'prot'");
    assert_int_equal(load(1, "--port"), -1);
    assert_string_equal(error, "command line: port: needs a value");
    assert_int_equal(load(2, "--min-replicas-to-write", "1"), -1);
}

static void included_files_count_where_they_stand(void **state)
{
    char part[160];

    (void)state;
    (void)snprintf(part, sizeof(part), "%s/part.d", directory);
    assert_int_equal(mkdir(part, 0700), 0);
    write_file("part.d/b.conf", "hz 20\n");
    write_file("part.d/a.conf", "hz 10\ntimeout 1\n");
    write_file("shop.conf", "timeout 3\ninclude part.d/*.conf\nmaxclients 7\n");
    assert_int_equal(load(1, path), 0);
    assert_int_equal(config.hz, 20);
    assert_int_equal(config.timeout, 1);
    assert_int_equal(config.maxclients, 7);
    write_file("shop.conf", "include shop.conf\n");
    assert_int_equal(load(1, path), -1);
    assert_non_null(strstr(error, "include each other"));
}

static void rewriting_keeps_comments_and_order(void **state)
{
    (void)state;
    write_file("shop.conf", "# the shop's store\nport 7001\n\n  # slow clients\ntimeout 5\nsave \"\"\ntimeout 6\n");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(load(1, path), 0);
    assert_null(set("timeout", "9"));
    assert_null(set("maxclients", "42"));
    assert_null(set("requirepass", "x \"y"));
    assert_int_equal(config_rewrite(), 0);
    assert_file_is("# the shop's store\nport 7001\n\n  # slow clients\ntimeout 9\nsave \"\"\n"
                   "# Generated by CONFIG REWRITE\nmaxclients 42\nrequirepass \"x \\\"y\"\n");
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    /* what was written reads back, and a second rewriting changes nothing */
    config_free();
    assert_int_equal(config_init(), 0);
    assert_int_equal(load(1, path), 0);
    assert_true(password_is("x \"y"));
    assert_int_equal(config.maxclients, 42);
    assert_int_equal(config_rewrite(), 0);
    assert_file_is("# the shop's store\nport 7001\n\n  # slow clients\ntimeout 9\nsave \"\"\n"
                   "# Generated by CONFIG REWRITE\nmaxclients 42\nrequirepass \"x \\\"y\"\n");
}

static void the_password_is_compared_as_a_whole(void **state)
{
    (void)state;
    assert_null(set("requirepass", "secret"));
    assert_false(acl_is_open());
    assert_true(password_is("secret"));
    assert_false(password_is("secre"));
    assert_false(password_is("secrets"));
    assert_false(password_is("secretsecret"));
    assert_false(password_is(""));
    assert_null(set("requirepass", ""));
    assert_true(acl_is_open());
}

/* "a  b" would be read back as two addresses: the empty one between them was lost by CONFIG REWRITE. */
static void addresses_that_could_not_be_written_back_are_refused(void **state)
{
    static const char *const bad[] = {"bind a '' b\n", "bind \"a b\" c\n", "bind \"a\\\"b\"\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_file("shop.conf", bad[i]);
        assert_int_equal(config_read_file(path, error, sizeof(error)), -1);
        assert_non_null(strstr(error, "shop.conf:1: bind: an address"));
        assert_shows("bind", "127.0.0.1 -::1");
    }
    write_file("shop.conf", "bind ''\n");
    assert_int_equal(config_read_file(path, error, sizeof(error)), 0);
    assert_shows("bind", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_option_shows_its_default, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_are_split_by_quotes_and_blanks, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_have_units_of_a_thousand_and_of_1024, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_values_are_refused_and_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(constants_take_their_value_and_refuse_others, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_sets_options_and_flags_override_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_named_with_file_and_line, setup, teardown),
        cmocka_unit_test_setup_teardown(included_files_count_where_they_stand, setup, teardown),
        cmocka_unit_test_setup_teardown(rewriting_keeps_comments_and_order, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_that_could_not_be_written_back_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_password_is_compared_as_a_whole, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
