/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * superblock.c - the pool's geometry and its validation
 *
 * Media:   struct sdb_m_superblock, as bytes already read or about to be written
 * Commit:  none: file.c writes
 * Holds:   what superblock_check_geometry lists
 * Threads: any: no state
 * Memory:  none is allocated
 */
#include "superblock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "error.h"
#include "hash.h"
#include "superdb/superdb.h"

#define AREA_ALIGNMENT 4096u
#define MIB (1ull << 20)

#define SHARDS_DEFAULT_MIN 4u
#define SHARDS_DEFAULT_MAX 64u
#define SHARD_SPAN (32ull << 20) /* of pool for each shard, by default */
#define SHARD_SPAN_MIN (4ull << 20)
#define LANES_DEFAULT_MIN 4u
#define LANES_MAX_SMALL 16u /* of a pool smaller than POOL_SIZE_LARGE */
#define POOL_SIZE_LARGE (256ull << 20)
#define LANE_SIZE (64u << 10)
#define LANE_SIZE_SMALL (32u << 10)
#define POOL_SIZE_SMALL (64ull << 20)
#define LANE_SIZE_MIN 4096u
#define LANE_SIZE_MAX (1ull << 30)

static uint64_t round_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

static uint32_t power_of_two_below(uint64_t value)
{
    uint32_t power = 1;

    while ((uint64_t)power * 2 <= value && power < SHARDS_MAX)
        power *= 2;
    return power;
}

static uint32_t default_shards(uint64_t size)
{
    uint32_t shards = power_of_two_below(size / SHARD_SPAN);
    uint32_t fit = power_of_two_below((size - EXTENT_SIZE) / SHARD_SPAN_MIN);

    shards = shards < SHARDS_DEFAULT_MIN ? SHARDS_DEFAULT_MIN : shards;
    shards = shards > SHARDS_DEFAULT_MAX ? SHARDS_DEFAULT_MAX : shards;
    return shards < fit ? shards : fit;
}

static uint32_t default_lanes(uint64_t size, uint32_t shards)
{
    uint32_t most = size < POOL_SIZE_LARGE ? LANES_MAX_SMALL : LANES_MAX;
    uint32_t lanes = shards < LANES_DEFAULT_MIN ? LANES_DEFAULT_MIN : shards;

    return lanes < most ? lanes : most;
}

static uint64_t checksum_of(const struct sdb_m_superblock *sb)
{
    return (uint64_t)XXH3_64bits(sb, offsetof(struct sdb_m_superblock, checksum));
}

void superblock_seal(struct sdb_m_superblock *sb)
{
    sb->checksum = checksum_of(sb);
}

/* Places the areas one behind the other, in the order of layout.h. */
static void place_areas(struct sdb_m_superblock *sb)
{
    uint64_t at = SUPERBLOCK_AREA_SIZE;

    sb->root_offset = at;
    at = round_up(at + sizeof(struct sdb_m_root), AREA_ALIGNMENT);
    sb->counters_offset = at;
    at = round_up(at + sizeof(struct sdb_m_counters), AREA_ALIGNMENT);
    sb->shards_offset = at;
    at = round_up(at + sb->shards * sizeof(struct sdb_m_shard), AREA_ALIGNMENT);
    sb->extent_map_offset = at;
    at = round_up(at + (sb->size_max >> EXTENT_SHIFT) * WORD_SIZE, AREA_ALIGNMENT);
    sb->lanes_offset = at;
    at += sb->lanes * sb->lane_size;
    sb->heap_offset = round_up(at, EXTENT_SIZE);
}

static int make_sizes(uint64_t *size, uint64_t *size_max)
{
    uint64_t wanted = *size != 0 ? *size : POOL_SIZE_DEFAULT;
    uint64_t limit = *size_max;

    if (wanted > POOL_SIZE_MAX || limit > POOL_SIZE_MAX) {
        error_set("a pool of %llu MiB, growing to %llu MiB: the largest is %llu MiB",
                  (unsigned long long)(wanted / MIB), (unsigned long long)(limit / MIB), POOL_SIZE_MAX / MIB);
        return SDB_EINVAL;
    }
    wanted = round_up(wanted < POOL_SIZE_MIN ? POOL_SIZE_MIN : wanted, EXTENT_SIZE);
    if (limit == 0)
        limit = wanted < POOL_SIZE_MAX / POOL_GROWTH_DEFAULT ? wanted * POOL_GROWTH_DEFAULT : POOL_SIZE_MAX;
    limit = round_up(limit, EXTENT_SIZE);
    if (limit < wanted) {
        error_set("a pool of %llu bytes cannot have a maximum of %llu", (unsigned long long)wanted,
                  (unsigned long long)limit);
        return SDB_EINVAL;
    }
    *size = wanted;
    *size_max = limit;
    return 0;
}

