/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_recovery.c - recovery from lanes with forged records: valid checksums over anything
 *
 * Input: flags, then steps. Flags: 1: it is written to afterwards; 2: and opened a second time. A step's first byte: 0 to 199: a
 * record is forged (below); from 200 on: a change as in places.h, of 12 bytes.
 * A record: [lane 1 | slot 1 | sequence 1: from the lane's newest | items 1 | body 1], each item [kind 1 | place kind 1 | index 2 |
 * mask 1], and for a line a value of 4 bytes for each bit of the mask.
 * Holds: recovery ends; it stores inside the pool only; the pool can be checked and read and closed.
 */
#include <xxhash.h>

#include "entry.h"
#include "file.h"
#include "fuzz.h"
#include "hash.h"
#include "image.h"
#include "lane_internal.h"
#include "places.h"
#include "tenant.h"
#include "word.h"

#define STEPS_MAX 12
#define ITEM_WORDS 9
#define ITEMS_MAX 24

static struct image *image;
static struct places places;
static uint64_t newest[LANES_MAX]; /* sequences, by lane */

/* As recovery sees the file: the checksums' seed depends on it. */
static struct pool_file file_of_image(void)
{
    struct pool_file file;

    memset(&file, 0, sizeof(file));
    file.base = image->bytes;
    memcpy(&file.superblock, image->first, sizeof(file.superblock)); /* the step before may have changed the other */
    return file;
}

static uint64_t newest_sequence(const uint8_t *ring, uint64_t size, uint64_t seed)
{
    uint64_t sequence = 0;

    for (uint64_t at = 0; at + LINE_SIZE <= size; at += LINE_SIZE) {
        uint64_t head[2];

        memcpy(head, ring + at, sizeof(head));
        uint64_t words = head[0] & 0xffff;
        if (words * WORD_SIZE + sizeof(head) <= size - at && head[0] >> 16 > sequence &&
            hash_key(seed ^ head[0], ring + at + sizeof(head), words * WORD_SIZE) == head[1])
            sequence = head[0] >> 16;
    }
    return sequence;
}

/* A line of words as the place's kind wants them, each from 4 bytes: added to what is there. */
static size_t forge_line(struct fuzz_input *input, unsigned kind, const struct place *place, unsigned mask, uint64_t *out)
{
    uint64_t line = place->offset / LINE_SIZE;
    size_t count = 0;

    out[count++] = line << 16 | (uint64_t)mask << 8 | RECORD_LINE;
    for (; mask; mask &= mask - 1) {
        uint64_t at = line * LINE_SIZE + (uint64_t)__builtin_ctz(mask) * WORD_SIZE, old;
        uint64_t value = fuzz_take(input, 4);

        memcpy(&old, image->first + at, sizeof(old));
        if (kind == PLACE_INDEX || value >> 31) /* the top bit: whatever it is, without a check */
            old ^= value << (value >> 26 & 31);
        else
            old = (old & CHECKED_VALUE_MASK) ^ (value & 0x3ffffff) << (value >> 26 & 31);
        out[count++] = value >> 31 ? old : place_word(kind, old, at);
    }
    if (kind == PLACE_ENTRY && count == 5) /* a whole entry is sealed */
        entry_seal(out + 1, place->offset);
    return count;
}

static size_t forge_item(struct fuzz_input *input, const struct pool_file *file, uint64_t *hash, uint64_t *out)
{
    unsigned what = (unsigned)fuzz_take(input, 1), kind = (unsigned)fuzz_take(input, 1);
    uint64_t index = fuzz_take(input, 2);
    unsigned mask = (unsigned)fuzz_take(input, 1);
    const struct place *place = place_at(&places, kind % PLACE_KINDS, index);

    if (place == NULL)
        return 0;
    switch (what % 8) {
    default:
        if (kind % PLACE_KINDS == PLACE_ENTRY && mask & 1)
            mask = 15u << (place->offset / ENTRY_SIZE % 2 * 4);
        return forge_line(input, kind % PLACE_KINDS, place, mask, out);
    case 4:
        out[0] = place->offset << 8 | RECORD_RANGE;
        out[1] = mask * WORD_SIZE;
        *hash = lane_ranges_hash(*hash, file, place->offset, out[1]);
        return 2;
    case 5:
        out[0] = place->offset << 8 | RECORD_BLOB;
        out[1] = mask & 1 ? mask : sizeof(struct sdb_m_blob) + *(const uint32_t *)(const void *)(image->bytes + place->offset);
        *hash = lane_ranges_hash(*hash, file, place->offset, sizeof(struct sdb_m_blob));
        return 2;
    case 6:
        out[0] = RECORD_CONTENTS;
        out[1] = *hash;
        return 2;
    case 7: /* outside, or no kind at all */
        out[0] = (uint64_t)index << (mask & 63) | (mask & 7);
        out[1] = (uint64_t)kind << 40 | mask;
        return 2;
    }
}

