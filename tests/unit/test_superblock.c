/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_superblock.c - which geometry a new pool gets, and what no superblock may say
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "error.h"
#include "superblock.h"
#include "superdb/superdb.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define NOW 1234567890123ull

static struct sdb_m_superblock made(uint64_t size)
{
    struct sdb_m_superblock sb;

    assert_int_equal(superblock_make(size, 0, 0, NOW, &sb), 0);
    return sb;
}

static void shards_lanes_and_heap_follow_the_size(void **state)
{
    static const struct {
        uint64_t size, size_max;
        uint32_t shards, lanes;
        uint64_t lane_size, heap_offset;
    } rows[] = {
        {16 * MIB, 1 * GIB, 2, 4, 32 << 10, 2 * MIB},           {32 * MIB, 2 * GIB, 4, 4, 32 << 10, 2 * MIB},
        {64 * MIB, 4 * GIB, 4, 4, 64 << 10, 2 * MIB},           {128 * MIB, 8 * GIB, 4, 4, 64 << 10, 2 * MIB},
        {256 * MIB, 16 * GIB, 8, 8, 64 << 10, 2 * MIB},         {512 * MIB, 32 * GIB, 16, 16, 64 << 10, 2 * MIB},
        {1 * GIB, 64 * GIB, 32, 32, 64 << 10, 4 * MIB},         {2 * GIB, 128 * GIB, 64, 64, 64 << 10, 6 * MIB},
        {1024 * GIB, 32768 * GIB, 64, 64, 64 << 10, 134 * MIB},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sdb_m_superblock sb = made(rows[i].size);

        assert_int_equal(sb.size, rows[i].size);
        assert_int_equal(sb.size_max, rows[i].size_max);
        assert_int_equal(sb.shards, rows[i].shards);
        assert_int_equal(sb.lanes, rows[i].lanes);
        assert_int_equal(sb.lane_size, rows[i].lane_size);
        assert_int_equal(sb.heap_offset, rows[i].heap_offset);
        assert_int_equal(superblock_check_geometry(&sb), 0);
    }
}

static void sizes_are_rounded_up_and_defaults_filled_in(void **state)
{
    struct sdb_m_superblock sb;
    (void)state;

    assert_int_equal(superblock_make(0, 0, 0, NOW, &sb), 0);
    assert_int_equal(sb.size, 1 * GIB);
    assert_int_equal(superblock_make(1, 0, 0, NOW, &sb), 0);
    assert_int_equal(sb.size, 16 * MIB);
    assert_int_equal(superblock_make(16 * MIB + 1, 17 * MIB, 4, NOW, &sb), 0);
    assert_int_equal(sb.size, 18 * MIB);
    assert_int_equal(sb.size_max, 18 * MIB);
    assert_int_equal(sb.shards, 4);
    assert_int_equal(sb.created_ms, NOW);
    assert_int_equal(sb.state, SB_STATE_CLEAN);
    assert_int_equal(sb.incarnation, 0);
}

