/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * payload_stream.h - streams in payloads (payload.h)
 *
 *     how many nodes. Each: a string, its first id, 8 bytes and 8 bytes; a string, its listpack
 *     the number of entries, the last id; from form 19 on also the first id, the greatest one deleted, and how many were ever added
 *     how many groups. Each: its name, its last id, from form 19 on how many it has read; how many are pending. Each: its id, 16 bytes,
 *         the time of delivery, 8 bytes, the lowest first, and the number of deliveries; how many consumers. Each: its name, when it was
 *         seen, in form 21 also when it was active; how many are pending of it, and their ids
 *
 * A node's listpack: how many entries, how many deleted ones, how many fields, the fields, 0. Then each entry: its flags, what its id
 * has more than the first one, time and number; if it has other fields: how many; the values, or the fields with their values; how many
 * elements it had.
 */
#ifndef SDB_SERVER_PAYLOAD_STREAM_H
#define SDB_SERVER_PAYLOAD_STREAM_H

#include "payload_output.h"
#include "superdb/superdb.h"

enum payload_entry_flags { PAYLOAD_ENTRY_DELETED = 1, PAYLOAD_ENTRY_SAME_FIELDS = 2 };

/*
 * Fills a stream in with what the payload holds. Not looked at: the footer. Errors: SDB_EFORMAT, SDB_ENOMEM,
 * those of the fill functions.
 */
int payload_stream_read(const void *data, size_t size, struct sdb_stream_filling *filling);

/*
 * Writes a stream, in a transaction that names it: everything but the footer. node_entries: what fits in a node. Errors: those of
 * reading. out->failed: there was no memory.
 */
int payload_stream_write(struct payload_bytes *out, struct sdb_session *session, const struct sdb_slice *key, uint64_t node_entries);

#endif