static void forge_record(struct fuzz_input *input)
{
    const struct pool_file file = file_of_image();
    const struct sdb_m_superblock *sb = &file.superblock;
    uint32_t lane = (uint32_t)fuzz_take(input, 1) % sb->lanes;
    uint64_t ring = sb->lanes_offset + lane * sb->lane_size + LINE_SIZE, ring_size = sb->lane_size - LINE_SIZE;
    uint64_t at = fuzz_take(input, 1) % (ring_size / LINE_SIZE) * LINE_SIZE;
    uint64_t seed = lane_seed(&file, lane), hash = seed, words[2 + ITEMS_MAX * ITEM_WORDS];
    uint64_t sequence = newest[lane] + fuzz_take(input, 1) % 8 - 2;
    unsigned items = (unsigned)fuzz_take(input, 1) % ITEMS_MAX, body = (unsigned)fuzz_take(input, 1);
    size_t count = 0;

    for (unsigned i = 0; i < items; i++)
        count += forge_item(input, &file, &hash, words + 2 + count);
    if (body > 192) { /* the items stand elsewhere: over the free end of the pool, or over what is there */
        uint64_t to = body & 1 ? image->size - EXTENT_SIZE : sb->heap_offset + (uint64_t)body * PAGE_SIZE_POOL;

        image_note_offset(image, to, count * WORD_SIZE);
        memcpy(image->bytes + to, words + 2, count * WORD_SIZE);
        words[4] = hash_key(seed, words + 2, count * WORD_SIZE);
        words[3] = count;
        words[2] = to << 8 | RECORD_BODY;
        count = 3;
    }
    words[0] = sequence << 16 | count;
    words[1] = hash_key(seed ^ words[0], words + 2, count * WORD_SIZE);
    if (at + (count + 2) * WORD_SIZE > ring_size)
        return;
    image_note_offset(image, ring + at, (count + 2) * WORD_SIZE);
    memcpy(image->bytes + ring + at, words, (count + 2) * WORD_SIZE);
}

static void use(unsigned flags)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool;

    options.cache_size = 0;
    int error = sdb_open(image->path, &options, &pool);
    if (error != SDB_OK) {
        FUZZ_CHECK(error == SDB_ECORRUPT || error == SDB_EFORMAT || error == SDB_EVERSION || error == SDB_ENOMEM, "%s (%s)",
                   sdb_strerror(error), sdb_last_error());
        return;
    }
    tenant_read(pool, TENANT_ANY);
    if (flags & 1)
        tenant_write(pool);
    FUZZ_CHECK(sdb_close(pool) == SDB_OK, "close");
}

static void prepare(void)
{
    image = image_make(2, tenant_fill, 1);
    places_find(&places, image);
    const struct pool_file file = file_of_image();
    const struct sdb_m_superblock *sb = &file.superblock;
    for (uint32_t lane = 0; lane < sb->lanes; lane++)
        newest[lane] = newest_sequence(image->first + sb->lanes_offset + lane * sb->lane_size + LINE_SIZE,
                                       sb->lane_size - LINE_SIZE, lane_seed(&file, lane));
    FUZZ_CHECK(newest[0] > 0, "no records in the image");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned flags = (unsigned)fuzz_take(&input, 1);
    uint64_t at;

    if (image == NULL)
        prepare();
    image_use(image);
    for (unsigned step = 0; input.size > 0 && step < STEPS_MAX; step++) {
        if (fuzz_take(&input, 1) < 200)
            forge_record(&input);
        else
            (void)places_patch(&places, image, &input, &at);
    }
    use(flags);
    if (flags & 2)
        use(flags);
    image_restore(image);
    return 0;
}
