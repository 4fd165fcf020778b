/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * listener.h - the sockets that the server listens on, and whom it lets in
 *
 * Threads: opened and closed by main, read by the acceptor and the workers.
 */
#ifndef SDB_SERVER_LISTENER_H
#define SDB_SERVER_LISTENER_H

#include <stddef.h>

#define LISTENERS_MAX 34 /* 16 addresses in two families, and a unix socket */

struct listener {
    int fd;
    int is_unix;
};

/*
 * Opens the sockets that the configuration names: TCP on each address, the unix socket. Errors: -1, with what could not be
 * bound and why in error; nothing is open then.
 */
int listeners_open(char *error, size_t error_size);

/* Closes them, and removes the unix socket's file. */
void listeners_close(void);

int listeners_count(void);
const struct listener *listener_at(int index);

/* The TCP port that is bound, 0 where there is none. */
int listeners_port(void);

/*
 * Whether a socket that was just accepted may stay (maxclients, protected mode), and sets its options. Where it may not, the peer is
 * told why; the caller closes it. 1 or 0.
 */
int listener_admit(const struct listener *listener, int fd, size_t clients);

#endif
