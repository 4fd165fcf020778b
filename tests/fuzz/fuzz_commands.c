/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_commands.c - the command layer: streams of two clients run over a pool in memory, turn by turn; no sockets
 *
 * Input: flags, a seed for the sizes of the pieces, then the stream. Flags: 1: the pieces go to two clients in turn (else all
 * to one); 2: it must log in first; 4: the pool is checked at the end; 8: background work in each turn.
 * Holds: what comes out is well-formed RESP, a reply for each request unless the connection was closed or CLIENT REPLY was used;
 * where the stream begins as the binary protocol's, well-formed frames; the pool is sound.
 */
#include <fcntl.h>
#include <signal.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "acl.h"
#include "batch.h"
#include "client_list.h"
#include "command.h"
#include "config.h"
#include "connection.h"
#include "fuzz.h"
#include "image.h"
#include "latency.h"
#include "log.h"
#include "resp_check.h"
#include "runtime.h"
#include "slowlog.h"
#include "wire.h"
#include "worker.h"
#include "worker_stats.h"

#define CLIENTS 2
#define NOW_MS 1700000000000
#define TURN_MS 300

/* What one client sent and got. */
struct side {
    struct connection *connection; /* NULL: closed */
    char *in, *out;
    size_t in_size, out_size, out_capacity;
};

static struct image *image;
static struct worker worker;
static struct io io;
static struct side sides[CLIENTS];

/* ---- what must not happen to the process that fuzzes ------------------------------------------------------------ */

int __wrap_kill(pid_t process, int signal);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_setrlimit(int resource, const struct rlimit *limit);

int __wrap_kill(pid_t process, int number)
{
    (void)process;
    (void)number;
    return 0; /* SHUTDOWN */
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)wanted;
    (void)left;
    return 0; /* DEBUG SLEEP */
}

int __wrap_setrlimit(int resource, const struct rlimit *limit)
{
    (void)resource;
    (void)limit;
    return 0; /* CONFIG SET maxclients */
}

/* ---- the kernel's part ------------------------------------------------------------------------------------------ */

static void pause_receiving(struct io *of, struct connection *which)
{
    (void)of;
    which->io.paused = 1;
}

static void resume_receiving(struct io *of, struct connection *which)
{
    (void)of;
    which->io.paused = 0;
}

static void start_send(struct io *of, struct connection *which)
{
    (void)of;
    FUZZ_CHECK(which->out_size > 0, "nothing to send");
}

static struct side *side_of(const struct connection *which)
{
    return sides[0].connection == which ? &sides[0] : &sides[1];
}

/* All that is in the kernel's hands arrives at once. */
static void receive_output(struct side *side)
{
    struct connection *connection = side->connection;

    if (side->out_size + connection->out_size > side->out_capacity) {
        side->out_capacity = (side->out_size + connection->out_size) * 2;
        side->out = realloc(side->out, side->out_capacity);
        FUZZ_CHECK(side->out != NULL, "out of memory");
    }
    memcpy(side->out + side->out_size, connection->out, connection->out_size);
    side->out_size += connection->out_size;
    connection->out_sent = connection->out_size;
}

static void detach(struct io *of, struct connection *which)
{
    (void)of;
    side_of(which)->connection = NULL;
    io_on_detached(which);
}

static void release(struct io *of)
{
    (void)of;
}

static const struct io_operations kernel = {
    .name = "fuzz",
    .receive_pause = pause_receiving,
    .receive_resume = resume_receiving,
    .send = start_send,
    .detach = detach,
    .release = release,
};

/* ---- turns ------------------------------------------------------------------------------------------------------ */

static void settle(void)
{
    while (worker.touched != NULL) {
        struct connection *next = worker.touched;

        worker.touched = next->touched_next;
        next->touched = 0;
        connection_settle(next);
    }
}

