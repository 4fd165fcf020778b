/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resp_check.c - a strict reader of RESP replies
 */
#include "resp_check.h"

#include <errno.h>
#include <inttypes.h>

#include "fuzz.h"

static void refuse(const char *data, size_t size, const char *why)
{
    FUZZ_CHECK(0, "%s: \"%.*s\"", why, (int)(size < 80 ? size : 80), data);
}

/* The size of the line without its end. A lone '\r' or '\n' in it is an error. */
static size_t line_size(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n')
            refuse(data, size, "a line end without its carriage return");
        if (data[i] == '\r') {
            if (i + 1 == size || data[i + 1] != '\n')
                refuse(data, size, "a carriage return without its line end");
            return i;
        }
    }
    refuse(data, size, "a line without an end");
    return 0;
}

static int64_t canonical(const char *text, size_t size)
{
    char copy[32], again[32];

    if (size == 0 || size >= sizeof(copy))
        refuse(text, size, "no number");
    memcpy(copy, text, size);
    copy[size] = '\0';
    errno = 0;
    int64_t value = strtoll(copy, NULL, 10);
    (void)snprintf(again, sizeof(again), "%" PRId64, value);
    if (errno != 0 || strcmp(copy, again) != 0)
        refuse(text, size, "no canonical number");
    return value;
}

static size_t read_bulk(const char *data, size_t size, size_t line, struct resp_element *element)
{
    size_t head = line + 2;

    element->number = canonical(data + 1, line - 1);
    if (element->number == -1 && data[0] == '$')
        return head;
    if (element->number < 0 || (uint64_t)element->number > size - head || size - head - (size_t)element->number < 2)
        refuse(data, size, "a bulk string that is not complete");
    element->data = data + head;
    element->size = (size_t)element->number;
    if (element->data[element->size] != '\r' || element->data[element->size + 1] != '\n')
        refuse(data, size, "a bulk string without its line end");
    if (data[0] == '=' && (element->size < 4 || element->data[3] != ':'))
        refuse(data, size, "a verbatim string without its format");
    return head + element->size + 2;
}

static void check_double(const char *data, size_t size)
{
    char copy[512], *end;

    if (size == 0 || size >= sizeof(copy))
        refuse(data, size, "no double");
    memcpy(copy, data, size);
    copy[size] = '\0';
    (void)strtod(copy, &end);
    if (*end != '\0')
        refuse(data, size, "no double");
}

size_t resp_element(const char *data, size_t size, int protocol, struct resp_element *element)
{
    memset(element, 0, sizeof(*element));
    if (size == 0)
        refuse(data, size, "nothing");
    if (protocol == 2 && strchr("+-:$*", data[0]) == NULL)
        refuse(data, size, "no type of protocol 2");
    size_t line = line_size(data, size);
    element->type = data[0];
    element->data = data + 1;
    element->size = line - 1;
    switch (data[0]) {
    case '+':
    case '-':
        break;
    case ':':
        element->number = canonical(data + 1, line - 1);
        break;
    case '$':
    case '=':
    case '!':
        return read_bulk(data, size, line, element);
    case '*':
    case '~':
    case '>':
    case '%':
        element->number = canonical(data + 1, line - 1);
        if (element->number < (data[0] == '*' ? -1 : 0))
            refuse(data, size, "a negative number of elements");
        element->follow = element->number < 0 ? 0 : data[0] == '%' ? element->number * 2 : element->number;
        break;
    case ',':
        check_double(data + 1, line - 1);
        break;
    case '#':
        if (line != 2 || (data[1] != 't' && data[1] != 'f'))
            refuse(data, size, "no boolean");
        break;
    case '_':
        if (line != 1)
            refuse(data, size, "no null");
        break;
    default:
        refuse(data, size, "no type");
    }
    return line + 2;
}

size_t resp_reply(const char *data, size_t size, int protocol)
{
    int64_t wanted = 1;
    size_t at = 0;

    while (wanted > 0) {
        struct resp_element element;

        at += resp_element(data + at, size - at, protocol, &element);
        wanted += element.follow - 1;
    }
    return at;
}
