/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_write_long.c - the largest value there is
 *
 * ctest-labels: long serial
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_fixture.h"

static void a_value_of_512_mib_is_stored_grown_read_and_deleted(void **state)
{
    struct fixture f;
    struct sdb_view view;
    char *value = malloc(SDB_VALUE_SIZE_MAX);
    size_t size;

    (void)state;
    assert_non_null(value);
    for (size_t i = 0; i < SDB_VALUE_SIZE_MAX; i++)
        value[i] = (char)(i * 0x9e3779b1u >> 24);
    fixture_create(&f, 1200 * MIB, 0, 4);
    assert_ok(sdb_set(f.session, "k", 1, value, SDB_VALUE_SIZE_MAX - 1, NULL));
    assert_ok(sdb_append(f.session, "k", 1, value + SDB_VALUE_SIZE_MAX - 1, 1, &size)); /* both at the same time */
    assert_int_equal(size, SDB_VALUE_SIZE_MAX);
    assert_int_equal(sdb_append(f.session, "k", 1, "x", 1, &size), SDB_ETOOBIG);
    fixture_crash(&f);
    assert_ok(sdb_view(f.session, "k", 1, &view));
    assert_int_equal(view.size, SDB_VALUE_SIZE_MAX);
    assert_int_equal(memcmp(view.data, value, view.size), 0);
    sdb_view_release(f.session, &view);
    assert_ok(sdb_delete(f.session, "k", 1));
    assert_ok(sdb_set(f.session, "k", 1, value, SDB_VALUE_SIZE_MAX, NULL));
    assert_ok(sdb_delete(f.session, "k", 1));
    free(value);
    fixture_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_value_of_512_mib_is_stored_grown_read_and_deleted)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
