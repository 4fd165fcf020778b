/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sigbus.h - a page of the pool that is gone costs its contents, not the process
 *
 * The kernel answers an access to a page that the medium cannot give (poisoned, or the file was shrunk under the
 * mapping) with SIGBUS. For addresses inside a watched mapping, the handler here raises the region's failed flag, notes
 * where it was, and puts zero pages of ordinary memory in the hole: the access goes on, reads zeros, and the checksum
 * of what was there fails. persist_fence sees the flag and refuses, so that nothing stored to such a page is ever
 * acknowledged (DURABILITY.md, P9). Every other SIGBUS goes to the handler that was there before.
 *
 * A system call that is given a lost page's address fails with EFAULT instead; no signal is raised and no page
 * replaced.
 */
#ifndef SDB_PMEM_SIGBUS_H
#define SDB_PMEM_SIGBUS_H

#include <stdint.h>

#define SIGBUS_REGIONS_MAX 64u

struct sigbus_region {
    /* Immutable while watched. */
    uint8_t *base; /* page-aligned */
    uint64_t size; /* of the address range that belongs to the pool, parts not yet mapped included */
    int fd;        /* of the file that is mapped there from its first byte on */
    /* Atomic: stored by the handler. */
    uint32_t failed;       /* 1 once a page was lost: sticky */
    uint64_t media_errors; /* faults answered with zero pages */
    uint64_t last_offset;  /* of the last such fault, from base */
    uint64_t last_from;    /* what was replaced then, from here */
    uint64_t last_to;      /* to here */
};

/*
 * Watches the region; the first one installs the handler. The region must stay where it is until sigbus_unwatch.
 * Errors: SDB_ENOMEM (SIGBUS_REGIONS_MAX regions are watched), SDB_EIO (sigaction).
 */
int sigbus_watch(struct sigbus_region *region);

/*
 * The last one puts the former handler back, unless somebody has installed another since. A region not watched is
 * ignored.
 */
void sigbus_unwatch(struct sigbus_region *region);

#endif
