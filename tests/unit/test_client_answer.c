/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_client_answer.c - answer.c: what a reply frame may be, and what it may not
 */
#include "answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE_MAX_ 65536u
#define FRAME_MAX 4096u

/* A frame that ends where memory does. */
struct place {
    char *pages;
    size_t page;
};

static int make_place(void **state)
{
    static struct place place;

    place.page = (size_t)sysconf(_SC_PAGESIZE);
    place.pages = mmap(NULL, 2 * place.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place.pages == MAP_FAILED || mprotect(place.pages + place.page, place.page, PROT_NONE) != 0)
        return -1;
    *state = &place;
    return 0;
}

static int drop_place(void **state)
{
    const struct place *place = *state;

    return munmap(place->pages, 2 * place->page);
}

/* A reply frame with a body; sizes of frames are multiples of 8. */
static size_t make(char frame[FRAME_MAX], uint8_t opcode, uint8_t status, uint16_t tag, const void *body, size_t size)
{
    memset(frame, 0, FRAME_MAX);
    wire_put64(frame, wire_header(opcode, status, tag, (uint32_t)(WIRE_HEADER_SIZE + size)));
    if (size > 0)
        memcpy(frame + WIRE_HEADER_SIZE, body, size);
    return wire_padded(WIRE_HEADER_SIZE + size);
}

static enum answer parse_at_the_edge(void **state, uint64_t request, const char *frame, size_t size, struct sdb_client_reply *reply,
                                     const char **wrong)
{
    const struct place *place = *state;
    char *at = place->pages + place->page - wire_padded(size);
    size_t used = 0;
    enum answer answer;

    /* Of a part the last bytes stand at the edge, so that its beginning may be unaligned: whole frames are aligned. */
    if (size % 8 != 0)
        at = place->pages + place->page - size;
    memcpy(at, frame, size);
    answer = answer_parse(request, at, size, SIZE_MAX_, reply, &used, wrong);
    if (answer == ANSWER_COMPLETE || answer == ANSWER_ENDS)
        assert_int_equal(used, size);
    return answer;
}

/* One cell of a body with many values. */
static void put_cell(char *to, int32_t result, uint8_t size, uint8_t encoding, uint64_t first, uint64_t second)
{
    wire_put32(to, (uint32_t)result);
    wire_put32(to + 4, (uint32_t)size | (uint32_t)encoding << 8);
    wire_put64(wire_put64(to + 8, first), second);
}

static void a_reply_cut_anywhere_wants_more(void **state)
{
    char frame[FRAME_MAX];
    size_t size = make(frame, WIRE_GET, 0, 7, "a value of 21 bytes..", 21);
    uint64_t request = answer_request(wire_header(WIRE_GET, 0, 7, 0), 0);
    struct sdb_client_reply reply;
    const char *wrong = NULL;

    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(parse_at_the_edge(state, request, frame, cut, &reply, &wrong), ANSWER_PARTIAL);
    assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), ANSWER_COMPLETE);
    assert_int_equal(reply.result, SDB_OK);
    assert_int_equal(reply.size, 21);
    assert_memory_equal(reply.data, "a value of 21 bytes..", 21);
}

static void numbers_stand_where_the_request_has_them(void **state)
{
    static const struct {
        uint8_t opcode, flags;
        int is_handle, is_number;
    } cases[] = {
        {WIRE_ADD, 0, 0, 1},    {WIRE_DELETE_MANY, 0, 0, 1}, {WIRE_HANDLE, 0, 1, 0}, {WIRE_SET, WIRE_WANT_HANDLE, 1, 0},
        {WIRE_SET, 0, 0, 0},    {WIRE_DELETE, 0, 0, 0},      {WIRE_EXISTS, 0, 0, 0}, {WIRE_EXPIRE, 0, 0, 0},
        {WIRE_SELECT, 0, 0, 0}, {WIRE_SET_MANY, 0, 0, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t request = answer_request(wire_header(cases[i].opcode, cases[i].flags, 3, 0), 0);
        const char *wrong = NULL;
        char frame[FRAME_MAX], body[8];
        struct sdb_client_reply reply;
        size_t size;

        wire_put64(body, 0x123456789abcdefull);
        size = make(frame, cases[i].opcode, 0, 3, body, 8); /* a longer body than this version knows is allowed */
        assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), ANSWER_COMPLETE);
        assert_int_equal(reply.handle, cases[i].is_handle ? 0x123456789abcdefull : 0);
        assert_int_equal(reply.number, cases[i].is_number ? 0x123456789abcdefll : 0);
        assert_null(reply.data);
        size = make(frame, cases[i].opcode, 0, 3, NULL, 0);
        assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong),
                         cases[i].is_handle || cases[i].is_number ? ANSWER_WRONG : ANSWER_COMPLETE);
    }
}

