/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * image.h - a small pool in memory that is opened thousands of times a second, each time as it was at first
 *
 * The file is a memfd. Whoever changes it, patches of the input or the engine's own stores (noted.h), notes the 4 KiB pages
 * that it changes; image_restore copies these back. Once in a while the whole file is compared, so that a store that went
 * around persist.h does not pass unnoticed.
 */
#ifndef SDB_TESTS_IMAGE_H
#define SDB_TESTS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "superdb/superdb.h"

struct image {
    char path[64];   /* /proc/self/fd/N: open it as any pool */
    int fd;
    uint8_t *bytes;  /* the file, mapped a second time */
    uint8_t *first;  /* as it was */
    size_t size;
    uint8_t *noted;  /* a byte a page */
    uint32_t *pages; /* those that were noted */
    size_t count;
    uint64_t restores;
};

/* A pool of 16 MiB, not growing, with so many shards; fill writes to it; crash: it is taken as a kill would leave it. */
struct image *image_make(uint32_t shards, void (*fill)(struct sdb_pool *pool), int crash);

/* Before bytes of the file change. */
void image_note_offset(struct image *image, uint64_t offset, size_t size);

/* Makes the image the one whose mapping image_note watches: before sdb_open. */
void image_use(struct image *image);

/* Everything as it was. No pool may be open on it. */
void image_restore(struct image *image);

#endif
