/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_data_commands.c - the handlers of data commands over a pool: replies, atomicity, and what they cost in fences
 *
 * Replies of whole command streams are compared with redis-server's in tests/integration; here is what it cannot judge.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "command.h"

static const struct command *const tables[] = {string_commands, bit_commands, key_commands, handle_commands};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

static char path[64];
static struct sdb_pool *pool;
static struct client client;

static int setup(void **state)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/test_server_data.%d.sdb", (int)getpid());
    (void)unlink(path);
    options.flags = SDB_CREATE | SDB_EXCLUSIVE;
    options.pool_size = 64u << 20;
    options.pool_size_max = options.pool_size;
    options.durability = SDB_DURABILITY_PROCESS;
    if (sdb_open(path, &options, &pool) != SDB_OK) {
        print_error("%s\n", sdb_last_error());
        return -1;
    }
    memset(&client, 0, sizeof(client));
    reply_init(&client.reply);
    return sdb_session_open(pool, &client.session);
}

static int teardown(void **state)
{
    (void)state;
    sdb_session_close(client.session);
    reply_free(&client.reply);
    client_set_now_ms(0);
    if (sdb_close(pool) != SDB_OK)
        return -1;
    return unlink(path);
}

static const struct command *find(const struct command *table, const struct request_arg *name)
{
    for (; name->data != NULL && table->name != NULL; table++) {
        if (strlen(table->name) == name->size && strncasecmp(table->name, name->data, name->size) == 0)
            return table;
    }
    return NULL;
}

/* Runs a command whose words are separated by blanks, behind what client.reply holds already. */
static void run(const char *words)
{
    static char text[4096];
    struct request_arg argv[256] = {{NULL, 0}};
    const struct command *command = NULL;
    int argc = 0;

    assert_true(strlen(words) < sizeof(text));
    memcpy(text, words, strlen(words) + 1);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = (struct request_arg){word, strlen(word)};
    assert_true(argc > 0 && (size_t)argc < sizeof(argv) / sizeof(argv[0]));
    for (size_t i = 0; i < TABLES && command == NULL; i++)
        command = find(tables[i], &argv[0]);
    assert_non_null(command);
    if (command->subcommands != NULL)
        command = find(command->subcommands, &argv[1]);
    assert_non_null(command);
    command->handler(&client, argv, argc);
}

/* The same, and what it replies. */
static void expect(const char *words, const char *reply)
{
    client.reply.size = 0;
    run(words);
    if (client.reply.size != strlen(reply) || memcmp(client.reply.data, reply, client.reply.size) != 0)
        fail_msg("%s: %.*s", words, (int)client.reply.size, client.reply.data);
}

/* The number in a reply ":n" or "*1 :n". */
static uint64_t handle_of(const char *key)
{
    char words[128];
    const char *colon;

    snprintf(words, sizeof(words), "SDB.HANDLE %s", key);
    client.reply.size = 0;
    run(words);
    colon = memchr(client.reply.data, ':', client.reply.size);
    assert_non_null(colon);
    return strtoull(colon + 1, NULL, 10);
}

static void every_row_of_the_tables_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < TABLES; i++) {
        for (const struct command *row = tables[i]; row->name != NULL; row++) {
            const struct command *children = row->subcommands;
            assert_true(row->summary && row->since && row->group && row->complexity && row->acl_categories);
            assert_true(row->arity != 0);
            assert_true(row->handler != NULL || children != NULL);
            assert_true((row->flags & COMMAND_WRITE) == 0 || (row->flags & COMMAND_READONLY) == 0);
            for (; children != NULL && children->name != NULL; children++)
                assert_true(children->summary && children->syntax && children->handler);
        }
    }
}

static void handles_read_and_write_values_of_every_kind(void **state)
{
    char words[256];

    (void)state;
    expect("MSET int 12 short abc sixteen 0123456789abcdef long 0123456789abcdefg", "+OK\r\n");
    snprintf(words, sizeof(words), "SDB.GETH %llu %llu %llu %llu", (unsigned long long)handle_of("int"),
             (unsigned long long)handle_of("short"), (unsigned long long)handle_of("sixteen"),
             (unsigned long long)handle_of("long"));
    expect(words, "*4\r\n$2\r\n12\r\n$3\r\nabc\r\n$16\r\n0123456789abcdef\r\n$17\r\n0123456789abcdefg\r\n");
    snprintf(words, sizeof(words), "SDB.SETH %llu -7 %llu longer-than-sixteen-bytes",
             (unsigned long long)handle_of("short"), (unsigned long long)handle_of("int"));
    expect(words, "+OK\r\n");
    expect("MGET int short", "*2\r\n$25\r\nlonger-than-sixteen-bytes\r\n$2\r\n-7\r\n");
}

