/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame.c - requests of the binary protocol
 *
 * Pipelines are mostly frames of one opcode and one size. wire_parse looks at one in full, and takes those behind it whose header is the
 * same but for the tag without looking at rules and limits again: where the next one begins does not depend on what was
 * loaded, so that the CPU reads many headers at the same time.
 */
#include "frame.h"

#define TAG_MASK (0xffffull << 16)

enum shape {
    SHAPE_UNKNOWN,
    SHAPE_BYTES,         /* WIRE_HELLO, WIRE_PING, WIRE_COMMAND: whoever runs it looks into it */
    SHAPE_NUMBER,        /* a number: WIRE_GET_BY_HANDLE, WIRE_SELECT */
    SHAPE_KEY,           /* a key */
    SHAPE_NUMBER_KEY,    /* a number, a key: WIRE_ADD, WIRE_EXPIRE */
    SHAPE_NUMBER_VALUE,  /* WIRE_SET_BY_HANDLE */
    SHAPE_SET,
    SHAPE_AUTH,
    SHAPE_HANDLES,       /* WIRE_GET_MANY_BY_HANDLE */
    SHAPE_KEYS,
    SHAPE_PAIRS,
    SHAPE_HANDLE_VALUES,
};

struct rule {
    uint8_t shape;
    uint8_t flags;     /* that may be set */
    uint8_t has_value; /* size_max is what comes on top of the value's limit */
    uint32_t size_min, size_max;
};

#define EXPIRES (WIRE_EXPIRE_AT | WIRE_EXPIRE_IN)
#define KEY_FRAME_MAX (WIRE_HEADER_SIZE + WIRE_KEY_SIZE_MAX)

static const struct rule rules[256] = {
    [WIRE_HELLO] = {SHAPE_BYTES, 0, 0, WIRE_HELLO_SIZE, 4096},
    [WIRE_PING] = {SHAPE_BYTES, 0, 0, 8, WIRE_SMALL_SIZE_MAX},
    [WIRE_AUTH] = {SHAPE_AUTH, 0, 0, 16, WIRE_SMALL_SIZE_MAX},
    [WIRE_SELECT] = {SHAPE_NUMBER, 0, 0, 16, 16},
    [WIRE_COMMAND] = {SHAPE_BYTES, 0, 1, 8, WIRE_KEYS_SIZE_MAX},
    [WIRE_GET] = {SHAPE_KEY, WIRE_WANT_META, 0, 8, KEY_FRAME_MAX},
    [WIRE_GET_BY_HANDLE] = {SHAPE_NUMBER, WIRE_WANT_META, 0, 16, 16},
    [WIRE_SET] = {SHAPE_SET, 0x7f, 1, 16, WIRE_SMALL_SIZE_MAX},
    [WIRE_SET_BY_HANDLE] = {SHAPE_NUMBER_VALUE, 0, 1, 16, 16},
    [WIRE_DELETE] = {SHAPE_KEY, 0, 0, 8, KEY_FRAME_MAX},
    [WIRE_EXISTS] = {SHAPE_KEY, 0, 0, 8, KEY_FRAME_MAX},
    [WIRE_ADD] = {SHAPE_NUMBER_KEY, 0, 0, 16, 8 + KEY_FRAME_MAX},
    [WIRE_HANDLE] = {SHAPE_KEY, 0, 0, 8, KEY_FRAME_MAX},
    [WIRE_EXPIRE] = {SHAPE_NUMBER_KEY, EXPIRES, 0, 16, 8 + KEY_FRAME_MAX},
    [WIRE_GET_MANY] = {SHAPE_KEYS, WIRE_ONE_MOMENT, 0, 16, WIRE_KEYS_SIZE_MAX},
    [WIRE_GET_MANY_BY_HANDLE] = {SHAPE_HANDLES, 0, 0, 8, 8 + 8 * WIRE_MANY_MAX},
    [WIRE_SET_MANY] = {SHAPE_PAIRS, WIRE_IF_ABSENT, 1, 16, WIRE_KEYS_SIZE_MAX},
    [WIRE_SET_MANY_BY_HANDLE] = {SHAPE_HANDLE_VALUES, 0, 1, 16, WIRE_KEYS_SIZE_MAX},
    [WIRE_DELETE_MANY] = {SHAPE_KEYS, 0, 0, 16, WIRE_KEYS_SIZE_MAX},
    [WIRE_HANDLE_MANY] = {SHAPE_KEYS, 0, 0, 16, WIRE_KEYS_SIZE_MAX},
};

