/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_client_stream.c - open.c, stream.c, queue.c: a client of a server that is slow, silent, gone, or lies
 *
 * ctest-labels: threads
 *
 * Each test has a server of its own: a thread that accepts one connection on a unix socket and plays its part.
 */
#include "stream.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct peer {
    char path[96];
    int listener;
    int go[2]; /* a pipe: the test tells the server to go on */
    void (*play)(struct peer *peer, int fd);
    pthread_t thread;
    int joined;
    int wrong; /* the server saw what it should not have seen */
};

static void *serve(void *argument)
{
    struct peer *peer = argument;
    int fd = accept(peer->listener, NULL, NULL);

    if (fd >= 0) {
        peer->play(peer, fd);
        close(fd);
    }
    return NULL;
}

static void begin(struct peer *peer, void (*play)(struct peer *peer, int fd))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *peer = (struct peer){.play = play};
    snprintf(peer->path, sizeof peer->path, "/tmp/binary-client-%d.sock", (int)getpid());
    unlink(peer->path);
    memcpy(address.sun_path, peer->path, strlen(peer->path) + 1);
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (const struct sockaddr *)(const void *)&address, sizeof address), 0);
    assert_int_equal(listen(peer->listener, 1), 0);
    assert_int_equal(pipe(peer->go), 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

static void end(struct peer *peer)
{
    if (!peer->joined)
        pthread_join(peer->thread, NULL);
    close(peer->listener);
    close(peer->go[0]);
    close(peer->go[1]);
    unlink(peer->path);
    assert_int_equal(peer->wrong, 0);
}

static void go_on(const struct peer *peer)
{
    assert_int_equal(write(peer->go[1], "", 1), 1);
}

static void wait_for_go(struct peer *peer)
{
    char byte;

    peer->wrong |= read(peer->go[0], &byte, 1) != 1;
}

/* Reads that many bytes of requests. */
static void take(struct peer *peer, int fd, size_t size)
{
    char bytes[65536];

    while (size > 0) {
        ssize_t got = recv(fd, bytes, size < sizeof bytes ? size : sizeof bytes, 0);

        if (got <= 0) {
            peer->wrong = 1;
            return;
        }
        size -= (size_t)got;
    }
}

static void give(struct peer *peer, int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

        if (sent <= 0) {
            peer->wrong = 1;
            return;
        }
        at += sent;
        size -= (size_t)sent;
    }
}

static size_t frame(char *to, uint8_t opcode, uint8_t status, uint32_t tag, const void *body, size_t size)
{
    size_t padded = wire_padded(WIRE_HEADER_SIZE + size);

    memset(to, 0, padded);
    wire_put64(to, wire_header(opcode, status, tag, (uint32_t)(WIRE_HEADER_SIZE + size)));
    if (size > 0)
        memcpy(to + WIRE_HEADER_SIZE, body, size);
    return padded;
}

static void give_frame(struct peer *peer, int fd, uint8_t opcode, uint8_t status, uint32_t tag, const void *body, size_t size)
{
    char bytes[1024];

    give(peer, fd, bytes, frame(bytes, opcode, status, tag, body, size));
}

static void put_hello(char body[56], uint32_t flags)
{
    char *to = wire_put32(wire_put32(wire_put64(body, WIRE_MAGIC), WIRE_VERSION), flags);

    to = wire_put32(wire_put32(wire_put64(to, 0), 1000), 100000);
    to = wire_put64(wire_put32(wire_put32(to, 100), 16), 4711);
    (void)wire_put64(to, 1 | 2ull << 16 | 3ull << 32);
}

static void give_hello(struct peer *peer, int fd, uint32_t flags)
{
    char body[56];

    take(peer, fd, WIRE_HELLO_SIZE);
    put_hello(body, flags);
    give_frame(peer, fd, WIRE_HELLO, 0, 0, body, sizeof body);
}