static void more_handles_than_one_batch_keep_their_order(void **state)
{
    char words[4096], expected[4096], piece[64];
    int words_size = snprintf(words, sizeof(words), "SDB.GETH");
    int expected_size = snprintf(expected, sizeof(expected), "*130\r\n");

    (void)state;
    for (int i = 0; i < 130; i++) {
        snprintf(piece, sizeof(piece), "SET k%03d %d", i, i);
        expect(piece, "+OK\r\n");
        snprintf(piece, sizeof(piece), "k%03d", i);
        words_size += snprintf(words + words_size, sizeof(words) - (size_t)words_size, " %llu",
                               (unsigned long long)handle_of(piece));
        expected_size += snprintf(expected + expected_size, sizeof(expected) - (size_t)expected_size, "$%d\r\n%d\r\n",
                                  i < 10    ? 1
                                  : i < 100 ? 2
                                            : 3,
                                  i);
    }
    expect(words, expected);
}

static void a_stale_handle_is_an_error_of_its_own(void **state)
{
    char words[128], reply[256];
    const char *stale = "-STALE the handle's key is gone, or it never was\r\n";
    uint64_t gone, kept;

    (void)state;
    expect("MSET gone 1 kept 2", "+OK\r\n");
    gone = handle_of("gone");
    kept = handle_of("kept");
    expect("DEL gone", ":1\r\n");
    expect("SET gone again", "+OK\r\n"); /* another life: the old handle stays stale */
    snprintf(words, sizeof(words), "SDB.GETH %llu", (unsigned long long)gone);
    expect(words, stale);
    snprintf(words, sizeof(words), "SDB.GETH %llu %llu", (unsigned long long)gone, (unsigned long long)kept);
    snprintf(reply, sizeof(reply), "*2\r\n%s$1\r\n2\r\n", stale);
    expect(words, reply);
    snprintf(words, sizeof(words), "SDB.SETH %llu x", (unsigned long long)gone);
    expect(words, stale);
    expect("SDB.GETH 0", stale);
    expect("SDB.GETH -1", stale);
    expect("SDB.GETH 9223372036854775807", stale);
    expect("SDB.GETH x", "-ERR handle is not an integer or out of range\r\n");
}

static void seth_writes_all_pairs_or_none(void **state)
{
    char words[256];
    uint64_t gone, kept;

    (void)state;
    expect("MSET gone 1 kept 2", "+OK\r\n");
    gone = handle_of("gone");
    kept = handle_of("kept");
    expect("DEL gone", ":1\r\n");
    snprintf(words, sizeof(words), "SDB.SETH %llu changed %llu x", (unsigned long long)kept, (unsigned long long)gone);
    expect(words, "-STALE the handle's key is gone, or it never was\r\n");
    expect("GET kept", "$1\r\n2\r\n");
}

static void seth_keeps_the_time_to_live(void **state)
{
    char words[128];

    (void)state;
    expect("SET k v EX 1000", "+OK\r\n");
    snprintf(words, sizeof(words), "SDB.SETH %llu w", (unsigned long long)handle_of("k"));
    expect(words, "+OK\r\n");
    expect("GET k", "$1\r\nw\r\n");
    expect("TTL k", ":1000\r\n");
}

static void a_key_expires_at_the_time_of_the_turn(void **state)
{
    const int64_t now = 1800000000000;

    (void)state;
    client_set_now_ms(now);
    sdb_session_set_time(client.session, now);
    expect("SET k v PX 500", "+OK\r\n");
    expect("PTTL k", ":500\r\n");
    expect("PEXPIRETIME k", ":1800000000500\r\n");
    expect("TTL k", ":1\r\n");
    client_set_now_ms(now + 499);
    sdb_session_set_time(client.session, now + 499);
    expect("GET k", "$1\r\nv\r\n");
    expect("TTL k", ":0\r\n");
    client_set_now_ms(now + 500);
    sdb_session_set_time(client.session, now + 500);
    expect("GET k", "$-1\r\n");
    expect("PTTL k", ":-2\r\n");
}

