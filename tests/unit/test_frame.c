/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_frame.c - the binary protocol's parser: what it takes and what it refuses, in one piece and cut at every byte
 *
 * Every input lies flush against a page that must not be touched, so that reading a byte too many ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "frame.h"

#define GUARDED_SIZE (1024u * 1024)
#define FRAMES 64u

static char *guarded_end; /* the byte behind is on the forbidden page */

static const struct wire_limits usual = {WIRE_VALUE_SIZE_MAX, 0};
static const struct wire_limits strict = {WIRE_VALUE_SIZE_MAX, 1};

static int open_guarded(void **state)
{
    char *memory = mmap(NULL, GUARDED_SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    if (memory == MAP_FAILED || mprotect(memory + GUARDED_SIZE, 4096, PROT_NONE) != 0)
        return -1;
    guarded_end = memory + GUARDED_SIZE;
    return 0;
}

static int close_guarded(void **state)
{
    (void)state;
    return munmap(guarded_end - GUARDED_SIZE, GUARDED_SIZE + 4096);
}

/* A stream that is being written. */
struct stream {
    char data[8192];
    size_t size;
};

/* Begins a frame whose body is of `size` bytes and padded; returns where the body goes, zeroed. */
static char *add(struct stream *stream, uint32_t opcode, uint32_t flags, uint32_t tag, size_t size)
{
    char *at = stream->data + stream->size;

    memset(at, 0, wire_padded(8 + size));
    wire_put64(at, wire_header(opcode, flags, tag, (uint32_t)(8 + size)));
    stream->size += wire_padded(8 + size);
    return at + 8;
}

static void add_key(struct stream *stream, uint32_t opcode, uint32_t tag, const char *key)
{
    memcpy(add(stream, opcode, 0, tag, strlen(key)), key, strlen(key));
}

static void add_set(struct stream *stream, uint32_t tag, const char *key, const char *value)
{
    char *at = add(stream, WIRE_SET, 0, tag, 8 + strlen(key) + strlen(value));

    at = wire_put64(at, strlen(key));
    memcpy(at, key, strlen(key));
    memcpy(at + strlen(key), value, strlen(value));
}

static unsigned parse(const struct wire_limits *limits, const char *data, size_t size, struct wire_frame *frames, size_t *used,
                      const char **error)
{
    memcpy(guarded_end - size, data, size);
    return wire_parse(limits, guarded_end - size, size, frames, FRAMES, used, error);
}

static void assert_bytes(const char *data, size_t size, const char *text)
{
    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
}

/* One of each kind, with sizes that need padding and sizes that do not. */
static void write_all_kinds(struct stream *stream)
{
    char *at;

    stream->size = 0;
    at = add(stream, WIRE_HELLO, 0, 1, 24);
    at = wire_put64(at, WIRE_MAGIC);
    wire_put32(at, WIRE_VERSION);
    memcpy(add(stream, WIRE_PING, 0, 2, 5), "hello", 5);
    at = add(stream, WIRE_AUTH, 0, 3, 8 + 7 + 6);
    memcpy(wire_put64(at, 7), "defaultsecret", 13);
    wire_put64(add(stream, WIRE_SELECT, 0, 4, 8), 9);
    add_key(stream, WIRE_GET, 5, "key");
    wire_put64(add(stream, WIRE_GET_BY_HANDLE, WIRE_WANT_META, 6, 8), 0x1122334455667788);
    add_set(stream, 7, "key", "value");
    at = add(stream, WIRE_SET, WIRE_IF_VERSION | WIRE_EXPIRE_AT, 8, 24 + 4);
    at = wire_put64(wire_put64(wire_put64(at, 3), 77), 88);
    memcpy(at, "keyv", 4);
    at = add(stream, WIRE_SET_BY_HANDLE, 0, 9, 8 + 3);
    memcpy(wire_put64(at, 5), "abc", 3);
    at = add(stream, WIRE_ADD, 0, 10, 8 + 3);
    memcpy(wire_put64(at, (uint64_t)-2), "num", 3);
    at = add(stream, WIRE_GET_MANY, WIRE_ONE_MOMENT, 11, 8 + 16 + 6);
    at = wire_put32(wire_put32(wire_put32(wire_put64(at, 3), 1), 0), 5) + 4;
    memcpy(at, "abcdef", 6);
    at = add(stream, WIRE_GET_MANY_BY_HANDLE, 0, 12, 16);
    wire_put64(wire_put64(at, 21), 22);
    at = add(stream, WIRE_SET_MANY, WIRE_IF_ABSENT, 13, 8 + 16 + 7);
    at = wire_put32(wire_put32(wire_put32(wire_put32(wire_put64(at, 2), 2), 1), 1), 3);
    memcpy(at, "k1vKxyz", 7);
    at = add(stream, WIRE_SET_MANY_BY_HANDLE, 0, 14, 8 + 32 + 3);
    at = wire_put64(wire_put64(wire_put64(wire_put64(wire_put64(at, 2), 31), 1), 32), 2);
    memcpy(at, "abc", 3);
}

static void check_all_kinds(const struct wire_frame *frames)
{
    struct wire_cursor cursor = {0};
    struct wire_entry entry;

    for (unsigned i = 0; i < 14; i++) {
        assert_int_equal(wire_tag(frames[i].header), i + 1);
        assert_int_equal(frames[i].status, 0);
    }
    assert_bytes(frames[1].value, frames[1].value_size, "hello");
    assert_bytes(frames[2].key, frames[2].key_size, "default");
    assert_bytes(frames[2].value, frames[2].value_size, "secret");
    assert_int_equal(frames[3].number, 9);
    assert_bytes(frames[4].key, frames[4].key_size, "key");
    assert_true(frames[5].number == 0x1122334455667788);
    assert_bytes(frames[6].key, frames[6].key_size, "key");
    assert_bytes(frames[6].value, frames[6].value_size, "value");
    assert_int_equal(frames[7].version, 77);
    assert_int_equal(frames[7].number, 88);
    assert_bytes(frames[7].key, frames[7].key_size, "key");
    assert_bytes(frames[7].value, frames[7].value_size, "v");
    assert_int_equal(frames[8].number, 5);
    assert_bytes(frames[8].value, frames[8].value_size, "abc");
    assert_int_equal((int64_t)frames[9].number, -2);
    assert_bytes(frames[9].key, frames[9].key_size, "num");
    assert_int_equal(frames[10].count, 3);
    entry = wire_next_key(&frames[10], &cursor);
    assert_bytes(entry.key, entry.key_size, "a");
    entry = wire_next_key(&frames[10], &cursor);
    assert_int_equal(entry.key_size, 0);
    entry = wire_next_key(&frames[10], &cursor);
    assert_bytes(entry.key, entry.key_size, "bcdef");
    assert_int_equal(frames[11].count, 2);
    assert_int_equal(wire_get64(frames[11].value + 8), 22);
    cursor = (struct wire_cursor){0};
    entry = wire_next_pair(&frames[12], &cursor);
    assert_bytes(entry.key, entry.key_size, "k1");
    assert_bytes(entry.value, entry.value_size, "v");
    entry = wire_next_pair(&frames[12], &cursor);
    assert_bytes(entry.key, entry.key_size, "K");
    assert_bytes(entry.value, entry.value_size, "xyz");
    cursor = (struct wire_cursor){0};
    entry = wire_next_handle(&frames[13], &cursor);
    assert_int_equal(entry.handle, 31);
    assert_bytes(entry.value, entry.value_size, "a");
    entry = wire_next_handle(&frames[13], &cursor);
    assert_int_equal(entry.handle, 32);
    assert_bytes(entry.value, entry.value_size, "bc");
}

static void every_kind_of_frame_is_taken(void **state)
{
    struct wire_frame frames[FRAMES];
    struct stream stream;
    const char *error;
    size_t used;

    (void)state;
    write_all_kinds(&stream);
    assert_int_equal(parse(&usual, stream.data, stream.size, frames, &used, &error), 14);
    assert_null(error);
    assert_int_equal(used, stream.size);
    check_all_kinds(frames);
}

static void a_stream_that_is_cut_anywhere_means_the_same(void **state)
{
    struct wire_frame frames[FRAMES];
    struct stream stream;
    const char *error;
    size_t used;

    (void)state;
    write_all_kinds(&stream);
    for (size_t cut = 0; cut <= stream.size; cut++) {
        unsigned n = parse(&usual, stream.data, cut, frames, &used, &error);
        size_t first = used;

        assert_null(error);
        assert_true(used <= cut && used % 8 == 0);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(wire_tag(frames[i].header), i + 1);
        n += parse(&usual, stream.data + first, stream.size - first, frames, &used, &error);
        assert_null(error);
        assert_int_equal(n, 14);
        assert_int_equal(first + used, stream.size);
    }
}

/* Frames that are alike are taken on a shorter way: it ends where one differs, and where the bytes do. */
static void frames_that_are_alike_are_taken_as_others_are(void **state)
{
    struct wire_frame frames[FRAMES];
    struct stream stream = {.size = 0};
    const char *error;
    size_t used;
    char key[16];

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "key:%02u%s", i, i == 20 ? "longer" : "");
        if (i == 30)
            add_key(&stream, WIRE_EXISTS, i, key);
        else if (i >= 32)
            add_set(&stream, i, key, i == 36 ? "another" : "value");
        else
            add_key(&stream, WIRE_GET, i, key);
    }
    assert_int_equal(parse(&usual, stream.data, stream.size - 1, frames, &used, &error), 39);
    assert_int_equal(parse(&usual, stream.data, stream.size, frames, &used, &error), 40);
    assert_int_equal(used, stream.size);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "key:%02u%s", i, i == 20 ? "longer" : "");
        assert_int_equal(wire_tag(frames[i].header), i);
        assert_bytes(frames[i].key, frames[i].key_size, key);
        if (i >= 32)
            assert_bytes(frames[i].value, frames[i].value_size, i == 36 ? "another" : "value");
    }
    assert_int_equal(wire_parse(&usual, guarded_end - stream.size, stream.size, frames, 7, &used, &error), 7);
}