static int open_client(const struct peer *peer, struct sdb_client **client)
{
    struct sdb_client_options options = SDB_CLIENT_OPTIONS_INIT;

    options.unix_path = peer->path;
    options.connect_timeout_ms = 20000;
    return sdb_client_open(&options, client);
}

static struct sdb_client *opened(struct peer *peer, void (*play)(struct peer *peer, int fd))
{
    struct sdb_client *client = NULL;

    begin(peer, play);
    assert_int_equal(open_client(peer, &client), SDB_OK);
    return client;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

static void play_hello(struct peer *peer, int fd)
{
    give_hello(peer, fd, 0);
}

static void a_hello_says_what_the_server_takes(void **state)
{
    struct sdb_client_info info;
    struct peer peer;
    struct sdb_client *client = opened(&peer, play_hello);

    (void)state;
    sdb_client_info(client, &info);
    assert_int_equal(info.connection_id, 4711);
    assert_int_equal(info.key_size_max, 1000);
    assert_int_equal(info.value_size_max, 100000);
    assert_int_equal(info.many_max, 100);
    assert_int_equal(info.databases, 16);
    assert_int_equal(info.server_version[0] * 100 + info.server_version[1] * 10 + info.server_version[2], 123);
    sdb_client_close(client);
    end(&peer);
}

static void play_password(struct peer *peer, int fd)
{
    give_hello(peer, fd, WIRE_HELLO_AUTH);
}

static void play_version(struct peer *peer, int fd)
{
    take(peer, fd, WIRE_HELLO_SIZE);
    give_frame(peer, fd, WIRE_HELLO, WIRE_STATUS_VERSION, 0, "only 2", 6);
}

static void play_refusal(struct peer *peer, int fd)
{
    give(peer, fd, "-ERR max number of clients reached\r\n", 36);
}

static void play_short_refusal(struct peer *peer, int fd)
{
    give(peer, fd, "-no\r\n", 5);
}

static void play_noise(struct peer *peer, int fd)
{
    take(peer, fd, WIRE_HELLO_SIZE);
    give(peer, fd, "HTTP/1.1 400 Bad Request\r\n", 26);
}

static void play_wrong_magic(struct peer *peer, int fd)
{
    char body[56];

    take(peer, fd, WIRE_HELLO_SIZE);
    put_hello(body, 0);
    body[0] ^= 1;
    give_frame(peer, fd, WIRE_HELLO, 0, 0, body, sizeof body);
}

static void play_great_limits(struct peer *peer, int fd)
{
    char body[56];

    take(peer, fd, WIRE_HELLO_SIZE);
    put_hello(body, 0);
    wire_put32(body + 24, UINT32_MAX);
    give_frame(peer, fd, WIRE_HELLO, 0, 0, body, sizeof body);
}

static void play_short_hello(struct peer *peer, int fd)
{
    char body[56];

    take(peer, fd, WIRE_HELLO_SIZE);
    put_hello(body, 0);
    give_frame(peer, fd, WIRE_HELLO, 0, 0, body, 48);
}

static void play_nothing(struct peer *peer, int fd)
{
    take(peer, fd, WIRE_HELLO_SIZE);
}

static void a_server_that_is_none_is_told(void **state)
{
    static const struct {
        void (*play)(struct peer *peer, int fd);
        int error;
        const char *words;
    } cases[] = {
        {play_password, SDB_CLIENT_EAUTH, "password"},
        {play_version, SDB_CLIENT_EVERSION, "only 2"},
        {play_refusal, SDB_CLIENT_ECONNECT, "ERR max number of clients reached"},
        {play_short_refusal, SDB_CLIENT_ECONNECT, "cannot connect: no"},
        {play_noise, SDB_CLIENT_EPROTOCOL, "protocol"},
        {play_wrong_magic, SDB_CLIENT_EPROTOCOL, "no hello"},
        {play_great_limits, SDB_CLIENT_EPROTOCOL, "limits"},
        {play_short_hello, SDB_CLIENT_EPROTOCOL, "no hello"},
        {play_nothing, SDB_CLIENT_ECLOSED, "ended"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sdb_client *client = NULL;
        struct peer peer;

        begin(&peer, cases[i].play);
        assert_int_equal(open_client(&peer, &client), cases[i].error);
        assert_null(client);
        assert_non_null(strstr(sdb_client_last_error(), cases[i].words));
        end(&peer);
    }
}

static void play_silence(struct peer *peer, int fd)
{
    take(peer, fd, WIRE_HELLO_SIZE);
    wait_for_go(peer);
}

static void a_silent_server_is_given_up(void **state)
{
    struct sdb_client_options options = SDB_CLIENT_OPTIONS_INIT;
    struct sdb_client *client = NULL;
    struct peer peer;

    (void)state;
    begin(&peer, play_silence);
    options.unix_path = peer.path;
    options.connect_timeout_ms = 20;
    assert_int_equal(sdb_client_open(&options, &client), SDB_CLIENT_ETIMEOUT);
    go_on(&peer);
    end(&peer);
}

static void where_nobody_listens_there_is_no_connection(void **state)
{
    struct sdb_client_options options = SDB_CLIENT_OPTIONS_INIT;
    struct sdb_client *client = NULL;
    char path[200];

    (void)state;
    options.unix_path = "/tmp/binary-client-nobody.sock";
    assert_int_equal(sdb_client_open(&options, &client), SDB_CLIENT_ECONNECT);
    assert_non_null(strstr(sdb_client_last_error(), options.unix_path));
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    options.unix_path = path;
    assert_int_equal(sdb_client_open(&options, &client), SDB_EINVAL);
    options.unix_path = NULL;
    options.port = 1;
    assert_int_equal(sdb_client_open(&options, &client), SDB_CLIENT_ECONNECT);
    assert_non_null(strstr(sdb_client_last_error(), "127.0.0.1:1"));
    options.host = "no.such.host.invalid";
    assert_int_equal(sdb_client_open(&options, &client), SDB_CLIENT_ECONNECT);
    assert_null(client);
}

/* ---- replies ---------------------------------------------------------------------------------------------------------- */

static void play_byte_by_byte(struct peer *peer, int fd)
{
    char bytes[256];
    size_t size;

    give_hello(peer, fd, 0);
    take(peer, fd, 2 * 16);
    size = frame(bytes, WIRE_GET, 0, 1, "first", 5);
    size += frame(bytes + size, WIRE_GET, 15, 2, NULL, 0);
    for (size_t i = 0; i < size; i++)
        give(peer, fd, bytes + i, 1);
}

static void replies_may_come_byte_by_byte(void **state)
{
    struct sdb_client_reply reply;
    struct peer peer;
    struct sdb_client *client = opened(&peer, play_byte_by_byte);

    (void)state;
    assert_int_equal(sdb_client_queue_get(client, "a", 1, 0), SDB_OK);
    assert_int_equal(sdb_client_queue_get(client, "b", 1, 0), SDB_OK);
    assert_int_equal(sdb_client_pending(client), 2);
    assert_int_equal(sdb_client_unsent(client), 32);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.size, 5);
    assert_memory_equal(reply.data, "first", 5);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_int_equal(reply.result, SDB_ENOTFOUND);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_CLIENT_EPENDING);
    sdb_client_close(client);
    end(&peer);
}