static void end_turn(int maintain)
{
    batch_finish(&worker);
    while (worker.ready != NULL) {
        struct connection *next = worker.ready;

        worker.ready = next->ready_next;
        next->ready = 0;
        connection_resume(next);
        batch_finish(&worker);
    }
    if (worker.group_is_open) {
        worker.group_is_open = 0;
        FUZZ_CHECK(sdb_group_end(worker.session) == SDB_OK, "%s", sdb_last_error());
    }
    settle();
    for (int i = 0; i < CLIENTS; i++) {
        while (sides[i].connection != NULL && sides[i].connection->out_size > 0) {
            receive_output(&sides[i]);
            io_on_sent(sides[i].connection);
            settle();
        }
    }
    if (maintain)
        FUZZ_CHECK(sdb_maintain(worker.session, 256, NULL) == SDB_OK, "%s", sdb_last_error());
    worker.turn++;
    worker.now_ms += TURN_MS;
    worker.turn_output = 0;
    client_set_now_ms(worker.now_ms);
    sdb_session_set_time(worker.session, worker.now_ms);
}

static void fill(struct sdb_pool *pool)
{
    (void)pool;
}

static void prepare(void)
{
    image = image_make(2, fill, 0);
    image_use(image);
    FUZZ_CHECK(log_open("/dev/null") == 0 && commands_init() == 0 && worker_stats_attach() != NULL, "no beginning");
    latency_init();
    signal(SIGPIPE, SIG_IGN);
}

static void begin(unsigned flags)
{
    struct sdb_options options = SDB_OPTIONS_INIT;

    FUZZ_CHECK(config_init() == 0, "out of memory");
    config.debug_command = CONFIG_DEBUG_YES;
    if (flags & 2) {
        free(config.requirepass);
        config.requirepass = strdup("secret");
        FUZZ_CHECK(acl_set_default_password("secret") == 0, "out of memory");
    }
    options.cache_size = 1 << 16;
    FUZZ_CHECK(sdb_open(image->path, &options, &runtime.pool) == SDB_OK, "%s", sdb_last_error());
    memset(&worker, 0, sizeof(worker));
    io = (struct io){.operations = &kernel, .worker = &worker};
    worker.io = &io;
    worker.io_operations = &kernel;
    worker.session_database = -1;
    worker.turn = 1;
    worker.now_ms = NOW_MS;
    client_set_now_ms(NOW_MS);
    FUZZ_CHECK(sdb_session_open(runtime.pool, &worker.session) == SDB_OK, "%s", sdb_last_error());
    sdb_session_set_time(worker.session, NOW_MS);
    for (int i = 0; i < CLIENTS; i++) {
        sides[i] =
            (struct side){.connection = connection_create(&worker, open("/dev/null", O_RDWR | O_CLOEXEC), 1, "/fuzz")};
        worker.connections_count++;
        FUZZ_CHECK(sides[i].connection != NULL, "out of memory");
    }
}

static void end(unsigned flags)
{
    struct sdb_check result;

    for (int i = 0; i < CLIENTS; i++) {
        if (sides[i].connection != NULL)
            connection_close(sides[i].connection);
        free(sides[i].in);
        free(sides[i].out);
    }
    FUZZ_CHECK(worker.attached == 0 && worker.output_total == 0, "%zu, %zu", worker.attached, worker.output_total);
    client_list_unpause(NULL);
    sdb_session_close(worker.session);
    while (worker.spare_count > 0)
        free(worker.spare[--worker.spare_count]);
    if (flags & 4)
        FUZZ_CHECK(sdb_check(runtime.pool, NULL, NULL, &result) == SDB_OK, "%s", sdb_last_error());
    FUZZ_CHECK(sdb_close(runtime.pool) == SDB_OK, "close");
    runtime.pool = NULL;
    slowlog_clear();
    config_free();
    image_restore(image);
}

/* ---- what a client may expect ----------------------------------------------------------------------------------- */

