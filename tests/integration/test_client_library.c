/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_client_library.c - libsuperdb_client beside a server: every request, by key and by handle, alone, in pipelines and in batches;
 * passwords, databases, threads, and a server that is killed
 *
 * ctest-labels: threads
 *
 * Starts superdb-server (SUPERDB_SERVER) on a unix socket and a TCP port, in a directory of its own; it ends with the test.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <superdb/client.h>

#define THREADS 4
#define ROUNDS 200
#define PIPELINE 64
#define MANY 1000u

struct server {
    char directory[64];
    char socket_path[96];
    uint32_t port;
    pid_t pid;
};

/* ---- the server ------------------------------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint32_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int failed = fd < 0 || bind(fd, (struct sockaddr *)&address, size) || getsockname(fd, (struct sockaddr *)&address, &size);

    close(fd);
    return failed ? 0 : ntohs(address.sin_port);
}

static pid_t run_server(const struct server *server)
{
    const char *program = getenv("SUPERDB_SERVER");
    char pool[96], port[16];
    pid_t pid;

    snprintf(pool, sizeof pool, "%s/pool.sdb", server->directory);
    snprintf(port, sizeof port, "%u", server->port);
    pid = fork();
    if (pid == 0) {
        execl(program, program, "--pool", pool, "--pool-size", "64mb", "--port", port, "--bind", "127.0.0.1", "--unixsocket",
              server->socket_path, "--threads", "2", "--logfile", "/dev/null", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int start_server(void **state)
{
    static struct server server;

    if (getenv("SUPERDB_SERVER") == NULL)
        fail_msg("SUPERDB_SERVER is not set");
    snprintf(server.directory, sizeof server.directory, "/dev/shm/superdb-client-XXXXXX");
    if (mkdtemp(server.directory) == NULL)
        return -1;
    snprintf(server.socket_path, sizeof server.socket_path, "%s/socket", server.directory);
    server.port = free_port();
    server.pid = run_server(&server);
    *state = &server;
    return server.pid < 0 || server.port == 0 ? -1 : 0;
}

static int stop_server(void **state)
{
    const struct server *server = *state;
    DIR *directory = opendir(server->directory);
    int status = -1;

    kill(server->pid, SIGTERM);
    waitpid(server->pid, &status, 0);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(server->directory);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/*
 * Connects, for as long as the server needs to come up. One that was killed may still take connections for a moment, which end at
 * once: the kernel closes what its ring holds behind its back.
 */
static struct sdb_client *connected(const struct server *server, struct sdb_client_options options)
{
    double deadline = seconds() + 20;
    const struct timespec pause = {0, 2000000};

    if (options.port == 0)
        options.unix_path = server->socket_path;
    options.timeout_ms = 30000;
    for (;;) {
        struct sdb_client *client;
        int result = sdb_client_open(&options, &client);

        if (result == SDB_OK)
            return client;
        if ((result != SDB_CLIENT_ECONNECT && result != SDB_CLIENT_ECLOSED) || seconds() > deadline ||
            waitpid(server->pid, NULL, WNOHANG) == server->pid)
            fail_msg("no connection: %s", sdb_client_last_error());
        nanosleep(&pause, NULL); /* between attempts; the deadline bounds them */
    }
}

static struct sdb_client *fresh(void **state)
{
    struct sdb_client *client = connected(*state, (struct sdb_client_options)SDB_CLIENT_OPTIONS_INIT);
    struct sdb_client_reply reply;

    assert_int_equal(sdb_client_queue_command(client, &(struct sdb_slice){"FLUSHALL", 8}, 1), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.size, 5);
    assert_memory_equal(reply.data, "+OK\r\n", 5);
    return client;
}

static void key_holds(struct sdb_client *client, const char *key, const char *value)
{
    char buffer[256];
    size_t size = 0;

    assert_int_equal(sdb_client_get(client, key, strlen(key), buffer, sizeof buffer, &size), SDB_OK);
    assert_int_equal(size, strlen(value));
    assert_memory_equal(buffer, value, size);
}

/* ---- one at a time ---------------------------------------------------------------------------------------------------- */

