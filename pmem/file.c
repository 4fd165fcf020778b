/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file.c - the pool's file, from making it to closing it
 *
 * Media:   the two superblock copies, each with its 512 bytes in a page of its own
 * Commit:  creation (DURABILITY.md, P7)
 *              1. zeros for the whole file, allocated and synced. Crash: an unformatted file, made anew by SDB_CREATE
 *              2. both copies without their magic words, synced. Crash: the same
 *              3. the magic word of copy A, synced: the ONE store that makes the pool. From here on it is one
 *              4. the magic word of copy B, synced. Crash before it: A alone counts, the next open heals B
 *          the first opening for writing (root.h)
 *              1. the words of the root and of the lanes become ones that are never zero; flush, fence. Crash: some of either kind count
 *              2. SB_INCOMPAT_ROOT, with the change of state below: from here on none that is zero counts
 *          a change of state, incarnation or size (P8)
 *              1. the older copy, with a higher sequence; flush, fence. Torn: a wrong checksum, the newer copy counts
 *              2. the other copy, with the next sequence; flush, fence. Torn: the first counts
 *          so that at rest both copies say the same, and the loss of either costs nothing. Before the first change of an open pool the
 *          newer copy is flushed as it was found: behind a kill it may be visible and not durable, and then the older one is all there is
 *          growing (P10)
 *              1. zeros behind the end, allocated and synced. Crash: a longer file, cut off by the next growth
 *              2. the mapping; 3. the superblock with the new size
 * Holds:   1. one open pool for each file in a process, one writer process for each file
 *          2. nothing is stored to an existing pool before pool_file_mark_open
 * Threads: see file.h; the list of open pools has its own lock
 * Memory:  none is allocated
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <libpmem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "dax.h"
#include "durability.h"
#include "error.h"
#include "file_internal.h"
#include "mapping.h"
#include "pool_lock.h"
#include "space.h"
#include "superblock.h"

#define MODE_DEFAULT 0600u

static pthread_mutex_t open_pools_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool_file *open_pools; /* under open_pools_lock */

/* ---- opening the descriptor ---- */

/*
 * A file that this process has open already must not be opened again, not even to look at it: closing any descriptor of
 * it would drop the POSIX lock that names this process to others (pool_lock.h).
 */
static int is_open_here(const struct pool_file *file, const struct stat *facts)
{
    for (const struct pool_file *other = open_pools; other != NULL; other = other->next) {
        if (other->device == (uint64_t)facts->st_dev && other->inode == (uint64_t)facts->st_ino) {
            error_set("%s: open already in this process (%d)", file->path, (int)getpid());
            return 1;
        }
    }
    return 0;
}

/* Opens what is there, or makes an empty file; file->made tells. */
static int open_descriptor(struct pool_file *file, const struct sdb_options *options)
{
    const int access = file->readonly || file->isolated ? O_RDONLY : O_RDWR;
    const mode_t mode = options->mode != 0 ? (mode_t)options->mode : (mode_t)MODE_DEFAULT;

    for (int attempt = 0; attempt < 16; attempt++) {
        file->fd = open(file->path, access | O_CLOEXEC | O_NONBLOCK);
        if (file->fd >= 0 || errno != ENOENT || (options->flags & SDB_CREATE) == 0)
            break;
        file->fd = open(file->path, access | O_CLOEXEC | O_CREAT | O_EXCL, mode);
        file->made = file->fd >= 0;
        if (file->fd >= 0 || errno != EEXIST)
            break;
    }
    if (file->fd < 0)
        return file_fail(file, file->readonly ? "open for reading" : "open", errno);
    return 0;
}

void pool_file_unmake(const struct pool_file *file)
{
    if (file->made)
        (void)unlink(file->path);
}

