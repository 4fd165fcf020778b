/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker.c - the loop
 *
 * A turn, with what makes a reply true (docs/DURABILITY.md, D1 and D3):
 *   1. wait; take the turn lock; tell the session the time
 *   2. deliver: bytes come in, requests are parsed and run in windows; the first opens the group (sdb_group_begin)
 *   3. sdb_group_end: the fence. Nothing that was replied in this turn is with the kernel yet
 *   4. settle every connection that was touched: now its replies are sent, or, where 3 failed, taken back
 *   5. timers; release the turn lock
 * A crash before 3 is complete: no reply of this turn was sent. After it: all that was replied is durable.
 *
 * Threads: see worker.h.
 */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "acl.h"
#include "client_list.h"
#include "block.h"
#include "function_store.h"
#include "clock.h"
#include "config.h"
#include "evict.h"
#include "listener.h"
#include "grow.h"
#include "log.h"
#include "mail.h"
#include "notify.h"
#include "placement.h"
#include "runtime.h"
#include "script_busy.h"
#include "script_commands.h"
#include "tracking.h"
#include "worker_stats.h"

#define TURN_OUTPUT_FULL (4u * 1024 * 1024)  /* bytes of replies at which a turn goes to its fence */
#define MAINTAIN_EFFORT 256                  /* entries in one call */
#define MAINTAIN_NS 500000                   /* and the time that one round of calls may take */
#define MAINTAIN_AGAIN_MS 5                  /* until the next one, where this one has given memory back */
#define SPIN_CREDIT_MAX 16
#define SPIN_REST 1000                       /* turns without spinning after it was in somebody's way */
#define SPINS_A_CHECK 64
#define IDLE_CHECKS 1024                     /* clients looked at for idleness in a second, at least */

static struct worker *workers;
static unsigned workers_number;
static const struct io_operations *backend;
static struct sdb_pool *pool;

/* Start-up: each worker reports once. */
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t start_reported = PTHREAD_COND_INITIALIZER;
static unsigned start_reports;     /* Under start_lock. */
static char start_error[256];      /* Under start_lock; "": none. */

unsigned workers_count(void)
{
    return workers_number;
}

unsigned workers_serving(void)
{
    return workers_number - 1;
}

struct worker *worker_at(unsigned number)
{
    return &workers[number];
}

