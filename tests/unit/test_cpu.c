/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_cpu.c - the choice of vector instructions and its override
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cpu.h"

static void the_override_lowers_the_choice_and_never_raises_it(void **state)
{
    const enum cpu_simd best = cpu_simd_choose(NULL);

    (void)state;
    assert_int_equal(cpu_simd_choose("plain"), CPU_SIMD_PLAIN);
    assert_int_equal(cpu_simd_choose("avx2"), best < CPU_SIMD_AVX2 ? best : CPU_SIMD_AVX2);
    assert_int_equal(cpu_simd_choose("avx512"), best);
}

static void an_unknown_override_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(cpu_simd_choose(""), cpu_simd_choose(NULL));
    assert_int_equal(cpu_simd_choose("sse9"), cpu_simd_choose(NULL));
}

static void the_environment_decides_at_start_up(void **state)
{
    (void)state;
    assert_int_equal(cpu_simd(), cpu_simd_choose(getenv("SUPERDB_SIMD")));
}

static void each_choice_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(cpu_simd_name(CPU_SIMD_PLAIN), "plain");
    assert_string_equal(cpu_simd_name(CPU_SIMD_AVX2), "avx2");
    assert_string_equal(cpu_simd_name(CPU_SIMD_AVX512), "avx512");
    assert_string_equal(cpu_simd_name((enum cpu_simd)3), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_override_lowers_the_choice_and_never_raises_it),
        cmocka_unit_test(an_unknown_override_changes_nothing),
        cmocka_unit_test(the_environment_decides_at_start_up),
        cmocka_unit_test(each_choice_has_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