/* Opens the descriptor and enters the file in the list of open pools. */
static int claim(struct pool_file *file, const struct sdb_options *options)
{
    struct stat facts;
    int error = SDB_ELOCKED;

    (void)pthread_mutex_lock(&open_pools_lock);
    if (stat(file->path, &facts) == 0 && is_open_here(file, &facts))
        goto out;
    error = open_descriptor(file, options);
    if (error != 0)
        goto out;
    error = SDB_EINVAL;
    if (fstat(file->fd, &facts) != 0)
        error = file_fail(file, "fstat", errno);
    else if (!S_ISREG(facts.st_mode))
        error_set("%s: not a regular file", file->path);
    else if (is_open_here(file, &facts))
        error = SDB_ELOCKED;
    else
        error = 0;
    if (error != 0) {
        if (error != SDB_ELOCKED)
            pool_file_unmake(file);
        (void)close(file->fd);
        goto out;
    }
    file->device = (uint64_t)facts.st_dev;
    file->inode = (uint64_t)facts.st_ino;
    file->next = open_pools;
    open_pools = file;
out:
    (void)pthread_mutex_unlock(&open_pools_lock);
    return error;
}

static void disclaim(struct pool_file *file)
{
    (void)pthread_mutex_lock(&open_pools_lock);
    pool_lock_drop(file->fd);
    (void)close(file->fd);
    file->fd = -1;
    for (struct pool_file **at = &open_pools; *at != NULL; at = &(*at)->next) {
        if (*at == file) {
            *at = file->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&open_pools_lock);
}

/* ---- durability ---- */

/* For the record only: libpmem takes a user's word for it (PMEM_IS_PMEM_FORCE), which a promise cannot rest on. */
static uint32_t ask_libpmem(const char *path)
{
    size_t size;
    int is_pmem = 0;
    void *mapped = pmem_map_file(path, 0, 0, 0, &size, &is_pmem);

    if (mapped == NULL)
        return 0;
    (void)pmem_unmap(mapped, size);
    return is_pmem != 0;
}

static int choose_durability(struct pool_file *file, uint32_t wanted)
{
    struct durability_facts facts = {.file_system = file->file_system, .flush_override = getenv("SUPERDB_FLUSH")};
    struct durability chosen;

    if (durability_file_system(file->fd, file->file_system, &facts.in_memory) != 0)
        return file_fail(file, "fstatfs", errno);
    const int can_sync = file->isolated ? 0 : mapping_can_sync(file->fd, file->readonly);

    if (can_sync < 0)
        return file_fail(file, "mapping a page", errno);
    facts.map_sync = can_sync;
    facts.caches_persistent = persist_caches_are_persistent();
    facts.best = persist_flush_best();
    /* Whoever used it may have asked for msync: a repair has few fences, and keeps what any class promises. */
    if (file->repairing && !can_sync && !facts.in_memory)
        wanted = SDB_DURABILITY_MSYNC;
    int error = durability_choose(file->readonly ? SDB_DURABILITY_AUTO : wanted, &facts, &chosen);
    if (error != 0)
        return file_with_path(file, error);
    file->in_memory = facts.in_memory;
    file->map_sync = facts.map_sync && chosen.given == SDB_DURABILITY_PMEM;
    file->durability = chosen.given;
    memcpy(file->durability_reason, chosen.reason, sizeof(file->durability_reason));
    file->persistent_caches = chosen.flush == PERSIST_NONE;
    file->persist.flush = chosen.flush;
    return 0;
}

/* ---- creation ---- */

static int write_at(const struct pool_file *file, const void *bytes, size_t size, uint64_t offset)
{
    ssize_t done = pwrite(file->fd, bytes, size, (off_t)offset);

    if (done != (ssize_t)size)
        return file_fail(file, "writing the superblock", done < 0 ? errno : EIO);
    return 0;
}

static int sync_file(const struct pool_file *file)
{
    return fsync(file->fd) == 0 ? 0 : file_fail(file, "fsync", errno);
}

/* The name of a new file is durable only with its directory. */
static int sync_directory(const struct pool_file *file)
{
    char path[sizeof(file->path)];
    int error = 0;

    memcpy(path, file->path, sizeof(path));
    int directory = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return errno == EACCES ? 0
                               : file_fail(file, "opening its directory", errno); /* may be entered but not read: no way */
    if (fsync(directory) != 0 && errno != EINVAL && errno != ENOTSUP)
        error = file_fail(file, "syncing its directory", errno);
    (void)close(directory);
    return error;
}

static int write_new_superblock(const struct pool_file *file, const struct sdb_m_superblock *sb)
{
    static const uint64_t copies[] = {SB_COPY_OFFSET_A, SB_COPY_OFFSET_B};
    const uint8_t *bytes = (const uint8_t *)sb;
    int error = 0;

    for (size_t i = 0; i < 2 && error == 0; i++)
        error =
            write_at(file, bytes + sizeof(sb->magic), sizeof(*sb) - sizeof(sb->magic), copies[i] + sizeof(sb->magic));
    if (error == 0)
        error = sync_file(file);
    for (size_t i = 0; i < 2 && error == 0; i++) {
        error = write_at(file, &sb->magic, sizeof(sb->magic), copies[i]);
        if (error == 0)
            error = sync_file(file);
    }
    return error;
}

static int create(struct pool_file *file, const struct sdb_options *options)
{
    struct sdb_m_superblock sb;
    int error = superblock_make(options->pool_size, options->pool_size_max, options->shards, (uint64_t)clock_ms(), &sb);

    if (error == 0)
        error = space_extend(file->fd, 0, sb.size, file->in_memory);
    if (error != 0)
        return file_with_path(file, error);
    error = write_new_superblock(file, &sb);
    if (error == 0 && !file->in_memory)
        error = sync_directory(file);
    if (error != 0) {
        (void)ftruncate(file->fd, 0);
        return error;
    }
    file->superblock = sb;
    file->newest_copy = 0;
    file->secured = 1; /* synced just now */
    file->created = 1;
    file->was_clean = 1;
    return 0;
}

/* ---- reading an existing pool ---- */

/* What the medium cannot give, or lies behind the file's end, reads as zeros: a copy with a wrong checksum. */
static struct sdb_m_superblock read_copy(const struct pool_file *file, uint64_t offset, int *unread)
{
    struct sdb_m_superblock copy = {0};

    if (pread(file->fd, &copy, sizeof(copy), (off_t)offset) < 0) {
        *unread = errno;
        memset(&copy, 0, sizeof(copy));
    }
    return copy;
}

static int refuse_unrepaired(const struct pool_file *file)
{
    error_set("%s: a repair of it was cut short: run `superdb-pool check --repair` again", file->path);
    return SDB_ECORRUPT;
}

/* The state of a repair, durable, one copy after the other, before the file is mapped; with the incarnation that it has. */
static int announce_in_file(struct pool_file *file)
{
    static const uint64_t copies[] = {SB_COPY_OFFSET_A, SB_COPY_OFFSET_B};
    struct sdb_m_superblock sb = file->superblock;
    int error = sync_file(file); /* what was found may be visible only */

    if (sb.state >= SB_STATE_REPAIR)
        return error;
    sb.state = file_state_of_repair(file);
    for (int step = 0; step < 2 && error == 0; step++) {
        sb.sequence++;
        superblock_seal(&sb);
        error = write_at(file, &sb, sizeof(sb), copies[step == 0 ? !file->newest_copy : file->newest_copy]);
        if (error == 0)
            error = sync_file(file);
    }
    if (error == 0)
        file->superblock = sb;
    return error;
}

/*
 * For a repair: the part of the file that is gone becomes zeros. A file that is as long as it was shows nobody that something is lost:
 * from here on only a repair opens it.
 */
static int replace_end(struct pool_file *file, uint64_t file_size)
{
    file->truncated = file_size;
    if (file->isolated)
        return 0;
    int error = announce_in_file(file);
    if (error != 0)
        return error;
    error = space_extend(file->fd, file_size, file->superblock.size, file->in_memory);
    return error != 0 ? file_with_path(file, error) : 0;
}

static int refuse_unclean(const struct pool_file *file)
{
    error_set("%s: was not closed cleanly and needs recovery: open it for writing once, then for reading only",
              file->path);
    return SDB_EREADONLY;
}

static int read_superblock(struct pool_file *file, uint64_t file_size)
{
    int unread = 0; /* errno */
    const struct sdb_m_superblock a = read_copy(file, SB_COPY_OFFSET_A, &unread);
    const struct sdb_m_superblock b = read_copy(file, SB_COPY_OFFSET_B, &unread);
    int error = superblock_choose(&a, &b, file->repairing ? UINT64_MAX : file_size, file->readonly, &file->superblock, &file->healed);
    if (error != 0 && unread != 0) /* it is not known to be no pool */
        return file_fail(file, "reading the superblock", unread);
    if (error != 0)
        return file_with_path(file, error);
    file->newest_copy = memcmp(&file->superblock, &a, sizeof(a)) != 0;
    file->was_clean = file->superblock.state == SB_STATE_CLEAN || file->superblock.state == SB_STATE_REPAIR_CLOSED;
    if (file->superblock.state >= SB_STATE_REPAIR && !file->repairing)
        return refuse_unrepaired(file);
    if (file->repairing && file_size < file->superblock.size)
        return replace_end(file, file_size);
    return file->readonly && !file->was_clean ? refuse_unclean(file) : 0;
}

static int create_or_read(struct pool_file *file, const struct sdb_options *options)
{
    struct stat facts;
    const int may_create = file->made || (options->flags & (SDB_CREATE | SDB_ABSENT)) == SDB_CREATE;

    if (fstat(file->fd, &facts) != 0)
        return file_fail(file, "fstat", errno);
    if (facts.st_nlink == 0) {
        error_set("%s: was removed while it was being opened", file->path);
        return SDB_ENOENT;
    }
    if (facts.st_size == 0 && !may_create) {
        error_set("%s: an empty file, no pool or one that was truncated: no pool is made over it unless that is asked for", file->path);
        return SDB_EFORMAT;
    }
    if (!file->made && (options->flags & SDB_EXCLUSIVE) != 0) {
        error_set("%s: exists already", file->path);
        return SDB_EEXIST;
    }
    if (facts.st_size == 0)
        return create(file, options);
    int error = read_superblock(file, (uint64_t)facts.st_size);
    /* The look at the whole file comes last: it takes time, and no pool needs it. */
    if (error != SDB_EFORMAT || !space_is_unformatted(file->fd, (uint64_t)facts.st_size))
        return error;
    if (may_create)
        return create(file, options);
    error_set("%s: nothing but zeros, an unfinished pool (its creation was interrupted) or one that was wiped: no pool is made over it "
              "unless that is asked for",
              file->path);
    return SDB_EFORMAT;
}

/* ---- mapping ---- */

static struct mapping mapping_of(const struct pool_file *file)
{
    return (struct mapping){.base = file->base, .reserved = file->reserved};
}

static struct mapping_kind kind_of(const struct pool_file *file)
{
    return (struct mapping_kind){.fd = file->fd, .readonly = file->readonly, .sync = file->map_sync != 0, .isolated = file->isolated};
}

/* Two private mappings of a file would be two copies: where a pool is mapped twice, both are of one file in memory. */
static int place_copy(const struct pool_file *file, const struct mapping *mapping)
{
    struct mapping_kind kind = kind_of(file);
    uint64_t size = file->truncated != 0 ? file->truncated : file->superblock.size;

    kind.isolated = 0;
    kind.fd = mapping_copy(file->fd, size, file->superblock.size);
    if (kind.fd < 0)
        return file_fail(file, "a copy for a dry run", errno);
    int error = mapping_place(mapping, &kind, 0, file->superblock.size);
    (void)close(kind.fd);
    return error;
}

static int map(struct pool_file *file)
{
    const struct mapping_kind kind = kind_of(file);
    struct mapping mapping;
    int error = mapping_reserve(file->superblock.size, file->superblock.size_max, &mapping);

    if (error != 0)
        return file_with_path(file, error);
    if (file->isolated && alias_of(mapping.base) != mapping.base)
        error = place_copy(file, &mapping);
    else
        error = mapping_place(&mapping, &kind, 0, file->superblock.size);
    if (error == 0 && file->isolated && file->truncated != 0 && alias_of(mapping.base) == mapping.base)
        error = mapping_blank(&mapping, file->truncated, file->superblock.size);
    if (error == 0) {
        file->sigbus = (struct sigbus_region){.base = mapping.base, .size = mapping.reserved, .fd = file->fd};
        error = sigbus_watch(&file->sigbus);
    }
    if (error != 0) {
        mapping_release(&mapping);
        return file_with_path(file, error);
    }
    file->base = mapping.base;
    file->reserved = mapping.reserved;
    file->size = file->superblock.size;
    file->size_max = file->superblock.size_max;
    /* Nothing that is stored to a private mapping is ever to be durable: pages that are gone make no difference. */
    persist_init(&file->persist, file->isolated ? PERSIST_NONE : file->persist.flush, file->base,
                 file->isolated ? NULL : &file->sigbus.failed);
    file->persist.sync_failed = &file->sync_failed;
    return 0;
}

/* ---- open and close ---- */

static int check_options(const char *path, const struct sdb_options *options, const struct pool_file *file)
{
    const uint32_t known = SDB_CREATE | SDB_EXCLUSIVE | SDB_READONLY | SDB_ABSENT;

    if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof(file->path)) {
        error_set("a path of 1 to %zu bytes is needed", sizeof(file->path) - 1);
        return SDB_EINVAL;
    }
    if ((options->flags & ~known) != 0 ||
        (options->flags & (SDB_CREATE | SDB_READONLY)) == (SDB_CREATE | SDB_READONLY) ||
        (options->flags & (SDB_CREATE | SDB_ABSENT)) == SDB_ABSENT ||
        (options->mode & ~07777u) != 0) {
        error_set("%s: impossible options (flags 0x%x, mode 0%o)", path, options->flags, options->mode);
        return SDB_EINVAL;
    }
    return 0;
}

