/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_payload.c - RESTORE's payloads: any bytes are read or refused; what was read is written in today's form and read again as the same
 *
 * Input: a form and what follows it, without the footer.
 */
#include "crc64.h"
#include "fuzz.h"
#include "payload.h"

/* All elements, in their order for lists, in any for others. */
struct sum {
    struct payload_writer *writer; /* NULL: none */
    uint32_t type;
    uint64_t count, sum;
    int stopped; /* by the writer */
};

static int add(void *context, const struct sdb_element *element)
{
    struct sum *sum = context;
    double score = element->score + 0.0;
    uint64_t bits, one;

    FUZZ_CHECK(score == score, "a score that is no number");
    score = score == 0 ? 0 : score; /* -0 is 0 */
    memcpy(&bits, &score, sizeof(bits));
    one = crc64(crc64(crc64(element->name.size, element->name.data, element->name.size), element->value.data, element->value.size), &bits,
                sizeof(bits));
    sum->sum = sum->type == SDB_TYPE_LIST ? sum->sum * 31 + one : sum->sum + one;
    sum->count++;
    sum->stopped = sum->writer != NULL && payload_add(sum->writer, element);
    return sum->stopped;
}

static void write_and_read_again(const uint8_t *data, size_t size, const struct sum *first, int small)
{
    struct payload_writer writer;
    struct sum written = {&writer, first->type, 0, 0, 0}, again = {NULL, first->type, 0, 0, 0};
    int result;

    payload_begin(&writer, first->type, small);
    (void)payload_read(data, size, add, &written);
    if (!written.stopped) {
        FUZZ_CHECK(payload_end(&writer), "not written");
        FUZZ_CHECK(payload_is_whole(writer.out.data, writer.out.size), "not whole");
        FUZZ_CHECK(payload_type(writer.out.data, writer.out.size) == first->type, "another type");
        result = payload_read(writer.out.data, writer.out.size, add, &again);
        /* A set of integers has none twice. */
        FUZZ_CHECK(result == SDB_OK || (result == SDB_EFORMAT && first->type == SDB_TYPE_SET && small), "not read again");
        FUZZ_CHECK(result != SDB_OK || (again.count == first->count && again.sum == first->sum), "other elements");
    } else {
        FUZZ_CHECK(small && writer.is_too_large, "stopped");
    }
    payload_free(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sum first = {NULL, payload_type(data, size), 0, 0, 0};
    int result = payload_read(data, size, add, &first);

    FUZZ_CHECK(result == SDB_OK || result == SDB_EFORMAT || result == SDB_ENOMEM, "%d", result);
    FUZZ_CHECK(result != SDB_OK || (first.count > 0 && first.type != SDB_TYPE_NONE), "nothing");
    (void)payload_is_whole(data, size);
    if (result == SDB_OK && first.type != SDB_TYPE_STREAM) { /* a stream is written from a pool's, not element by element */
        write_and_read_again(data, size, &first, 0);
        write_and_read_again(data, size, &first, 1);
    }
    return 0;
}
