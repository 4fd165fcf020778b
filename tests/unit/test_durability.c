/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_durability.c - the truth table of what is given, by what is wanted and what is there
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "durability.h"
#include "error.h"

#define AUTO SDB_DURABILITY_AUTO
#define PMEM SDB_DURABILITY_PMEM
#define MSYNC SDB_DURABILITY_MSYNC
#define PROCESS SDB_DURABILITY_PROCESS

static const struct durability_facts tmpfs = {"tmpfs", 1, 0, 0, PERSIST_CLWB, NULL};
static const struct durability_facts disk = {"ext4", 0, 0, 0, PERSIST_CLWB, NULL};
static const struct durability_facts dax = {"xfs", 0, 1, 0, PERSIST_CLWB, NULL};
static const struct durability_facts dax_eadr = {"xfs", 0, 1, 1, PERSIST_NONE, NULL};
static const struct durability_facts disk_eadr = {"ext4", 0, 0, 1, PERSIST_NONE, NULL};
static const struct durability_facts dax_none = {"xfs", 0, 1, 0, PERSIST_CLWB, "none"};
static const struct durability_facts tmpfs_none = {"tmpfs", 1, 0, 0, PERSIST_CLWB, "none"};
static const struct durability_facts disk_none = {"ext4", 0, 0, 0, PERSIST_CLWB, "none"};

static void each_medium_gives_what_it_can_and_refuses_the_rest(void **state)
{
    static const struct {
        const struct durability_facts *facts;
        uint32_t wanted;
        int error;
        uint32_t given;
        enum persist_flush flush;
        const char *words;
    } rows[] = {
        {&tmpfs, AUTO, 0, PROCESS, PERSIST_CLWB, "tmpfs: survives a kill of the process, not a power cut"},
        {&tmpfs, PROCESS, 0, PROCESS, PERSIST_CLWB, "not a power cut"},
        {&tmpfs, PMEM, SDB_EDURABILITY, 0, 0, "there is none on tmpfs"},
        {&tmpfs, MSYNC, SDB_EDURABILITY, 0, 0, "msync has no effect on tmpfs"},
        {&disk, AUTO, 0, PROCESS, PERSIST_CLWB, "ext4 without persistent memory"},
        {&disk, PROCESS, 0, PROCESS, PERSIST_CLWB, "not a power cut"},
        {&disk, PMEM, SDB_EDURABILITY, 0, 0, "there is none on ext4"},
        {&disk, MSYNC, 0, MSYNC, PERSIST_MSYNC, "msync in every commit: survives a power cut"},
        {&dax, AUTO, 0, PMEM, PERSIST_CLWB, "flushed with clwb: survives a power cut"},
        {&dax, PMEM, 0, PMEM, PERSIST_CLWB, "MAP_SYNC"},
        {&dax, PROCESS, 0, PROCESS, PERSIST_CLWB, "only this was asked for"},
        {&dax, MSYNC, 0, MSYNC, PERSIST_MSYNC, "survives a power cut"},
        {&dax_eadr, AUTO, 0, PMEM, PERSIST_NONE, "eADR"},
        {&dax_eadr, PMEM, 0, PMEM, PERSIST_NONE, "eADR"},
        {&disk_eadr, AUTO, 0, PROCESS, PERSIST_NONE, "not a power cut"},
        {&disk_eadr, MSYNC, 0, MSYNC, PERSIST_MSYNC, "survives a power cut"},
        {&dax_none, AUTO, 0, PROCESS, PERSIST_NONE, "SUPERDB_FLUSH=none"},
        {&dax_none, PMEM, SDB_EDURABILITY, 0, 0, "SUPERDB_FLUSH=none"},
        {&tmpfs_none, AUTO, 0, PROCESS, PERSIST_NONE, "not a power cut"},
        {&disk_none, MSYNC, 0, MSYNC, PERSIST_MSYNC, "survives a power cut"},
        {&disk, 4, SDB_EINVAL, 0, 0, "unknown durability class 4"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct durability durability = {.given = 42};

        error_clear();
        assert_int_equal(durability_choose(rows[i].wanted, rows[i].facts, &durability), rows[i].error);
        const char *said = rows[i].error == 0 ? durability.reason : error_text();
        if (strstr(said, rows[i].words) == NULL)
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, said, rows[i].words);
        assert_int_equal(durability.given, rows[i].error == 0 ? rows[i].given : 42);
        if (rows[i].error == 0)
            assert_int_equal(durability.flush, rows[i].flush);
    }
}

static void an_override_that_names_no_flush_is_refused(void **state)
{
    static const char *const names[] = {"clwb ", "msync", "CLWB", "0"};
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct durability_facts facts = tmpfs;
        struct durability durability = {.given = 42};

        facts.flush_override = names[i];
        assert_int_equal(durability_choose(AUTO, &facts, &durability), SDB_EINVAL);
        assert_non_null(strstr(error_text(), names[i]));
        assert_int_equal(durability.given, 42);
    }
}

static void an_override_that_this_cpu_lacks_is_refused(void **state)
{
    static const enum persist_flush all[] = {PERSIST_CLWB, PERSIST_CLFLUSHOPT, PERSIST_CLFLUSH, PERSIST_DCCVAP,
                                             PERSIST_DCCVAC};
    unsigned refused = 0;
    (void)state;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct durability_facts facts = tmpfs;
        struct durability durability;

        facts.flush_override = persist_flush_name(all[i]);
        int error = durability_choose(AUTO, &facts, &durability);
        assert_int_equal(error, persist_flush_is_supported(all[i]) ? 0 : SDB_EINVAL);
        if (error == 0)
            assert_int_equal(durability.flush, all[i]);
        refused += error != 0;
    }
    assert_true(refused >= 2); /* no CPU has the instructions of two architectures */
}

static void an_empty_override_is_none(void **state)
{
    struct durability_facts facts = tmpfs;
    struct durability durability;
    (void)state;

    facts.flush_override = "";
    assert_int_equal(durability_choose(AUTO, &facts, &durability), 0);
    assert_int_equal(durability.flush, PERSIST_CLWB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_medium_gives_what_it_can_and_refuses_the_rest),
        cmocka_unit_test(an_override_that_names_no_flush_is_refused),
        cmocka_unit_test(an_override_that_this_cpu_lacks_is_refused),
        cmocka_unit_test(an_empty_override_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
