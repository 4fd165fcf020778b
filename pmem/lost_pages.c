/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lost_pages.c - finding and mending the pages that the medium has lost
 * Media:   any page; the superblock's state; headers of lanes
 * Commit:  1. lost pages of the superblock's copies are written anew. Crash: a copy of zeros, the other one counts
 *          2. state REPAIR, durable, before any other page: zeros in the place of keys must not be taken for a sound pool's. The
 *             incarnation stays where the pool was not closed, since recovery follows
 *          3. lanes that have lost a page are given up, durably: what is left of their records, were it applied, would take words
 *             back that a lost record had changed
 *          4. the other pages, written through the file, synced, and mapped again. Crash: the next run finds those that are left, and
 *             zeros in the others
 *          Writing whole pages through the file is what makes a medium map a bad block out (a store through the mapping would raise
 *          SIGBUS). Where it refuses, the page is given back to the file system, and a new block takes its place.
 * Holds:   what a page still gives when it is read through the file is kept, 512 bytes at a time; only the rest becomes zeros.
 * Threads: see lost_pages.h
 * Memory:  see lost_pages.h
 */
#include "lost_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "repair.h"
#include "superblock.h"

#define PAGE_BYTES 4096u
#define SECTOR 512u

struct lost {
    struct pool_file *file;
    sdb_finding_fn *report;
    void *context;
    struct sdb_repair *result;
    uint64_t *pages; /* a bit each */
    uint64_t count;
};

static bool is_lost(const struct lost *lost, uint64_t page)
{
    return lost->pages[page / 64] >> page % 64 & 1;
}

/* ---- Finding ---- */

static uint64_t errors_so_far(const struct pool_file *file)
{
    return __atomic_load_n(&file->sigbus.media_errors, __ATOMIC_RELAXED);
}

/* Every line: what no access has touched yet nobody knows to be bad, the kernel included. Not through persist_load: nothing is read. */
static void touch(const struct pool_file *file, uint64_t offset)
{
    for (uint64_t at = offset; at < offset + PAGE_BYTES; at += LINE_SIZE)
        (void)*(const volatile uint8_t *)(file->base + at);
}

/* What the handler has replaced: it may be more than the page, and have been read before. */
static void note_hole(struct lost *lost)
{
    const struct sigbus_region *region = &lost->file->sigbus;
    const uint64_t from = __atomic_load_n(&region->last_from, __ATOMIC_RELAXED);
    const uint64_t to = __atomic_load_n(&region->last_to, __ATOMIC_RELAXED);

    for (uint64_t page = from / PAGE_BYTES; page < to / PAGE_BYTES && page < lost->file->size / PAGE_BYTES; page++) {
        lost->count += !is_lost(lost, page);
        lost->pages[page / 64] |= 1ull << page % 64;
    }
}

static void find(struct lost *lost)
{
#ifdef SDB_PERSIST_BACKEND
    const uint64_t end = 0; /* a simulated medium loses no page */
#else
    const uint64_t end = lost->file->size;
#endif

    for (uint64_t at = 0; at < end; at += PAGE_BYTES) {
        const uint64_t before = errors_so_far(lost->file);

        touch(lost->file, at);
        if (errors_so_far(lost->file) != before)
            note_hole(lost);
    }
}

static void tell(const struct lost *lost)
{
    const uint64_t pages = lost->file->size / PAGE_BYTES;

    for (uint64_t page = 0; page < pages; page++) {
        uint64_t run = 0;
        char what[160];

        while (page + run < pages && is_lost(lost, page + run))
            run++;
        if (run == 0)
            continue;
        (void)snprintf(what, sizeof(what),
                       "the medium has lost %" PRIu64 " pages from here on: what cannot be read of them any more becomes zeros", run);
        const struct sdb_finding finding = {.offset = page * PAGE_BYTES, .what = what, .database = SDB_DATABASES};
        if (lost->report != NULL)
            lost->report(lost->context, &finding);
        page += run;
    }
    lost->result->problems += lost->count;
}

/* ---- Mending ---- */

/* What can still be read of it through the file; zeros for the rest. */
static void read_page(const struct pool_file *file, uint64_t offset, uint8_t page[PAGE_BYTES])
{
    if (pread(file->fd, page, PAGE_BYTES, (off_t)offset) == (ssize_t)PAGE_BYTES)
        return;
    for (unsigned at = 0; at < PAGE_BYTES; at += SECTOR)
        if (pread(file->fd, page + at, SECTOR, (off_t)(offset + at)) != (ssize_t)SECTOR)
            memset(page + at, 0, SECTOR);
}

/* Onto another block where the medium refuses. Not synced. */
static int renew_page(const struct pool_file *file, uint64_t offset, const uint8_t page[PAGE_BYTES])
{
    if (pwrite(file->fd, page, PAGE_BYTES, (off_t)offset) == (ssize_t)PAGE_BYTES)
        return 0;
    if (fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, PAGE_BYTES) == 0 &&
        pwrite(file->fd, page, PAGE_BYTES, (off_t)offset) == (ssize_t)PAGE_BYTES)
        return 0;
    error_set("%s: the medium does not take the page at offset %llu (%s): copy the file to another one, and repair the copy", file->path,
              (unsigned long long)offset, strerror(errno));
    return SDB_EIO;
}

