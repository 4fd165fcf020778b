/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_poison.c - pages that the kernel calls poisoned (UFFDIO_POISON): keys on them are errors, all others are served, and the pool
 * takes no more writes
 *
 * As an access to a bad page of persistent memory, this one ends in SIGBUS with BUS_MCEERR_AR. Kernels before 6.6, or ones that give
 * no userfaultfd, cannot do it: then the test says that it is skipped. test_sigbus.c has the same by truncation.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "engine_fixture.h"

#include "damage_fixture.h"
#include "damage_types.h"

#define KEYS 600u
#define PAGE_BYTES 4096u

/* Newer than the headers of some systems. */
struct poison {
    struct uffdio_range range;
    uint64_t mode;
    int64_t updated;
};
#define POISON_IOCTL _IOWR(UFFDIO, 0x08, struct poison)
#define POISON_FEATURE (1ull << 14)

/* A userfaultfd that can poison; -1: this kernel has none. */
static int open_userfaultfd(void)
{
    struct uffdio_api api = {.api = UFFD_API, .features = POISON_FEATURE};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) != 0 || (api.features & POISON_FEATURE) == 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void poison(int fd, uint8_t *page)
{
    struct uffdio_register area = {.range = {(uintptr_t)page, PAGE_BYTES}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    struct poison poisoned = {.range = {(uintptr_t)page, PAGE_BYTES}};

    assert_int_equal(ioctl(fd, UFFDIO_REGISTER, &area), 0);
    assert_int_equal(madvise(page, PAGE_BYTES, MADV_DONTNEED), 0);
    if (ioctl(fd, POISON_IOCTL, &poisoned) != 0)
        fail_msg("UFFDIO_POISON: %s", strerror(errno));
}

static void poisoned_pages_cost_their_keys_only(void **state)
{
    static struct damage_types types;
    struct damage d;
    unsigned with_errors = 0;
    int fd = open_userfaultfd();

    (void)state;
    if (fd < 0) {
        print_message("no UFFDIO_POISON here: skipped\n");
        skip();
    }
    close(fd);
    damage_create(&d, 16 * MIB, 2, KEYS, 9, true);
    damage_types_create(&d, &types);
    d.f.random = 4711;
    for (unsigned i = 0; i < 60; i++) {
        struct answers answers = {0};
        uint64_t at;
        char what[64];

        do
            at = fixture_random(&d.f, d.size / PAGE_BYTES) * PAGE_BYTES;
        while (at < 2 * MIB || memcmp(d.image + at, (uint8_t[PAGE_BYTES]){0}, PAGE_BYTES) == 0);
        fd = open_userfaultfd();
        assert_true(fd >= 0);
        assert_ok(sdb_open(d.f.path, &d.f.options, &d.f.pool));
        poison(fd, d.f.pool->file.base + at);
        snprintf(what, sizeof(what), "page at %" PRIu64, at);
        damage_ask(&d, d.f.pool, 20, &answers);
        damage_types_ask(&types, d.f.pool, &answers);
        damage_not_silent(&answers, what);
        with_errors += answers.errors != 0;
        if (d.f.pool->file.sigbus.media_errors != 0) {
            assert_ok(sdb_session_open(d.f.pool, &d.f.session));
            assert_int_equal(fixture_set(&d.f, "new", "value"), SDB_EFAILED);
            sdb_session_close(d.f.session);
        }
        assert_ok(sdb_close(d.f.pool));
        close(fd);
        damage_restore(&d);
    }
    printf("60 pages poisoned, one at a time: %u cost keys\n", with_errors);
    assert_true(with_errors > 20);
    damage_destroy(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poisoned_pages_cost_their_keys_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