static int fill_random(void *bytes, size_t size)
{
    if (getrandom(bytes, size, 0) != (ssize_t)size) {
        error_set("no random bytes for the pool's identity");
        return SDB_EIO;
    }
    return 0;
}

int superblock_make(uint64_t size, uint64_t size_max, uint32_t shards, uint64_t created_ms, struct sdb_m_superblock *sb)
{
    struct sdb_m_superblock made = {.magic = SB_MAGIC, .format_version = SB_FORMAT_VERSION, .state = SB_STATE_CLEAN};

    if (shards > SHARDS_MAX || (shards & (shards - 1)) != 0) {
        error_set("%u shards: a power of two up to %u is needed", shards, SHARDS_MAX);
        return SDB_EINVAL;
    }
    int error = make_sizes(&size, &size_max);
    if (error != 0)
        return error;
    made.created_ms = created_ms;
    made.sequence = 1;
    made.size = size;
    made.size_max = size_max;
    made.shards = shards != 0 ? shards : default_shards(size);
    made.lanes = default_lanes(size, made.shards);
    made.lane_size = size < POOL_SIZE_SMALL ? LANE_SIZE_SMALL : LANE_SIZE;
    place_areas(&made);
    if (made.heap_offset >= size || (size - made.heap_offset) >> EXTENT_SHIFT < made.shards) {
        error_set("a pool of %llu MiB with a maximum of %llu MiB has no room for %u shards behind %llu MiB of metadata",
                  (unsigned long long)(size / MIB), (unsigned long long)(size_max / MIB), made.shards,
                  (unsigned long long)(made.heap_offset / MIB));
        return SDB_EINVAL;
    }
    error = fill_random(made.uuid, sizeof(made.uuid));
    if (error == 0)
        error = fill_random(&made.hash_seed, sizeof(made.hash_seed));
    if (error != 0)
        return error;
    made.uuid[6] = (uint8_t)((made.uuid[6] & 0x0f) | 0x40); /* RFC 4122: version 4, variant 1 */
    made.uuid[8] = (uint8_t)((made.uuid[8] & 0x3f) | 0x80);
    superblock_seal(&made);
    *sb = made;
    return 0;
}

static int bad_geometry(const char *what, uint64_t value)
{
    error_set("superblock: impossible %s %llu", what, (unsigned long long)value);
    return SDB_ECORRUPT;
}

static int check_sizes(const struct sdb_m_superblock *sb)
{
    if (sb->size < POOL_SIZE_MIN || sb->size % EXTENT_SIZE != 0)
        return bad_geometry("size", sb->size);
    if (sb->size_max < sb->size || sb->size_max > POOL_SIZE_MAX || sb->size_max % EXTENT_SIZE != 0)
        return bad_geometry("maximum size", sb->size_max);
    if (sb->shards == 0 || sb->shards > SHARDS_MAX || (sb->shards & (sb->shards - 1)) != 0)
        return bad_geometry("number of shards", sb->shards);
    if (sb->lanes == 0 || sb->lanes > LANES_MAX)
        return bad_geometry("number of lanes", sb->lanes);
    if (sb->lane_size < LANE_SIZE_MIN || sb->lane_size > LANE_SIZE_MAX || sb->lane_size % LINE_SIZE != 0)
        return bad_geometry("lane size", sb->lane_size);
    if (sb->state < SB_STATE_CLEAN || sb->state > SB_STATE_REPAIR_CLOSED)
        return bad_geometry("state", sb->state);
    return 0;
}

