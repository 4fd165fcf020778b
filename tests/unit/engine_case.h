/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine_case.h - a new pool of 32 MiB and 4 shards for each test of a file, whose session's clock stands at NOW
 *
 * Include it behind cmocka.h; name set_up and tear_down with each test.
 */
#ifndef SDB_TESTS_ENGINE_CASE_H
#define SDB_TESTS_ENGINE_CASE_H

#include "engine_fixture.h"

#define NOW 1000000ll

static struct fixture f;

static int set_up(void **state)
{
    (void)state;
    fixture_create(&f, 32 * MIB, 64 * MIB, 4);
    sdb_session_set_time(f.session, NOW);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_destroy(&f);
    return 0;
}

#endif
