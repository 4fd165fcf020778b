/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * resp_check.h - a strict reader of RESP replies: a client that believes nothing
 */
#ifndef SDB_TESTS_RESP_CHECK_H
#define SDB_TESTS_RESP_CHECK_H

#include <stddef.h>
#include <stdint.h>

/* One element: its type byte, and its payload, or the number of elements that follow it. */
struct resp_element {
    char type;
    const char *data;
    size_t size;
    int64_t number; /* of ':', '*', '%', '~', '>' and of '$' and '*' -1 */
    int64_t follow; /* how many elements belong to it */
};

/*
 * Reads the element at data. Returns its size, or aborts with words where it is not one, or not complete, or not of the
 * protocol (2 or 3).
 */
size_t resp_element(const char *data, size_t size, int protocol, struct resp_element *element);

/* Skips one whole reply, however nested; aborts as above. protocol: 0 takes both, for a stream that changes. */
size_t resp_reply(const char *data, size_t size, int protocol);

#endif