int superblock_check_geometry(const struct sdb_m_superblock *sb)
{
    int error = check_sizes(sb);
    if (error != 0)
        return error;

    const struct {
        const char *name;
        uint64_t offset;
        uint64_t size; /* at most 2^37: no sum below overflows */
    } areas[] = {
        {"root offset", sb->root_offset, sizeof(struct sdb_m_root)},
        {"counters offset", sb->counters_offset, sizeof(struct sdb_m_counters)},
        {"shards offset", sb->shards_offset, sb->shards * sizeof(struct sdb_m_shard)},
        {"extent map offset", sb->extent_map_offset, (sb->size_max >> EXTENT_SHIFT) * WORD_SIZE},
        {"lanes offset", sb->lanes_offset, sb->lanes * sb->lane_size},
        {"heap offset", sb->heap_offset, EXTENT_SIZE},
    };
    uint64_t free_from = SUPERBLOCK_AREA_SIZE;

    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        if (areas[i].offset < free_from || areas[i].offset % AREA_ALIGNMENT != 0 || areas[i].offset >= sb->size ||
            areas[i].size > sb->size - areas[i].offset)
            return bad_geometry(areas[i].name, areas[i].offset);
        free_from = areas[i].offset + areas[i].size;
    }
    if (sb->heap_offset % EXTENT_SIZE != 0)
        return bad_geometry("heap offset", sb->heap_offset);
    for (size_t i = 0; i < sizeof(sb->reserved); i++) {
        if (sb->reserved[i] != 0)
            return bad_geometry("reserved byte at offset", offsetof(struct sdb_m_superblock, reserved) + i);
    }
    return 0;
}

static int is_sound(const struct sdb_m_superblock *sb)
{
    return sb->magic == SB_MAGIC && sb->checksum == checksum_of(sb);
}

static int check_features(const struct sdb_m_superblock *sb, int readonly)
{
    uint64_t unknown = sb->incompat & ~(uint64_t)SB_INCOMPAT_KNOWN;

    if (sb->format_version != SB_FORMAT_VERSION) {
        error_set("the pool has format version %u, this library reads version %u", sb->format_version,
                  SB_FORMAT_VERSION);
        return SDB_EVERSION;
    }
    if (unknown != 0) {
        error_set("the pool uses features that this library does not know: incompat bits 0x%llx",
                  (unsigned long long)unknown);
        return SDB_EVERSION;
    }
    unknown = sb->ro_compat & ~(uint64_t)SB_RO_COMPAT_KNOWN;
    if (unknown != 0 && !readonly) {
        error_set(
            "the pool uses features that this library cannot write, open it for reading only: ro_compat bits 0x%llx",
            (unsigned long long)unknown);
        return SDB_EVERSION;
    }
    return 0;
}

/* Neither copy's checksum is right: find the words for it. */
static int explain_damage(const struct sdb_m_superblock *a, const struct sdb_m_superblock *b, uint64_t file_size)
{
    if (a->magic != SB_MAGIC && b->magic != SB_MAGIC) {
        error_set("not a SuperDB pool: no superblock at offset %u or %u", SB_COPY_OFFSET_A, SB_COPY_OFFSET_B);
        return SDB_EFORMAT;
    }
    if (file_size < POOL_SIZE_MIN) {
        error_set("the file was truncated: it has %llu bytes, the smallest pool has %llu",
                  (unsigned long long)file_size, (unsigned long long)POOL_SIZE_MIN);
        return SDB_ECORRUPT;
    }
    /* A later format may place its checksum elsewhere; one flipped bit would not make both copies say the same. */
    if (a->magic == b->magic && a->format_version == b->format_version && a->format_version != SB_FORMAT_VERSION)
        return check_features(a, 1);
    error_set("both superblock copies are damaged (offset %u: %s, offset %u: %s)", SB_COPY_OFFSET_A,
              a->magic == SB_MAGIC ? "wrong checksum" : "no magic", SB_COPY_OFFSET_B,
              b->magic == SB_MAGIC ? "wrong checksum" : "no magic");
    return SDB_ECORRUPT;
}

int superblock_choose(const struct sdb_m_superblock *a, const struct sdb_m_superblock *b, uint64_t file_size,
                      int readonly, struct sdb_m_superblock *chosen, int *damaged)
{
    const int sound_a = is_sound(a);
    const int sound_b = is_sound(b);
    const struct sdb_m_superblock *best = sound_a ? a : b;

    if (!sound_a && !sound_b)
        return explain_damage(a, b, file_size);
    if (sound_a && sound_b && b->sequence > a->sequence)
        best = b;
    int error = check_features(best, readonly);
    if (error == 0)
        error = superblock_check_geometry(best);
    if (error != 0)
        return error;
    if (file_size < best->size) {
        error_set("the file was truncated: it has %llu bytes, the superblock says %llu", (unsigned long long)file_size,
                  (unsigned long long)best->size);
        return SDB_ECORRUPT;
    }
    *chosen = *best;
    *damaged = !sound_a || !sound_b;
    return 0;
}