static void meta_stands_before_the_value(void **state)
{
    uint64_t request = answer_request(wire_header(WIRE_GET_BY_HANDLE, WIRE_WANT_META, 0, 0), 0);
    const char *wrong = NULL;
    char frame[FRAME_MAX], body[26] = {0};
    struct sdb_client_reply reply;
    size_t size;

    memcpy(wire_put64(wire_put64(wire_put64(body, 11), 22), 33), "ab", 2);
    size = make(frame, WIRE_GET_BY_HANDLE, 0, 0, body, 26);
    assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), ANSWER_COMPLETE);
    assert_int_equal(reply.version, 11);
    assert_int_equal(reply.handle, 22);
    assert_int_equal(reply.expire_ms, 33);
    assert_int_equal(reply.size, 2);
    assert_memory_equal(reply.data, "ab", 2);
    size = make(frame, WIRE_GET_BY_HANDLE, 0, 0, body, 23);
    assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), ANSWER_WRONG);
}

static void a_failed_request_has_its_words(void **state)
{
    uint64_t request = answer_request(wire_header(WIRE_GET_MANY, 0, 9, 0), 5);
    const char *wrong = NULL;
    char frame[FRAME_MAX];
    struct sdb_client_reply reply;
    size_t size = make(frame, WIRE_GET_MANY, 10, 9, "torn", 4);

    assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), ANSWER_COMPLETE);
    assert_int_equal(reply.result, SDB_ECORRUPT);
    assert_memory_equal(reply.data, "torn", 4);
    assert_int_equal(reply.count, 0);
    size = make(frame, WIRE_ERROR, 13, 0, "lost", 4);
    assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), ANSWER_ENDS);
    assert_int_equal(reply.result, SDB_EFAILED);
}

static void what_answers_another_request_is_wrong(void **state)
{
    uint64_t request = answer_request(wire_header(WIRE_GET, 0, 9, 0), 0);
    const char *wrong = NULL;
    char frame[FRAME_MAX];
    struct sdb_client_reply reply;

    (void)make(frame, WIRE_GET, 0, 10, NULL, 0);
    assert_int_equal(parse_at_the_edge(state, request, frame, 8, &reply, &wrong), ANSWER_WRONG);
    (void)make(frame, WIRE_SET, 0, 9, NULL, 0);
    assert_int_equal(parse_at_the_edge(state, request, frame, 8, &reply, &wrong), ANSWER_WRONG);
    (void)make(frame, WIRE_ERROR, 0, 9, NULL, 0); /* an error that is none */
    assert_int_equal(parse_at_the_edge(state, request, frame, 8, &reply, &wrong), ANSWER_WRONG);
    assert_non_null(wrong);
}

static void sizes_beyond_their_bounds_are_wrong_at_once(void **state)
{
    static const uint32_t sizes[] = {0, 1, 7, SIZE_MAX_ + 1, UINT32_MAX};
    uint64_t request = answer_request(wire_header(WIRE_GET, 0, 9, 0), 0);
    struct sdb_client_reply reply;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const char *wrong = NULL;
        char frame[8];

        wire_put64(frame, wire_header(WIRE_GET, 0, 9, sizes[i]));
        assert_int_equal(parse_at_the_edge(state, request, frame, 8, &reply, &wrong), ANSWER_WRONG);
    }
}

static void values_of_many_are_found(void **state)
{
    uint64_t request = answer_request(wire_header(WIRE_GET_MANY, 0, 0, 0), 4);
    const char *wrong = NULL;
    char frame[FRAME_MAX], body[8 + 4 * 24 + 24] = {0}, text[SDB_CLIENT_TEXT_SIZE];
    struct sdb_client_reply reply;
    struct sdb_slice value;
    size_t size;

    wire_put64(body, 4);
    put_cell(body + 8, 0, 2, WIRE_ENCODING_INLINE, 0x6261, 0);
    put_cell(body + 32, 0, 8, WIRE_ENCODING_INT, (uint64_t)INT64_MIN, 0);
    put_cell(body + 56, SDB_ENOTFOUND, 0, 0, 0, 0);
    put_cell(body + 80, 0, 0, WIRE_ENCODING_FAR, 20, WIRE_HEADER_SIZE + 104);
    memcpy(body + 104, "twenty bytes of text", 20);
    size = make(frame, WIRE_GET_MANY, 0, 0, body, sizeof(body));
    assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), ANSWER_COMPLETE);
    assert_int_equal(reply.count, 4);
    assert_int_equal(sdb_client_value(&reply, 0, text, &value), SDB_OK);
    assert_int_equal(value.size, 2);
    assert_memory_equal(value.data, "ab", 2);
    assert_int_equal(sdb_client_value(&reply, 1, text, &value), SDB_OK);
    assert_int_equal(value.size, 20);
    assert_memory_equal(value.data, "-9223372036854775808", 20);
    assert_int_equal(sdb_client_value(&reply, 2, text, &value), SDB_ENOTFOUND);
    assert_int_equal(sdb_client_value(&reply, 3, text, &value), SDB_OK);
    assert_int_equal(value.size, 20);
    assert_memory_equal(value.data, "twenty bytes of text", 20);
    assert_int_equal(sdb_client_value(&reply, 4, text, &value), SDB_EINVAL);
}

