/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_packed.c - a packed collection is verified as a whole, and nothing outside of its bytes is read, whatever they say
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include "file.h"
#include "packed.h"

#define SIZE_MAX_HERE 4096u

static struct pool_file file; /* of it the seed of names' hashes is looked at */

struct bytes {
    uint8_t data[512];
    size_t size;
    uint32_t count;
};

static void add(struct bytes *bytes, const void *element, size_t size)
{
    bytes->size += tree_size_write(bytes->data + bytes->size, (uint32_t)size);
    memcpy(bytes->data + bytes->size, element, size);
    bytes->size += size;
    bytes->count++;
}

static void add_text(struct bytes *bytes, const char *text) { add(bytes, text, strlen(text)); }

static void add_field(struct bytes *bytes, const char *name, const char *value)
{
    uint8_t element[64];
    size_t n = tree_size_write(element, (uint32_t)strlen(name));

    memcpy(element + n, name, strlen(name));
    n += strlen(name);
    memcpy(element + n, value, strlen(value));
    add(bytes, element, n + strlen(value));
}

static void add_score(struct bytes *bytes, uint64_t score, const char *member)
{
    uint8_t element[64];

    memcpy(element, &score, 8);
    memcpy(element + 8, member, strlen(member));
    add(bytes, element, 8 + strlen(member));
}

/* With a header that names this many, right in front of a page that nobody may read. */
static bool verify_as(const struct bytes *bytes, enum tree_kind kind, unsigned form, uint32_t count)
{
    static uint8_t *end;
    uint8_t header[PACKED_HEADER_MAX];
    const size_t size = packed_header(header, form, count);

    if (!end) {
        uint8_t *memory = mmap(NULL, 2 * SIZE_MAX_HERE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(memory, MAP_FAILED);
        assert_int_equal(mprotect(memory + SIZE_MAX_HERE, SIZE_MAX_HERE, PROT_NONE), 0);
        end = memory + SIZE_MAX_HERE;
    }
    memcpy(end - bytes->size - size, header, size);
    if (bytes->size)
        memcpy(end - bytes->size, bytes->data, bytes->size);
    return packed_verify(&file, kind, end - bytes->size - size, bytes->size + size);
}

static bool verify(const struct bytes *bytes, enum tree_kind kind, unsigned form) { return verify_as(bytes, kind, form, bytes->count); }

static void what_each_type_writes_is_right(void **state)
{
    struct bytes hash = {.size = 0}, list = hash, set = hash, ints = hash, scores = hash;

    (void)state;
    add_field(&hash, "name", "value");
    add_field(&hash, "", "");
    assert_true(verify(&hash, TREE_HASH, 0));
    add_text(&list, "one");
    add_text(&list, "");
    add_text(&list, "one");
    assert_true(verify(&list, TREE_LIST, PACKED_LARGE));
    add_text(&set, "member");
    assert_true(verify(&set, TREE_SET, 0));
    add_text(&ints, "-12");
    add_text(&ints, "3");
    add_text(&ints, "20");
    assert_true(verify(&ints, TREE_SET, PACKED_INTS));
    add_score(&scores, 1, "b");
    add_score(&scores, 2, "a");
    add_score(&scores, 2, "b");
    assert_true(verify(&scores, TREE_SCORES, 0));
}

static void a_count_that_is_not_that_of_the_elements_is_damage(void **state)
{
    struct bytes list = {.size = 0};

    (void)state;
    assert_false(verify_as(&list, TREE_LIST, 0, 0));
    assert_false(verify_as(&list, TREE_LIST, 0, 1));
    add_text(&list, "one");
    add_text(&list, "two");
    assert_true(verify_as(&list, TREE_LIST, 0, 2));
    assert_false(verify_as(&list, TREE_LIST, 0, 0));
    assert_false(verify_as(&list, TREE_LIST, 0, 1));
    assert_false(verify_as(&list, TREE_LIST, 0, 3));
}

static void an_element_that_is_cut_off_or_too_long_is_damage(void **state)
{
    struct bytes list = {.size = 0};

    (void)state;
    add_text(&list, "an element");
    add_text(&list, "another one");
    for (size_t cut = list.size - 1; cut > 0; cut--) {
        const struct bytes less = {.size = cut};
        struct bytes copy = less;

        memcpy(copy.data, list.data, cut);
        assert_false(verify_as(&copy, TREE_LIST, 0, 2));
    }
    list.data[0]++;
    assert_false(verify(&list, TREE_LIST, 0));
    memset(list.data, 0xff, list.size); /* sizes beyond all there is */
    assert_false(verify(&list, TREE_LIST, 0));
}

static void a_form_that_its_type_does_not_have_is_damage(void **state)
{
    struct bytes one = {.size = 0};

    (void)state;
    add_text(&one, "12345678");
    assert_true(verify(&one, TREE_SET, PACKED_INTS));
    assert_false(verify(&one, TREE_LIST, PACKED_INTS));
    for (unsigned form = PACKED_FORMS + 1; form < 256; form++)
        assert_false(verify(&one, TREE_SET, form));
}

static void an_order_that_is_not_kept_is_damage(void **state)
{
    struct bytes scores = {.size = 0}, ties = scores, twice = scores, ints = scores, same = scores, words = scores;

    (void)state;
    add_score(&scores, 2, "a");
    add_score(&scores, 1, "b");
    assert_false(verify(&scores, TREE_SCORES, 0));
    add_score(&ties, 1, "b");
    add_score(&ties, 1, "a");
    assert_false(verify(&ties, TREE_SCORES, 0));
    add_score(&twice, 1, "a");
    add_score(&twice, 1, "a");
    assert_false(verify(&twice, TREE_SCORES, 0));
    add_text(&ints, "3");
    add_text(&ints, "-12");
    assert_false(verify(&ints, TREE_SET, PACKED_INTS));
    assert_true(verify(&ints, TREE_SET, 0)); /* names have no order */
    add_text(&same, "3");
    add_text(&same, "3");
    assert_false(verify(&same, TREE_SET, PACKED_INTS));
    add_text(&words, "03");
    assert_false(verify(&words, TREE_SET, PACKED_INTS));
}

static void an_element_that_its_type_cannot_read_is_damage(void **state)
{
    struct bytes fields = {.size = 0}, scores = fields;

    (void)state;
    add(&fields, "\x20name", 5); /* a name longer than the element */
    assert_false(verify(&fields, TREE_HASH, 0));
    add_text(&scores, "short");
    assert_false(verify(&scores, TREE_SCORES, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_each_type_writes_is_right),
        cmocka_unit_test(a_count_that_is_not_that_of_the_elements_is_damage),
        cmocka_unit_test(an_element_that_is_cut_off_or_too_long_is_damage),
        cmocka_unit_test(a_form_that_its_type_does_not_have_is_damage),
        cmocka_unit_test(an_order_that_is_not_kept_is_damage),
        cmocka_unit_test(an_element_that_its_type_cannot_read_is_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
