/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_reply.c - the reply writer against two readers: the strict one of resp_check.c gets back what was written, and the
 * bench's counts the same replies however the stream is cut
 *
 * Input: the protocol and the size of pieces, then calls: which one, and its arguments.
 */
#include <math.h>

#include "fuzz.h"
#include "replies.h"
#include "reply.h"
#include "resp_check.h"

#define ELEMENTS_MAX 256

/* What a reader must find. */
struct expected {
    char type;
    int64_t number;
    const uint8_t *data;
    size_t size;
    double value;
};
static struct expected expected[ELEMENTS_MAX];
static size_t expected_count;

static struct expected *expect(char type, int64_t number)
{
    struct expected *element = &expected[expected_count++];

    *element = (struct expected){.type = type, .number = number};
    return element;
}

static void expect_bytes(char type, const uint8_t *data, size_t size)
{
    struct expected *element = expect(type, (int64_t)size);

    element->data = data;
    element->size = size;
}

static void write_text(struct reply *reply, unsigned what, const uint8_t *data, size_t size)
{
    char text[64];

    size = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    if (what == 0) {
        reply_error(reply, text);
    } else if (what == 1) {
        reply_errorf(reply, "%s", text);
    } else { /* the caller answers for its text */
        for (char *at = text; *at != '\0'; at++)
            *at = *at == '\r' || *at == '\n' ? ' ' : *at;
        reply_status(reply, text);
    }
    (void)expect(what < 2 ? '-' : '+', 0);
}

static void write_double(struct reply *reply, uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    reply_double(reply, value);
    expect(reply->protocol == 3 ? ',' : '$', 0)->value = value;
}

/* Writes one element; returns how many belong to it. */
static size_t write_element(struct reply *reply, struct fuzz_input *input)
{
    const int three = reply->protocol == 3;
    unsigned what = (unsigned)fuzz_take(input, 1) % 14;
    size_t size = (size_t)fuzz_take(input, 1), count = size % 4;
    const uint8_t *data = input->data;
    int64_t number = (int64_t)fuzz_take(&(struct fuzz_input){data, input->size}, 8);

    size = size < input->size ? size : input->size;
    switch (what) {
    case 0:
    case 1:
    case 2:
        write_text(reply, what, data, size);
        return 0;
    case 3:
        reply_integer(reply, number);
        (void)expect(':', number);
        return 0;
    case 4:
        reply_bulk(reply, data, size);
        expect_bytes('$', data, size);
        return 0;
    case 5:
        reply_null(reply);
        (void)expect(three ? '_' : '$', three ? 0 : -1);
        return 0;
    case 6:
        reply_null_array(reply);
        (void)expect(three ? '_' : '*', three ? 0 : -1);
        return 0;
    case 7:
        write_double(reply, (uint64_t)number);
        return 0;
    case 8:
        reply_boolean(reply, (int)(number & 1));
        (void)expect(three ? '#' : ':', three ? 0 : number & 1);
        return 0;
    case 9:
        reply_verbatim(reply, data, size, "txt");
        if (three)
            (void)expect('=', (int64_t)size + 4);
        else
            expect_bytes('$', data, size);
        return 0;
    case 10:
        reply_array(reply, count);
        (void)expect('*', (int64_t)count);
        return count;
    case 11:
        reply_map(reply, count);
        (void)expect(three ? '%' : '*', (int64_t)(three ? count : count * 2));
        return count * 2;
    case 12:
        reply_set(reply, count);
        (void)expect(three ? '~' : '*', (int64_t)count);
        return count;
    default: {
        size_t where = reply_array_later(reply);
        reply_array_set(reply, where, 0);
        (void)expect('*', 0);
        return 0;
    }
    }
}

static void compare(const struct expected *wanted, const struct resp_element *found)
{
    FUZZ_CHECK(found->type == wanted->type, "%c for %c", found->type, wanted->type);
    if (wanted->data != NULL)
        FUZZ_CHECK(found->size == wanted->size && memcmp(found->data, wanted->data, wanted->size) == 0, "other bytes");
    else if (wanted->value != 0) {
        char text[512];

        (void)snprintf(text, sizeof(text), "%.*s", (int)found->size, found->data);
        double value = strtod(text, NULL);
        FUZZ_CHECK(value == wanted->value || (isnan(value) && isnan(wanted->value)), "%s", text);
    } else if (strchr(":*%~$", wanted->type) != NULL && wanted->type != '$')
        FUZZ_CHECK(found->number == wanted->number, "%lld", (long long)found->number);
}

/* The bench's reader knows protocol 2. */
static void count_replies(const struct reply *reply, unsigned seed, uint64_t replies)
{
    static const struct reply_format format = {.protocol = PROTOCOL_RESP};
    struct reply_counter counter;
    uint64_t state = seed + 1, counted = 0;

    reply_counter_init(&counter);
    for (size_t at = 0; at < reply->size;) {
        size_t size = fuzz_chunk(&state, seed, reply->size - at);

        counted += replies_count(&counter, &format, reply->data + at, size);
        at += size;
    }
    FUZZ_CHECK(!counter.broken && counted == replies, "%llu of %llu replies", (unsigned long long)counted,
               (unsigned long long)replies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct reply reply;
    unsigned flags = (unsigned)fuzz_take(&input, 1);
    size_t wanted = 0, at = 0;
    uint64_t replies = 0;

    reply_init(&reply);
    reply.protocol = flags & 1 ? 3 : 2;
    expected_count = 0;
    while ((input.size > 0 || wanted > 0) && expected_count < ELEMENTS_MAX - 1) {
        if (wanted == 0) {
            replies++;
            wanted = 1;
        }
        wanted += write_element(&reply, &input) - 1;
    }
    for (size_t i = 0; i < expected_count; i++) {
        struct resp_element element;

        at += resp_element(reply.data + at, reply.size - at, reply.protocol, &element);
        compare(&expected[i], &element);
    }
    FUZZ_CHECK(at == reply.size, "%zu of %zu bytes", at, reply.size);
    if (reply.protocol == 2 && wanted == 0)
        count_replies(&reply, flags >> 1, replies);
    reply_free(&reply);
    return 0;
}