static const char *check_header(const struct wire_limits *limits, uint64_t header)
{
    const struct rule *rule = &rules[wire_opcode(header)];
    uint64_t size = wire_size(header);
    uint64_t max = rule->size_max + (rule->has_value ? limits->value_size_max : 0);

    if (rule->shape == SHAPE_UNKNOWN)
        return size < WIRE_HEADER_SIZE || size > WIRE_SMALL_SIZE_MAX ? "a frame of an unknown opcode is too small or too large" : NULL;
    if (size < rule->size_min)
        return "a frame is too small for its opcode";
    if (size > max || (limits->unauthenticated && size > WIRE_UNAUTHENTICATED_SIZE_MAX))
        return "a frame is too large";
    return NULL;
}

/* `left` bytes follow the fixed part: the key, then the value. */
static const char *split(const struct wire_limits *limits, struct wire_frame *frame, const char *at, uint64_t key_size, uint64_t left)
{
    if (key_size > left || key_size > WIRE_KEY_SIZE_MAX)
        return "a key is longer than its frame, or than keys may be";
    if (left - key_size > limits->value_size_max)
        return "a value is too large";
    frame->key = at;
    frame->key_size = (uint32_t)key_size;
    frame->value = at + key_size;
    frame->value_size = (uint32_t)(left - key_size);
    return NULL;
}

static inline const char *take_set(const struct wire_limits *limits, struct wire_frame *frame, uint64_t left)
{
    const char *at = frame->body;
    uint64_t key_size = wire_get64(at);
    uint8_t flags = wire_flags(frame->header);

    left -= 8; /* size_min */
    at += 8;
    if (__builtin_expect((flags & (WIRE_IF_VERSION | EXPIRES)) != 0, 0)) {
        unsigned words = (unsigned)((flags & WIRE_IF_VERSION) != 0) + ((flags & EXPIRES) != 0);

        if (left < 8ul * words)
            return "a frame is too small for its flags";
        left -= 8ul * words;
        if ((flags & WIRE_IF_VERSION) != 0) {
            frame->version = wire_get64(at);
            at += 8;
        }
        if ((flags & EXPIRES) != 0) {
            frame->number = wire_get64(at);
            at += 8;
        }
        if ((flags & EXPIRES) == EXPIRES)
            frame->status = WIRE_STATUS_OPCODE;
    }
    if (key_size >> 32 != 0)
        frame->status = WIRE_STATUS_OPCODE; /* the reserved half */
    return split(limits, frame, at, (uint32_t)key_size, left);
}

/* The count, and that its fixed part fits. Returns what is left behind it, or -1. */
static int64_t take_count(struct wire_frame *frame, uint64_t left, uint64_t entry_size)
{
    uint64_t word = wire_get64(frame->body), count = (uint32_t)word, fixed;

    if (word >> 32 != 0)
        frame->status = WIRE_STATUS_OPCODE;
    fixed = 8 + wire_padded(count * entry_size);
    if (count > WIRE_MANY_MAX || fixed > left)
        return -1;
    frame->count = (uint32_t)count;
    frame->value = frame->body + fixed;
    return (int64_t)(left - fixed);
}

/* Entries of entry_size bytes in the fixed part, with sizes at the offsets key_at and value_at (-1: none). */
static const char *take_many(const struct wire_limits *limits, struct wire_frame *frame, uint64_t left, unsigned entry_size, int key_at,
                             int value_at)
{
    int64_t rest = take_count(frame, left, entry_size);
    uint64_t sum = 0;
    int fit = 1;

    if (rest < 0)
        return "a frame's count is too large for it";
    for (uint32_t i = 0; i < frame->count; i++) {
        const char *fixed = frame->body + 8 + (size_t)i * entry_size;
        uint32_t key_size = key_at < 0 ? 0 : wire_get32(fixed + key_at);
        uint32_t value_size = value_at < 0 ? 0 : wire_get32(fixed + value_at);

        fit &= key_size <= WIRE_KEY_SIZE_MAX && value_size <= limits->value_size_max;
        sum += (uint64_t)key_size + value_size;
    }
    return fit && sum == (uint64_t)rest ? NULL : "the sizes in a frame do not add up";
}