/* With file->repairing and file->isolated set. */
static int open_file(const char *path, const struct sdb_options *options, struct pool_file *file)
{
    memcpy(file->path, path, strlen(path) + 1);
    file->readonly = (options->flags & SDB_READONLY) != 0;
    int error = claim(file, options);
    if (error != 0)
        return error;
    if (!file->readonly && !file->isolated) {
        file->libpmem_is_pmem = ask_libpmem(file->path); /* opens and closes the file: before the lock */
        error = pool_lock_take(file->fd, file->path);
    } else {
        error = pool_lock_share(file->fd, file->path);
    }
    if (error == SDB_ELOCKED)
        goto disclaim; /* by somebody else: the file stays, whoever made it */
    if (error == 0)
        error = choose_durability(file, options->durability);
    if (error == 0)
        error = create_or_read(file, options);
    if (error == 0)
        error = map(file);
    if (error == 0)
        return 0;
    pool_file_unmake(file);
disclaim:
    disclaim(file);
    return error;
}

int pool_file_open(const char *path, const struct sdb_options *options, struct pool_file *file)
{
    const struct sdb_options defaults = SDB_OPTIONS_INIT;

    options = options != NULL ? options : &defaults;
    int error = check_options(path, options, file);
    if (error != 0)
        return error;
    memset(file, 0, sizeof(*file));
    return open_file(path, options, file);
}

