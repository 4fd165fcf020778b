/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * requests.c - commands through a worker's own loop: parse, run, fence, reply; this file stands in for the kernel
 *
 * It is the I/O backend of the one worker (io.h): each turn delivers the same kind of pipeline, takes the replies that the turn
 * before has sent, and looks at their size and first byte. So the counts hold all that the server does for a request, and
 * nothing of the kernel.
 *
 * Threads: everything but guard_requests runs in the worker's thread.
 */
#include "guard.h"

#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "connection.h"
#include "io.h"
#include "latency.h"
#include "wire.h"
#include "worker.h"
#include "worker_stats.h"

#define TURNS_WARM 4u
#define PIPELINE 256u
#define TURNS_MAX 516u
#define TEXT_MAX (1024u * 1024)

/* From FRAME_GET on in the binary protocol. */
enum kind { KIND_GET, KIND_SET, KIND_MGET, FRAME_GET, FRAME_SET, FRAME_GET_BY_HANDLE, FRAME_SET_BY_HANDLE, FRAME_GET_MANY };

struct load {
    const char *name;
    enum kind kind;
    unsigned pipeline;   /* requests in a turn */
    unsigned keys;       /* in a request */
    unsigned turns;
    size_t reply_size;   /* of a request */
    char reply_first;
};

static const struct load loads[] = {
    {"resp_get_p256", KIND_GET, PIPELINE, 1, 16, 14, '$'},
    {"resp_set_p256", KIND_SET, PIPELINE, 1, 16, 5, '+'},
    {"resp_mget_32_p8", KIND_MGET, 8, GUARD_BATCH, 16, 5 + GUARD_BATCH * 14, '*'},
    {"resp_get_p1", KIND_GET, 1, 1, 512, 14, '$'},
    {"resp_set_p1", KIND_SET, 1, 1, 512, 5, '+'},
    {"frame_get_p256", FRAME_GET, PIPELINE, 1, 16, 16, WIRE_GET},
    {"frame_set_p256", FRAME_SET, PIPELINE, 1, 16, 8, WIRE_SET},
    {"frame_get_handle_p256", FRAME_GET_BY_HANDLE, PIPELINE, 1, 16, 16, WIRE_GET_BY_HANDLE},
    {"frame_set_handle_p256", FRAME_SET_BY_HANDLE, PIPELINE, 1, 16, 8, WIRE_SET_BY_HANDLE},
    {"frame_get_many_32_p8", FRAME_GET_MANY, 8, GUARD_BATCH, 16, 16 + GUARD_BATCH * 24, WIRE_GET_MANY},
};
#define LOADS (sizeof(loads) / sizeof(loads[0]))

static struct {
    struct io io;
    struct sdb_pool *pool;
    struct connection *connections[2]; /* one speaks RESP, the other frames */
    int peers[2];
    int greeted; /* the second one has sent its hello, and... */
    int hello;   /* its reply is still to be taken */
    int wake_fd;
    size_t load, turn;   /* under way */
    uint64_t next_key;
    uint64_t handles[GUARD_KEYS];
    char text[TEXT_MAX];        /* what the client sends in all turns of the load: made before anything is counted */
    size_t text_size;
    size_t ends[TURNS_MAX + 1]; /* of each turn's part */
    int delivers;
    sem_t finished;
} kernel;

static void fail(const char *what)
{
    fprintf(stderr, "guard: %s: %s\n", kernel.load < LOADS ? loads[kernel.load].name : "end", what);
    exit(1);
}

/* ---- what the client sends ---------------------------------------------------------------------------------------------- */

static void append(const char *data, size_t size)
{
    memcpy(kernel.text + kernel.text_size, data, size);
    kernel.text_size += size;
}

static void append_key(void)
{
    char key[GUARD_KEY_SIZE];

    guard_key('k', kernel.next_key++ * 1597u % GUARD_KEYS, key);
    append("$16\r\n", 5);
    append(key, sizeof(key));
    append("\r\n", 2);
}

/* ---- frames ---- */

static void append_header(uint32_t opcode, size_t body_size)
{
    char header[WIRE_HEADER_SIZE];

    wire_put64(header, wire_header(opcode, 0, 0, (uint32_t)(WIRE_HEADER_SIZE + body_size)));
    append(header, sizeof(header));
}

