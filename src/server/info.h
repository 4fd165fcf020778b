/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * info.h - the sections of INFO, each a writer of lines "name:value"
 */
#ifndef SDB_SERVER_INFO_H
#define SDB_SERVER_INFO_H

#include "client.h"
#include "reply.h"

/* Appends a section's lines to the text. client asks; its session may be used. */
typedef void info_section(struct reply *text, struct client *client);

info_section info_server, info_clients, info_memory, info_persistence, info_stats, info_replication, info_cpu,
    info_modules, info_commandstats, info_errorstats, info_latencystats, info_cluster, info_superdb, info_keyspace;

/* CONFIG RESETSTAT: the engine's hits, misses and expired keys count from now. */
void info_reset(void);

#endif
