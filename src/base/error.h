/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error.h - the story behind a thread's last failure: the words that an error number cannot carry
 *
 * Threads: each thread has its own text. Memory: none is allocated.
 */
#ifndef SDB_BASE_ERROR_H
#define SDB_BASE_ERROR_H

#define ERROR_TEXT_SIZE 1280u /* a path of 1,024 bytes fits, with what is said about it */

/*
 * Replaces this thread's text. Longer ones are cut off. Arguments may point into the text that is being replaced, and
 * errno is left as it was, so that it may be read before and after.
 */
void error_set(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* This thread's text, empty before the first failure. Valid until the thread's next error_set. */
const char *error_text(void);

/* Empties this thread's text. */
void error_clear(void);

#endif
