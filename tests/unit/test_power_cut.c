/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_power_cut.c - a plain file in class msync, the power cut at any time, and pages written back in any order
 *
 * The "drive" is memory beside the file: it has what was synced, and of the other pages those that the kernel may have
 * written back by itself, which is any of them at any time. The test's own msync, fsync and fdatasync bring it up to
 * date. A child works and ends in a power cut: between two operations, or inside of a sync, of which any part of the pages
 * has then arrived. The parent makes the file what the drive has, and the next child finds out what became of it.
 *
 * ctest-timeout: 120
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../integration/embedded_rows.h"
#include "layout.h"
#include "superblock.h"
#include "superdb/superdb.h"

#define MIB (1ull << 20)
#define SIZE (16 * MIB)
#define PAGE 4096u
#define KEYS 40u
#define ROWS 3u /* of collections, behind the keys: one operation in three */
#define VALUE_MAX 9000u
#define ROUNDS 25
#define CUT 0 /* the exit status of a child whose power was cut as planned */

/* Outlives the children. */
static struct shared {
    uint8_t drive[SIZE];
    uint64_t drive_size;
    uint64_t tried[KEYS + ROWS], acknowledged[KEYS + ROWS]; /* versions of values */
    uint64_t random;
    uint64_t operations;
    int syncs_left; /* until the power is cut inside of one; negative: never */
    int lazy;       /* the kernel writes back nothing by itself */
} * shared;

static char path[64];

static uint64_t draw(uint64_t below)
{
    shared->random ^= shared->random << 13;
    shared->random ^= shared->random >> 7;
    shared->random ^= shared->random << 17;
    return shared->random % below;
}

/* ---- the drive ---- */

/* Copies a page of the file, as the kernel has it in memory, to the drive. */
static void write_back(int fd, uint64_t offset)
{
    const ssize_t done = pread(fd, shared->drive + offset, PAGE, (off_t)offset);

    if (done < 0)
        _exit(9);
    if (offset + (uint64_t)done > shared->drive_size)
        shared->drive_size = offset + (uint64_t)done;
}

/* The kernel writes back what it likes: one page of `among` that differ. */
static void write_back_some(int fd, uint64_t from, uint64_t to, uint64_t among)
{
    uint8_t page[PAGE];

    for (uint64_t offset = from; offset < to; offset += PAGE) {
        const ssize_t done = pread(fd, page, PAGE, (off_t)offset);
        if (done > 0 && memcmp(page, shared->drive + offset, (size_t)done) != 0 && draw(among) == 0)
            write_back(fd, offset);
    }
}

static void sync_range(int fd, uint64_t from, uint64_t to)
{
    if (shared->syncs_left >= 0 && shared->syncs_left-- == 0) {
        if (!shared->lazy)
            write_back_some(fd, 0, SIZE, 2);
        _exit(CUT);
    }
    for (uint64_t offset = from & ~(uint64_t)(PAGE - 1); offset < to; offset += PAGE)
        write_back(fd, offset);
}

/* The pool's descriptor? Else something else is synced, a directory. */
static int is_pool(int fd)
{
    struct stat one, other;

    return fstat(fd, &one) == 0 && stat(path, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

int fsync(int fd)
{
    struct stat facts;

    if (is_pool(fd) && fstat(fd, &facts) == 0)
        sync_range(fd, 0, (uint64_t)facts.st_size);
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

/* Where in the pool's file an address is mapped. */
static uint64_t offset_of(uintptr_t address)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long from, to, offset;
    char line[512];

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        if (strstr(line, path) == NULL || sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) != 3)
            continue;
        if (address >= from && address < to) {
            (void)fclose(maps);
            return offset + (address - from);
        }
    }
    _exit(9);
}

int msync(void *address, size_t size, int flags)
{
    const uint64_t from = offset_of((uintptr_t)address);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || flags != MS_SYNC)
        _exit(9);
    sync_range(fd, from, from + size);
    (void)syscall(SYS_close, fd); /* any close drops the pool's POSIX lock, which nobody but this process asks for */
    return 0;
}

/* ---- the children ---- */

