/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * workload.c - threads of the embedded library that work on the same few keys and note what they see, until the kill
 *
 *     linear_workload POOL JOURNAL THREADS BASE
 *
 * THREADS 0: reads everything once, closes the pool, ends. Else it goes on until it is killed or the journal is full.
 * BASE: where this run's tags begin; no tag is used twice.
 *
 * A value is a list of elements, each a tag and filler that follows from it; SET writes one, APPEND one more. A counter
 * is an integer. Groups of keys, each with operations of its own: single values, counters, families of three values
 * (transactions, renames, copies), one of twelve counters that are raised together, one of two databases, and collections.
 *
 * What an operation in a group of the library's (sdb_group_begin) gave is told to nobody before sdb_group_end.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

struct journal *journal;

static struct sdb_pool *pool;
static pthread_barrier_t all_are_there;

static void operate(struct worker *worker)
{
    const unsigned group = draw(worker, 4) != 0 ? worker->hot[draw(worker, 2)] : draw(worker, GROUPS);

    if (group < SINGLES)
        on_single(worker, group);
    else if (group < SINGLES + COUNTERS)
        on_counter(worker, group);
    else if (group < WIDE)
        on_family(worker, group);
    else if (group == WIDE)
        on_wide(worker);
    else if (group == DATABASES)
        on_databases(worker);
    else
        on_collections(worker, group);
}

/* Several operations with one fence; all return when that has passed. */
static void operate_grouped(struct worker *worker)
{
    const unsigned count = 2 + draw(worker, 6);
    struct record *record;

    worker->grouped = 0;
    worker->grouping = 1;
    must(sdb_group_begin(worker->session));
    for (unsigned i = 0; i < count && worker->grouped < GROUPED_MAX; i++)
        operate(worker);
    must(sdb_group_end(worker->session));
    worker->grouping = 0;
    record = &worker->track->records[worker->track->count - worker->grouped];
    for (unsigned i = 0; i < worker->grouped; i++)
        if (!record[i].is_part)
            note_returned(&record[i]);
}

/*
 * In the midst of anything, an operation of the library's above all: others go on meanwhile. The next time is counted from here, not
 * from the last one: on a loaded machine this may take longer than the interval, and nothing else would ever be done.
 */
static void stand_still(int number, siginfo_t *information, void *context)
{
    const struct worker *worker = information->si_value.sival_ptr;
    const struct timespec moment = {0, 20000};
    const int saved = errno;

    (void)number;
    (void)context;
    (void)nanosleep(&moment, NULL);
    (void)timer_settime(worker->timer, 0, &worker->interval, NULL);
    errno = saved;
}

/*
 * Few cores and short operations would leave threads to work one behind the other. So each is stopped now and then, wherever
 * it is, for the length of many operations.
 */
static void disturb_this_thread(struct worker *worker)
{
    struct sigevent event = {0};

    worker->interval.it_value.tv_nsec = 100000 + (long)draw(worker, 200000);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGUSR1;
    event.sigev_value.sival_ptr = worker;
    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, &worker->timer) != 0 ||
        timer_settime(worker->timer, 0, &worker->interval, NULL) != 0)
        _exit(8);
}

static void *work(void *context)
{
    struct worker *worker = context;

    (void)pthread_barrier_wait(&all_are_there);
    disturb_this_thread(worker);
    while (worker->track->count + GROUPED_MAX * 2 < TRACK_RECORDS) {
        if (draw(worker, 5) == 0)
            operate_grouped(worker);
        else
            operate(worker);
        if (draw(worker, 200) == 0)
            must(sdb_maintain(worker->session, 100, NULL));
        if (draw(worker, 16) == 0)
            (void)sched_yield();
    }
    __atomic_store_n(&journal->full, 1, __ATOMIC_RELEASE);
    for (;;)
        (void)pause(); /* for the kill */
    return NULL;
}

/* Everything as it is after the start, for one thread. */
static void read_all(struct worker *worker)
{
    for (unsigned group = 0; group < DATABASES; group++)
        view_many(worker, group, 0);
    for (unsigned database = 0; database < 2; database++) {
        must(sdb_select(worker->session, database ? DATABASE_NEW : DATABASE_OLD));
        view_many(worker, DATABASES, database);
    }
    must(sdb_select(worker->session, 0));
    for (unsigned group = COLLECTIONS; group < GROUPS; group++)
        read_collections(worker, group);
}

static struct worker *make_worker(unsigned number, uint64_t base)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        _exit(4);
    must(sdb_session_open(pool, &worker->session));
    worker->track = &journal->tracks[number];
    worker->tag = base + ((uint64_t)(number + 1) << 24);
    worker->random = base;
    for (unsigned i = 0; i < 2; i++)
        worker->hot[i] = draw(worker, GROUPS); /* the same for all threads */
    worker->random += worker->tag;
    return worker;
}

static void open_all(const char *path, const char *journal_path)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    const int fd = open(journal_path, O_RDWR | O_CLOEXEC);

    journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || journal == MAP_FAILED)
        _exit(5);
    options.pool_size = 64u << 20;
    options.shards = 4;
    options.flags = SDB_CREATE;
    must(sdb_open(path, &options, &pool));
    for (unsigned group = 0; group < GROUPS; group++)
        for (unsigned key = 0; key < keys_of(group); key++)
            (void)name_of(group, key);
}

/* Every other run: collections are packed when they have an element or two, and trees behind that. */
static void limit_packed(void)
{
    const struct sdb_limits limits = {2, 64, 2, 2, 2, 64};

    sdb_set_limits(pool, &limits);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    const unsigned threads = (unsigned)atoi(argv[3]);
    const uint64_t base = strtoull(argv[4], NULL, 10);
    pthread_t thread;

    open_all(argv[1], argv[2]);
    if ((base >> 32) % 2 == 0)
        limit_packed();
    struct worker *first = make_worker(0, base);
    read_all(first);
    __atomic_store_n(&journal->opened, 1, __ATOMIC_RELEASE);
    if (threads == 0) {
        sdb_session_close(first->session);
        free(first);
        must(sdb_close(pool));
        return 0;
    }
    struct sigaction action = {0};
    action.sa_sigaction = stand_still;
    action.sa_flags = SA_RESTART | SA_SIGINFO;
    if (threads > TRACKS || sigaction(SIGUSR1, &action, NULL) != 0 ||
        pthread_barrier_init(&all_are_there, NULL, threads) != 0)
        _exit(6);
    for (unsigned i = 1; i < threads; i++)
        if (pthread_create(&thread, NULL, work, make_worker(i, base)) != 0)
            _exit(6);
    (void)work(first);
    return 0;
}