int pool_file_open_repair(const char *path, int isolated, struct pool_file *file)
{
    const struct sdb_options options = SDB_OPTIONS_INIT;
    int error = check_options(path, &options, file);

    if (error != 0)
        return error;
    memset(file, 0, sizeof(*file));
    file->repairing = 1;
    file->isolated = isolated;
    return open_file(path, &options, file);
}

void pool_file_close(struct pool_file *file)
{
    struct mapping mapping = mapping_of(file);

    sigbus_unwatch(&file->sigbus); /* first: the addresses may be another mapping's in a moment */
    mapping_release(&mapping);
    disclaim(file);
}

/* ---- growing ---- */

static int check_growth(const struct pool_file *file, uint64_t new_size)
{
    if (file->readonly)
        return file_refuse_readonly(file);
    if (__atomic_load_n(&file->sigbus.failed, __ATOMIC_RELAXED) != 0 ||
        __atomic_load_n(&file->sync_failed, __ATOMIC_RELAXED) != 0) {
        error_set("%s: a page of the pool was lost, or an msync failed: it does not grow any more", file->path);
        return SDB_EFAILED;
    }
    if (new_size < file->size || new_size > file->size_max) {
        error_set("%s: cannot become %llu bytes: it has %llu and its maximum is %llu", file->path,
                  (unsigned long long)new_size, (unsigned long long)file->size, (unsigned long long)file->size_max);
        return SDB_EINVAL;
    }
    return 0;
}

