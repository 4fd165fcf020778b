/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_io.c - both kernel interfaces of the loop keep the same promises; this file stands in for the worker
 *
 * Every test runs with io_uring and with epoll. Where the kernel refuses io_uring, its half is skipped, and says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "connection.h"
#include "io.h"
#include "worker.h"

#define WAIT_NS 2000000000 /* for what must come */
#define SHORT_NS 20000000  /* for what must not */
#define LARGE (6u * 1024 * 1024)

static struct worker worker;
static struct connection connection;
static struct io *io;
static int peer; /* the other end of the connection's socket */

/* What the backend has told. */
static struct {
    char *data;
    size_t size;
    int ended, ended_cleanly, sent, detached, woken, crowded;
} told;
static int release_when_crowded;

void io_on_received(struct connection *from, const char *data, size_t size)
{
    assert_ptr_equal(from, &connection);
    assert_true(size > 0);
    assert_true(told.size + size <= LARGE);
    memcpy(told.data + told.size, data, size);
    told.size += size;
}

void io_on_ended(struct connection *from, int error)
{
    from->ended = 1;
    told.ended++;
    told.ended_cleanly += error == 0;
}

void io_on_sent(struct connection *to)
{
    assert_ptr_equal(to, &connection);
    told.sent++;
}

void io_on_detached(struct connection *of)
{
    assert_int_equal(of->io.in_flight, 0);
    assert_true(fcntl(of->client.fd, F_GETFD) >= 0);
    told.detached++;
}

void io_on_crowded(struct worker *of)
{
    assert_ptr_equal(of, &worker);
    told.crowded++;
    if (release_when_crowded)
        io->operations->release(io);
}

void io_on_woken(struct worker *of)
{
    assert_ptr_equal(of, &worker);
    told.woken++;
}

int worker_turn_is_full(const struct worker *of)
{
    assert_ptr_equal(of, &worker);
    return 0;
}

static int open_backend(void **state)
{
    const struct io_operations *operations = *state;
    int sockets[2];

    memset(&connection, 0, sizeof(connection));
    memset(&told, 0, sizeof(told));
    release_when_crowded = 1;
    told.data = malloc(LARGE);
    worker.wake_fd = eventfd(0, EFD_CLOEXEC);
    if (told.data == NULL || worker.wake_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0 ||
        operations->open(&worker, worker.wake_fd, &io) != 0)
        return -1;
    connection.client.fd = sockets[0];
    connection.client.worker = &worker;
    peer = sockets[1];
    return io->operations == operations ? 0 : -1;
}

static void turn(int64_t timeout_ns)
{
    if (io->operations->wait(io, timeout_ns, 0) != IO_NOTHING)
        io->operations->deliver(io);
    io->operations->release(io);
}

/* Turns until *what is at least count. */
static void turn_until(const int *what, int count)
{
    for (int i = 0; i < 1000 && *what < count; i++)
        turn(WAIT_NS);
    assert_true(*what >= count);
}

static void receive_until(size_t size)
{
    for (int i = 0; i < 1000 && told.size < size; i++)
        turn(WAIT_NS);
    assert_int_equal(told.size, size);
}

static int close_backend(void **state)
{
    (void)state;
    if (told.detached == 0) {
        io->operations->detach(io, &connection);
        turn_until(&told.detached, 1);
    }
    io->operations->close(io);
    close(connection.client.fd);
    if (peer >= 0)
        close(peer);
    close(worker.wake_fd);
    free(told.data);
    return 0;
}

static void attach(void)
{
    assert_int_equal(io->operations->attach(io, &connection), 0);
}

/* Fills data with a pattern in which no two places look alike. */
static void fill(char *data, size_t size)
{
    uint32_t random = 1;

    for (size_t i = 0; i < size; i++) {
        random = random * 1664525 + 1013904223;
        data[i] = (char)(random >> 24);
    }
}

static void bytes_arrive_in_order(void **state)
{
    (void)state;
    attach();
    assert_int_equal(write(peer, "hello", 5), 5);
    receive_until(5);
    assert_int_equal(write(peer, " world", 6), 6);
    receive_until(11);
    assert_memory_equal(told.data, "hello world", 11);
}

static void bytes_that_were_there_before_attaching_arrive(void **state)
{
    (void)state;
    assert_int_equal(write(peer, "early", 5), 5);
    attach();
    receive_until(5);
}

static void a_wait_without_events_ends_with_its_time(void **state)
{
    (void)state;
    attach();
    turn(0);
    assert_int_equal(io->operations->wait(io, SHORT_NS, 0), IO_NOTHING);
    assert_int_equal(io->operations->wait(io, 0, 0), IO_NOTHING);
    assert_int_equal(told.size, 0);
}

static void spinning_sees_what_comes(void **state)
{
    (void)state;
    attach();
    turn(0);
    assert_int_equal(write(peer, "x", 1), 1);
    enum io_waited waited = io->operations->wait(io, WAIT_NS, WAIT_NS);
    assert_true(waited == IO_AT_ONCE || waited == IO_BY_SPINNING);
    io->operations->deliver(io);
    assert_int_equal(told.size, 1);
}

static void a_wake_ends_a_wait_each_time(void **state)
{
    uint64_t one = 1;

    (void)state;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(write(worker.wake_fd, &one, sizeof(one)), sizeof(one));
        turn_until(&told.woken, i);
    }
}

static void the_end_of_the_stream_comes_behind_its_bytes_and_once(void **state)
{
    (void)state;
    attach();
    assert_int_equal(write(peer, "last", 4), 4);
    close(peer);
    peer = -1;
    turn_until(&told.ended, 1);
    assert_int_equal(told.size, 4);
    assert_int_equal(told.ended_cleanly, 1);
    turn(SHORT_NS);
    assert_int_equal(told.ended_cleanly, 1);
}

