/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config_ignored.c - the names, by the reason for which they mean nothing here
 * Memory: the notes, until they are logged
 */
#include "config_ignored.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_option.h"
#include "log.h"
#include "superdb/superdb.h"

static const struct {
    const char *why;
    const char *names; /* blanks around each */
} ignored[] = {
    {"every write is durable when it is acknowledged: there is nothing to save",
     " dbfilename rdbchecksum rdbcompression rdb-del-sync-files rdb-save-incremental-fsync sanitize-dump-payload appendfilename "
     "appenddirname no-appendfsync-on-rewrite auto-aof-rewrite-percentage auto-aof-rewrite-min-size aof-load-truncated "
     "aof-use-rdb-preamble aof-timestamp-enabled aof-rewrite-incremental-fsync aof-disable-auto-gc "},
    {"there is no replication and no cluster",
     " masterauth masteruser repl-diskless-sync repl-diskless-sync-delay repl-diskless-sync-max-replicas repl-diskless-load "
     "repl-disable-tcp-nodelay repl-backlog-size repl-backlog-ttl repl-timeout repl-ping-replica-period repl-ping-slave-period "
     "replica-serve-stale-data slave-serve-stale-data replica-read-only slave-read-only replica-priority slave-priority "
     "replica-announced replica-announce-ip slave-announce-ip replica-announce-port slave-announce-port replica-lazy-flush "
     "slave-lazy-flush replica-ignore-maxmemory slave-ignore-maxmemory replica-ignore-disk-write-errors "
     "propagation-error-behavior min-replicas-max-lag min-slaves-max-lag cluster-config-file cluster-node-timeout cluster-port "
     "cluster-replica-validity-factor cluster-slave-validity-factor cluster-migration-barrier cluster-allow-replica-migration "
     "cluster-require-full-coverage cluster-replica-no-failover cluster-slave-no-failover cluster-allow-reads-when-down "
     "cluster-allow-pubsubshard-when-down cluster-link-sendbuf-limit cluster-announce-hostname cluster-announce-ip "
     "cluster-announce-port cluster-announce-tls-port cluster-announce-bus-port cluster-preferred-endpoint-type "
     "bind-source-addr "},
    {"entries never move",
     " active-defrag-ignore-bytes active-defrag-threshold-lower active-defrag-threshold-upper active-defrag-cycle-min "
     "active-defrag-cycle-max active-defrag-max-scan-fields jemalloc-bg-thread "},
    {"expired keys are swept in any case, in rounds whose number hz says", " active-expire-effort "},
    {"see logfile", " syslog-ident syslog-facility crash-log-enabled crash-memcheck-enabled "},
    {"a service manager does this",
     " set-proc-title proc-title-template oom-score-adj oom-score-adj-values server_cpulist bio_cpulist aof_rewrite_cpulist "
     "bgsave_cpulist socket-mark-id ignore-warnings "},
    {"the server asks for huge pages where the pool can have them", " disable-thp "},
    {"the server stops as on SIGTERM, within five seconds", " shutdown-timeout shutdown-on-sigint shutdown-on-sigterm "},
    {"there is no TLS, and tls-port is refused",
     " tls-cert-file tls-key-file tls-key-file-pass tls-client-cert-file tls-client-key-file tls-client-key-file-pass "
     "tls-dh-params-file tls-ca-cert-file tls-ca-cert-dir tls-auth-clients tls-replication tls-cluster tls-protocols tls-ciphers "
     "tls-ciphersuites tls-prefer-server-ciphers tls-session-caching tls-session-cache-size tls-session-cache-timeout "},
};

static char **notes;
static size_t notes_count;

const char *config_ignored_why(const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; size > 0 && i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        for (const char *at = ignored[i].names + 1; *at != '\0'; at += strcspn(at, " ") + 1)
            if (strcspn(at, " ") == size && strncasecmp(at, name, size) == 0)
                return ignored[i].why;
    }
    return NULL;
}

int config_constant_may_differ(const struct config_option *option, char **words, int count)
{
    char *end;
    long number;

    if ((option->flags & OPTION_IGNORABLE) == 0 || count == 0)
        return 0;
    if (strcmp(option->name, "databases") != 0)
        return 1;
    /* Fewer than there are: nobody misses one. */
    number = strtol(words[0], &end, 10);
    return count == 1 && *end == '\0' && number >= 1 && number <= SDB_DATABASES;
}

int config_note_ignored(const char *text)
{
    char **grown = realloc(notes, (notes_count + 1) * sizeof(*notes));
    char *copy = strdup(text);

    if (grown != NULL)
        notes = grown;
    if (grown == NULL || copy == NULL) {
        free(copy);
        return -1;
    }
    notes[notes_count++] = copy;
    return 0;
}

void config_log_ignored(void)
{
    for (size_t i = 0; i < notes_count; i++) {
        log_message(LOG_LEVEL_WARNING, "%s", notes[i]);
        free(notes[i]);
    }
    free(notes);
    notes = NULL;
    notes_count = 0;
}
