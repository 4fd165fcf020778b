/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.h - the server's log: a line a message, with process, time and level, in the form that Redis' tools expect
 *
 *     4711:M 23 Nov 2026 02:51:04.123 * Ready to accept connections
 *
 * Threads: any; a line is written with one system call and never mixed with another.
 */
#ifndef SDB_BASE_LOG_H
#define SDB_BASE_LOG_H


enum log_level {
    LOG_LEVEL_DEBUG = 0,
    LOG_LEVEL_VERBOSE = 1,
    LOG_LEVEL_NOTICE = 2,
    LOG_LEVEL_WARNING = 3,
    LOG_LEVEL_NOTHING = 4
};

/*
 * Where lines go from now on: appended to the file at path, which is made where there is none, or to standard output
 * for NULL and "". The file is opened for each line, so that it may be moved away while the server runs. Returns 0,
 * or an errno value where the file cannot be opened (then nothing changes). Call before threads start.
 */
int log_open(const char *path);

/* Messages below this level are dropped. LOG_LEVEL_NOTICE at the start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Writes one line. Longer ones than 1,024 bytes are cut off; control characters become blanks. errno is kept. */
void log_message(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