/* Two replies and a half, then the end. */
static void play_end_in_mid_reply(struct peer *peer, int fd)
{
    char bytes[256];
    size_t size;

    give_hello(peer, fd, 0);
    take(peer, fd, 4 * 16);
    size = frame(bytes, WIRE_GET, 0, 1, "first", 5);
    size += frame(bytes + size, WIRE_GET, 0, 2, "second", 6);
    size += frame(bytes + size, WIRE_GET, 0, 3, "third", 5);
    give(peer, fd, bytes, size - 3);
}

static void what_was_received_before_the_end_is_given_out(void **state)
{
    struct sdb_client_reply reply;
    struct peer peer;
    struct sdb_client *client = opened(&peer, play_end_in_mid_reply);

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(sdb_client_queue_get(client, "k", 1, 0), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_memory_equal(reply.data, "first", 5);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_memory_equal(reply.data, "second", 6);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sdb_client_reply(client, &reply), SDB_CLIENT_ECLOSED);
        assert_int_equal(sdb_client_queue_get(client, "k", 1, 0), SDB_CLIENT_ECLOSED);
        assert_int_equal(sdb_client_flush(client), SDB_CLIENT_ECLOSED);
    }
    assert_int_equal(sdb_client_pending(client), 2);
    assert_int_equal(sdb_client_unsent(client), 0);
    sdb_client_close(client);
    end(&peer);
}