static int mentions(const char *data, size_t size, const char *word)
{
    size_t length = strlen(word);

    for (size_t i = 0; i + length <= size; i++)
        if (strncasecmp(data + i, word, length) == 0)
            return 1;
    return 0;
}

static uint64_t count_requests(const struct side *side, int *invalid)
{
    struct request_limits limits = {REQUEST_INLINE_SIZE_MAX, 512 << 20, INT32_MAX, 0};
    struct request_parser parser;
    uint64_t requests = 0;
    size_t at = 0, size;
    enum request_result result;

    request_parser_init(&parser);
    while ((result = request_parse(&parser, &limits, side->in + at, side->in_size - at, &size)) == REQUEST_COMPLETE) {
        requests += parser.argc > 0;
        at += size;
    }
    request_parser_free(&parser);
    *invalid = result == REQUEST_INVALID;
    return requests;
}

/* The replies of a connection that speaks the binary protocol. */
static void check_frames(const struct side *side)
{
    for (size_t at = 0; at < side->out_size;) {
        FUZZ_CHECK(side->out_size - at >= WIRE_HEADER_SIZE, "%zu bytes behind the last reply", side->out_size - at);
        const size_t size = wire_size(wire_get64(side->out + at)), padded = wire_padded(size);

        FUZZ_CHECK(size >= WIRE_HEADER_SIZE && padded <= side->out_size - at, "a reply of %zu bytes of %zu", size,
                   side->out_size - at);
        for (size_t i = size; i < padded; i++)
            FUZZ_CHECK(side->out[at + i] == 0, "a reply of %zu bytes is padded with other bytes than zeros", size);
        at += padded;
    }
}

static void check_replies(const struct side *side)
{
    if (side->in_size > 0 && (uint8_t)side->in[0] == WIRE_HELLO) {
        check_frames(side);
        return;
    }
    int invalid, is_unanswered = mentions(side->in, side->in_size, "reply");
    uint64_t requests = count_requests(side, &invalid), replies = 0;
    size_t at = 0;

    if (is_unanswered &&
        mentions(side->in, side->in_size, "multi")) /* CLIENT REPLY inside EXEC leaves its array short */
        return;
    while (at < side->out_size) {
        at += resp_reply(side->out + at, side->out_size - at, 0);
        replies++;
    }
    if (mentions(side->in, side->in_size, "subscribe")) /* messages, and a reply for each channel */
        return;
    FUZZ_CHECK(replies <= requests + (uint64_t)invalid || side->connection == NULL, "%llu replies to %llu requests",
               (unsigned long long)replies, (unsigned long long)requests);
    if (side->connection == NULL || is_unanswered || (side->connection->client.flags & CLIENT_BLOCKED) != 0) /* it waits for keys */
        return;
    FUZZ_CHECK(!invalid && replies == requests, "%llu replies to %llu requests", (unsigned long long)replies,
               (unsigned long long)requests);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned flags = (unsigned)fuzz_take(&input, 1), seed = (unsigned)fuzz_take(&input, 1);
    uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;

    if (image == NULL)
        prepare();
    begin(flags);
    for (int i = 0; i < CLIENTS; i++) {
        sides[i].in = malloc(input.size == 0 ? 1 : input.size);
        FUZZ_CHECK(sides[i].in != NULL, "out of memory");
    }
    for (unsigned turn = 0; input.size > 0; turn++) {
        struct side *side = &sides[flags & 1 ? turn & 1 : 0];
        size_t piece = seed == 0 ? input.size : fuzz_chunk(&state, seed, input.size);

        memcpy(side->in + side->in_size, input.data, piece);
        side->in_size += piece;
        if (side->connection != NULL)
            io_on_received(side->connection, (const char *)input.data, piece);
        end_turn(flags & 8);
        input.data += piece;
        input.size -= piece;
    }
    for (int i = 0; i < CLIENTS; i++)
        check_replies(&sides[i]);
    end(flags);
    return 0;
}
