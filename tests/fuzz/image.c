/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * image.c - pools in memory that go back to what they were
 *
 * The engine's mapping of the file is learnt from mapping_place, which the linker wraps; and getrandom, so that every run
 * makes the same pool.
 */
#include "image.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "mapping.h"
#include "persist.h"

#define POOL_SIZE (16u << 20)
#define PAGE 4096u
#define COMPARE_EVERY 512u

static struct image *current;
static const uint8_t *mapped; /* where the engine has it */

int __wrap_mapping_place(const struct mapping *mapping, const struct mapping_kind *kind, uint64_t from, uint64_t to);
int __real_mapping_place(const struct mapping *mapping, const struct mapping_kind *kind, uint64_t from, uint64_t to);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
void *__wrap_pmem_map_file(const char *path, size_t size, int flags, mode_t mode, size_t *mapped_size, int *is_pmem);
uint64_t __wrap_mapping_huge_page_bytes(const uint8_t *base, uint64_t size);
int __wrap_fstat(int fd, struct stat *facts);
int __real_fstat(int fd, struct stat *facts);

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    (void)flags;
    memset(bytes, 0x5d, size);
    return (ssize_t)size;
}

int __wrap_mapping_place(const struct mapping *mapping, const struct mapping_kind *kind, uint64_t from, uint64_t to)
{
    mapped = mapping->base;
    return __real_mapping_place(mapping, kind, from, to);
}

/* What open asks about machine and medium: libpmem and /proc/self/smaps would take most of its time. */
void *__wrap_pmem_map_file(const char *path, size_t size, int flags, mode_t mode, size_t *mapped_size, int *is_pmem)
{
    (void)path, (void)size, (void)flags, (void)mode, (void)mapped_size, (void)is_pmem;
    return NULL;
}

int persist_caches_are_persistent(void)
{
    return 1;
}

enum persist_flush persist_flush_best(void)
{
    return PERSIST_NONE;
}

uint64_t __wrap_mapping_huge_page_bytes(const uint8_t *base, uint64_t size)
{
    (void)base, (void)size;
    return 0;
}

/* A memfd has no name, and an open pool whose file has none is refused as removed. */
int __wrap_fstat(int fd, struct stat *facts)
{
    int result = __real_fstat(fd, facts);

    if (result == 0 && S_ISREG(facts->st_mode) && facts->st_nlink == 0)
        facts->st_nlink = 1;
    return result;
}

void image_note_offset(struct image *image, uint64_t offset, size_t size)
{
    for (uint64_t page = offset / PAGE; size > 0 && page <= (offset + size - 1) / PAGE; page++) {
        if (!image->noted[page]) {
            image->noted[page] = 1;
            image->pages[image->count++] = (uint32_t)page;
        }
    }
}

void image_note(const void *start, size_t size)
{
    if (current != NULL && current->first != NULL && (const uint8_t *)start >= mapped &&
        (const uint8_t *)start < mapped + current->size)
        image_note_offset(current, (uint64_t)((const uint8_t *)start - mapped), size);
}

void persist_copy_nt(const struct persist *persist, struct persist_thread *thread, void *dst, const void *src, size_t size)
{
    persist_copy(dst, src, size);
    persist_flush(persist, thread, dst, size);
}

void persist_zero_nt(const struct persist *persist, struct persist_thread *thread, void *dst, size_t size)
{
    persist_zero(dst, size);
    persist_flush(persist, thread, dst, size);
}

void image_use(struct image *image)
{
    current = image;
}

void image_restore(struct image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        size_t at = (size_t)image->pages[i] * PAGE;

        memcpy(image->bytes + at, image->first + at, PAGE);
        image->noted[image->pages[i]] = 0;
    }
    image->count = 0;
    if (++image->restores % COMPARE_EVERY == 1)
        FUZZ_CHECK(memcmp(image->bytes, image->first, image->size) == 0, "something stored around persist.h");
}

/* A crash is a copy of the file while it is open. */
static void take(struct image *image)
{
    image->first = malloc(image->size);
    image->noted = calloc(image->size / PAGE, 1);
    image->pages = calloc(image->size / PAGE, sizeof(*image->pages));
    FUZZ_CHECK(image->first != NULL && image->noted != NULL && image->pages != NULL, "out of memory");
    memcpy(image->first, image->bytes, image->size);
}

struct image *image_make(uint32_t shards, void (*fill)(struct sdb_pool *pool), int crash)
{
    struct image *image = calloc(1, sizeof(*image));
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool;

    FUZZ_CHECK(image != NULL, "out of memory");
    image->fd = memfd_create("pool", MFD_CLOEXEC);
    image->size = POOL_SIZE;
    (void)snprintf(image->path, sizeof(image->path), "/proc/self/fd/%d", image->fd);
    options.flags = SDB_CREATE;
    options.pool_size = options.pool_size_max = POOL_SIZE;
    options.shards = shards;
    options.cache_size = 0;
    FUZZ_CHECK(image->fd >= 0 && sdb_open(image->path, &options, &pool) == SDB_OK, "%s", sdb_last_error());
    image->bytes = mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_SHARED, image->fd, 0);
    FUZZ_CHECK(image->bytes != MAP_FAILED, "mmap");
    fill(pool);
    if (crash)
        take(image);
    FUZZ_CHECK(sdb_close(pool) == SDB_OK, "close");
    if (crash)
        memcpy(image->bytes, image->first, image->size);
    else
        take(image);
    return image;
}