static void play_commit_failed(struct peer *peer, int fd)
{
    char bytes[256];
    size_t size;

    give_hello(peer, fd, 0);
    take(peer, fd, 3 * 16);
    size = frame(bytes, WIRE_GET, 0, 1, "first", 5);
    size += frame(bytes + size, WIRE_ERROR, 13, 0, "the medium refused", 18);
    give(peer, fd, bytes, size);
}

static void an_error_of_the_connection_ends_it_with_its_words(void **state)
{
    struct sdb_client_reply reply;
    struct peer peer;
    struct sdb_client *client = opened(&peer, play_commit_failed);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(sdb_client_queue_get(client, "k", 1, 0), SDB_OK);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sdb_client_reply(client, &reply), SDB_EFAILED);
        assert_non_null(strstr(sdb_client_last_error(), "the medium refused"));
    }
    assert_int_equal(sdb_client_queue_get(client, "k", 1, 0), SDB_EFAILED);
    sdb_client_close(client);
    end(&peer);
}

/* Which lie the next server tells. */
static struct {
    uint8_t opcode, status;
    uint16_t tag;
    uint32_t size;
} lie;

static void play_lie(struct peer *peer, int fd)
{
    char bytes[64] = {0};

    give_hello(peer, fd, 0);
    take(peer, fd, 16);
    wire_put64(bytes, wire_header(lie.opcode, lie.status, lie.tag, lie.size));
    give(peer, fd, bytes, sizeof bytes);
}

static void a_server_that_lies_is_left(void **state)
{
    static const uint32_t sizes[] = {0, 7, 4097, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < 2 + sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sdb_client_options options = SDB_CLIENT_OPTIONS_INIT;
        struct sdb_client_reply reply;
        struct sdb_client *client;
        struct peer peer;

        lie.opcode = i == 0 ? WIRE_SET : WIRE_GET;
        lie.tag = i == 1 ? 2 : 1;
        lie.size = i < 2 ? 8 : sizes[i - 2];
        begin(&peer, play_lie);
        options.unix_path = peer.path;
        options.reply_size_max = 4096;
        assert_int_equal(sdb_client_open(&options, &client), SDB_OK);
        assert_int_equal(sdb_client_queue_get(client, "k", 1, 0), SDB_OK);
        assert_int_equal(sdb_client_reply(client, &reply), SDB_CLIENT_EPROTOCOL);
        assert_int_equal(sdb_client_reply(client, &reply), SDB_CLIENT_EPROTOCOL);
        assert_int_equal(sdb_client_queue_get(client, "k", 1, 0), SDB_CLIENT_EPROTOCOL);
        sdb_client_close(client);
        end(&peer);
    }
}

static void play_when_told(struct peer *peer, int fd)
{
    give_hello(peer, fd, 0);
    take(peer, fd, 16);
    wait_for_go(peer);
    give_frame(peer, fd, WIRE_GET, 0, 1, "late", 4);
    wait_for_go(peer);
}