/* Headers that are refused before anything behind them is awaited. */
static void sizes_out_of_bounds_are_refused_at_once(void **state)
{
    static const struct {
        uint8_t opcode;
        uint32_t least, most;
    } bounds[] = {
        {WIRE_HELLO, 32, 4096},
        {WIRE_PING, 8, WIRE_SMALL_SIZE_MAX},
        {WIRE_SELECT, 16, 16},
        {WIRE_GET, 8, 8 + WIRE_KEY_SIZE_MAX},
        {WIRE_GET_BY_HANDLE, 16, 16},
        {WIRE_SET, 16, WIRE_SMALL_SIZE_MAX + WIRE_VALUE_SIZE_MAX},
        {WIRE_SET_BY_HANDLE, 16, 16 + WIRE_VALUE_SIZE_MAX},
        {WIRE_DELETE, 8, 8 + WIRE_KEY_SIZE_MAX},
        {WIRE_ADD, 16, 16 + WIRE_KEY_SIZE_MAX},
        {WIRE_GET_MANY, 16, WIRE_KEYS_SIZE_MAX},
        {WIRE_GET_MANY_BY_HANDLE, 8, 8 + 8 * WIRE_MANY_MAX},
        {WIRE_SET_MANY, 16, WIRE_KEYS_SIZE_MAX + WIRE_VALUE_SIZE_MAX},
        {0x77, 8, WIRE_SMALL_SIZE_MAX}, /* an opcode of the future */
    };
    struct wire_frame frames[FRAMES];
    const char *error;
    char header[8];
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        const uint32_t good[] = {bounds[i].least, bounds[i].most}, bad[] = {bounds[i].least - 1, bounds[i].most + 1, 0, UINT32_MAX};

        for (size_t j = 0; j < sizeof(good) / sizeof(good[0]); j++) {
            wire_put64(header, wire_header(bounds[i].opcode, 0, 0, good[j]));
            (void)parse(&usual, header, 8, frames, &used, &error);
            assert_null(error);
        }
        for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
            wire_put64(header, wire_header(bounds[i].opcode, 0, 0, bad[j]));
            assert_int_equal(parse(&usual, header, 8, frames, &used, &error), 0);
            assert_non_null(error);
            assert_int_equal(used, 0);
        }
    }
}

