/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_bench_replies.c - the load generator counts every reply once, however the stream is cut, and sees errors and misses
 */
#include "replies.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct stream {
    const char *name;
    enum protocol protocol;
    const char *pattern; /* a whole reply that matches the pattern; NULL: no pattern */
    const char *text;
    uint64_t replies;
    uint64_t errors;
    uint64_t misses;
};

static const struct stream streams[] = {
    {"gets", PROTOCOL_RESP, "$4\r\nabcd\r\n", "$4\r\n1234\r\n$4\r\n\r\n\r\n\r\n$4\r\n$4\r\n\r\n", 3, 0, 0},
    {"a miss", PROTOCOL_RESP, "$4\r\nabcd\r\n", "$4\r\n1234\r\n$-1\r\n$4\r\n1234\r\n_\r\n", 4, 0, 2},
    {"sets", PROTOCOL_RESP, "+OK\r\n", "+OK\r\n+OK\r\n-ERR no\r\n+OK\r\n", 4, 1, 0},
    {"other sizes", PROTOCOL_RESP, "$4\r\nabcd\r\n", "$5\r\n12345\r\n$0\r\n\r\n$4\r\n1234\r\n", 3, 0, 0},
    {"integers", PROTOCOL_RESP, NULL, ":1\r\n:-20\r\n:300\r\n", 3, 0, 0},
    {"arrays", PROTOCOL_RESP, "$1\r\nx\r\n", "*2\r\n$1\r\na\r\n$-1\r\n*0\r\n*1\r\n*2\r\n:1\r\n$1\r\nb\r\n+OK\r\n", 4, 0, 1},
    {"maps", PROTOCOL_RESP, NULL, "%1\r\n+a\r\n*1\r\n,1.5\r\n#t\r\n", 2, 0, 0},
    {"meta", PROTOCOL_META, "VA 2\r\nxy\r\n", "VA 2\r\nab\r\nEN\r\nHD\r\nVA 3\r\nabc\r\nSERVER_ERROR full\r\n", 5, 1, 1},
    {"text", PROTOCOL_TEXT, "VALUE k 0 2\r\nxy\r\nEND\r\n",
     "VALUE k 0 2\r\nab\r\nEND\r\nEND\r\nVALUE k 0 3\r\nabc\r\nEND\r\nSTORED\r\nERROR\r\n", 5, 1, 1},
};

static void format_of(const struct stream *stream, struct reply_format *format)
{
    memset(format, 0, sizeof *format);
    format->protocol = stream->protocol;
    if (stream->pattern)
        reply_format_add(format, stream->pattern, strlen(stream->pattern));
}

static void check(const struct stream *stream, const struct reply_counter *counter, uint64_t replies)
{
    if (replies != stream->replies || counter->broken)
        print_message("stream '%s'\n", stream->name);
    assert_int_equal(counter->broken, 0);
    assert_int_equal(replies, stream->replies);
    assert_int_equal(counter->errors, stream->errors);
    assert_int_equal(counter->misses, stream->misses);
}

static void every_reply_is_counted_wherever_the_stream_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        size_t size = strlen(streams[i].text);

        for (size_t cut = 0; cut <= size; cut++) {
            struct reply_counter counter;
            struct reply_format format;
            uint64_t replies;

            format_of(&streams[i], &format);
            reply_counter_init(&counter);
            replies = replies_count(&counter, &format, streams[i].text, cut);
            replies += replies_count(&counter, &format, streams[i].text + cut, size - cut);
            check(&streams[i], &counter, replies);
        }
    }
}

static void every_reply_is_counted_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        struct reply_counter counter;
        struct reply_format format;
        uint64_t replies = 0;

        format_of(&streams[i], &format);
        reply_counter_init(&counter);
        for (const char *at = streams[i].text; *at; at++)
            replies += replies_count(&counter, &format, at, 1);
        check(&streams[i], &counter, replies);
    }
}

static void the_first_error_is_kept(void **state)
{
    static const char text[] = "-ERR one\r\n-ERR two\r\n";
    struct reply_format format = {.protocol = PROTOCOL_RESP};
    struct reply_counter counter;

    (void)state;
    reply_counter_init(&counter);
    assert_int_equal(replies_count(&counter, &format, text, strlen(text)), 2);
    assert_string_equal(counter.first_error, "-ERR one");
}

static void another_protocol_is_noticed(void **state)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\n";
    struct reply_counter counter;

    (void)state;
    for (enum protocol protocol = PROTOCOL_RESP; protocol <= PROTOCOL_TEXT; protocol++) {
        struct reply_format format = {.protocol = protocol};

        reply_counter_init(&counter);
        assert_int_equal(replies_count(&counter, &format, text, strlen(text)), 0);
        assert_int_equal(counter.broken, 1);
    }
}

/* Frames: two values, a miss, an error, a stale handle, a value of another size, and the cells of many. */
static size_t put_frames(char *to, struct reply_format *format)
{
    static const struct {
        uint32_t opcode, status, body;
    } frames[] = {{WIRE_GET, 0, 16}, {WIRE_GET, 0, 16}, {WIRE_GET, 15, 0}, {WIRE_SET, 11, 5}, {WIRE_SET_BY_HANDLE, 17, 0},
                  {WIRE_GET, 0, 3},  {WIRE_GET, 0, 16}, {WIRE_GET_MANY, 0, 8 + 2 * 24}};
    char *start = to;

    memset(format, 0, sizeof *format);
    format->protocol = PROTOCOL_BINARY;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        memset(to, 0, 80);
        wire_put64(to, wire_header(frames[i].opcode, frames[i].status, 0, WIRE_HEADER_SIZE + frames[i].body));
        if (i == 0)
            reply_format_add(format, to, wire_padded(WIRE_HEADER_SIZE + frames[i].body));
        to += wire_padded(WIRE_HEADER_SIZE + frames[i].body);
    }
    return (size_t)(to - start);
}

static void every_frame_is_counted_wherever_the_stream_is_cut(void **state)
{
    char bytes[1024];
    struct reply_format format;
    size_t size = put_frames(bytes, &format);

    (void)state;
    for (size_t cut = 0; cut <= size; cut++) {
        struct reply_counter counter;
        uint64_t replies;

        reply_counter_init(&counter);
        replies = replies_count(&counter, &format, bytes, cut);
        replies += replies_count(&counter, &format, bytes + cut, size - cut);
        assert_int_equal(replies, 8);
        assert_int_equal(counter.errors, 1);
        assert_int_equal(counter.misses, 2);
        assert_int_equal(counter.broken, 0);
        assert_string_equal(counter.first_error, "status 11");
    }
}

static void what_is_no_frame_breaks_the_stream(void **state)
{
    struct reply_format format = {.protocol = PROTOCOL_BINARY};
    char bytes[16] = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct reply_counter counter;

        reply_counter_init(&counter);
        wire_put64(bytes, wire_header(i ? WIRE_ERROR : WIRE_GET, i ? 200 : 0, 0, i ? 8 : 7));
        replies_count(&counter, &format, bytes, sizeof bytes);
        assert_int_equal(counter.broken, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_is_counted_wherever_the_stream_is_cut),
        cmocka_unit_test(what_is_no_frame_breaks_the_stream),
        cmocka_unit_test(every_reply_is_counted_wherever_the_stream_is_cut),
        cmocka_unit_test(every_reply_is_counted_byte_by_byte),
        cmocka_unit_test(the_first_error_is_kept),
        cmocka_unit_test(another_protocol_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
