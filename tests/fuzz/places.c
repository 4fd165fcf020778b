/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * places.c - finding and changing the words of a pool's image
 */
#include "places.h"

#include <xxhash.h>

#include "entry.h"
#include "superblock.h"
#include "word.h"

#define FREE_EXAMPLES 4 /* of what is there by the thousand and empty, so many places are enough */

/* ---- finding ---------------------------------------------------------------------------------------------------- */

static void add(struct places *places, unsigned kind, uint64_t offset, uint64_t owner, unsigned word)
{
    if (places->count[kind] == places->capacity[kind]) {
        places->capacity[kind] = places->capacity[kind] == 0 ? 64 : places->capacity[kind] * 2;
        places->items[kind] = realloc(places->items[kind], places->capacity[kind] * sizeof(struct place));
        FUZZ_CHECK(places->items[kind] != NULL, "out of memory");
    }
    places->items[kind][places->count[kind]++] = (struct place){offset, owner, word};
}

static uint64_t load(const uint8_t *bytes, uint64_t offset)
{
    uint64_t word;

    memcpy(&word, bytes + offset, sizeof(word));
    return word;
}

static uint64_t value_at(const struct image *image, uint64_t offset)
{
    return load(image->first, offset) & CHECKED_VALUE_MASK;
}

static void add_row(struct places *places, unsigned kind, uint64_t offset, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(places, kind, offset + i * WORD_SIZE, 0, 0);
}

static void find_in_node(struct places *places, const struct image *image, uint64_t node)
{
    add_row(places, PLACE_NODE, node, 2);
    for (unsigned word = 2, empty = 0; word < TREE_NODE_WORDS; word++) {
        if (load(image->first, node + word * WORD_SIZE) != 0 || empty++ < FREE_EXAMPLES)
            add(places, PLACE_SLOT, node + word * WORD_SIZE, 0, 0);
    }
}

/* The header, and the root: further nodes are found as blocks that name the tree as their owner. */
static void find_tree(struct places *places, const struct image *image, uint64_t header)
{
    const struct sdb_m_superblock *sb = &places->superblock;

    add_row(places, PLACE_TREE, header, sizeof(struct sdb_m_tree) / WORD_SIZE);
    for (uint64_t at = sb->heap_offset; at + TREE_NODE_SIZE <= sb->size; at += LINE_SIZE) {
        uint64_t owner = at + offsetof(struct sdb_m_node, owner);

        if (load(image->first, owner) == checked_word(header / LINE_SIZE, owner))
            find_in_node(places, image, at);
    }
}

static void find_entry(struct places *places, const struct image *image, uint64_t offset, unsigned *free_entries)
{
    uint64_t words[4];

    memcpy(words, image->first + offset, sizeof(words));
    if (meta_type(words[0]) == 0 && (*free_entries)++ >= FREE_EXAMPLES)
        return;
    add(places, PLACE_ENTRY, offset, 0, 0);
    if (meta_type(words[0]) == 0)
        return;
    if (meta_key_code(words[0]) == CODE_BLOB)
        add(places, PLACE_BLOB, blob_reference_offset(words[1]), offset, 1);
    if (meta_value_code(words[0]) == CODE_TREE)
        find_tree(places, image, entry_tree(words));
    if (meta_value_code(words[0]) == CODE_BLOB)
        add(places, PLACE_BLOB, blob_reference_offset(words[entry_value_index(words[0])]), offset,
            entry_value_index(words[0]));
}

static void find_in_extent(struct places *places, const struct image *image, uint64_t extent)
{
    uint64_t base = extent << EXTENT_SHIFT;
    unsigned free_entries = 0;

    add_row(places, PLACE_EXTENT, base, 2);
    add_row(places, PLACE_PAGE, base + offsetof(struct sdb_m_extent, pages), PAGES_PER_EXTENT);
    for (unsigned page = 0; page < PAGES_PER_EXTENT; page++) {
        uint64_t value = value_at(image, base + offsetof(struct sdb_m_extent, pages) + page * WORD_SIZE);

        if (page_value_type(value) == PAGE_BLOCKS)
            add_row(places, PLACE_BITMAP, base + offsetof(struct sdb_m_extent, bitmaps) + page * BITMAP_WORDS * WORD_SIZE, 3);
        for (unsigned i = 0; page_value_type(value) == PAGE_ENTRIES && i < ENTRIES_PER_PAGE; i++)
            find_entry(places, image, base + (uint64_t)page * PAGE_SIZE_POOL + i * ENTRY_SIZE, &free_entries);
    }
}