static void a_scan_visits_every_key_and_ends(void **state)
{
    char words[128];
    unsigned char seen[1000] = {0};
    uint64_t cursor = 0;
    int calls = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(words, sizeof(words), "SET key:%03d value", i);
        expect(words, "+OK\r\n");
    }
    expect("SET other value", "+OK\r\n");
    do {
        char *at;
        snprintf(words, sizeof(words), "SCAN %llu MATCH key:* COUNT 7", (unsigned long long)cursor);
        client.reply.size = 0;
        run(words);
        reply_raw(&client.reply, "", 1);
        assert_int_equal(sscanf(client.reply.data, "*2\r\n$%*d\r\n%" SCNu64, &cursor), 1);
        assert_null(strstr(client.reply.data, "other"));
        for (at = strstr(client.reply.data, "key:"); at != NULL; at = strstr(at + 1, "key:"))
            seen[atoi(at + 4)] = 1;
        assert_true(++calls < 100000);
    } while (cursor != 0);
    for (int i = 0; i < 1000; i++)
        assert_true(seen[i]);
}

static uint64_t fences(void)
{
    struct sdb_stats stats;

    sdb_stats(pool, &stats);
    return stats.fences;
}

/* What is acknowledged together waits once: commands of several steps cost no fence of their own inside a group. */
static void commands_of_several_steps_share_the_groups_fence(void **state)
{
    uint64_t before, plain;

    (void)state;
    expect("MSET a 1 b 2 c 3 d abc", "+OK\r\n");
    before = fences();
    assert_int_equal(sdb_group_begin(client.session), SDB_OK);
    run("SET a 5");
    assert_int_equal(sdb_group_end(client.session), SDB_OK);
    plain = fences() - before;
    before = fences();
    assert_int_equal(sdb_group_begin(client.session), SDB_OK);
    client.reply.size = 0;
    run("SET a 2 GET");
    run("GETSET a 3");
    run("SETBIT b 1 1");
    run("BITFIELD c INCRBY u8 0 1 SET u8 8 2");
    run("BITOP OR d a b");
    run("INCRBYFLOAT a 0.5");
    run("GETEX a EX 100");
    run("PERSIST a");
    run("GETDEL d");
    assert_int_equal(sdb_group_end(client.session), SDB_OK);
    assert_true(fences() - before <= plain);
    expect("GET a", "$3\r\n3.5\r\n");
}

static void reading_commands_cost_no_fence(void **state)
{
    uint64_t before;

    (void)state;
    expect("SET a 1 EX 1000", "+OK\r\n");
    before = fences();
    run("GET a");
    run("MGET a nokey");
    run("STRLEN a");
    run("GETRANGE a 0 -1");
    run("GETBIT a 1");
    run("BITCOUNT a");
    run("BITFIELD_RO a GET u8 0");
    run("EXISTS a nokey");
    run("TTL a");
    run("OBJECT ENCODING a");
    run("SCAN 0");
    run("SDB.HANDLE a");
    run("SET a 2 NX");
    run("SET nokey 2 XX GET");
    run("EXPIRE a 10 NX");
    run("PERSIST nokey");
    run("SETBIT a 2 1"); /* it is 1 already: 0x31 */
    assert_int_equal(fences(), before);
}

static void a_full_pool_says_so_and_goes_on_reading_and_deleting(void **state)
{
    static char value[1 << 20];
    const struct request_arg get[2] = {{"GET", 3}, {"small", 5}};
    char key[32];
    int stored = 0, failed = 0;

    (void)state;
    expect("SET small value", "+OK\r\n");
    memset(value, 'x', sizeof(value));
    while (!failed) {
        struct request_arg set[3] = {{"SET", 3}, {key, 0}, {value, sizeof(value)}};
        set[1].size = (size_t)snprintf(key, sizeof(key), "big:%d", stored);
        client.reply.size = 0;
        find(string_commands, &set[0])->handler(&client, set, 3);
        failed = client.reply.data[0] == '-';
        stored += !failed;
        assert_true(stored < 1 << 14);
    }
    assert_int_equal(strncmp(client.reply.data, "-OOM the pool is full", 21), 0);
    client.reply.size = 0;
    find(string_commands, &get[0])->handler(&client, get, 2);
    assert_int_equal(strncmp(client.reply.data, "$5\r\nvalue\r\n", 11), 0);
    expect("DEL big:0 big:1", ":2\r\n");
    expect("EXISTS big:0 big:2", ":1\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_tables_is_complete),
        cmocka_unit_test_setup_teardown(handles_read_and_write_values_of_every_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(more_handles_than_one_batch_keep_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stale_handle_is_an_error_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(seth_writes_all_pairs_or_none, setup, teardown),
        cmocka_unit_test_setup_teardown(seth_keeps_the_time_to_live, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_expires_at_the_time_of_the_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scan_visits_every_key_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(commands_of_several_steps_share_the_groups_fence, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_commands_cost_no_fence, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_pool_says_so_and_goes_on_reading_and_deleting, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