static void must(int error, const char *what)
{
    if (error == SDB_OK)
        return;
    (void)fprintf(stderr, "%s: %s (%s)\n", what, sdb_strerror(error), sdb_last_error());
    _exit(3);
}

static size_t make_value(unsigned key, uint64_t version, char *value)
{
    const uint64_t mix = (version * 64 + key + 1) * 0x9e3779b97f4a7c15ull;
    const size_t size = 8 + mix % (mix >> 60 == 0 ? VALUE_MAX - 8 : 100);

    memcpy(value, &version, 8);
    for (size_t i = 8; i < size; i++)
        value[i] = (char)(mix >> (i % 48));
    return size;
}

static struct sdb_pool *open_pool(uint32_t durability, struct sdb_session **session)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool;
    struct sdb_pool_info info;

    options.flags = SDB_CREATE;
    options.pool_size = SIZE;
    options.pool_size_max = SIZE;
    options.shards = 2;
    options.durability = durability;
    must(sdb_open(path, &options, &pool), "open");
    sdb_pool_info(pool, &info);
    if (info.durability != durability)
        _exit(8);
    must(sdb_session_open(pool, session), "session");
    return pool;
}

static void print_problem(void *context, uint64_t offset, const char *what)
{
    (void)context;
    (void)fprintf(stderr, "offset %llu: %s\n", (unsigned long long)offset, what);
}

static void must_be_possible(const char *name, unsigned key, uint64_t version)
{
    if (version < shared->acknowledged[key] || version > shared->tried[key]) {
        (void)fprintf(stderr, "%s: version %llu, acknowledged %llu, tried %llu\n", name, (unsigned long long)version,
                      (unsigned long long)shared->acknowledged[key], (unsigned long long)shared->tried[key]);
        _exit(7);
    }
    shared->acknowledged[key] = shared->tried[key] = version;
}

/* The collections of the first row are small ones. */
static struct row row_of(struct sdb_session *session, unsigned row, char name[32])
{
    (void)snprintf(name, 32, "row %u", row);
    return (struct row){session, name, row > 0};
}

static void verify_rows(struct sdb_session *session)
{
    for (unsigned i = 0; i < ROWS; i++) {
        char name[32];
        const struct row row = row_of(session, i, name);
        uint64_t version;
        int error;
        const int type = row_read(&row, &version, &error);

        must(error, name);
        if (type >= 0) {
            (void)fprintf(stderr, "%s: collection %d is not of version %llu\n", name, type, (unsigned long long)version);
            _exit(5);
        }
        must_be_possible(name, KEYS + i, version);
    }
}

/* Each key has a version from the acknowledged one to the one tried, and that one's bytes. */
static void verify(struct sdb_pool *pool, struct sdb_session *session)
{
    char value[VALUE_MAX], wanted[VALUE_MAX], name[32];

    must(sdb_check(pool, print_problem, NULL, NULL), "check");
    for (unsigned key = 0; key < KEYS; key++) {
        uint64_t version = 0;
        size_t size = 0;
        const int length = snprintf(name, sizeof(name), "key %u", key);
        const int error = sdb_get(session, name, (size_t)length, value, sizeof(value), &size);

        if (error != SDB_ENOTFOUND) {
            must(error, name);
            memcpy(&version, value, 8);
            if (size != make_value(key, version, wanted) || memcmp(value, wanted, size) != 0)
                _exit(6);
        }
        must_be_possible(name, key, version);
    }
    verify_rows(session);
}

/* All collections of a row in one transaction. */
static void work_on_row(struct sdb_session *session, unsigned row, uint64_t version)
{
    char name[32];
    const struct row mine = row_of(session, row, name);

    must(sdb_begin(session, NULL, 0), "begin");
    must(row_write(&mine, version), name);
    must(sdb_commit(session), "commit");
}

static void work(struct sdb_session *session, uint64_t operations)
{
    char value[VALUE_MAX], name[32];

    for (; operations > 0; operations--) {
        const unsigned key = (unsigned)(draw(3) == 0 ? KEYS + draw(ROWS) : draw(KEYS));
        const int length = snprintf(name, sizeof(name), "key %u", key);
        const uint64_t version = ++shared->tried[key];

        if (key >= KEYS)
            work_on_row(session, key - KEYS, version);
        else
            must(sdb_set(session, name, (size_t)length, value, make_value(key, version, value), NULL), name);
        shared->acknowledged[key] = version;
        shared->operations++;
    }
}

