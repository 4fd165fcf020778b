/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_answer.c - the client's parser of replies, on what a hostile server could send: what it makes of a stream must not depend on how the
 * stream was cut, and nothing that a reply names lies outside of its frame
 *
 * Input: a seed for the sizes of the pieces; how many requests there are, and each: opcode, flags, tag, number of entries; then the stream.
 */
#include "answer.h"
#include "fuzz.h"

#define REQUESTS_MAX 16u
#define REPLY_SIZE_LIMIT (1u << 20)

/* What was made of the stream, as a sum over everything that the replies say. */
struct story {
    uint64_t sum;
    unsigned replies;
    size_t at;
    enum answer last;
};

static void tell(struct story *story, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        story->sum = (story->sum ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
}

static void tell_bytes(struct story *story, const char *frame, size_t used, const void *data, size_t size)
{
    const char *at = data;

    FUZZ_CHECK(size == 0 || (at >= frame && at <= frame + used && size <= (size_t)(frame + used - at)), "bytes outside of the frame");
    tell(story, &size, sizeof(size));
    tell(story, data, size);
}

static void tell_reply(struct story *story, const struct sdb_client_reply *reply, const char *frame, size_t used)
{
    char text[SDB_CLIENT_TEXT_SIZE];
    struct sdb_slice value;

    tell(story, &reply->result, sizeof(reply->result));
    tell(story, &reply->number, sizeof(reply->number));
    tell(story, &reply->version, sizeof(reply->version));
    tell(story, &reply->handle, sizeof(reply->handle));
    tell(story, &reply->expire_ms, sizeof(reply->expire_ms));
    if (reply->handles != NULL)
        tell_bytes(story, frame, used, reply->handles, 8 * reply->count);
    for (size_t i = 0; reply->values != NULL && i < reply->count; i++) {
        int result = sdb_client_value(reply, i, text, &value);

        tell(story, &result, sizeof(result));
        if (result != SDB_OK)
            continue;
        if (value.data == text)
            tell(story, text, value.size);
        else
            tell_bytes(story, frame, used, value.data, value.size);
    }
    FUZZ_CHECK(sdb_client_value(reply, reply->count, text, &value) == SDB_EINVAL, "an entry behind the last");
    tell_bytes(story, frame, used, reply->data, reply->size);
}

/* Offers the stream piece by piece, each in memory that is exactly as large. */
static struct story parse(const uint64_t *requests, unsigned count, unsigned seed, const uint8_t *data, size_t size)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
    size_t end = fuzz_chunk(&state, seed, size);
    struct story story = {.last = ANSWER_PARTIAL};

    while (story.replies < count) {
        size_t seen = end - story.at, used = 0;
        struct sdb_client_reply reply;
        const char *wrong = NULL;
        char *piece = malloc(seen == 0 ? 1 : seen);

        FUZZ_CHECK(piece != NULL, "out of memory");
        if (seen > 0)
            memcpy(piece, data + story.at, seen);
        story.last = answer_parse(requests[story.replies], piece, seen, REPLY_SIZE_LIMIT, &reply, &used, &wrong);
        if (story.last == ANSWER_COMPLETE || story.last == ANSWER_ENDS) {
            FUZZ_CHECK(used <= seen && used % 8 == 0 && used >= 8, "%zu bytes of %zu", used, seen);
            tell_reply(&story, &reply, piece, used);
            story.at += used;
            story.replies++;
        }
        FUZZ_CHECK((story.last == ANSWER_WRONG) == (wrong != NULL), "wrong without a reason");
        free(piece);
        if (story.last == ANSWER_ENDS || story.last == ANSWER_WRONG || (story.last == ANSWER_PARTIAL && end == size))
            break;
        if (story.last == ANSWER_PARTIAL)
            end += fuzz_chunk(&state, seed, size - end);
    }
    return story;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned seed = (unsigned)fuzz_take(&input, 1), count = (unsigned)fuzz_take(&input, 1) % (REQUESTS_MAX + 1);
    uint64_t requests[REQUESTS_MAX];
    struct story whole, pieces;

    for (unsigned i = 0; i < count; i++) {
        uint32_t opcode = (uint32_t)fuzz_take(&input, 1), flags = (uint32_t)fuzz_take(&input, 1), tag = (uint32_t)fuzz_take(&input, 1);

        requests[i] = answer_request(wire_header(opcode, flags, tag, 0), (uint32_t)fuzz_take(&input, 1));
    }
    whole = parse(requests, count, 255, input.data, input.size);
    pieces = parse(requests, count, seed, input.data, input.size);
    FUZZ_CHECK(whole.sum == pieces.sum && whole.replies == pieces.replies && whole.at == pieces.at && whole.last == pieces.last,
               "in pieces it means something else");
    return 0;
}
