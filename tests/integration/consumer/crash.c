/* SPDX-License-Identifier: BSD-3-Clause */
/* crash.c - an application that crashes its own code with the installed harness. Strict C11, as main.c. */
#include <stdio.h>

#include <superdb/crashtest.h>

static int work(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
{
    struct sdb_session *session;
    int64_t value;
    int error = sdb_session_open(pool, &session);

    (void)context;
    for (int i = 0; i < 10 && !error; i++) {
        sdb_crashtest_begin(test);
        error = sdb_add(session, "counter", 7, 1, &value);
        sdb_crashtest_end(test);
    }
    sdb_session_close(session);
    return error;
}

static int invariant(void *context, struct sdb_session *session, struct sdb_crashtest_image *image)
{
    int64_t value = 0;
    int error = sdb_add(session, "counter", 7, 0, &value);

    (void)context;
    return error || (uint64_t)value < image->acknowledged || (uint64_t)value > image->begun;
}

int main(void)
{
    struct sdb_crashtest_options options = SDB_CRASHTEST_OPTIONS_INIT;
    struct sdb_crashtest_case mine = {.work = work, .invariant = invariant};
    struct sdb_crashtest_report report;

    options.seed = 1;
    if (sdb_crashtest_run(&options, &mine, &report) != SDB_OK || report.images < 100) {
        fprintf(stderr, "consumer: %s\n", report.failure);
        return 1;
    }
    printf("%llu images\n", (unsigned long long)report.images);
    return 0;
}
