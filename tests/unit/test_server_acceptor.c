/* SPDX-License-Identifier: BSD-3-Clause */
/* test_server_acceptor.c - who is let in, and which worker gets whom; this file stands in for the workers */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "acceptor.h"
#include "client_list.h"
#include "clock.h"
#include "listener.h"
#include "worker.h"
#include "worker_stats.h"

#define SERVING 3u
#define WAIT_S 20 /* for what must come */

static struct worker workers[SERVING + 1];
static struct listener listener;
static struct sockaddr_un address;

/* What the acceptor did. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t happened = PTHREAD_COND_INITIALIZER;
static unsigned handed_over[SERVING + 1];
static unsigned asked;

__thread struct worker_stats *worker_stats_self;
struct worker_stats *worker_stats_attach(void)
{
    static struct worker_stats stats;

    worker_stats_self = &stats;
    return &stats;
}

unsigned workers_serving(void) { return SERVING; }
struct worker *worker_at(unsigned number) { return &workers[number]; }
size_t client_list_count(void) { return 0; }
int listeners_count(void) { return 1; }
const struct listener *listener_at(int index)
{
    assert_int_equal(index, 0);
    return &listener;
}

int listener_admit(const struct listener *of, int fd, size_t clients)
{
    assert_ptr_equal(of, &listener);
    assert_true(fd >= 0);
    assert_int_equal(clients, 0);
    pthread_mutex_lock(&lock);
    asked++;
    pthread_mutex_unlock(&lock);
    return 1;
}

int worker_hand_over(struct worker *worker, int fd, int of)
{
    assert_int_equal(of, 0);
    close(fd);
    pthread_mutex_lock(&lock);
    handed_over[worker - workers]++;
    pthread_cond_broadcast(&happened);
    pthread_mutex_unlock(&lock);
    return 0;
}

static unsigned all_handed_over(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; i <= SERVING; i++)
        sum += handed_over[i];
    return sum;
}

static void wait_until_handed_over(unsigned count)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&lock);
    while (all_handed_over() < count)
        assert_int_equal(pthread_cond_timedwait(&happened, &lock, &until), 0);
    pthread_mutex_unlock(&lock);
}

static int call(void)
{
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(client >= 0);
    assert_int_equal(connect(client, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    return client;
}

static void start(void)
{
    char error[200] = "";

    if (acceptor_start(error, sizeof(error)) != 0)
        fail_msg("%s", error);
}

static int set_up(void **state)
{
    (void)state;
    memset(workers, 0, sizeof(workers));
    memset(handed_over, 0, sizeof(handed_over));
    asked = 0;
    memset(&address, 0, sizeof(address)); /* an abstract name: no file is left behind */
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "superdb-test-acceptor-%ld", (long)getpid());
    listener = (struct listener){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .is_unix = 1};
    assert_int_equal(bind(listener.fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener.fd, 64), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    acceptor_stop();
    close(listener.fd);
    return 0;
}

static void clients_go_to_all_workers_but_the_reserve(void **state)
{
    int clients[4 * SERVING];

    (void)state;
    start();
    for (unsigned i = 0; i < 4 * SERVING; i++)
        clients[i] = call();
    wait_until_handed_over(4 * SERVING);
    for (unsigned i = 0; i < SERVING; i++) {
        assert_int_equal(handed_over[i], 4);
        assert_int_equal(workers[i].connections_count, 4);
    }
    assert_int_equal(handed_over[SERVING], 0);
    for (unsigned i = 0; i < 4 * SERVING; i++)
        close(clients[i]);
}

static void a_worker_that_a_script_keeps_busy_gets_nobody(void **state)
{
    (void)state;
    workers[0].script_is_busy = 1;
    workers[1].connections_count = 7;
    workers[2].connections_count = 9;
    assert_ptr_equal(acceptor_choose(), &workers[1]);
    workers[1].script_is_busy = 1;
    assert_ptr_equal(acceptor_choose(), &workers[2]);
    workers[2].script_is_busy = 1;
    assert_ptr_equal(acceptor_choose(), &workers[SERVING]);
    workers[0].script_is_busy = 0;
    assert_ptr_equal(acceptor_choose(), &workers[0]);
}

static void who_called_before_it_ran_is_let_in_and_nobody_after_it_stopped(void **state)
{
    int before, after;

    (void)state;
    before = call();
    start();
    wait_until_handed_over(1);
    acceptor_stop();
    after = call(); /* by the kernel's queue */
    assert_int_equal(all_handed_over(), 1);
    assert_int_equal(asked, 1);
    start();
    wait_until_handed_over(2);
    close(before);
    close(after);
}

static void a_listener_that_cannot_accept_rests_and_goes_on_later(void **state)
{
    const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rlimit limit, low;
    struct rusage before, after;
    int next;

    (void)state;
    start();
    next = dup(client); /* the first free descriptor */
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(connect(client, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    assert_int_equal(poll(NULL, 0, 3 * ACCEPTOR_PAUSE_MS), 0); /* it must not use them up */
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(asked, 0);
    assert_true((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec +
                    (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 + after.ru_stime.tv_usec - before.ru_stime.tv_usec <
                ACCEPTOR_PAUSE_MS * 1000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    wait_until_handed_over(1);
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_go_to_all_workers_but_the_reserve, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_worker_that_a_script_keeps_busy_gets_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_called_before_it_ran_is_let_in_and_nobody_after_it_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_listener_that_cannot_accept_rests_and_goes_on_later, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