static void one_key_by_each_call(void **state)
{
    struct sdb_client *client = fresh(state);
    uint64_t handle = 0;
    int64_t sum = 0;
    size_t size = 0, deleted = 0;
    char buffer[4];
    struct sdb_pair pairs[] = {{{"x", 1}, {"1", 1}}, {{"y", 1}, {"2", 1}}};
    struct sdb_slice keys[] = {{"x", 1}, {"none", 4}, {"y", 1}};

    assert_int_equal(sdb_client_get(client, "key", 3, buffer, 4, &size), SDB_ENOTFOUND);
    assert_int_equal(sdb_client_set(client, "key", 3, "a value", 7, NULL), SDB_OK);
    assert_int_equal(sdb_client_get(client, "key", 3, buffer, 4, &size), SDB_OK);
    assert_int_equal(size, 7); /* the whole size; the buffer's worth is copied */
    assert_memory_equal(buffer, "a va", 4);
    assert_int_equal(sdb_client_exists(client, "key", 3), SDB_OK);
    assert_int_equal(sdb_client_exists(client, "none", 4), SDB_ENOTFOUND);
    assert_int_equal(sdb_client_handle(client, "key", 3, &handle), SDB_OK);
    assert_int_equal(sdb_client_set_by_handle(client, handle, "new", 3), SDB_OK);
    assert_int_equal(sdb_client_get_by_handle(client, handle, buffer, 4, &size), SDB_OK);
    assert_memory_equal(buffer, "new", 3);
    assert_int_equal(sdb_client_add(client, "key", 3, 1, &sum), SDB_ENOTINT);
    assert_int_equal(sdb_client_add(client, "sum", 3, -5, &sum), SDB_OK);
    assert_int_equal(sum, -5);
    assert_int_equal(sdb_client_expire(client, "sum", 3, 1), SDB_OK); /* long ago */
    assert_int_equal(sdb_client_exists(client, "sum", 3), SDB_ENOTFOUND);
    assert_int_equal(sdb_client_delete(client, "key", 3), SDB_OK);
    assert_int_equal(sdb_client_delete(client, "key", 3), SDB_ENOTFOUND);
    assert_int_equal(sdb_client_get_by_handle(client, handle, buffer, 4, &size), SDB_ESTALE);
    assert_int_equal(sdb_client_set_many(client, pairs, 2, SDB_IF_ABSENT), SDB_OK);
    assert_int_equal(sdb_client_set_many(client, pairs, 2, SDB_IF_ABSENT), SDB_ECONDITION);
    assert_int_equal(sdb_client_delete_many(client, keys, 3, &deleted), SDB_OK);
    assert_int_equal(deleted, 2);
    sdb_client_close(client);
}

static void conditions_versions_and_times(void **state)
{
    struct sdb_client *client = fresh(state);
    struct sdb_client_set_options options = {.flags = SDB_IF_ABSENT | SDB_CLIENT_WANT_HANDLE, .expire_in_ms = 1000000};
    struct sdb_client_reply reply;
    uint64_t handle, version;

    assert_int_equal(sdb_client_queue_set(client, "k", 1, "1", 1, &options), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.result, SDB_OK);
    handle = reply.handle;
    assert_int_not_equal(handle, 0);
    assert_int_equal(sdb_client_set(client, "k", 1, "2", 1, &options), SDB_ECONDITION);
    assert_int_equal(sdb_client_queue_get(client, "k", 1, SDB_CLIENT_META), SDB_OK);
    assert_int_equal(sdb_client_queue_get_by_handle(client, handle, SDB_CLIENT_META), SDB_OK);
    version = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
        assert_int_equal(reply.handle, handle);
        assert_true(reply.expire_ms > 1000000);
        assert_true(i == 0 || reply.version == version);
        assert_int_equal(reply.size, 1);
        version = reply.version;
    }
    options = (struct sdb_client_set_options){.flags = SDB_IF_VERSION | SDB_KEEP_EXPIRY, .version = version};
    assert_int_equal(sdb_client_set(client, "k", 1, "3", 1, &options), SDB_OK);
    assert_int_equal(sdb_client_set(client, "k", 1, "4", 1, &options), SDB_ECONDITION);
    key_holds(client, "k", "3");
    assert_int_equal(sdb_client_queue_get(client, "k", 1, SDB_CLIENT_META), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_true(reply.expire_ms > 0);
    assert_int_equal(sdb_client_queue_expire(client, "k", 1, 0), SDB_OK);
    assert_int_equal(sdb_client_queue_get(client, "k", 1, SDB_CLIENT_META), SDB_OK);
    assert_int_equal(sdb_client_queue_expire_in(client, "k", 1, -5), SDB_OK);
    assert_int_equal(sdb_client_queue_exists(client, "k", 1), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.expire_ms, 0);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.result, SDB_ENOTFOUND);
    sdb_client_close(client);
}

