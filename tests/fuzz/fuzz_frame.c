/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_frame.c - the binary protocol's parser: what it makes of a stream must not depend on how the stream was cut into pieces, nor on
 * how many frames are asked for at once; and nothing that it names lies outside of the frame
 *
 * Input: flags (1: unauthenticated, 2: a small limit on values), a seed for the sizes of the pieces, then the stream.
 */
#include "frame.h"
#include "fuzz.h"

#define FRAMES 64u

/* What a parse made of the stream, as text to be compared. */
struct story {
    char *text;
    size_t size, capacity;
};

static void tell(struct story *story, const void *data, size_t size)
{
    if (story->size + size > story->capacity) {
        story->capacity = (story->size + size) * 2;
        story->text = realloc(story->text, story->capacity);
        FUZZ_CHECK(story->text != NULL, "out of memory");
    }
    memcpy(story->text + story->size, data, size);
    story->size += size;
}

static void tell_bytes(struct story *story, const struct wire_frame *frame, const char *data, size_t size)
{
    const char *end = frame->body - WIRE_HEADER_SIZE + wire_size(frame->header);

    FUZZ_CHECK(data >= frame->body && size <= (size_t)(end - data) && data <= end, "opcode %u: bytes outside of the frame",
               wire_opcode(frame->header));
    tell(story, &size, sizeof(size));
    tell(story, data, size);
}

static void tell_entries(struct story *story, const struct wire_frame *frame)
{
    struct wire_cursor cursor = {0};

    for (uint32_t i = 0; i < frame->count; i++) {
        struct wire_entry entry = {0};

        switch (wire_opcode(frame->header)) {
        case WIRE_GET_MANY_BY_HANDLE:
            tell_bytes(story, frame, frame->value + 8ul * i, 8);
            continue;
        case WIRE_SET_MANY:
            entry = wire_next_pair(frame, &cursor);
            break;
        case WIRE_SET_MANY_BY_HANDLE:
            entry = wire_next_handle(frame, &cursor);
            break;
        default:
            entry = wire_next_key(frame, &cursor);
            break;
        }
        if (entry.key != NULL)
            tell_bytes(story, frame, entry.key, entry.key_size);
        if (entry.value != NULL)
            tell_bytes(story, frame, entry.value, entry.value_size);
        tell(story, &entry.handle, sizeof(entry.handle));
    }
}

static void tell_frame(struct story *story, const struct wire_frame *frame)
{
    tell(story, &frame->header, sizeof(frame->header));
    tell(story, &frame->status, sizeof(frame->status));
    if (frame->status != 0)
        return;
    switch (wire_opcode(frame->header)) {
    case WIRE_GET_MANY:
    case WIRE_DELETE_MANY:
    case WIRE_HANDLE_MANY:
    case WIRE_GET_MANY_BY_HANDLE:
    case WIRE_SET_MANY:
    case WIRE_SET_MANY_BY_HANDLE:
        tell_entries(story, frame);
        return;
    case WIRE_SET:
    case WIRE_AUTH:
        tell_bytes(story, frame, frame->key, frame->key_size);
        tell_bytes(story, frame, frame->value, frame->value_size);
        break;
    case WIRE_GET:
    case WIRE_DELETE:
    case WIRE_EXISTS:
    case WIRE_HANDLE:
    case WIRE_ADD:
    case WIRE_EXPIRE:
        tell_bytes(story, frame, frame->key, frame->key_size);
        break;
    case WIRE_GET_BY_HANDLE:
    case WIRE_SELECT:
        break;
    default:
        tell_bytes(story, frame, frame->value, frame->value_size);
        break;
    }
    tell(story, &frame->number, sizeof(frame->number));
}

/* Pieces: what is left over of one is offered again with more behind it, in other memory that is exactly as large. */
static void parse(const struct wire_limits *limits, unsigned seed, unsigned max, const uint8_t *data, size_t size, struct story *story)
{
    struct wire_frame frames[FRAMES];
    uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
    size_t at = 0, end = fuzz_chunk(&state, seed, size);
    const char *error = NULL;

    for (;;) {
        size_t seen = end - at, used = 0;
        char *piece = malloc(seen == 0 ? 1 : seen);
        unsigned n;

        FUZZ_CHECK(piece != NULL, "out of memory");
        memcpy(piece, data + at, seen);
        n = wire_parse(limits, piece, seen, frames, max, &used, &error);
        FUZZ_CHECK(n <= max && used <= seen && used % 8 == 0, "%u frames of %zu bytes", n, used);
        for (unsigned i = 0; i < n; i++)
            tell_frame(story, &frames[i]);
        free(piece);
        at += used;
        if (error != NULL || (n < max && end == size))
            break;
        if (n < max)
            end += fuzz_chunk(&state, seed, size - end);
    }
    tell(story, &at, sizeof(at));
    if (error != NULL)
        tell(story, error, strlen(error));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct story whole = {0}, pieces = {0}, singly = {0};
    unsigned flags = (unsigned)fuzz_take(&input, 1), seed = (unsigned)fuzz_take(&input, 1);
    struct wire_limits limits = {.value_size_max = flags & 2 ? 100 : WIRE_VALUE_SIZE_MAX, .unauthenticated = flags & 1};

    parse(&limits, 255, FRAMES, input.data, input.size, &whole);
    parse(&limits, seed, FRAMES, input.data, input.size, &pieces);
    parse(&limits, 255, 1, input.data, input.size, &singly);
    FUZZ_CHECK(whole.size == pieces.size && memcmp(whole.text, pieces.text, whole.size) == 0, "in pieces it means something else");
    FUZZ_CHECK(whole.size == singly.size && memcmp(whole.text, singly.text, whole.size) == 0, "one by one it means something else");
    free(whole.text);
    free(pieces.text);
    free(singly.text);
    return 0;
}