static inline const char *take_body(const struct wire_limits *limits, struct wire_frame *frame, enum shape shape)
{
    uint64_t left = wire_size(frame->header) - WIRE_HEADER_SIZE;
    uint64_t word;

    switch (shape) {
    case SHAPE_KEY:
        frame->key = frame->body;
        frame->key_size = (uint32_t)left;
        return NULL;
    case SHAPE_NUMBER:
        frame->number = wire_get64(frame->body);
        return NULL;
    case SHAPE_SET:
        return take_set(limits, frame, left);
    case SHAPE_NUMBER_VALUE:
        frame->number = wire_get64(frame->body);
        return split(limits, frame, frame->body + 8, 0, left - 8);
    case SHAPE_NUMBER_KEY:
        frame->number = wire_get64(frame->body);
        frame->key = frame->body + 8;
        frame->key_size = (uint32_t)(left - 8);
        return NULL;
    case SHAPE_BYTES:
        frame->value = frame->body;
        frame->value_size = (uint32_t)left;
        return NULL;
    case SHAPE_AUTH:
        word = wire_get64(frame->body);
        frame->status = word >> 32 != 0 ? WIRE_STATUS_OPCODE : frame->status;
        return split(limits, frame, frame->body + 8, (uint32_t)word, left - 8);
    case SHAPE_HANDLES:
        frame->count = (uint32_t)(left / 8);
        frame->value = frame->body;
        return left % 8 == 0 ? NULL : "handles are of 8 bytes";
    case SHAPE_KEYS:
        return take_many(limits, frame, left, 4, 0, -1);
    case SHAPE_PAIRS:
        return take_many(limits, frame, left, 8, 0, 4);
    case SHAPE_HANDLE_VALUES:
        return take_many(limits, frame, left, 16, -1, 8);
    case SHAPE_UNKNOWN:
    default:
        frame->status = WIRE_STATUS_OPCODE;
        return NULL;
    }
}

static inline void begin_frame(struct wire_frame *frame, uint64_t header, const char *data)
{
    frame->header = header;
    frame->body = data + WIRE_HEADER_SIZE;
    frame->number = 0;
    frame->status = 0;
}

/* Of those behind the first that begin as it does: how many were taken. */
static unsigned take_alike(const struct wire_limits *limits, const char *data, size_t size, uint64_t first, struct wire_frame *frames,
                           unsigned max)
{
    enum shape shape = (enum shape)rules[wire_opcode(first)].shape;
    size_t step = wire_padded(wire_size(first));
    unsigned n = 0;

    while (n < max && size >= step) {
        uint64_t header = wire_get64(data);

        if (((header ^ first) & ~TAG_MASK) != 0)
            break;
        begin_frame(&frames[n], header, data);
        if (take_body(limits, &frames[n], shape) != NULL)
            break;
        data += step;
        size -= step;
        n++;
    }
    return n;
}

unsigned wire_parse(const struct wire_limits *limits, const char *data, size_t size, struct wire_frame *frames, unsigned max,
                    size_t *used, const char **error)
{
    unsigned n = 0;
    size_t at = 0;

    *error = NULL;
    while (n < max && size - at >= WIRE_HEADER_SIZE) {
        uint64_t header = wire_get64(data + at);
        const struct rule *rule = &rules[wire_opcode(header)];
        size_t step = wire_padded(wire_size(header));
        unsigned alike;

        *error = check_header(limits, header);
        if (*error != NULL || size - at < step)
            break;
        begin_frame(&frames[n], header, data + at);
        if ((wire_flags(header) & ~rule->flags) != 0)
            frames[n].status = WIRE_STATUS_OPCODE; /* what such a flag does to the rest, a later version knows */
        else
            *error = take_body(limits, &frames[n], (enum shape)rule->shape);
        if (*error != NULL)
            break;
        n++;
        at += step;
        if (frames[n - 1].status != 0 || rule->shape >= SHAPE_AUTH)
            continue;
        alike = take_alike(limits, data + at, size - at, header, frames + n, max - n);
        n += alike;
        at += alike * step;
    }
    *used = at;
    return n;
}