static void find_in_segment(struct places *places, const struct image *image, uint64_t directory_word)
{
    uint64_t at = directory_value_segment(directory_word);
    size_t words = BUCKET_WORDS *
                   (directory_value_code(directory_word) ? SEGMENT_BUCKETS_LARGE : SEGMENT_BUCKETS_SMALL);

    for (size_t i = 0, empty = 0; i < words; i++) {
        if (load(image->first, at + i * WORD_SIZE) != 0 || empty++ < FREE_EXAMPLES)
            add(places, PLACE_INDEX, at + i * WORD_SIZE, 0, 0);
    }
}

static void find_in_shard(struct places *places, const struct image *image, uint64_t header)
{
    uint64_t root = value_at(image, header);

    add(places, PLACE_SHARD, header, 0, 0);
    for (uint64_t i = 0; root != 0 && i < 1ull << root_value_depth(root); i++) {
        uint64_t at = root_value_directory(root) + i * WORD_SIZE;

        add(places, PLACE_DIRECTORY, at, 0, 0);
        find_in_segment(places, image, value_at(image, at));
    }
}

void places_find(struct places *places, const struct image *image)
{
    struct sdb_m_superblock *sb = &places->superblock;

    memset(places, 0, sizeof(*places));
    memcpy(sb, image->first, sizeof(*sb));
    add_row(places, PLACE_SUPERBLOCK, 0, sizeof(*sb) / WORD_SIZE - 1);
    add_row(places, PLACE_ROOT, sb->root_offset, sizeof(struct sdb_m_root) / WORD_SIZE);
    add_row(places, PLACE_COUNTERS, sb->counters_offset, 24);
    for (uint32_t i = 0; i < sb->shards; i++)
        find_in_shard(places, image, sb->shards_offset + i * sizeof(struct sdb_m_shard));
    for (uint32_t i = 0; i < sb->lanes; i++)
        add(places, PLACE_LANE, sb->lanes_offset + i * sb->lane_size, 0, 0);
    for (uint64_t extent = sb->heap_offset >> EXTENT_SHIFT; extent < sb->size >> EXTENT_SHIFT; extent++) {
        uint64_t at = sb->extent_map_offset + extent * WORD_SIZE;

        add(places, PLACE_MAP, at, 0, 0);
        if (extent_value_state(value_at(image, at)) == EXTENT_PAGES)
            find_in_extent(places, image, extent);
    }
}

/* ---- changing --------------------------------------------------------------------------------------------------- */

const struct place *place_at(const struct places *places, unsigned kind, uint64_t index)
{
    return places->count[kind] == 0 ? NULL : &places->items[kind][index % places->count[kind]];
}

uint64_t place_word(unsigned kind, uint64_t value, uint64_t offset)
{
    switch (kind) {
    case PLACE_SUPERBLOCK:
    case PLACE_ENTRY:
    case PLACE_BLOB:
    case PLACE_COUNTERS:
    case PLACE_SLOT:
        return value;
    case PLACE_INDEX:
        value &= (1ull << 56) - 1;
        return value == 0 ? 0 : value | index_word_check(value) << 56;
    case PLACE_ROOT:
    case PLACE_LANE:
        return nonzero_word(value & NONZERO_VALUE_MAX, offset);
    default:
        return checked_word(value & CHECKED_VALUE_MASK, offset);
    }
}

static void store(struct image *image, uint64_t offset, const void *bytes, size_t size)
{
    image_note_offset(image, offset, size);
    memcpy(image->bytes + offset, bytes, size);
}

static void store_word(struct image *image, uint64_t offset, uint64_t word)
{
    store(image, offset, &word, sizeof(word));
}

static uint64_t changed(unsigned how, uint64_t old, uint64_t value, uint64_t other)
{
    switch (how & 3) {
    case 0:
        return old ^ value;
    case 1:
        return value;
    case 2:
        return old + value;
    default:
        return other;
    }
}