static void impossible_wishes_are_refused_with_words(void **state)
{
    static const struct {
        uint64_t size, size_max;
        uint32_t shards;
        const char *words;
    } rows[] = {
        {64 * MIB, 0, 3, "power of two"},
        {64 * MIB, 0, 2048, "power of two"},
        {64 * MIB, 32 * MIB, 0, "maximum"},
        {64 * GIB * 1024, 0, 0, "the largest"},
        {64 * MIB, UINT64_MAX, 0, "the largest"},
        {UINT64_MAX, 0, 0, "the largest"},
        {16 * MIB, 0, 8, "no room"},
        {16 * MIB, 32768 * GIB, 0, "no room"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sdb_m_superblock sb = {.magic = 42};

        error_clear();
        assert_int_equal(superblock_make(rows[i].size, rows[i].size_max, rows[i].shards, NOW, &sb), SDB_EINVAL);
        assert_non_null(strstr(error_text(), rows[i].words));
        assert_int_equal(sb.magic, 42);
    }
}

static void two_pools_differ_in_identity_and_hash_seed(void **state)
{
    struct sdb_m_superblock a = made(16 * MIB);
    struct sdb_m_superblock b = made(16 * MIB);
    (void)state;

    assert_memory_not_equal(a.uuid, b.uuid, sizeof(a.uuid));
    assert_int_not_equal(a.hash_seed, b.hash_seed);
    assert_int_equal(a.uuid[6] >> 4, 4);
    assert_int_equal(a.uuid[8] >> 6, 2);
}

static void the_sound_copy_with_the_higher_sequence_counts(void **state)
{
    struct sdb_m_superblock a = made(16 * MIB);
    struct sdb_m_superblock b = a;
    struct sdb_m_superblock chosen;
    int damaged = 7;
    (void)state;

    b.sequence = a.sequence + 1;
    b.incarnation = 5;
    superblock_seal(&b);
    assert_int_equal(superblock_choose(&a, &b, a.size, 0, &chosen, &damaged), 0);
    assert_int_equal(chosen.incarnation, 5);
    assert_int_equal(damaged, 0);
    assert_int_equal(superblock_choose(&b, &a, a.size, 0, &chosen, &damaged), 0);
    assert_int_equal(chosen.incarnation, 5);
}

static void any_damaged_bit_in_one_copy_leaves_the_other_to_count(void **state)
{
    const struct sdb_m_superblock sound = made(16 * MIB);
    (void)state;

    for (size_t bit = 0; bit < sizeof(sound) * 8; bit++) {
        struct sdb_m_superblock bad = sound;
        struct sdb_m_superblock chosen;
        int damaged = 0;

        ((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(superblock_choose(&bad, &sound, sound.size, 0, &chosen, &damaged), 0);
        assert_memory_equal(&chosen, &sound, sizeof(sound));
        assert_int_equal(damaged, 1);
        assert_int_equal(superblock_choose(&sound, &bad, sound.size, 0, &chosen, &damaged), 0);
        assert_memory_equal(&chosen, &sound, sizeof(sound));
        assert_int_equal(damaged, 1);
    }
}

/* Tries the copies and expects the error with these words, and untouched out-parameters. */
static void expect_refusal(const struct sdb_m_superblock *a, const struct sdb_m_superblock *b, uint64_t file_size,
                           int readonly, int error, const char *words)
{
    struct sdb_m_superblock chosen = {.magic = 42};
    int damaged = 42;

    error_clear();
    assert_int_equal(superblock_choose(a, b, file_size, readonly, &chosen, &damaged), error);
    if (strstr(error_text(), words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error_text(), words);
    assert_int_equal(chosen.magic, 42);
    assert_int_equal(damaged, 42);
}

static void damage_in_both_copies_is_told_from_a_foreign_file(void **state)
{
    struct sdb_m_superblock a = made(16 * MIB);
    struct sdb_m_superblock b = a;
    const struct sdb_m_superblock zero = {0};
    (void)state;

    a.size ^= 1;
    b.uuid[3] ^= 1;
    expect_refusal(&a, &b, 16 * MIB, 0, SDB_ECORRUPT, "both superblock copies are damaged");
    b.magic ^= 1;
    expect_refusal(&a, &b, 16 * MIB, 0, SDB_ECORRUPT, "offset 4096: no magic");
    a.magic ^= 1;
    expect_refusal(&a, &b, 16 * MIB, 0, SDB_EFORMAT, "not a SuperDB pool");
    expect_refusal(&zero, &zero, 16 * MIB, 0, SDB_EFORMAT, "not a SuperDB pool");
}

static void a_newer_format_is_a_version_error_whether_its_checksum_is_ours_or_not(void **state)
{
    struct sdb_m_superblock sb = made(16 * MIB);
    (void)state;

    sb.format_version = SB_FORMAT_VERSION + 1;
    expect_refusal(&sb, &sb, sb.size, 0, SDB_EVERSION, "format version 2");
    superblock_seal(&sb);
    expect_refusal(&sb, &sb, sb.size, 1, SDB_EVERSION, "format version 2");
}

static void unknown_features_are_named(void **state)
{
    struct sdb_m_superblock sb = made(16 * MIB);
    struct sdb_m_superblock chosen;
    int damaged;
    (void)state;

    sb.compat = UINT64_MAX; /* may be ignored */
    sb.ro_compat = 0x10;
    superblock_seal(&sb);
    expect_refusal(&sb, &sb, sb.size, 0, SDB_EVERSION, "ro_compat bits 0x10");
    assert_int_equal(superblock_choose(&sb, &sb, sb.size, 1, &chosen, &damaged), 0);
    sb.incompat = 0x8000 | SB_INCOMPAT_COLLECTIONS;
    superblock_seal(&sb);
    expect_refusal(&sb, &sb, sb.size, 1, SDB_EVERSION, "incompat bits 0x8000");
}

static void a_shorter_file_is_damage_that_names_both_sizes(void **state)
{
    struct sdb_m_superblock sb = made(32 * MIB);
    struct sdb_m_superblock zero = {0};
    (void)state;

    expect_refusal(&sb, &sb, 32 * MIB - 1, 0, SDB_ECORRUPT, "33554431 bytes, the superblock says 33554432");
    expect_refusal(&sb, &zero, 600, 0, SDB_ECORRUPT, "600 bytes, the superblock says 33554432");
    sb.checksum = 0;
    expect_refusal(&sb, &zero, 300, 0, SDB_ECORRUPT, "300 bytes");
}

static void a_geometry_that_cannot_be_is_damage_that_names_the_field(void **state)
{
    const struct sdb_m_superblock sound = made(64 * MIB);
    static const struct {
        size_t offset, size;
        uint64_t value;
        const char *words;
    } rows[] = {
#define FIELD(name, value, words) {offsetof(struct sdb_m_superblock, name), sizeof(sound.name), value, words}
        FIELD(state, 0, "state"),
        FIELD(state, 5, "state"),
        FIELD(size, 0, "size"),
        FIELD(size, 14 * MIB, "size"),
        FIELD(size, 64 * MIB + 4096, "size"),
        FIELD(size_max, 62 * MIB, "maximum size"),
        FIELD(size_max, 65 * MIB, "maximum size"),
        FIELD(size_max, UINT64_MAX - EXTENT_SIZE + 1, "maximum size"),
        FIELD(shards, 0, "number of shards"),
        FIELD(shards, 3, "number of shards"),
        FIELD(shards, 2048, "number of shards"),
        FIELD(lanes, 0, "number of lanes"),
        FIELD(lanes, LANES_MAX + 1, "number of lanes"),
        FIELD(lane_size, 0, "lane size"),
        FIELD(lane_size, 65537, "lane size"),
        FIELD(lane_size, UINT64_MAX - 63, "lane size"),
        FIELD(lane_size, 1 << 30, "lanes offset"),
        FIELD(root_offset, 4096, "root offset"),
        FIELD(root_offset, 8200, "root offset"),
        FIELD(counters_offset, 8192, "counters offset"),
        FIELD(shards_offset, 12288, "shards offset"),
        FIELD(extent_map_offset, UINT64_MAX - 4095, "extent map offset"),
        FIELD(lanes_offset, 64 * MIB, "lanes offset"),
        FIELD(lanes_offset, 64 * MIB - 4096, "lanes offset"),
        FIELD(heap_offset, 3 * MIB, "heap offset"),
        FIELD(heap_offset, 64 * MIB, "heap offset"),
        FIELD(reserved, 1, "reserved byte at offset 168"),
#undef FIELD
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sdb_m_superblock sb = sound;

        memcpy((uint8_t *)&sb + rows[i].offset, &rows[i].value, rows[i].size < 8 ? rows[i].size : 8);
        superblock_seal(&sb);
        expect_refusal(&sb, &sb, UINT64_MAX, 0, SDB_ECORRUPT, rows[i].words);
    }
}

/*
 * The golden image: bytes 0 to 167 as docs/FORMAT.md has them, zeros to 503, the checksum. It must never need a change.
 */
static const char golden_hex[] = "5355504552444200010000000200000008070605040302010000000000000000"
                                 "0000000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00e897b69a010000"
                                 "0700000000000000030000000000000000000004000000000000000001000000"
                                 "0400000004000000000001000000000000200000000000000030000000000000"
                                 "0050000000000000006000000000000000a00000000000000000200000000000"
                                 "8877665544332211";
static const uint8_t golden_checksum[8] = {0xa2, 0xc7, 0x8b, 0x9f, 0xd8, 0x59, 0x85, 0x5a};

static uint8_t hex_digit(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static void the_golden_image_of_version_1_is_read(void **state)
{
    uint8_t bytes[sizeof(struct sdb_m_superblock)] = {0};
    struct sdb_m_superblock image;
    struct sdb_m_superblock chosen;
    const struct sdb_m_superblock zero = {0};
    int damaged;
    (void)state;

    for (size_t i = 0; i < (sizeof(golden_hex) - 1) / 2; i++)
        bytes[i] = (uint8_t)(hex_digit(golden_hex[2 * i]) << 4 | hex_digit(golden_hex[2 * i + 1]));
    memcpy(bytes + 504, golden_checksum, sizeof(golden_checksum));
    memcpy(&image, bytes, sizeof(image));
    assert_int_equal(superblock_choose(&image, &zero, 64 * MIB, 0, &chosen, &damaged), 0);
    assert_int_equal(chosen.state, SB_STATE_OPEN);
    assert_int_equal(chosen.sequence, 7);
    assert_int_equal(chosen.incarnation, 3);
    assert_int_equal(chosen.size, 64 * MIB);
    assert_int_equal(chosen.size_max, 4096 * MIB);
    assert_int_equal(chosen.shards, 4);
    assert_int_equal(chosen.lanes, 4);
    assert_int_equal(chosen.heap_offset, 2 * MIB);
    assert_int_equal(chosen.hash_seed, 0x1122334455667788);
    assert_int_equal(chosen.created_ms, 1764000000000);

    /* And written: the same fields give the same bytes. */
    chosen.checksum = 0;
    superblock_seal(&chosen);
    assert_memory_equal(&chosen, bytes, sizeof(bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_lanes_and_heap_follow_the_size),
        cmocka_unit_test(sizes_are_rounded_up_and_defaults_filled_in),
        cmocka_unit_test(impossible_wishes_are_refused_with_words),
        cmocka_unit_test(two_pools_differ_in_identity_and_hash_seed),
        cmocka_unit_test(the_sound_copy_with_the_higher_sequence_counts),
        cmocka_unit_test(any_damaged_bit_in_one_copy_leaves_the_other_to_count),
        cmocka_unit_test(damage_in_both_copies_is_told_from_a_foreign_file),
        cmocka_unit_test(a_newer_format_is_a_version_error_whether_its_checksum_is_ours_or_not),
        cmocka_unit_test(unknown_features_are_named),
        cmocka_unit_test(a_shorter_file_is_damage_that_names_both_sizes),
        cmocka_unit_test(the_golden_image_of_version_1_is_read),
        cmocka_unit_test(a_geometry_that_cannot_be_is_damage_that_names_the_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
