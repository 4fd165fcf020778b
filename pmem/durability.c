/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * durability.c - choosing the durability class of a pool (DURABILITY.md, chapter "Classes")
 *
 * Media:   none
 * Threads: any: no state
 * Memory:  none is allocated
 */
#include "durability.h"

#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "error.h"

/* statfs(2) magic numbers, as the kernel's headers give them. */
static const struct {
    uint32_t magic;
    int in_memory;
    const char *name;
} file_systems[] = {
    {0x01021994, 1, "tmpfs"},    {0x858458f6, 1, "ramfs"}, {0x958458f6, 1, "hugetlbfs"}, {0x0000ef53, 0, "ext4"},
    {0x58465342, 0, "xfs"},      {0x9123683e, 0, "btrfs"}, {0x794c7630, 0, "overlayfs"}, {0xf2f52010, 0, "f2fs"},
    {0x2fc12fc1, 0, "zfs"},      {0x00006969, 0, "nfs"},   {0x65735546, 0, "fuse"},      {0x01021997, 0, "9p"},
    {0xca451a4e, 0, "bcachefs"}, {0xff534d42, 0, "cifs"},  {0x0bd00bd0, 0, "lustre"},
};

int durability_file_system(int fd, char name[24], int *in_memory)
{
    struct statfs facts;

    *in_memory = 0;
    if (fstatfs(fd, &facts) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++) {
        if ((uint32_t)facts.f_type == file_systems[i].magic) {
            (void)snprintf(name, 24, "%s", file_systems[i].name);
            *in_memory = file_systems[i].in_memory;
            return 0;
        }
    }
    (void)snprintf(name, 24, "0x%08x", (uint32_t)facts.f_type);
    return 0;
}

/* The CPU's flush: by SUPERDB_FLUSH where it is set, else the best one. */
static int choose_flush(const struct durability_facts *facts, enum persist_flush *flush)
{
    const char *name = facts->flush_override;

    *flush = facts->best;
    if (name == NULL || name[0] == '\0')
        return 0;
    if (persist_flush_parse(name, flush) != 0 || *flush == PERSIST_MSYNC) {
        error_set("SUPERDB_FLUSH=%s: clwb, clflushopt, clflush, dccvap, dccvac or none is expected", name);
        return SDB_EINVAL;
    }
    if (!persist_flush_is_supported(*flush)) {
        error_set("SUPERDB_FLUSH=%s: this CPU does not have it", name);
        return SDB_EINVAL;
    }
    return 0;
}

static int refuse(const char *words, const struct durability_facts *facts)
{
    error_set("%s on %s", words, facts->file_system);
    return SDB_EDURABILITY;
}

static void give_pmem(const struct durability_facts *facts, struct durability *out)
{
    out->given = SDB_DURABILITY_PMEM;
    if (out->flush == PERSIST_NONE)
        (void)snprintf(out->reason, sizeof(out->reason),
                       "%s on persistent memory (MAP_SYNC), caches are persistent (eADR): survives a power cut",
                       facts->file_system);
    else
        (void)snprintf(out->reason, sizeof(out->reason),
                       "%s on persistent memory (MAP_SYNC), cache lines are flushed with %s: survives a power cut",
                       facts->file_system, persist_flush_name(out->flush));
}

static void give_msync(const struct durability_facts *facts, struct durability *out)
{
    out->given = SDB_DURABILITY_MSYNC;
    out->flush = PERSIST_MSYNC;
    (void)snprintf(out->reason, sizeof(out->reason), "%s, msync in every commit: survives a power cut",
                   facts->file_system);
}

static void give_process(const struct durability_facts *facts, uint32_t wanted, struct durability *out)
{
    const char *why = "";

    if (!facts->in_memory && !facts->map_sync)
        why = " without persistent memory under it (no MAP_SYNC)";
    else if (facts->map_sync && wanted == SDB_DURABILITY_PROCESS)
        why = " on persistent memory, but only this was asked for";
    else if (facts->map_sync)
        why = " on persistent memory, but SUPERDB_FLUSH=none leaves cache lines unflushed";
    out->given = SDB_DURABILITY_PROCESS;
    (void)snprintf(out->reason, sizeof(out->reason), "%s%s: survives a kill of the process, not a power cut",
                   facts->file_system, why);
}

int durability_choose(uint32_t wanted, const struct durability_facts *facts, struct durability *durability)
{
    struct durability out = {0};
    int error = choose_flush(facts, &out.flush);

    if (error != 0)
        return error;
    /* Emulated eADR is for measuring; on a machine with ADR it would turn the promise of a power cut into a lie. */
    const int honest = out.flush != PERSIST_NONE || facts->caches_persistent;
    const int pmem = facts->map_sync && honest && !facts->in_memory;

    switch (wanted) {
    case SDB_DURABILITY_PMEM:
        if (!facts->map_sync || facts->in_memory)
            return refuse(
                "durability pmem needs persistent memory (a file system mounted with DAX, MAP_SYNC): there is none",
                facts);
        if (!honest)
            return refuse("durability pmem is refused under SUPERDB_FLUSH=none without eADR", facts);
        give_pmem(facts, &out);
        break;
    case SDB_DURABILITY_MSYNC:
        if (facts->in_memory)
            return refuse("durability msync needs a file that outlives a power cut: msync has no effect", facts);
        give_msync(facts, &out);
        break;
    case SDB_DURABILITY_AUTO:
    case SDB_DURABILITY_PROCESS:
        if (wanted == SDB_DURABILITY_AUTO && pmem)
            give_pmem(facts, &out);
        else
            give_process(facts, wanted, &out);
        break;
    default:
        error_set("unknown durability class %u", wanted);
        return SDB_EINVAL;
    }
    *durability = out;
    return 0;
}