static void commands_pings_and_databases(void **state)
{
    struct sdb_client *client = fresh(state);
    struct sdb_slice words[] = {{"APPEND", 6}, {"t", 1}, {"abc", 3}}, subscribe[] = {{"SUBSCRIBE", 9}, {"c", 1}};
    struct sdb_client_reply reply;
    char buffer[8];
    size_t size;

    assert_int_equal(sdb_client_queue_command(client, words, 3), SDB_OK);
    assert_int_equal(sdb_client_queue_ping(client, "hello", 5), SDB_OK);
    assert_int_equal(sdb_client_queue_command(client, words, 1), SDB_OK);
    assert_int_equal(sdb_client_queue_command(client, subscribe, 2), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_memory_equal(reply.data, ":3\r\n", 4);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.size, 5);
    assert_memory_equal(reply.data, "hello", 5);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_memory_equal(reply.data, "-ERR", 4); /* too few words: the command's own error */
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.result, SDB_CLIENT_EREFUSED);
    assert_int_equal(sdb_client_queue_select(client, 3), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(sdb_client_get(client, "t", 1, buffer, sizeof buffer, &size), SDB_ENOTFOUND);
    assert_int_equal(sdb_client_queue_select(client, 16), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.result, SDB_EINVAL);
    assert_true(reply.size > 0); /* in words */
    sdb_client_close(client);
    client = connected(*state, (struct sdb_client_options){.database = 3});
    assert_int_equal(sdb_client_exists(client, "t", 1), SDB_ENOTFOUND);
    sdb_client_close(client);
}

/* ---- many at a time --------------------------------------------------------------------------------------------------- */

static void name_of(unsigned i, char name[16])
{
    snprintf(name, 16, "key:%06u", i);
}

static void a_pipeline_is_answered_in_order(void **state)
{
    struct sdb_client *client = connected(*state, (struct sdb_client_options){.port = ((const struct server *)*state)->port});
    enum { COUNT = 100000 };
    struct sdb_client_reply reply;
    char name[16];

    for (unsigned i = 0; i < COUNT; i++) {
        name_of(i % 5000, name);
        assert_int_equal(sdb_client_queue_set(client, name, 10, &i, sizeof i, NULL), SDB_OK);
        assert_int_equal(sdb_client_queue_get(client, name, 10, 0), SDB_OK);
    }
    assert_int_equal(sdb_client_flush(client), SDB_OK);
    assert_int_equal(sdb_client_pending(client), 2 * COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
        assert_int_equal(reply.result, SDB_OK);
        assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
        assert_int_equal(reply.size, sizeof i);
        assert_memory_equal(reply.data, &i, sizeof i);
    }
    sdb_client_close(client);
}