static void before_the_password_frames_are_small(void **state)
{
    struct wire_frame frames[FRAMES];
    const char *error;
    char header[8];
    size_t used;

    (void)state;
    wire_put64(header, wire_header(WIRE_AUTH, 0, 0, WIRE_UNAUTHENTICATED_SIZE_MAX));
    (void)parse(&strict, header, 8, frames, &used, &error);
    assert_null(error);
    wire_put64(header, wire_header(WIRE_AUTH, 0, 0, WIRE_UNAUTHENTICATED_SIZE_MAX + 1));
    (void)parse(&strict, header, 8, frames, &used, &error);
    assert_non_null(error);
}

static void assert_malformed(const struct stream *stream)
{
    struct wire_frame frames[FRAMES];
    struct stream both = {.size = 0};
    const char *error;
    size_t used;

    assert_int_equal(parse(&usual, stream->data, stream->size, frames, &used, &error), 0);
    assert_non_null(error);
    assert_int_equal(used, 0);
    /* Behind a good one, it stops the stream there. */
    add_key(&both, WIRE_GET, 1, "key");
    memcpy(both.data + both.size, stream->data, stream->size);
    assert_int_equal(parse(&usual, both.data, both.size + stream->size, frames, &used, &error), 1);
    assert_non_null(error);
    assert_int_equal(used, both.size);
}

