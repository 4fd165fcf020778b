/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_glob.c - the pattern matcher, compared with one that compiles the pattern into sets of bytes and fills in a table
 *
 * Input: flags (1: in either case), the pattern's size, the pattern, the text.
 */
#include <stdbool.h>

#include "fuzz.h"
#include "glob.h"

#define ELEMENTS_MAX 256u
#define TEXT_MAX 256u

struct element {
    bool is_star;
    bool takes[256];
};

static unsigned char fold(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

static bool same(unsigned char a, unsigned char b, bool nocase)
{
    return nocase ? fold(a) == fold(b) : a == b;
}

static bool between(unsigned char a, unsigned char b, unsigned char byte, bool nocase)
{
    unsigned char low = a < b ? a : b, high = a < b ? b : a;

    return nocase ? fold(low) <= fold(byte) && fold(byte) <= fold(high) : low <= byte && byte <= high;
}

/* "[...]" from behind the bracket. Returns where it ends. An escaped byte of a class is taken in its own case. */
static size_t compile_class(const uint8_t *p, size_t size, bool nocase, struct element *element)
{
    bool negated = size > 0 && p[0] == '^';
    size_t i = negated ? 1 : 0;

    while (i < size && p[i] != ']') {
        size_t step = 1;

        for (unsigned byte = 0; byte < 256; byte++) {
            unsigned char c = (unsigned char)byte;

            if (p[i] == '\\' && i + 1 < size) {
                element->takes[byte] |= c == p[i + 1];
                step = 2;
            } else if (i + 2 < size && p[i + 1] == '-') {
                element->takes[byte] |= between(p[i], p[i + 2], c, nocase);
                step = 3;
            } else {
                element->takes[byte] |= same(p[i], c, nocase);
            }
        }
        i += step;
    }
    for (unsigned byte = 0; negated && byte < 256; byte++)
        element->takes[byte] = !element->takes[byte];
    return i < size ? i + 1 : i;
}

static size_t compile(const uint8_t *p, size_t size, bool nocase, struct element *elements)
{
    size_t count = 0;

    memset(elements, 0, ELEMENTS_MAX * sizeof(*elements));
    for (size_t i = 0; i < size; count++) {
        struct element *element = &elements[count];
        unsigned char c = p[i++];

        if (c == '*') {
            element->is_star = true;
            continue;
        }
        if (c == '[') {
            i += compile_class(p + i, size - i, nocase, element);
            continue;
        }
        if (c == '\\' && i < size)
            c = p[i++];
        else if (c == '?')
            memset(element->takes, 1, sizeof(element->takes));
        for (unsigned byte = 0; byte < 256; byte++)
            element->takes[byte] |= same(c, (unsigned char)byte, nocase);
    }
    return count;
}

/* matches[j]: the elements so far match the first j bytes. */
static bool match(const struct element *elements, size_t count, const uint8_t *text, size_t size)
{
    bool matches[TEXT_MAX + 1] = {true};

    for (size_t i = 0; i < count; i++) {
        bool next[TEXT_MAX + 1] = {elements[i].is_star && matches[0]};

        for (size_t j = 1; j <= size; j++)
            next[j] = elements[i].is_star ? matches[j] || next[j - 1] : matches[j - 1] && elements[i].takes[text[j - 1]];
        memcpy(matches, next, sizeof(matches));
    }
    return matches[size];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct element elements[ELEMENTS_MAX];
    struct fuzz_input input = {data, size};
    bool nocase = fuzz_take(&input, 1) & 1;
    size_t pattern_size = (size_t)fuzz_take(&input, 1);

    if (pattern_size > input.size)
        pattern_size = input.size;
    const uint8_t *text = input.data + pattern_size;
    size_t text_size = input.size - pattern_size < TEXT_MAX ? input.size - pattern_size : TEXT_MAX;
    size_t count = compile(input.data, pattern_size, nocase, elements);
    bool expected = text_size == 0 ? pattern_size == 0 : match(elements, count, text, text_size);
    FUZZ_CHECK(glob_match((const char *)input.data, pattern_size, (const char *)text, text_size, nocase) == expected,
               "\"%.*s\" and \"%.*s\"", (int)pattern_size, (const char *)input.data, (int)text_size, (const char *)text);
    return 0;
}