static void append_word(uint64_t word)
{
    char bytes[8];

    wire_put64(bytes, word);
    append(bytes, sizeof(bytes));
}

static void append_bare_key(char key[GUARD_KEY_SIZE])
{
    guard_key('k', kernel.next_key++ * 1597u % GUARD_KEYS, key);
    append(key, GUARD_KEY_SIZE);
}

static void append_handle(void)
{
    append_word(kernel.handles[kernel.next_key++ * 1597u % GUARD_KEYS]);
}

static void append_value(void)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "new%05u", (unsigned)(kernel.next_key % 100000));
    append(text, GUARD_VALUE_SIZE);
}

static void append_hello(void)
{
    append_header(WIRE_HELLO, WIRE_HELLO_SIZE - WIRE_HEADER_SIZE);
    append_word(WIRE_MAGIC);
    append_word(WIRE_VERSION);
    append_word(0);
    kernel.greeted = kernel.hello = 1;
}

static void append_frame(const struct load *load)
{
    char key[GUARD_KEY_SIZE];

    switch (load->kind) {
    case FRAME_GET:
        append_header(WIRE_GET, GUARD_KEY_SIZE);
        append_bare_key(key);
        break;
    case FRAME_SET:
        append_header(WIRE_SET, 8 + GUARD_KEY_SIZE + GUARD_VALUE_SIZE);
        append_word(GUARD_KEY_SIZE);
        append_bare_key(key);
        append_value();
        break;
    case FRAME_GET_BY_HANDLE:
        append_header(WIRE_GET_BY_HANDLE, 8);
        append_handle();
        break;
    case FRAME_SET_BY_HANDLE:
        append_header(WIRE_SET_BY_HANDLE, 8 + GUARD_VALUE_SIZE);
        append_handle();
        append_value();
        break;
    default: /* FRAME_GET_MANY */
        append_header(WIRE_GET_MANY, 8 + GUARD_BATCH * (4 + GUARD_KEY_SIZE));
        append_word(GUARD_BATCH);
        for (unsigned i = 0; i < GUARD_BATCH; i += 2)
            append_word(GUARD_KEY_SIZE | (uint64_t)GUARD_KEY_SIZE << 32);
        for (unsigned i = 0; i < GUARD_BATCH; i++)
            append_bare_key(key);
        break;
    }
}

/* ---- RESP ---- */

static void append_request(const struct load *load)
{
    char text[64];

    switch (load->kind) {
    case KIND_GET:
        append("*2\r\n$3\r\nGET\r\n", 13);
        append_key();
        break;
    case KIND_SET:
        append("*3\r\n$3\r\nSET\r\n", 13);
        append_key();
        append(text, (size_t)snprintf(text, sizeof(text), "$8\r\nnew%05u\r\n", (unsigned)(kernel.next_key % 100000)));
        break;
    case KIND_MGET:
        append(text, (size_t)snprintf(text, sizeof(text), "*%u\r\n$4\r\nMGET\r\n", load->keys + 1));
        for (unsigned i = 0; i < load->keys; i++)
            append_key();
        break;
    default:
        append_frame(load);
        break;
    }
}

static void make_text(const struct load *load)
{
    kernel.text_size = 0;
    if (load->kind >= FRAME_GET && !kernel.greeted)
        append_hello();
    for (unsigned turn = 0; turn < TURNS_WARM + load->turns; turn++) {
        for (unsigned i = 0; i < load->pipeline; i++)
            append_request(load);
        kernel.ends[turn + 1] = kernel.text_size;
    }
}

/* ---- the kernel's part -------------------------------------------------------------------------------------------------- */

/* The worker in reserve: it sleeps until the end. */
static struct {
    struct io io;
    int wake_fd;
} reserve;

static int open_kernel(struct worker *worker, int wake_fd, struct io **io)
{
    int sockets[2];

    if (worker->number != 0) {
        reserve.io.worker = worker;
        reserve.wake_fd = wake_fd;
        *io = &reserve.io;
        return 0;
    }
    kernel.wake_fd = wake_fd;
    kernel.io.worker = worker;
    worker->io = &kernel.io;
    for (int i = 0; i < 2; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
            fail("no sockets");
        kernel.peers[i] = sockets[1];
        __atomic_fetch_add(&worker->connections_count, 1, __ATOMIC_RELAXED);
        kernel.connections[i] = connection_create(worker, sockets[0], 1, "/guard");
        if (kernel.connections[i] == NULL)
            fail("no connection");
    }
    *io = &kernel.io;
    return 0;
}

