/* SPDX-License-Identifier: BSD-3-Clause */
/* test_hash_short.c - the hash of short keys is the hash of keys: pools were written with either */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash.h"

static void short_keys_hash_as_all_keys_do(void **state)
{
    uint8_t key[300];

    (void)state;
    for (unsigned i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(i * 37 + 11);
    for (size_t size = 0; size <= sizeof(key); size++)
        for (uint64_t seed = 0; seed < 9; seed++)
            assert_int_equal(hash_short_key(seed * 0x9e3779b97f4a7c15ull, key, size),
                             hash_key(seed * 0x9e3779b97f4a7c15ull, key, size));
}

/* What XXH3 gives for these: another library must not give another hash to keys that stand in pools. */
static void the_hash_is_the_one_that_pools_were_written_with(void **state)
{
    (void)state;
    assert_int_equal(hash_short_key(0, "", 0), 0x2d06800538d394c2ull);
    assert_int_equal(hash_key(0, "", 0), 0x2d06800538d394c2ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_keys_hash_as_all_keys_do),
        cmocka_unit_test(the_hash_is_the_one_that_pools_were_written_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