static void a_timeout_loses_nothing(void **state)
{
    struct sdb_client_reply reply;
    struct peer peer;
    struct sdb_client *client = opened(&peer, play_when_told);
    char buffer[8];
    size_t size;

    (void)state;
    sdb_client_set_timeout(client, 10);
    assert_int_equal(sdb_client_get(client, "k", 1, buffer, sizeof buffer, &size), SDB_CLIENT_ETIMEOUT);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_CLIENT_ETIMEOUT);
    sdb_client_set_timeout(client, 0);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_CLIENT_ETIMEOUT);
    assert_int_equal(sdb_client_get(client, "k", 1, buffer, sizeof buffer, &size), SDB_CLIENT_EPENDING);
    go_on(&peer);
    sdb_client_set_timeout(client, SDB_CLIENT_FOREVER);
    assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
    assert_memory_equal(reply.data, "late", 4);
    assert_int_equal(sdb_client_pending(client), 0);
    go_on(&peer);
    sdb_client_close(client);
    end(&peer);
}

#define LARGE 90000u
#define LARGE_COUNT 200u

/* Reads no more than its own replies let it, as a server with full buffers does. */
static void play_stubborn(struct peer *peer, int fd)
{
    char *bytes = malloc(LARGE + 64);

    give_hello(peer, fd, 0);
    for (uint32_t i = 0; i < LARGE_COUNT && bytes != NULL; i++) {
        take(peer, fd, wire_padded(16 + LARGE + 1));
        memset(bytes, 0, LARGE + 64);
        wire_put64(bytes, wire_header(WIRE_SET, 13, i + 1, WIRE_HEADER_SIZE + LARGE));
        give(peer, fd, bytes, wire_padded(WIRE_HEADER_SIZE + LARGE));
    }
    free(bytes);
}

static void a_long_pipeline_is_sent_before_the_first_reply_is_taken(void **state)
{
    char *value = calloc(1, LARGE);
    struct sdb_client_reply reply;
    struct peer peer;
    struct sdb_client *client = opened(&peer, play_stubborn);

    (void)state;
    sdb_client_set_timeout(client, 20000);
    for (unsigned i = 0; i < LARGE_COUNT; i++)
        assert_int_equal(sdb_client_queue_set(client, "k", 1, value, LARGE, NULL), SDB_OK);
    assert_int_equal(sdb_client_flush(client), SDB_OK); /* 18 MB each way: more than sockets hold */
    assert_int_equal(sdb_client_unsent(client), 0);
    for (unsigned i = 0; i < LARGE_COUNT; i++) {
        assert_int_equal(sdb_client_reply(client, &reply), SDB_OK);
        assert_int_equal(reply.size, LARGE);
    }
    sdb_client_close(client);
    free(value);
    end(&peer);
}

static void play_gone(struct peer *peer, int fd)
{
    give_hello(peer, fd, 0);
    wait_for_go(peer); /* the client has not received this with the hello */
    give_frame(peer, fd, WIRE_ERROR, WIRE_STATUS_MALFORMED, 0, "go away", 7);
}

static void why_the_server_left_is_heard_by_one_who_still_sends(void **state)
{
    char *value = calloc(1, LARGE);

    (void)state;
    for (int flushes = 0; flushes < 2; flushes++) {
        struct sdb_client_reply reply;
        struct peer peer;
        struct sdb_client *client = opened(&peer, play_gone);
        int result = SDB_OK;

        go_on(&peer);
        pthread_join(peer.thread, NULL); /* closed */
        peer.joined = 1;
        for (unsigned i = 0; i < 100 && result == SDB_OK; i++) {
            result = sdb_client_queue_set(client, "k", 1, value, LARGE, NULL);
            if (result == SDB_OK && flushes)
                result = sdb_client_flush(client);
        }
        assert_int_equal(result, flushes ? SDB_CLIENT_ECLOSED : SDB_OK);
        assert_int_equal(sdb_client_reply(client, &reply), SDB_CLIENT_EMALFORMED);
        assert_non_null(strstr(sdb_client_last_error(), "go away"));
        sdb_client_close(client);
        end(&peer);
    }
    free(value);
}