static void batches_of_every_kind(void **state)
{
    struct sdb_client *client = fresh(state);
    static char names[MANY][16], values[MANY][64], text[SDB_CLIENT_TEXT_SIZE];
    static struct sdb_pair pairs[MANY];
    static struct sdb_slice keys[MANY + 1], slices[MANY];
    static uint64_t handles[MANY];
    struct sdb_client_reply reply;
    struct sdb_slice value;

    for (unsigned i = 0; i < MANY; i++) { /* integers, small ones, and ones that do not fit into a cell */
        int size = i % 3 == 0 ? snprintf(values[i], 64, "%u", i * 7) : snprintf(values[i], 64, i % 3 == 1 ? "v%u" : "a longer value, number %u", i);

        name_of(i, names[i]);
        keys[i] = (struct sdb_slice){names[i], 10};
        slices[i] = (struct sdb_slice){values[i], (size_t)size};
        pairs[i] = (struct sdb_pair){keys[i], slices[i]};
    }
    keys[MANY] = (struct sdb_slice){"none", 4};
    assert_int_equal(sdb_client_set_many(client, pairs, MANY, 0), SDB_OK);
    for (uint32_t flags = 0; flags <= SDB_CLIENT_ONE_MOMENT; flags++) {
        assert_int_equal(sdb_client_queue_get_many(client, keys, MANY + 1, flags), SDB_OK);
        assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
        assert_int_equal(reply.result, SDB_OK);
        assert_int_equal(reply.count, MANY + 1);
        for (unsigned i = 0; i < MANY; i++) {
            assert_int_equal(sdb_client_value(&reply, i, text, &value), SDB_OK);
            assert_int_equal(value.size, slices[i].size);
            assert_memory_equal(value.data, slices[i].data, value.size);
        }
        assert_int_equal(sdb_client_value(&reply, MANY, text, &value), SDB_ENOTFOUND);
    }
    assert_int_equal(sdb_client_queue_handle_many(client, keys, MANY + 1), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.count, MANY + 1);
    assert_int_equal(reply.handles[MANY], 0);
    memcpy(handles, reply.handles, sizeof handles);
    for (unsigned i = 0; i < MANY; i++) /* each gets its neighbour's value */
        slices[i] = pairs[(i + 1) % MANY].value;
    assert_int_equal(sdb_client_queue_set_many_by_handle(client, handles, slices, MANY), SDB_OK);
    assert_int_equal(sdb_client_queue_get_many_by_handle(client, handles, MANY), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.result, SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(sdb_client_value(&reply, i, text, &value), SDB_OK);
        assert_int_equal(value.size, slices[i].size);
        assert_memory_equal(value.data, slices[i].data, value.size);
    }
    assert_int_equal(sdb_client_queue_get_many(client, NULL, 0, 0), SDB_OK);
    assert_int_equal(sdb_client_queue_delete_many(client, keys, MANY + 1), SDB_OK);
    assert_int_equal(sdb_client_queue_get_many_by_handle(client, handles, 1), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.count, 0);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.number, MANY);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(sdb_client_value(&reply, 0, text, &value), SDB_ESTALE);
    sdb_client_close(client);
}

static void large_values_come_back(void **state)
{
    struct sdb_client *client = fresh(state);
    const size_t size = 5000001;
    struct sdb_client_reply reply;
    char *value = malloc(size);

    for (size_t i = 0; i < size; i++)
        value[i] = (char)(i * 31 + i / 1000);
    assert_int_equal(sdb_client_set(client, "large", 5, value, size, NULL), SDB_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sdb_client_queue_get(client, "large", 5, 0), SDB_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
        assert_int_equal(reply.size, size);
        assert_memory_equal(reply.data, value, size);
    }
    free(value);
    sdb_client_close(client);
}

/* ---- threads, passwords, and the end ---------------------------------------------------------------------------------- */

struct worker {
    const struct server *server;
    unsigned number;
    int failures;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct sdb_client_options options = {.unix_path = worker->server->socket_path, .timeout_ms = 30000};
    struct sdb_client_reply reply;
    struct sdb_client *client;

    if (sdb_client_open(&options, &client) != SDB_OK) {
        worker->failures = 1;
        return NULL;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < PIPELINE; i++)
            worker->failures += sdb_client_queue_add(client, "shared", 6, 1) != SDB_OK;
        for (unsigned i = 0; i < PIPELINE; i++)
            worker->failures += sdb_client_reply(client, &reply) != SDB_OK || reply.result != SDB_OK || reply.number <= 0;
    }
    /* Errors in words are each thread's own. */
    worker->failures += sdb_client_queue_select(client, 99 + worker->number) != SDB_OK;
    worker->failures += sdb_client_reply(client, &reply) != SDB_OK || reply.result != SDB_EINVAL;
    sdb_client_close(client);
    return NULL;
}

static void each_thread_has_its_client(void **state)
{
    struct sdb_client *client = fresh(state);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    int64_t sum = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.server = *state, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    assert_int_equal(sdb_client_add(client, "shared", 6, 0, &sum), SDB_OK);
    assert_int_equal(sum, THREADS * ROUNDS * PIPELINE);
    sdb_client_close(client);
}

