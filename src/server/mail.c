/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mail.c - the mailbox
 * Threads: under the receiver's mailbox_lock
 */
#include "mail.h"

#include <stddef.h>

#include "worker.h"

void mail_send(struct worker *to, struct letter *letter)
{
    int was_empty;

    letter->next = NULL;
    lock_acquire(&to->mailbox_lock);
    was_empty = to->letters == NULL;
    *(was_empty ? &to->letters : to->letters_end) = letter;
    to->letters_end = &letter->next;
    lock_release(&to->mailbox_lock);
    if (was_empty)
        worker_wake(to);
}

void mail_open(struct worker *worker)
{
    struct letter *letter, *next;

    lock_acquire(&worker->mailbox_lock);
    letter = worker->letters;
    worker->letters = NULL;
    lock_release(&worker->mailbox_lock);
    for (; letter != NULL; letter = next) {
        next = letter->next;
        letter->open(worker, letter);
    }
}