static int sync_pages(const struct pool_file *file)
{
    if (fsync(file->fd) == 0)
        return SDB_OK;
    error_set("%s: fsync: %s", file->path, strerror(errno));
    return SDB_EIO;
}

static int mend_pages(struct lost *lost, uint64_t from, uint64_t to)
{
    struct pool_file *file = lost->file;
    uint8_t bytes[PAGE_BYTES];
    int error = SDB_OK;

    for (uint64_t page = from / PAGE_BYTES; page < to / PAGE_BYTES && error == SDB_OK; page++) {
        if (!is_lost(lost, page))
            continue;
        read_page(file, page * PAGE_BYTES, bytes);
        if (file->isolated)
            persist_copy(file->base + page * PAGE_BYTES, bytes, PAGE_BYTES);
        else
            error = renew_page(file, page * PAGE_BYTES, bytes);
    }
    if (error == SDB_OK && !file->isolated)
        error = sync_pages(file);
    for (uint64_t page = from / PAGE_BYTES; page < to / PAGE_BYTES && error == SDB_OK && !file->isolated; page++)
        if (is_lost(lost, page))
            error = pool_file_map_page(file, page * PAGE_BYTES);
    return error;
}

/* The pages are whole again, or nothing was stored to those that are not: fences pass from here on. */
static void forget_failure(struct pool_file *file)
{
    __atomic_store_n(&file->sigbus.failed, 0, __ATOMIC_SEQ_CST);
}

static bool lane_has_lost(const struct lost *lost, uint32_t lane)
{
    const uint64_t from = lost->file->superblock.lanes_offset + lane * lost->file->superblock.lane_size;
    const uint64_t to = from + lost->file->superblock.lane_size;

    for (uint64_t page = from / PAGE_BYTES; page * PAGE_BYTES < to; page++)
        if (is_lost(lost, page))
            return true;
    return false;
}

static int give_up_lanes(const struct lost *lost)
{
    struct pool_file *file = lost->file;
    int error = SDB_OK;

    for (uint32_t i = 0; i < file->superblock.lanes && !file->was_clean && error == SDB_OK; i++)
        if (lane_has_lost(lost, i))
            error = repair_give_up_lane(file, i, lost->report, lost->context, lost->result);
    return error;
}

static bool is_header_of_lane(const struct lost *lost, uint64_t page)
{
    const struct sdb_m_superblock *sb = &lost->file->superblock;

    for (uint32_t i = 0; i < sb->lanes; i++)
        if ((sb->lanes_offset + i * sb->lane_size) / PAGE_BYTES == page)
            return true;
    return false;
}

/* Pages with headers of lanes first, so that a lane is given up before any zeros appear among its records. */
static int mend_lanes(struct lost *lost)
{
    const struct sdb_m_superblock *sb = &lost->file->superblock;
    int error = SDB_OK;

    for (uint64_t page = sb->lanes_offset / PAGE_BYTES; page * PAGE_BYTES < sb->heap_offset && error == SDB_OK; page++)
        if (is_lost(lost, page) && is_header_of_lane(lost, page))
            error = mend_pages(lost, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    if (error == SDB_OK)
        error = give_up_lanes(lost);
    if (error != SDB_OK)
        return error;
    return persist_fence(&lost->file->persist, &lost->file->thread);
}

static int mend(struct lost *lost)
{
    struct pool_file *file = lost->file;
    int error = mend_pages(lost, 0, SUPERBLOCK_AREA_SIZE);

    if (error != SDB_OK)
        return error;
    forget_failure(file);
    error = pool_file_announce_repair(file);
    if (error == SDB_OK)
        error = mend_lanes(lost);
    if (error == SDB_OK)
        error = mend_pages(lost, SUPERBLOCK_AREA_SIZE, file->size);
    if (error != SDB_OK)
        return error;
    for (uint64_t page = 0; page < file->size / PAGE_BYTES; page++)
        if (is_lost(lost, page))
            touch(file, page * PAGE_BYTES); /* once more: whatever raises SIGBUS now is met by the next fence */
    __atomic_store_n(&file->sigbus.media_errors, 0, __ATOMIC_RELAXED);
    return persist_fence(&file->persist, &file->thread);
}

int lost_pages_mend(struct pool_file *file, sdb_finding_fn *report, void *context, struct sdb_repair *result)
{
    struct lost lost = {.file = file, .report = report, .context = context, .result = result};
    int error = SDB_OK;

    lost.pages = calloc(file->size / PAGE_BYTES / 64 + 1, sizeof(*lost.pages));
    if (lost.pages == NULL)
        return SDB_ENOMEM;
    find(&lost);
    if (lost.count != 0) {
        tell(&lost);
        error = mend(&lost);
    }
    free(lost.pages);
    return error;
}
