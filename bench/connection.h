/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connection.h - client sockets
 */
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H

#include "network_options.h"

/*
 * A connected, blocking socket, without delay for small packets; -1 on failure, with errno set. Receives and sends give up
 * after ten seconds. Owner: the caller closes it.
 */
int connection_open(const struct network_target *target);

/* Says the binary protocol's hello and takes the server's. 0, or -1 with errno set. */
int connection_greet(int fd);

/* Makes it non-blocking. 0, or -1. */
int connection_unblock(int fd);

/* All of size bytes on a blocking socket: 0, or -1. */
int connection_send(int fd, const char *data, size_t size);
int connection_receive(int fd, char *data, size_t size);

#endif
