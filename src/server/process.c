/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * process.c - /proc, the allocator, the databases' counts
 */
#include "process.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static uint64_t allocated_max;   /* Atomic. */
static uint64_t allocated_first; /* Atomic; 0: not asked for yet. */

static uint64_t note_peak(uint64_t allocated)
{
    uint64_t peak = __atomic_load_n(&allocated_max, __ATOMIC_RELAXED);

    while (allocated > peak &&
           !__atomic_compare_exchange_n(&allocated_max, &peak, allocated, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    return allocated > peak ? allocated : peak;
}

static uint64_t note_first(uint64_t allocated)
{
    uint64_t first = 0;

    return __atomic_compare_exchange_n(&allocated_first, &first, allocated, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
               ? allocated
               : first;
}

void process_memory(struct process_memory *memory)
{
    struct mallinfo2 info = mallinfo2();
    unsigned long long size = 0, resident = 0, shared = 0;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");

    if (file != NULL) {
        if (fscanf(file, "%llu %llu %llu", &size, &resident, &shared) != 3)
            resident = shared = 0;
        (void)fclose(file);
    }
    memory->allocated = info.uordblks + info.hblkhd;
    memory->active = info.arena + info.hblkhd;
    memory->peak = note_peak(memory->allocated);
    memory->at_start = note_first(memory->allocated);
    memory->resident = resident * page;
    memory->resident_private = (resident - (shared < resident ? shared : resident)) * page;
    memory->machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * page;
}

uint64_t process_count_keys(struct client *client)
{
    uint64_t total = 0, count;

    for (uint32_t database = 0; database < SDB_DATABASES; database++)
        if (sdb_select(client->session, database) == SDB_OK && sdb_count(client->session, &count) == SDB_OK)
            total += count;
    (void)sdb_select(client->session, client->database);
    return total;
}