/* ---- queueing --------------------------------------------------------------------------------------------------------- */

static void what_cannot_be_asked_is_not_queued(void **state)
{
    struct sdb_client_set_options both = {.expire_ms = 1, .expire_in_ms = 1}, kept = {.flags = SDB_KEEP_EXPIRY, .expire_ms = 1};
    struct sdb_client_set_options unknown = {.flags = 128};
    struct sdb_slice keys[101] = {{"k", 1}};
    struct sdb_pair pair = {{"k", 1}, {NULL, 100001}};
    uint64_t handles[101] = {0};
    struct peer peer;
    struct sdb_client *client = opened(&peer, play_hello); /* keys 1,000, values 100,000, entries 100 */
    char *large = calloc(1, 100001);

    (void)state;
    assert_int_equal(sdb_client_queue_get(client, large, 1001, 0), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_set(client, large, 1001, "v", 1, NULL), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_set(client, "k", 1, large, 100001, NULL), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_set_by_handle(client, 1, large, 100001), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_get_many(client, keys, 101, 0), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_get_many_by_handle(client, handles, 101), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_set_many_by_handle(client, handles, keys, 101), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_set_many(client, &pair, 1, 0), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_ping(client, large, 65593), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_command(client, &(struct sdb_slice){NULL, SIZE_MAX}, 1), SDB_ETOOBIG);
    assert_int_equal(sdb_client_queue_command(client, NULL, 0), SDB_EINVAL);
    assert_int_equal(sdb_client_queue_get(client, "k", 1, 2), SDB_EINVAL);
    assert_int_equal(sdb_client_queue_get_many(client, keys, 1, 2), SDB_EINVAL);
    assert_int_equal(sdb_client_queue_set_many(client, &pair, 1, 2), SDB_EINVAL);
    assert_int_equal(sdb_client_queue_set(client, "k", 1, "v", 1, &both), SDB_EINVAL);
    assert_int_equal(sdb_client_queue_set(client, "k", 1, "v", 1, &kept), SDB_EINVAL);
    assert_int_equal(sdb_client_queue_set(client, "k", 1, "v", 1, &unknown), SDB_EINVAL);
    assert_int_equal(sdb_client_pending(client), 0);
    assert_int_equal(sdb_client_unsent(client), 0);
    assert_int_equal(sdb_client_queue_get(client, large, 1000, 0), SDB_OK);
    assert_int_equal(sdb_client_queue_get_many(client, keys, 100, 0), SDB_OK);
    assert_int_equal(sdb_client_pending(client), 2);
    sdb_client_close(client);
    free(large);
    end(&peer);
}

static void every_error_has_its_text(void **state)
{
    (void)state;
    assert_string_equal(sdb_client_strerror(SDB_OK), "success");
    assert_string_equal(sdb_client_strerror(SDB_ENOTFOUND), "no such key");
    assert_string_equal(sdb_client_strerror(SDB_CLIENT_ECLOSED), "the connection has ended");
    assert_string_equal(sdb_client_strerror(-199), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_says_what_the_server_takes),
        cmocka_unit_test(a_server_that_is_none_is_told),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(where_nobody_listens_there_is_no_connection),
        cmocka_unit_test(replies_may_come_byte_by_byte),
        cmocka_unit_test(what_was_received_before_the_end_is_given_out),
        cmocka_unit_test(an_error_of_the_connection_ends_it_with_its_words),
        cmocka_unit_test(a_server_that_lies_is_left),
        cmocka_unit_test(a_timeout_loses_nothing),
        cmocka_unit_test(a_long_pipeline_is_sent_before_the_first_reply_is_taken),
        cmocka_unit_test(why_the_server_left_is_heard_by_one_who_still_sends),
        cmocka_unit_test(what_cannot_be_asked_is_not_queued),
        cmocka_unit_test(every_error_has_its_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
