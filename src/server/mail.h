/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mail.h - what one worker has for another: letters in its mailbox, which it opens in its own thread, in their order
 *
 * Threads: mail_send by any worker; a letter is opened by the worker that it was sent to, in a turn.
 */
#ifndef SDB_SERVER_MAIL_H
#define SDB_SERVER_MAIL_H

#include <stdint.h>

struct letter;
struct worker;

/* Does what the letter says, and frees it. */
typedef void letter_open(struct worker *worker, struct letter *letter);

struct letter {
    struct letter *next;
    letter_open *open;
};

/* The letter is the other worker's from now on, which is woken for it. */
void mail_send(struct worker *to, struct letter *letter);

/* Opens what has come. */
void mail_open(struct worker *worker);

#endif