static void more_bytes_than_buffers_lose_nothing(void **state)
{
    char *data = malloc(LARGE);
    size_t written = 0;

    (void)state;
    assert_non_null(data);
    fill(data, LARGE);
    attach();
    while (told.size < LARGE) {
        ssize_t size = written < LARGE ? send(peer, data + written, LARGE - written, MSG_DONTWAIT) : 0;

        if (size > 0)
            written += (size_t)size;
        turn(WAIT_NS);
    }
    assert_memory_equal(told.data, data, LARGE);
    free(data);
}

static void a_paused_connection_is_silent_until_it_is_resumed(void **state)
{
    (void)state;
    attach();
    turn(0);
    io->operations->receive_pause(io, &connection);
    turn(SHORT_NS);
    turn(SHORT_NS);
    assert_int_equal(write(peer, "later", 5), 5);
    turn(SHORT_NS);
    assert_int_equal(told.size, 0);
    io->operations->receive_resume(io, &connection);
    receive_until(5);
}

static void pausing_and_resuming_at_once_loses_nothing(void **state)
{
    (void)state;
    attach();
    turn(0);
    for (int i = 0; i < 10; i++) {
        io->operations->receive_pause(io, &connection);
        io->operations->receive_resume(io, &connection);
    }
    assert_int_equal(write(peer, "still", 5), 5);
    receive_until(5);
}

static void start_large_send(void)
{
    connection.out = malloc(LARGE);
    assert_non_null(connection.out);
    fill(connection.out, LARGE);
    connection.out_size = LARGE;
    connection.out_sent = 0;
    io->operations->send(io, &connection);
}

static void a_send_goes_on_until_all_is_gone(void **state)
{
    size_t got = 0;

    (void)state;
    attach();
    start_large_send();
    while (got < LARGE) {
        turn(0);
        ssize_t size = recv(peer, told.data + got, LARGE - got, MSG_DONTWAIT);
        if (size > 0)
            got += (size_t)size;
        else
            turn(SHORT_NS);
    }
    while (connection.out_sent < connection.out_size)
        turn(WAIT_NS);
    assert_true(told.sent > 0);
    assert_memory_equal(told.data, connection.out, LARGE);
    free(connection.out);
}

static void a_send_to_a_peer_that_is_gone_ends_the_connection(void **state)
{
    (void)state;
    attach();
    turn(0);
    start_large_send();
    turn(0);
    close(peer);
    peer = -1;
    turn_until(&told.ended, 1);
    io->operations->detach(io, &connection);
    turn_until(&told.detached, 1);
    free(connection.out);
}

static void detaching_ends_a_receive_and_a_send_under_way(void **state)
{
    (void)state;
    attach();
    turn(0);
    start_large_send();
    turn(0);
    assert_true(connection.out_sent < connection.out_size);
    io->operations->detach(io, &connection);
    turn_until(&told.detached, 1);
    turn(SHORT_NS);
    assert_int_equal(told.detached, 1);
    free(connection.out);
}

static void a_send_of_more_than_two_gibibytes_is_taken(void **state)
{
    char buffer[65536];

    (void)state;
    connection.out_size = 3ull << 30;
    /* Zeros that take no memory; what is not sent of them does not matter. */
    connection.out = mmap(NULL, connection.out_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(connection.out, MAP_FAILED);
    attach();
    io->operations->send(io, &connection);
    for (int i = 0; i < 1000 && connection.out_sent < 4 * sizeof(buffer) && told.ended == 0; i++) {
        turn(SHORT_NS);
        (void)!recv(peer, buffer, sizeof(buffer), MSG_DONTWAIT);
    }
    assert_int_equal(told.ended, 0);
    assert_true(connection.out_sent >= 4 * sizeof(buffer));
    io->operations->detach(io, &connection);
    turn_until(&told.detached, 1);
    munmap(connection.out, connection.out_size);
}

/* One test with one backend. */
#define WITH(test, operations) {#test " (" #operations ")", test, open_backend, close_backend, (void *)(uintptr_t)&(operations)}
#define ALL(operations)                                                                                                    \
    WITH(bytes_arrive_in_order, operations), WITH(bytes_that_were_there_before_attaching_arrive, operations),              \
        WITH(a_wait_without_events_ends_with_its_time, operations), WITH(spinning_sees_what_comes, operations),            \
        WITH(a_wake_ends_a_wait_each_time, operations),                                                                    \
        WITH(the_end_of_the_stream_comes_behind_its_bytes_and_once, operations),                                           \
        WITH(more_bytes_than_buffers_lose_nothing, operations),                                                            \
        WITH(a_paused_connection_is_silent_until_it_is_resumed, operations),                                               \
        WITH(pausing_and_resuming_at_once_loses_nothing, operations), WITH(a_send_goes_on_until_all_is_gone, operations),  \
        WITH(a_send_to_a_peer_that_is_gone_ends_the_connection, operations),                                               \
        WITH(detaching_ends_a_receive_and_a_send_under_way, operations),                                                   \
        WITH(a_send_of_more_than_two_gibibytes_is_taken, operations)

int main(void)
{
    const struct CMUnitTest with_epoll[] = {ALL(io_epoll_operations)};
    const struct CMUnitTest with_uring[] = {ALL(io_uring_operations)};
    char reason[200];
    int failed = cmocka_run_group_tests(with_epoll, NULL, NULL);

    if (io_uring_is_usable(reason, sizeof(reason)))
        failed += cmocka_run_group_tests(with_uring, NULL, NULL);
    else
        printf("SKIPPED: %s\n", reason);
    return failed;
}