static void sizes_that_contradict_each_other_are_malformed(void **state)
{
    struct stream stream = {.size = 0};

    (void)state;
    wire_put64(add(&stream, WIRE_SET, 0, 0, 8 + 10), 11); /* a key beyond its frame */
    assert_malformed(&stream);
    stream.size = 0;
    wire_put64(add(&stream, WIRE_AUTH, 0, 0, 8 + 10), 11);
    assert_malformed(&stream);
    stream.size = 0;
    wire_put64(add(&stream, WIRE_SET, WIRE_IF_VERSION | WIRE_EXPIRE_AT, 0, 8 + 15), 0); /* no room for both words */
    assert_malformed(&stream);
    stream.size = 0;
    (void)add(&stream, WIRE_GET_MANY_BY_HANDLE, 0, 0, 12);
    assert_malformed(&stream);
    for (uint32_t wrong = 0; wrong < 3; wrong++) { /* too few, too many, and far too many entries */
        static const uint32_t counts[] = {1, 3, WIRE_MANY_MAX + 1};

        stream.size = 0;
        wire_put32(wire_put32(wire_put64(add(&stream, WIRE_GET_MANY, 0, 0, 8 + 8 + 4), counts[wrong]), 2), 2);
        assert_malformed(&stream);
        stream.size = 0;
        wire_put64(wire_put64(add(&stream, WIRE_SET_MANY, 0, 0, 8 + 16 + 4), counts[wrong]), 4ull << 32);
        assert_malformed(&stream);
        stream.size = 0;
        wire_put64(add(&stream, WIRE_SET_MANY_BY_HANDLE, 0, 0, 8 + 32 + 4), counts[wrong]);
        assert_malformed(&stream);
    }
    for (uint32_t first = 1; first < 4; first += 2) { /* a byte too few, a byte too many */
        stream.size = 0;
        wire_put32(wire_put32(wire_put64(add(&stream, WIRE_GET_MANY, 0, 0, 8 + 8 + 4), 2), first), 2);
        assert_malformed(&stream);
    }
    stream.size = 0; /* sums that agree only where they overflow */
    wire_put32(wire_put32(wire_put64(add(&stream, WIRE_GET_MANY, 0, 0, 8 + 8), 2), UINT32_MAX), 1);
    assert_malformed(&stream);
}

static void what_a_later_version_may_mean_is_skipped_and_said(void **state)
{
    struct wire_frame frames[FRAMES];
    struct stream stream = {.size = 0};
    const char *error;
    size_t used;

    (void)state;
    memset(add(&stream, 0x77, 0x80, 1, 21), 0xff, 21); /* an opcode */
    memset(add(&stream, WIRE_GET, 0x80, 2, 3), 'k', 3); /* a flag */
    wire_put64(add(&stream, WIRE_SET, 0, 3, 8 + 2), 1ull << 32 | 1); /* a reserved field */
    wire_put64(add(&stream, WIRE_SET, WIRE_EXPIRE_AT | WIRE_EXPIRE_IN, 4, 8 + 8 + 2), 1); /* two flags that exclude each other */
    wire_put64(add(&stream, WIRE_GET_MANY, 0, 5, 8), 1ull << 32);
    wire_put64(add(&stream, WIRE_SET, 0x80, 6, 8), 1000); /* whose sizes may stand elsewhere then */
    add_key(&stream, WIRE_GET, 7, "key");
    assert_int_equal(parse(&usual, stream.data, stream.size, frames, &used, &error), 7);
    assert_null(error);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(frames[i].status, WIRE_STATUS_OPCODE);
    assert_int_equal(frames[6].status, 0);
}

static void values_have_the_limit_that_is_configured(void **state)
{
    const struct wire_limits small = {100, 0};
    struct wire_frame frames[FRAMES];
    struct stream stream;
    const char *error;
    size_t used;

    (void)state;
    for (size_t size = 100; size <= 101; size++) {
        stream.size = 0;
        wire_put64(add(&stream, WIRE_SET, 0, 0, 8 + 4 + size), 4);
        assert_int_equal(parse(&small, stream.data, stream.size, frames, &used, &error), 101 - size);
        assert_int_equal(error != NULL, size == 101);
        stream.size = 0;
        wire_put64(add(&stream, WIRE_SET_BY_HANDLE, 0, 0, 8 + size), 4);
        assert_int_equal(parse(&small, stream.data, stream.size, frames, &used, &error), 101 - size);
        stream.size = 0;
        wire_put32(wire_put32(wire_put64(add(&stream, WIRE_SET_MANY, 0, 0, 8 + 8 + size), 1), 0), (uint32_t)size);
        assert_int_equal(parse(&small, stream.data, stream.size, frames, &used, &error), 101 - size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_frame_is_taken),
        cmocka_unit_test(a_stream_that_is_cut_anywhere_means_the_same),
        cmocka_unit_test(frames_that_are_alike_are_taken_as_others_are),
        cmocka_unit_test(sizes_out_of_bounds_are_refused_at_once),
        cmocka_unit_test(before_the_password_frames_are_small),
        cmocka_unit_test(sizes_that_contradict_each_other_are_malformed),
        cmocka_unit_test(what_a_later_version_may_mean_is_skipped_and_said),
        cmocka_unit_test(values_have_the_limit_that_is_configured),
    };

    return cmocka_run_group_tests(tests, open_guarded, close_guarded);
}
