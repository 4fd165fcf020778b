/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * answer.h - reads one reply frame of the binary protocol, which may hold anything: a server is not trusted. Pure: no I/O, no memory.
 */
#ifndef SDB_CLIENT_ANSWER_H
#define SDB_CLIENT_ANSWER_H

#include "superdb/client.h"
#include "wire.h"

enum answer {
    ANSWER_PARTIAL,  /* more bytes are needed */
    ANSWER_COMPLETE,
    ANSWER_ENDS,     /* an error of the connection: reply->result and its words say which */
    ANSWER_WRONG,    /* not of the protocol, or not the reply to this request */
};

/* What the size's half of a request's header is while its reply is awaited: how many entries it has. */
static inline uint64_t answer_request(uint64_t header, uint32_t count)
{
    return (header & UINT32_MAX) | (uint64_t)count << 32;
}

/*
 * Reads the reply to request (answer_request) from data[0..size), which is aligned to 8 bytes. ANSWER_COMPLETE, ANSWER_ENDS: *reply is filled
 * in and leads into data, *used says how many bytes it took. ANSWER_WRONG: *wrong says why. A frame larger than size_max is
 * wrong as soon as its header is there.
 */
enum answer answer_parse(uint64_t request, const char *data, size_t size, uint64_t size_max, struct sdb_client_reply *reply, size_t *used,
                         const char **wrong);

#endif