int pool_file_grow(struct pool_file *file, uint64_t new_size)
{
    const struct mapping mapping = mapping_of(file);
    const struct mapping_kind kind = kind_of(file);
    struct sdb_m_superblock sb = file->superblock;

    if (new_size <= POOL_SIZE_MAX)
        new_size = (new_size + EXTENT_SIZE - 1) & ~((uint64_t)EXTENT_SIZE - 1);
    int error = check_growth(file, new_size);
    if (error != 0 || new_size == file->size)
        return error;
    /* 0. What an earlier growth could not write back may stand on the drive, whose size then must not be cut off. */
    if (file->unsynced && (error = file_write_back_superblock(file)) != 0)
        return error;

    /* 1. zeros. A crash leaves a longer file, whose tail the next growth cuts off before it writes zeros again. */
    error = space_extend(file->fd, file->size, new_size, file->in_memory);
    if (error != 0)
        return file_with_path(file, error);
    /* 2. the mapping */
    error = mapping_place(&mapping, &kind, file->size, new_size);
    if (error != 0) {
        (void)ftruncate(file->fd, (off_t)file->size);
        return file_with_path(file, error);
    }
    /*
     * 3. the superblock: from here on the pool has its new size. After an error it may have either, and the file fits
     * both.
     */
    sb.size = new_size;
    error = file_change_superblock(file, &sb);
    if (error != 0)
        return error;
    __atomic_store_n(&file->size, new_size, __ATOMIC_RELEASE);
    return 0;
}

/* ---- pages that were lost ---- */

int pool_file_map_page(const struct pool_file *file, uint64_t offset)
{
    const struct mapping mapping = mapping_of(file);
    const struct mapping_kind kind = kind_of(file);
    int error = mapping_place(&mapping, &kind, offset, offset + 4096);

    return error != 0 ? file_with_path(file, error) : 0;
}

int pool_file_page_is_zero(const uint8_t *page)
{
    const uint64_t *words = (const uint64_t *)(const void *)page;

    for (unsigned i = 0; i < 4096 / WORD_SIZE; i++)
        if (persist_load(&words[i]) != 0)
            return 0;
    return 1;
}

uint64_t pool_file_huge_page_bytes(const struct pool_file *file)
{
    const uint64_t size = __atomic_load_n(&file->size, __ATOMIC_ACQUIRE);

    return mapping_huge_page_bytes(file->base, size) + dax_huge_page_bytes(file->fd, size);
}