static void cells_that_lead_outside_are_wrong(void **state)
{
    /* one cell, its body 32 + 24 bytes: the frame has 64 */
    static const struct {
        int32_t result;
        uint8_t size, encoding;
        uint64_t first, second;
        enum answer answer;
    } cases[] = {
        {0, 16, WIRE_ENCODING_INLINE, 0, 0, ANSWER_COMPLETE},
        {0, 17, WIRE_ENCODING_INLINE, 0, 0, ANSWER_WRONG},
        {0, 0, 0, 0, 0, ANSWER_WRONG},
        {0, 0, 4, 0, 0, ANSWER_WRONG},
        {1, 0, 0, 0, 0, ANSWER_WRONG}, /* an error is negative */
        {0, 0, WIRE_ENCODING_FAR, 24, 40, ANSWER_COMPLETE},
        {0, 0, WIRE_ENCODING_FAR, 25, 40, ANSWER_WRONG},
        {0, 0, WIRE_ENCODING_FAR, 0, 64, ANSWER_COMPLETE},
        {0, 0, WIRE_ENCODING_FAR, 0, 65, ANSWER_WRONG},
        {0, 0, WIRE_ENCODING_FAR, 8, 32, ANSWER_WRONG}, /* into the cells */
        {0, 0, WIRE_ENCODING_FAR, UINT64_MAX, 40, ANSWER_WRONG},
        {0, 0, WIRE_ENCODING_FAR, 8, UINT64_MAX - 7, ANSWER_WRONG},
        {0, 0, WIRE_ENCODING_FAR, 48, UINT64_MAX - 7, ANSWER_WRONG}, /* and around */
    };
    uint64_t request = answer_request(wire_header(WIRE_GET_MANY_BY_HANDLE, 0, 0, 0), 1);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *wrong = NULL;
        char frame[FRAME_MAX], body[56] = {0};
        struct sdb_client_reply reply;
        size_t size;

        wire_put64(body, 1);
        put_cell(body + 8, cases[i].result, cases[i].size, cases[i].encoding, cases[i].first, cases[i].second);
        size = make(frame, WIRE_GET_MANY_BY_HANDLE, 0, 0, body, sizeof(body));
        assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), cases[i].answer);
    }
}

static void counts_are_those_that_were_asked_for(void **state)
{
    uint64_t request = answer_request(wire_header(WIRE_GET_MANY, 0, 0, 0), 2);
    const char *wrong = NULL;
    char frame[FRAME_MAX], body[8 + 3 * 24] = {0};
    struct sdb_client_reply reply;

    for (unsigned i = 0; i < 3; i++)
        put_cell(body + 8 + 24 * (size_t)i, SDB_ENOTFOUND, 0, 0, 0, 0);
    for (unsigned count = 0; count < 4; count++) {
        size_t size;

        wire_put64(body, count);
        size = make(frame, WIRE_GET_MANY, 0, 0, body, sizeof(body));
        assert_int_equal(parse_at_the_edge(state, request, frame, size, &reply, &wrong), count == 2 ? ANSWER_COMPLETE : ANSWER_WRONG);
    }
    wire_put64(body, 2);
    assert_int_equal(parse_at_the_edge(state, request, frame, make(frame, WIRE_GET_MANY, 0, 0, body, 8 + 2 * 24 - 1), &reply, &wrong),
                     ANSWER_WRONG);
    request = answer_request(wire_header(WIRE_HANDLE_MANY, 0, 0, 0), 3);
    assert_int_equal(parse_at_the_edge(state, request, frame, make(frame, WIRE_HANDLE_MANY, 0, 0, body, 24), &reply, &wrong),
                     ANSWER_COMPLETE);
    assert_int_equal(reply.count, 3);
    assert_int_equal(parse_at_the_edge(state, request, frame, make(frame, WIRE_HANDLE_MANY, 0, 0, body, 23), &reply, &wrong), ANSWER_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_cut_anywhere_wants_more),
        cmocka_unit_test(numbers_stand_where_the_request_has_them),
        cmocka_unit_test(meta_stands_before_the_value),
        cmocka_unit_test(a_failed_request_has_its_words),
        cmocka_unit_test(what_answers_another_request_is_wrong),
        cmocka_unit_test(sizes_beyond_their_bounds_are_wrong_at_once),
        cmocka_unit_test(values_of_many_are_found),
        cmocka_unit_test(cells_that_lead_outside_are_wrong),
        cmocka_unit_test(counts_are_those_that_were_asked_for),
    };

    return cmocka_run_group_tests(tests, make_place, drop_place);
}