static void a_password_is_asked_for(void **state)
{
    const struct server *server = *state;
    struct sdb_client *client = fresh(state), *other = NULL;
    struct sdb_client_options options = {.unix_path = server->socket_path};
    struct sdb_slice words[] = {{"CONFIG", 6}, {"SET", 3}, {"requirepass", 11}, {"secret", 6}};
    struct sdb_slice reader[] = {{"ACL", 3}, {"SETUSER", 7}, {"reader", 6}, {"on", 2}, {">r", 2}, {"~k", 2}, {"+@read", 6}};
    struct sdb_client_reply reply;

    assert_int_equal(sdb_client_queue_command(client, words, 4), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_memory_equal(reply.data, "+OK", 3);
    assert_int_equal(sdb_client_open(&options, &other), SDB_CLIENT_EAUTH);
    options.password = "wrong";
    assert_int_equal(sdb_client_open(&options, &other), SDB_CLIENT_EAUTH);
    assert_non_null(strstr(sdb_client_last_error(), "invalid"));
    options.password = "secret";
    assert_int_equal(sdb_client_open(&options, &other), SDB_OK);
    assert_int_equal(sdb_client_set(other, "k", 1, "v", 1, NULL), SDB_OK);
    sdb_client_close(other);
    options.user = "default";
    assert_int_equal(sdb_client_open(&options, &other), SDB_OK);
    sdb_client_close(other);
    options.user = "nobody";
    assert_int_equal(sdb_client_open(&options, &other), SDB_CLIENT_EAUTH);
    assert_int_equal(sdb_client_queue_command(client, reader, 7), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_memory_equal(reply.data, "+OK", 3);
    options.user = "reader";
    options.password = "r";
    assert_int_equal(sdb_client_open(&options, &other), SDB_OK);
    assert_int_equal(sdb_client_exists(other, "k", 1), SDB_OK);
    assert_int_equal(sdb_client_set(other, "k", 1, "v", 1, NULL), SDB_CLIENT_EPERMISSION);
    assert_int_equal(sdb_client_exists(other, "other", 5), SDB_CLIENT_EPERMISSION);
    sdb_client_close(other);
    words[3].size = 0;
    assert_int_equal(sdb_client_queue_command(client, words, 4), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_memory_equal(reply.data, "+OK", 3);
    sdb_client_close(client);
}

static void what_was_answered_survives_a_kill(void **state)
{
    struct server *server = *state;
    struct sdb_client *client = fresh(state);
    enum { COUNT = 200000 };
    struct sdb_client_reply reply;
    unsigned answered = 0;
    char name[16], buffer[8];
    size_t size;
    int result = SDB_OK;

    for (unsigned i = 0; i < COUNT; i++) {
        name_of(i, name);
        assert_int_equal(sdb_client_queue_set(client, name, 10, &i, sizeof i, NULL), SDB_OK);
    }
    while (result == SDB_OK && answered < COUNT) {
        result = sdb_client_reply(client, &reply);
        if (result != SDB_OK)
            break;
        assert_int_equal(reply.result, SDB_OK);
        if (++answered == 1000)
            kill(server->pid, SIGKILL);
    }
    assert_true(answered == COUNT || result == SDB_CLIENT_ECLOSED);
    assert_true(answered >= 1000);
    sdb_client_close(client);
    waitpid(server->pid, NULL, 0);
    server->pid = run_server(server);
    client = connected(server, (struct sdb_client_options)SDB_CLIENT_OPTIONS_INIT);
    for (unsigned i = 0; i < answered; i += 1 + answered / 5000) {
        name_of(i, name);
        assert_int_equal(sdb_client_get(client, name, 10, buffer, sizeof buffer, &size), SDB_OK);
        assert_memory_equal(buffer, &i, sizeof i);
    }
    sdb_client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_by_each_call),
        cmocka_unit_test(conditions_versions_and_times),
        cmocka_unit_test(commands_pings_and_databases),
        cmocka_unit_test(a_pipeline_is_answered_in_order),
        cmocka_unit_test(batches_of_every_kind),
        cmocka_unit_test(large_values_come_back),
        cmocka_unit_test(each_thread_has_its_client),
        cmocka_unit_test(a_password_is_asked_for),
        cmocka_unit_test(what_was_answered_survives_a_kill),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
