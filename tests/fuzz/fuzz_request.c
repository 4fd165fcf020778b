/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_request.c - the request parser: what it makes of a stream must not depend on how the stream was cut into pieces
 *
 * Input: flags, a seed for the sizes of the pieces, then the stream. Flag 1: an unauthenticated client; 2: a small limit
 * on arguments; 4: small limits on header lines too, whose errors depend on how much was seen at once, so that then only
 * safety is tested.
 */
#include "fuzz.h"
#include "request.h"

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

static void tell_request(struct story *story, const struct request_arg *argv, int64_t argc, size_t consumed)
{
    tell(story, &argc, sizeof(argc));
    tell(story, &consumed, sizeof(consumed));
    for (int64_t i = 0; i < argc; i++) {
        tell(story, &argv[i].size, sizeof(argv[i].size));
        tell(story, argv[i].data, argv[i].size);
    }
}

/* The fast way takes a request as the full one does, or leaves it. */
static void compare_simple(const struct request_parser *parser, enum request_result result, const char *data, size_t size,
                           size_t consumed)
{
    struct request_arg argv[REQUEST_SIMPLE_ARGS_MAX];
    int argc = 0;
    size_t taken = request_parse_simple(data, size, argv, &argc);

    if (taken == 0)
        return;
    FUZZ_CHECK(result == REQUEST_COMPLETE && taken == consumed && argc == parser->argc, "%zu bytes, %zu", taken, consumed);
    for (int i = 0; i < argc; i++)
        FUZZ_CHECK(argv[i].data == parser->argv[i].data && argv[i].size == parser->argv[i].size, "argument %d", i);
}

static void parse_whole(const struct request_limits *limits, const char *data, size_t size, struct story *story)
{
    struct request_parser parser;
    size_t at = 0;

    request_parser_init(&parser);
    for (;;) {
        size_t consumed = 0;
        enum request_result result = request_parse(&parser, limits, data + at, size - at, &consumed);

        FUZZ_CHECK(consumed <= size - at, "%zu of %zu", consumed, size - at);
        if (!limits->unauthenticated && limits->bulk_size_max >= 9999 && limits->args_max >= REQUEST_SIMPLE_ARGS_MAX)
            compare_simple(&parser, result, data + at, size - at, consumed);
        tell(story, &result, sizeof(result));
        if (result == REQUEST_INVALID)
            tell(story, parser.error, strlen(parser.error));
        if (result != REQUEST_COMPLETE)
            break;
        FUZZ_CHECK(consumed > 0, "a request of no bytes");
        tell_request(story, parser.argv, parser.argc, consumed);
        at += consumed;
    }
    request_parser_free(&parser);
}

/*
 * The same in pieces: an incomplete request's bytes are offered again with more behind them, each time in other memory
 * that is exactly as large.
 */
static void parse_pieces(const struct request_limits *limits, unsigned seed, const char *data, size_t size,
                         struct story *story)
{
    struct request_parser parser;
    uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
    size_t at = 0, end = fuzz_chunk(&state, seed, size), wanted = 0;
    enum request_result result;

    request_parser_init(&parser);
    do {
        size_t seen = end - at, consumed = 0;
        char *piece = malloc(seen == 0 ? 1 : seen);

        FUZZ_CHECK(piece != NULL, "out of memory");
        memcpy(piece, data + at, seen);
        result = request_parse(&parser, limits, piece, seen, &consumed);
        FUZZ_CHECK(seen >= wanted || result == REQUEST_INCOMPLETE, "%zu bytes did, %zu were wanted", seen, wanted);
        wanted = 0;
        if (result == REQUEST_COMPLETE || result == REQUEST_INVALID || end == size)
            tell(story, &result, sizeof(result));
        if (result == REQUEST_INVALID)
            tell(story, parser.error, strlen(parser.error));
        if (result == REQUEST_COMPLETE) {
            tell_request(story, parser.argv, parser.argc, consumed);
            at += consumed;
        } else if (result == REQUEST_INCOMPLETE && end < size) {
            wanted = parser.bytes_wanted == 0 ? 0 : seen + parser.bytes_wanted;
            end += fuzz_chunk(&state, seed, size - end);
            result = REQUEST_COMPLETE;
        }
        free(piece);
    } while (result == REQUEST_COMPLETE);
    request_parser_free(&parser);
}

/* A request that ends with the stream: one parse tells of it that nothing is left, the other need not. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct story whole = {0}, pieces = {0};
    unsigned flags = (unsigned)fuzz_take(&input, 1), seed = (unsigned)fuzz_take(&input, 1);
    struct request_limits limits = {
        .inline_size_max = flags & 4 ? 16 : REQUEST_INLINE_SIZE_MAX,
        .bulk_size_max = flags & 4 ? 100 : 512 << 20,
        .args_max = flags & 2 ? 3 : INT32_MAX,
        .unauthenticated = flags & 1,
    };

    if (input.size >= REQUEST_INLINE_SIZE_MAX)
        return 0;
    parse_whole(&limits, (const char *)input.data, input.size, &whole);
    parse_pieces(&limits, seed, (const char *)input.data, input.size, &pieces);
    if ((flags & 4) == 0)
        FUZZ_CHECK(whole.size == pieces.size && memcmp(whole.text, pieces.text, whole.size) == 0,
                   "in pieces the stream means something else");
    free(whole.text);
    free(pieces.text);
    return 0;
}