void worker_wake(struct worker *worker)
{
    uint64_t one = 1;

    /* An eventfd refuses only when its counter is full: then the worker is awake anyway. */
    if (write(worker->wake_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        return;
}

int worker_turn_is_full(const struct worker *worker)
{
    return worker->turn_output > TURN_OUTPUT_FULL;
}

void worker_open_group(struct worker *worker)
{
    if (!worker->group_is_open && sdb_group_begin(worker->session) == SDB_OK)
        worker->group_is_open = 1;
}

/* A failure is remembered until the end of the turn: what was replied before it is not durable. */
static void close_group(struct worker *worker)
{
    int result;

    if (!worker->group_is_open)
        return;
    worker->group_is_open = 0;
    result = sdb_group_end(worker->session);
    if (worker->group_error == SDB_OK)
        worker->group_error = result;
}

void worker_let_go(struct worker *worker)
{
    close_group(worker);
    worker_open_group(worker);
}

char *worker_take_buffer(struct worker *worker)
{
    return worker->spare_count > 0 ? worker->spare[--worker->spare_count] : malloc(WORKER_REPLY_CAPACITY);
}

void worker_give_buffer(struct worker *worker, char *buffer)
{
    if (worker->spare_count < WORKER_SPARE_BUFFERS)
        worker->spare[worker->spare_count++] = buffer;
    else
        free(buffer);
}

void worker_make_ready(struct worker *worker, struct connection *connection)
{
    if (connection->ready || connection->detached)
        return;
    connection->ready = 1;
    connection->ready_next = NULL;
    if (worker->ready == NULL)
        worker->ready = connection;
    else
        worker->ready_last->ready_next = connection;
    worker->ready_last = connection;
}

/* ---- new connections -------------------------------------------------------------------------------------------------- */

int worker_hand_over(struct worker *worker, int fd, int listener)
{
    int result = -1;

    lock_acquire(&worker->mailbox_lock);
    if (!grow(&worker->mailbox, &worker->mailbox_capacity, worker->mailbox_count + 1, sizeof(*worker->mailbox)))
        goto unlock;
    worker->mailbox[worker->mailbox_count++] = (struct worker_handover){fd, listener};
    result = 0;
unlock:
    lock_release(&worker->mailbox_lock);
    if (result == 0)
        worker_wake(worker);
    return result;
}

static void drop_socket(struct worker *worker, int fd)
{
    close(fd);
    __atomic_fetch_sub(&worker->connections_count, 1, __ATOMIC_RELAXED);
}

/* connections_count has counted the socket already. */
static void begin_connection(struct worker *worker, int fd, int listener)
{
    int is_unix = listener_at(listener)->is_unix;
    struct connection *connection = connection_create(worker, fd, is_unix, is_unix ? config.unixsocket : NULL);

    if (connection == NULL) {
        drop_socket(worker, fd);
        return;
    }
    if (worker->io_operations->attach(worker->io, connection) != 0)
        connection_destroy(connection);
}

static void empty_mailbox(struct worker *worker)
{
    struct worker_handover *mailbox;
    size_t count;

    lock_acquire(&worker->mailbox_lock);
    mailbox = worker->mailbox;
    count = worker->mailbox_count;
    worker->mailbox = NULL;
    worker->mailbox_count = 0;
    worker->mailbox_capacity = 0;
    lock_release(&worker->mailbox_lock);
    for (size_t i = 0; i < count; i++) {
        if (worker->stopping)
            drop_socket(worker, mailbox[i].fd);
        else
            begin_connection(worker, mailbox[i].fd, mailbox[i].listener);
    }
    free(mailbox);
}

void io_on_woken(struct worker *worker)
{
    empty_mailbox(worker);
    pubsub_deliver(worker);
    mail_open(worker);
}

void io_on_crowded(struct worker *worker)
{
    batch_finish(worker);
}

/* ---- a turn ----------------------------------------------------------------------------------------------------------- */

static void begin_turn(struct worker *worker)
{
    lock_acquire(&worker->turn_lock);
    worker->turn++;
    worker->turn_output = 0;
    worker->now_ms = clock_ms();
    sdb_session_set_time(worker->session, worker->now_ms);
    client_set_now_ms(worker->now_ms);
}

/*
 * Clients that had more to run than their share of an earlier turn, or that may run again, up to `last` in the list: first come,
 * first served, with a share of the turn of their own, so that they and those who have just sent cannot starve each other.
 */
static void run_ready(struct worker *worker, const struct connection *last)
{
    struct connection *connection = NULL;

    worker->turn_output = 0;
    while (worker->ready != NULL && connection != last && !worker_turn_is_full(worker)) {
        connection = worker->ready;
        worker->ready = connection->ready_next;
        connection->ready = 0;
        connection->ready_next = NULL;
        connection_resume(connection);
    }
}

/* Of what is durable now. */
static void tell_others(struct worker *worker)
{
    const uint32_t owed = worker->owed;

    if (worker->outbox != NULL)
        pubsub_post(worker);
    if (__builtin_expect(owed == 0, 1))
        return;
    worker->owed = owed & WORKER_OWES_READY;
    if ((owed & WORKER_OWES_FUNCTIONS) != 0)
        function_store_publish();
    if ((owed & WORKER_OWES_INVALIDATIONS) != 0)
        tracking_committed(worker);
    if ((owed & WORKER_OWES_ANSWERS) != 0)
        block_committed(worker);
}

/* What the turn wrote becomes durable, or nobody is told that it is. */
static void end_group(struct worker *worker)
{
    char error[128];
    int result;

    if (!worker->group_is_open && worker->group_error == SDB_OK)
        return;
    worker_stats_add(&worker_stats_self->counters.turns, 1);
    close_group(worker);
    result = worker->group_error;
    worker->group_error = SDB_OK;
    if (__builtin_expect(result == SDB_OK, 1)) {
        tell_others(worker);
        return;
    }
    pubsub_drop(worker);
    function_store_forget();
    log_message(LOG_LEVEL_WARNING, "A commit failed, its clients are told and closed: %s", sdb_last_error());
    snprintf(error, sizeof(error), "MISCONF the commit failed, nothing since the last reply is durable: %s", sdb_strerror(result));
    for (struct connection *connection = worker->touched; connection != NULL; connection = connection->touched_next)
        connection_disown_replies(connection, result, error);
    tracking_failed(worker);
    block_failed(worker, error);
    worker->owed &= WORKER_OWES_FUNCTIONS; /* they are unsure until the next fence */
}

static void settle_touched(struct worker *worker)
{
    struct connection *connection;

    while ((connection = worker->touched) != NULL) {
        worker->touched = connection->touched_next;
        connection->touched = 0;
        connection->touched_next = NULL;
        connection_settle(connection);
    }
}

/* ---- users ------------------------------------------------------------------------------------------------------------ */

void worker_refresh_users(struct worker *worker, struct client *self)
{
    worker->users_version = acl_version();
    for (struct connection *connection = worker->connections; connection != NULL; connection = connection->next) {
        struct client *client = &connection->client;

        if (acl_client_refresh(client) || client->flags & CLIENT_KILLED)
            continue;
        if (client == self) {
            client->flags |= CLIENT_CLOSE_AFTER_REPLY;
        } else {
            client->flags |= CLIENT_KILLED;
            connection->blocked |= CONNECTION_BLOCK_CLOSING;
            worker->kills++;
        }
    }
}

/* ---- timers ----------------------------------------------------------------------------------------------------------- */

/* Sockets of clients that others killed. */
static void close_killed(struct worker *worker)
{
    struct connection *next;

    worker->kills = 0;
    for (struct connection *connection = worker->connections; connection != NULL; connection = next) {
        next = connection->next;
        if ((connection->client.flags & CLIENT_KILLED) != 0)
            connection_close(connection);
    }
}

static void end_pause(struct worker *worker)
{
    for (struct connection *connection = worker->connections; connection != NULL; connection = connection->next) {
        if ((connection->blocked & CONNECTION_BLOCK_PAUSE) != 0) {
            connection->blocked &= ~(uint32_t)CONNECTION_BLOCK_PAUSE;
            worker_make_ready(worker, connection);
        }
    }
}

static void update_pause(struct worker *worker)
{
    int mode = client_list_paused(worker->now_ms, &worker->pause_end_ms);

    if (__builtin_expect(script_busy_count() != 0, 0)) {
        mode = WORKER_SCRIPT_IS_BUSY;
        worker->pause_end_ms = INT64_MAX;
    }

    /* A weaker pause lets some of those go on that wait: they are asked again. */
    if (worker->pause_mode != mode && (mode == 0 || mode < worker->pause_mode)) {
        worker->pause_mode = mode;
        end_pause(worker);
    }
    worker->pause_mode = mode;
}

/* Closes clients that neither sent nor read anything for longer than `timeout`; looks at all of them within 16 seconds. */
static void close_idle(struct worker *worker)
{
    int64_t timeout_ms = (int64_t)CONFIG_READ(timeout) * 1000;
    size_t checks = worker->attached / 16 + IDLE_CHECKS;
    struct connection *connection = worker->idle_cursor == NULL ? worker->connections : worker->idle_cursor;

    if (timeout_ms <= 0)
        return;
    while (connection != NULL && checks-- > 0) {
        worker->idle_cursor = connection->next;
        if (worker->now_ms - connection->client.last_active_ms > timeout_ms &&
            (connection->blocked & ~(uint32_t)CONNECTION_BLOCK_OUTPUT) == 0 && (connection->client.flags & CLIENT_PUBSUB) == 0) {
            log_message(LOG_LEVEL_VERBOSE, "Closing idle client %s", connection->client.address);
            worker_stats_add(&worker_stats_self->counters.clients_closed_idle, 1);
            connection_close(connection);
        }
        connection = worker->idle_cursor;
    }
}

/* Soft output limits go by time, so those who are above them are looked at without their doing. */
static void check_soft_limits(struct worker *worker)
{
    for (struct connection *connection = worker->connections; connection != NULL && worker->output_total > 0;
         connection = connection->next) {
        if (connection->soft_limit_since != 0)
            connection_touch(connection);
    }
}

/* Deletes what has expired and reclaims what was flushed or deleted, a little at a time: a tenth of the time while there is any of that. */
static void maintain(struct worker *worker)
{
    uint64_t end = clock_ns() + MAINTAIN_NS, before = sdb_reclaimed(worker->session);
    int done = 0;

    worker->maintain_ms = worker->now_ms + 1000 / CONFIG_READ(hz);
    evict_go_on(worker->session);
    if (!CONFIG_READ(active_expire) || worker->pause_mode != 0)
        return;
    do {
        if (sdb_maintain(worker->session, MAINTAIN_EFFORT, &done) != SDB_OK)
            return;
    } while (!done && clock_ns() < end);
    if (!done && sdb_reclaimed(worker->session) != before && CONFIG_READ(hz) < 1000 / MAINTAIN_AGAIN_MS)
        worker->maintain_ms = worker->now_ms + MAINTAIN_AGAIN_MS;
    tell_others(worker);
}

static void run_timers(struct worker *worker)
{
    if (worker->kills != 0)
        close_killed(worker);
    if (worker->now_ms >= worker->second_ms) {
        worker->second_ms = worker->now_ms + 1000;
        close_idle(worker);
        check_soft_limits(worker);
    }
    if (worker->number == 0 && worker->now_ms >= worker->maintain_ms)
        maintain(worker);
    if (worker->now_ms >= worker->waiters_due_ms)
        block_timers(worker);
}

/* Nanoseconds until something is due without anybody's sending. */
static int64_t time_to_wait(const struct worker *worker)
{
    int64_t due_ms = worker->second_ms;

    if (worker->ready != NULL || worker->touched != NULL)
        return 0;
    if (worker->waiters_due_ms < due_ms)
        due_ms = worker->waiters_due_ms;
    if (worker->number == 0 && worker->maintain_ms < due_ms)
        due_ms = worker->maintain_ms;
    if (worker->pause_mode != 0 && worker->pause_end_ms < due_ms)
        due_ms = worker->pause_end_ms;
    if (worker->stopping && worker->stop_deadline_ms < due_ms)
        due_ms = worker->stop_deadline_ms;
    due_ms -= clock_ms();
    return due_ms <= 0 ? 1 : due_ms > 1000 ? 1000000000 : due_ms * 1000000;
}

/* Now and then: was the thread taken off its core for somebody else while it was spinning? */
static int was_in_the_way(struct worker *worker)
{
    struct rusage usage;
    int64_t before = worker->involuntary_switches;

    if (++worker->spins % SPINS_A_CHECK != 0 || getrusage(RUSAGE_THREAD, &usage) != 0)
        return 0;
    worker->involuntary_switches = usage.ru_nivcsw;
    return usage.ru_nivcsw - before >= SPINS_A_CHECK / 16;
}

/*
 * Spins before it sleeps only where that has paid off of late: a sleep that ended within the time that spinning would have taken
 * earns credit, spinning in vain costs twice as much. A thread that is in others' way rests for many turns.
 */
static void judge_spinning(struct worker *worker, enum io_waited waited, uint64_t busy_ns, uint64_t spin_ns, uint64_t took_ns)
{
    if (worker->spin_rest > 0) {
        worker->spin_rest--;
        return;
    }
    if (spin_ns > 0 && was_in_the_way(worker)) {
        worker->spin_credit = 0;
        worker->spin_rest = SPIN_REST;
    } else if (waited == IO_BY_SPINNING) {
        worker->spin_credit = SPIN_CREDIT_MAX;
    } else if (waited == IO_BY_SLEEPING && took_ns < busy_ns + spin_ns) {
        if (worker->spin_credit < SPIN_CREDIT_MAX)
            worker->spin_credit++;
    } else if (spin_ns > 0 && waited != IO_AT_ONCE) {
        worker->spin_credit = worker->spin_credit > 2 ? worker->spin_credit - 2 : 0;
    }
}

static enum io_waited wait_for_events(struct worker *worker)
{
    int64_t timeout_ns = time_to_wait(worker);
    int64_t busy_ns = timeout_ns == 0 ? 0 : (int64_t)CONFIG_READ(busy_poll) * 1000;
    int64_t spin_ns = worker->spin_credit > 0 ? busy_ns : 0;
    uint64_t begin = busy_ns > 0 ? clock_ns() : 0;
    enum io_waited waited = worker->io_operations->wait(worker->io, timeout_ns, spin_ns);

    if (busy_ns > 0)
        judge_spinning(worker, waited, (uint64_t)busy_ns, (uint64_t)spin_ns, clock_ns() - begin);
    return waited;
}

/* ---- stopping --------------------------------------------------------------------------------------------------------- */

/* No more clients, no more bytes; what was read runs to its end. */
static void begin_stop(struct worker *worker)
{
    worker->stopping = 1;
    for (struct connection *connection = worker->connections; connection != NULL; connection = connection->next) {
        if (!connection->io.paused)
            worker->io_operations->receive_pause(worker->io, connection);
    }
}

/* Closes those that have nothing left to run or to send; past the deadline, all. */
static void go_on_stopping(struct worker *worker)
{
    struct connection *next;
    int is_late = worker->now_ms >= worker->stop_deadline_ms;

    for (struct connection *connection = worker->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (is_late || (!connection->ready && connection_output_size(connection) == 0))
            connection_close(connection);
    }
}

/* ---- the thread ------------------------------------------------------------------------------------------------------- */

static void run_turn(struct worker *worker)
{
    enum io_waited waited = wait_for_events(worker);
    const struct connection *last_ready;

    begin_turn(worker);
    if (__builtin_expect(acl_version() != worker->users_version, 0))
        worker_refresh_users(worker, NULL);
    update_pause(worker);
    last_ready = worker->ready == NULL ? NULL : worker->ready_last;
    if (__atomic_load_n(&worker->stop, __ATOMIC_ACQUIRE) && !worker->stopping)
        begin_stop(worker);
    if (waited != IO_NOTHING)
        worker->io_operations->deliver(worker->io);
    batch_finish(worker);
    if (last_ready != NULL) {
        run_ready(worker, last_ready);
        batch_finish(worker);
    }
    worker_stats_self->client = NULL;
    if (__builtin_expect(worker->owed & WORKER_OWES_READY, 0))
        block_serve_ready(worker); /* what was made ready by frames */
    end_group(worker);
    settle_touched(worker);
    run_timers(worker);
    if (worker->stopping)
        go_on_stopping(worker);
    lock_release(&worker->turn_lock);
}

/* For the session: a command waits for keys that a script holds. */
static int is_out_of_patience(void *context)
{
    (void)context;
    return script_busy_count() != 0;
}

static void report_start(const char *error)
{
    pthread_mutex_lock(&start_lock);
    start_reports++;
    if (error != NULL && start_error[0] == '\0')
        snprintf(start_error, sizeof(start_error), "%s", error);
    pthread_cond_broadcast(&start_reported);
    pthread_mutex_unlock(&start_lock);
}

/* What must be made by the thread itself: a ring has one submitter. Errors: 0, with the reason in error. */
static int open_worker(struct worker *worker, char *error, size_t error_size)
{
    int result;

    if (worker_stats_attach() == NULL) {
        snprintf(error, error_size, "out of memory");
        return 0;
    }
    result = sdb_session_open(pool, &worker->session);
    if (result != SDB_OK) {
        snprintf(error, error_size, "cannot open a session: %s", sdb_strerror(result));
        return 0;
    }
    sdb_session_set_patience(worker->session, is_out_of_patience, NULL);
    result = backend->open(worker, worker->wake_fd, &worker->io);
    if (result != 0) {
        snprintf(error, error_size, "cannot open %s for thread %u: %s", backend->name, worker->number, strerror(-result));
        goto close_session;
    }
    return 1;

close_session:
    sdb_session_close(worker->session);
    return 0;
}

static void close_worker(struct worker *worker)
{
    backend->close(worker->io);
    sdb_session_set_time(worker->session, 0);
    sdb_session_close(worker->session);
    empty_mailbox(worker);
    pubsub_deliver(worker); /* to nobody */
    pubsub_drop(worker);
    mail_open(worker); /* likewise */
    tracking_leave(worker);
    notify_leave();
    block_leave();
    script_leave();
    function_store_leave();
    while (worker->spare_count > 0)
        free(worker->spare[--worker->spare_count]);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    char error[200];

    if (worker->number < workers_serving())
        (void)placement_bind(&runtime.placement, worker->number);
    if (!open_worker(worker, error, sizeof(error))) {
        report_start(error);
        return NULL;
    }
    worker->now_ms = clock_ms();
    worker->session_database = -1;
    worker_stats_self->worker = worker;
    report_start(NULL);
    while (!worker->stopping || worker->attached > 0)
        run_turn(worker);
    close_worker(worker);
    return NULL;
}

static void free_workers(void)
{
    for (unsigned i = 0; i < workers_number; i++) {
        if (workers[i].wake_fd >= 0)
            close(workers[i].wake_fd);
        free(workers[i].mailbox);
    }
    free(workers);
    workers = NULL;
    workers_number = 0;
}

/* Starts a thread and waits until it has reported. Errors: 0. */
static int start_worker(struct worker *worker)
{
    unsigned reports = start_reports;
    char name[24];
    int started;

    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
        snprintf(start_error, sizeof(start_error), "cannot start a thread");
        return 0;
    }
    worker->is_started = 1;
    if (worker->number < workers_serving())
        snprintf(name, sizeof(name), "worker-%u", worker->number);
    else
        snprintf(name, sizeof(name), "reserve");
    (void)pthread_setname_np(worker->thread, name);
    pthread_mutex_lock(&start_lock);
    while (start_reports == reports)
        pthread_cond_wait(&start_reported, &start_lock);
    started = start_error[0] == '\0';
    pthread_mutex_unlock(&start_lock);
    return started;
}

int workers_start(struct sdb_pool *opened_pool, unsigned count, const struct io_operations *operations, char *error,
                  size_t error_size)
{
    int started = 1;

    frames_init();
    pool = opened_pool;
    backend = operations;
    count++; /* the reserve */
    workers = calloc(count, sizeof(*workers));
    if (workers == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    workers_number = count;
    for (unsigned i = 0; i < count; i++) {
        workers[i].number = i;
        workers[i].waiters_due_ms = INT64_MAX;
        workers[i].io_operations = operations;
        workers[i].wake_fd = eventfd(0, EFD_CLOEXEC);
        if (workers[i].wake_fd < 0) {
            snprintf(start_error, sizeof(start_error), "cannot make an eventfd: %s", strerror(errno));
            started = 0;
        }
    }
    for (unsigned i = 0; started && i < count; i++)
        started = start_worker(&workers[i]);
    if (started)
        return 0;
    snprintf(error, error_size, "%s", start_error);
    workers_stop(0);
    return -1;
}

void workers_stop(int64_t timeout_ms)
{
    for (unsigned i = 0; i < workers_number; i++) {
        workers[i].stop_deadline_ms = clock_ms() + timeout_ms;
        __atomic_store_n(&workers[i].stop, 1, __ATOMIC_RELEASE);
        worker_wake(&workers[i]);
    }
    for (unsigned i = 0; i < workers_number; i++) {
        if (workers[i].is_started)
            pthread_join(workers[i].thread, NULL);
    }
    free_workers();
}
