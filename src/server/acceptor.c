/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acceptor.c - the thread that lets clients in, and hands each to a worker
 * Threads: everything but start and stop is the thread's own.
 * Memory:  none
 */
#include "acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_list.h"
#include "clock.h"
#include "listener.h"
#include "log.h"
#include "worker.h"
#include "worker_stats.h"

#define IN_A_ROW 64  /* of one listener, before the others are looked at */
#define SAY_AGAIN_MS 1000

static pthread_t thread;
static int is_started;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t reported = PTHREAD_COND_INITIALIZER;
static int report; /* Under lock: 0: none yet, 1: it accepts, -1: it has no memory to */
static int stop_fd = -1; /* readable: it is to end */
static unsigned last_chosen;
static int64_t said_ms; /* when it was last said that nothing can be accepted */

/* ---- where to ---------------------------------------------------------------------------------------------------------- */

static uint32_t clients_of(unsigned number)
{
    return __atomic_load_n(&worker_at(number)->connections_count, __ATOMIC_RELAXED);
}

static int is_kept(unsigned number)
{
    return __atomic_load_n(&worker_at(number)->script_is_busy, __ATOMIC_RELAXED) != 0;
}

struct worker *acceptor_choose(void)
{
    const unsigned count = workers_serving();
    unsigned best = count;

    for (unsigned i = 1; i <= count; i++) {
        unsigned other = (last_chosen + i) % count;

        if (!is_kept(other) && (best == count || clients_of(other) < clients_of(best)))
            best = other;
    }
    if (best < count)
        last_chosen = best;
    return worker_at(best);
}

/* ---- one connection ---------------------------------------------------------------------------------------------------- */

static void let_in(int listener, int fd)
{
    struct worker *chosen;

    if (!listener_admit(listener_at(listener), fd, client_list_count())) {
        worker_stats_add(&worker_stats_self->counters.connections_rejected, 1);
        close(fd);
        return;
    }
    worker_stats_add(&worker_stats_self->counters.connections_received, 1);
    chosen = acceptor_choose();
    __atomic_fetch_add(&chosen->connections_count, 1, __ATOMIC_RELAXED);
    if (worker_hand_over(chosen, fd, listener) == 0)
        return;
    close(fd);
    __atomic_fetch_sub(&chosen->connections_count, 1, __ATOMIC_RELAXED);
}

/* ---- the thread -------------------------------------------------------------------------------------------------------- */

/* Who waits at this listener. Returns 0, or why nobody can be let in for now: an errno. */
static int accept_some(int listener)
{
    for (int i = 0; i < IN_A_ROW; i++) {
        int fd = accept4(listener_at(listener)->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            let_in(listener, fd);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        else if (errno != EINTR && errno != ECONNABORTED)
            return errno;
    }
    return 0;
}

/* Who waits would be reported again and again. */
static void rest(struct pollfd *stop, int error)
{
    int64_t now_ms = clock_ms();

    if (said_ms == 0 || now_ms - said_ms >= SAY_AGAIN_MS) {
        said_ms = now_ms;
        log_message(LOG_LEVEL_WARNING, "Accepting client connection: %s", strerror(error));
    }
    (void)poll(stop, 1, ACCEPTOR_PAUSE_MS);
}

static int say_that_it_runs(int can_run)
{
    (void)pthread_mutex_lock(&lock);
    report = can_run ? 1 : -1;
    (void)pthread_cond_broadcast(&reported);
    (void)pthread_mutex_unlock(&lock);
    return can_run;
}

static void *run(void *unused)
{
    struct pollfd waiting[1 + LISTENERS_MAX] = {{.fd = stop_fd, .events = POLLIN}};
    const int count = listeners_count();

    (void)unused;
    if (!say_that_it_runs(worker_stats_attach() != NULL))
        return NULL;
    for (int i = 0; i < count; i++)
        waiting[1 + i] = (struct pollfd){.fd = listener_at(i)->fd, .events = POLLIN};
    while (waiting[0].revents == 0) {
        int error = 0;

        if (poll(waiting, (nfds_t)count + 1, -1) < 0)
            continue; /* a signal */
        for (int i = 0; i < count && waiting[0].revents == 0; i++)
            if (waiting[1 + i].revents != 0 && error == 0)
                error = accept_some(i);
        if (error != 0)
            rest(waiting, error);
    }
    return NULL;
}

/* ---- start and stop ---------------------------------------------------------------------------------------------------- */

int acceptor_start(char *error, size_t error_size)
{
    /* A connection may be gone again by the time it is accepted. */
    for (int i = 0; i < listeners_count(); i++) {
        int fd = listener_at(i)->fd, flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
            goto fail;
    }
    stop_fd = eventfd(0, EFD_CLOEXEC);
    if (stop_fd < 0)
        goto fail;
    report = 0;
    errno = pthread_create(&thread, NULL, run, NULL);
    if (errno != 0)
        goto close_fd;
    (void)pthread_setname_np(thread, "acceptor");
    (void)pthread_mutex_lock(&lock);
    while (report == 0)
        (void)pthread_cond_wait(&reported, &lock);
    (void)pthread_mutex_unlock(&lock);
    if (report > 0) {
        is_started = 1;
        return 0;
    }
    pthread_join(thread, NULL);
    errno = ENOMEM;

close_fd:
    close(stop_fd);
fail:
    snprintf(error, error_size, "cannot accept connections: %s", strerror(errno));
    return -1;
}

void acceptor_stop(void)
{
    const uint64_t one = 1;

    if (!is_started)
        return;
    is_started = 0;
    (void)!write(stop_fd, &one, sizeof(one));
    pthread_join(thread, NULL);
    close(stop_fd);
}