/* Looks at what is there, works, and has its power cut. */
static void live(uint32_t durability, uint64_t operations)
{
    struct sdb_session *session;
    struct sdb_pool *pool = open_pool(durability, &session);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    verify(pool, session);
    work(session, operations);
    if (!shared->lazy)
        write_back_some(fd, 0, SIZE, 3);
    _exit(CUT);
}

/* ---- the parent ---- */

/* What the drive has is what there is from now on. */
static void power_on(void)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, shared->drive, shared->drive_size, 0), (ssize_t)shared->drive_size);
    (void)close(fd);
}

static void run_child(uint32_t durability, uint64_t operations, int syncs_left)
{
    int status = -1;

    power_on();
    shared->syncs_left = syncs_left;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        live(durability, operations);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, CUT);
}

static int set_up(void **state)
{
    (void)state;
    /* A plain file: not one of /dev/shm, where class msync is refused. */
    (void)snprintf(path, sizeof(path), "/var/tmp/superdb-power-cut-%d", (int)getpid());
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    shared->random = (uint64_t)getpid() * 0x9e3779b97f4a7c15u;
    (void)printf("seed %llu\n", (unsigned long long)shared->random);
    return unsetenv("SUPERDB_FLUSH");
}

static int tear_down(void **state)
{
    (void)state;
    (void)munmap(shared, sizeof(*shared));
    return unlink(path);
}

static void nothing_acknowledged_is_lost_whatever_was_written_back(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++)
        run_child(SDB_DURABILITY_MSYNC, draw(60), draw(3) == 0 ? -1 : (int)draw(80));
    run_child(SDB_DURABILITY_MSYNC, 0, -1);
    assert_true(shared->operations > ROUNDS);
}

/* As `superdb-pool check` does it, and a server that is started without --durability. */
static void a_recovery_in_class_process_takes_nothing_back(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        run_child(SDB_DURABILITY_MSYNC, 1 + draw(10), -1);
        run_child(SDB_DURABILITY_PROCESS, 0, draw(2) == 0 ? -1 : (int)draw(4));
        run_child(SDB_DURABILITY_MSYNC, 0, -1);
    }
}

/* The drive's pool as a library made it whose root has words that are zero. */
static void make_old(void)
{
    struct sdb_m_superblock sb;

    for (unsigned copy = 0; copy < 2; copy++) {
        uint8_t *at = shared->drive + (copy ? SB_COPY_OFFSET_B : SB_COPY_OFFSET_A);
        memcpy(&sb, at, sizeof(sb));
        assert_true(sb.incompat & SB_INCOMPAT_ROOT);
        sb.incompat &= ~(uint64_t)SB_INCOMPAT_ROOT;
        superblock_seal(&sb);
        memcpy(at, &sb, sizeof(sb));
    }
    memset(shared->drive + sb.root_offset, 0, sizeof(struct sdb_m_root));
}

static int close_cleanly(void)
{
    struct sdb_session *session;
    struct sdb_pool *pool = open_pool(SDB_DURABILITY_MSYNC, &session);

    verify(pool, session);
    sdb_session_close(session);
    return sdb_close(pool);
}

/* The flag that says how a word of zeros is to be read is on the drive behind the words themselves: nothing else is written back. */
static void the_root_is_turned_over_before_the_flag_that_says_so(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++) {
        run_child(SDB_DURABILITY_MSYNC, 3, -1);
        if (round % 2) {
            int status = -1;

            power_on();
            const pid_t child = fork();
            if (child == 0)
                _exit(close_cleanly());
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_int_equal(status, 0);
        }
        make_old();
        shared->lazy = 1;
        run_child(SDB_DURABILITY_PROCESS, 0, 1 + round % 3);
        shared->lazy = 0;
        run_child(SDB_DURABILITY_MSYNC, 0, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_whatever_was_written_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_recovery_in_class_process_takes_nothing_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_root_is_turned_over_before_the_flag_that_says_so, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
