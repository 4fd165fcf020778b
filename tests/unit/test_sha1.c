/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_sha1.c - the digests of FIPS 180-4's examples, and of every length around the ends of blocks
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sha1.h"

static void expect(const void *data, size_t size, const char *digest)
{
    char hex[SHA1_HEX_SIZE];

    sha1_hex(data, size, hex);
    assert_string_equal(hex, digest);
}

static void published_digests_are_right(void **state)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char *million = malloc(1000000);

    (void)state;
    assert_non_null(million);
    expect("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    expect("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect(two_blocks, sizeof(two_blocks) - 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    memset(million, 'a', 1000000);
    expect(million, 1000000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(million);
}

/* The digest of all digests' digits, one behind the other, of so many bytes: one that is wrong makes it another. */
static void every_length_around_the_ends_of_blocks_counts(void **state)
{
    char all[130 * 40 + SHA1_HEX_SIZE], bytes[130];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + 1);
    for (size_t size = 0; size < sizeof(bytes); size++)
        sha1_hex(bytes, size, all + size * 40);
    expect(all, 130 * 40, "c2d172da65e501566245b7b61e2e5fa637a7c0a8");
}

/* The digest goes by the bytes alone, wherever they lie. */
static void bytes_may_lie_anywhere(void **state)
{
    char text[80], first[SHA1_HEX_SIZE], other[SHA1_HEX_SIZE];

    (void)state;
    memset(text, 'x', sizeof(text));
    sha1_hex(text, 70, first);
    for (size_t at = 1; at < 10; at++) {
        sha1_hex(text + at, 70, other);
        assert_string_equal(other, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_digests_are_right),
        cmocka_unit_test(every_length_around_the_ends_of_blocks_counts),
        cmocka_unit_test(bytes_may_lie_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