static void close_kernel(struct io *io)
{
    if (io != &kernel.io)
        return;
    close(kernel.peers[0]);
    close(kernel.peers[1]);
}

/* The replies of the turn before: all of them are sent by now. */
static void take_replies(const struct load *load)
{
    struct connection *connection = kernel.connections[load->kind >= FRAME_GET];
    size_t hello = kernel.hello ? WIRE_HELLO_REPLY_SIZE : 0;

    if (connection->out_size != hello + load->pipeline * load->reply_size || connection->out[hello] != load->reply_first)
        fail("a wrong reply");
    kernel.hello = 0;
    connection->out_sent = connection->out_size;
    io_on_sent(connection);
}

/* One step of the schedule: warm-up turns, counted turns, the next load. Returns 0 where all is done. */
static int next_turn(void)
{
    const struct load *load = &loads[kernel.load];

    if (kernel.load == LOADS)
        return 0;
    if (kernel.turn > 0)
        take_replies(load);
    if (kernel.turn == TURNS_WARM + load->turns) {
        guard_end(kernel.pool, load->name, (uint64_t)load->turns * load->pipeline * load->keys);
        kernel.turn = 0;
        if (++kernel.load == LOADS) {
            sem_post(&kernel.finished);
            return 0;
        }
        load++;
    }
    if (kernel.turn == 0)
        make_text(load);
    if (kernel.turn == TURNS_WARM)
        guard_begin(kernel.pool);
    kernel.turn++;
    return 1;
}

static enum io_waited wait_kernel(struct io *io, int64_t timeout_ns, int64_t spin_ns)
{
    struct pollfd poll_fd = {.fd = io == &kernel.io ? kernel.wake_fd : reserve.wake_fd, .events = POLLIN};

    (void)spin_ns;
    if (io != &kernel.io) {
        (void)poll(&poll_fd, 1, -1);
        return IO_NOTHING;
    }
    kernel.delivers = next_turn();
    if (kernel.delivers)
        return IO_AT_ONCE;
    (void)poll(&poll_fd, 1, (int)(timeout_ns / 1000000) + 1);
    return IO_NOTHING;
}

static void deliver(struct io *io)
{
    (void)io;
    if (kernel.delivers) {
        size_t begin = kernel.ends[kernel.turn - 1];

        io_on_received(kernel.connections[loads[kernel.load].kind >= FRAME_GET], kernel.text + begin, kernel.ends[kernel.turn] - begin);
    }
}

static void detach(struct io *io, struct connection *connection)
{
    (void)io;
    io_on_detached(connection);
}

static void ignore(struct io *io, struct connection *connection)
{
    (void)io;
    (void)connection;
}

static void release(struct io *io)
{
    (void)io;
}

static const struct io_operations operations = {
    .name = "guard",
    .open = open_kernel,
    .close = close_kernel,
    .receive_pause = ignore,
    .receive_resume = ignore,
    .send = ignore,
    .detach = detach,
    .wait = wait_kernel,
    .deliver = deliver,
    .release = release,
};

static void find_handles(struct sdb_pool *pool)
{
    struct sdb_session *session;
    char key[GUARD_KEY_SIZE];

    guard_must(sdb_session_open(pool, &session), "session");
    for (unsigned i = 0; i < GUARD_KEYS; i++) {
        guard_key('k', i, key);
        guard_must(sdb_handle(session, key, sizeof(key), &kernel.handles[i]), "handle");
    }
    sdb_session_close(session);
}

void guard_requests(struct sdb_pool *pool)
{
    char error[256];

    find_handles(pool);

    if (config_init() != 0 || commands_init() != 0)
        fail("out of memory");
    latency_init();
    config.active_expire = 0; /* background work goes by the clock, and would be counted now and then */
    kernel.pool = pool;
    kernel.io.operations = &operations;
    sem_init(&kernel.finished, 0, 0);
    if (workers_start(pool, 1, &operations, error, sizeof(error)) != 0)
        fail(error);
    while (sem_wait(&kernel.finished) != 0)
        continue;
    workers_stop(1000);
    config_free();
}
