/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * process.h - what the operating system knows of this process and machine, and counts over all databases
 */
#ifndef SDB_SERVER_PROCESS_H
#define SDB_SERVER_PROCESS_H

#include <stdint.h>

struct client;

/* DRAM: the pool's pages are not part of these, except in resident. */
struct process_memory {
    uint64_t allocated;        /* by the allocator, in use */
    uint64_t peak;             /* the most that `allocated` was seen to be */
    uint64_t at_start;         /* when it was first asked for */
    uint64_t active;           /* the allocator's arenas and mappings */
    uint64_t resident;         /* pages of the process, shared ones (the pool's) included */
    uint64_t resident_private; /* without the pool's and other files' */
    uint64_t machine;          /* all memory of the machine */
};

void process_memory(struct process_memory *memory);

/* Keys in all databases. */
uint64_t process_count_keys(struct client *client);

#endif