static void seal_superblock(struct image *image)
{
    static const uint64_t copies[] = {SB_COPY_OFFSET_A, SB_COPY_OFFSET_B};
    struct sdb_m_superblock sb;

    memcpy(&sb, image->bytes, sizeof(sb));
    superblock_seal(&sb);
    for (size_t i = 0; i < 2; i++)
        store(image, copies[i], &sb, sizeof(sb));
}

static void seal_entry(struct image *image, uint64_t offset)
{
    uint64_t words[4];

    memcpy(words, image->bytes + offset, sizeof(words));
    entry_seal(words, offset);
    store(image, offset, words, sizeof(words));
}

/* The blob's checksum, and with it the reference to it, and with that the entry. */
static void seal_blob(struct image *image, const struct place *place)
{
    struct sdb_m_blob blob;

    memcpy(&blob, image->bytes + place->offset, sizeof(blob));
    if (blob.size > image->size - place->offset - sizeof(blob))
        return;
    blob.checksum = entry_blob_checksum(place->offset, image->bytes + place->offset + sizeof(blob), blob.size);
    store(image, place->offset, &blob, sizeof(blob));
    store_word(image, place->owner + place->word * WORD_SIZE, blob_reference(place->offset, blob.checksum));
    seal_entry(image, place->owner);
}

static void seal_counters(const struct places *places, struct image *image)
{
    struct sdb_m_counters counters;

    memcpy(&counters, image->bytes + places->superblock.counters_offset, sizeof(counters));
    counters.checksum = XXH3_64bits_withSeed((const uint8_t *)&counters + 16, sizeof(counters) - 16, counters.incarnation);
    store(image, places->superblock.counters_offset, &counters, sizeof(counters));
}

static uint64_t change_byte(struct image *image, unsigned how, uint64_t offset)
{
    uint8_t byte = (uint8_t)(image->bytes[offset] ^ (how == 0 ? 1 : how));

    store(image, offset, &byte, 1);
    return offset;
}

/* Where the byte is that an input names: in a place, or anywhere. */
static uint64_t byte_of(const struct places *places, const struct image *image, unsigned kind, uint64_t index, uint64_t value)
{
    const struct place *place = place_at(places, (unsigned)(value & 0xff) % PLACE_KINDS, index);
    uint64_t size = WORD_SIZE;

    if (kind == 255 || place == NULL)
        return value % image->size;
    if ((value & 0xff) % PLACE_KINDS == PLACE_ENTRY)
        size = ENTRY_SIZE;
    else if ((value & 0xff) % PLACE_KINDS == PLACE_BLOB)
        size = sizeof(struct sdb_m_blob) + ((const struct sdb_m_blob *)(const void *)(image->first + place->offset))->size;
    return place->offset + (value >> 8) % size;
}

int places_patch(const struct places *places, struct image *image, struct fuzz_input *input, uint64_t *at)
{
    unsigned kind = (unsigned)fuzz_take(input, 1), how = (unsigned)fuzz_take(input, 1);
    uint64_t index = fuzz_take(input, 2), value = fuzz_take(input, 8);

    *at = 0;
    if (kind >= 240) {
        *at = change_byte(image, how, byte_of(places, image, kind, index, value));
        return 0;
    }
    kind %= PLACE_KINDS;
    const struct place *place = place_at(places, kind, index), *other = place_at(places, kind, value);
    if (place == NULL)
        return 0;
    uint64_t word = kind == PLACE_ENTRY ? how >> 4 & 3 : 0;
    uint64_t target = place->offset + word * WORD_SIZE;
    uint64_t result = changed(how, load(image->bytes, target), value, load(image->bytes, other->offset + word * WORD_SIZE));
    if (how & 8) {
        store_word(image, target, result);
        return 1; /* not one byte: a check of 16 bits may fit by chance */
    }
    store_word(image, target, kind == PLACE_EXTENT && target % EXTENT_SIZE == 0 ? result : place_word(kind, result, target));
    if (kind == PLACE_SUPERBLOCK)
        seal_superblock(image);
    else if (kind == PLACE_ENTRY)
        seal_entry(image, place->offset);
    else if (kind == PLACE_BLOB)
        seal_blob(image, place);
    else if (kind == PLACE_COUNTERS)
        seal_counters(places, image);
    return 1;
}
