/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connection.c - client sockets
 */
#include "connection.h"

#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address)) {
        int error = errno;

        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int connect_tcp(const char *host, uint32_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char service[16];
    int one = 1;
    int error = ECONNREFUSED;
    int fd = -1;

    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found)) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    for (const struct addrinfo *address = found; address && fd < 0; address = address->ai_next) {
        fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);
        if (fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen)) {
            error = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    errno = error;
    return fd;
}

int connection_open(const struct network_target *target)
{
    struct timeval limit = {.tv_sec = 10};
    int fd = target->unix_path ? connect_unix(target->unix_path) : connect_tcp(target->host, target->port);

    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    return fd;
}

int connection_unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int connection_send(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -1;
        data += sent;
        size -= (size_t)sent;
    }
    return 0;
}

int connection_receive(int fd, char *data, size_t size)
{
    while (size) {
        ssize_t received = recv(fd, data, size, 0);

        if (received < 0 && errno == EINTR)
            continue;
        if (received <= 0)
            return -1;
        data += received;
        size -= (size_t)received;
    }
    return 0;
}

int connection_greet(int fd)
{
    char hello[WIRE_HELLO_SIZE], reply[WIRE_HELLO_REPLY_SIZE];

    wire_put64(hello, wire_header(WIRE_HELLO, 0, 0, WIRE_HELLO_SIZE));
    wire_put64(wire_put64(wire_put64(hello + WIRE_HEADER_SIZE, WIRE_MAGIC), WIRE_VERSION), 0);
    if (connection_send(fd, hello, sizeof hello) || connection_receive(fd, reply, sizeof reply))
        return -1;
    errno = EPROTO;
    return wire_get64(reply) == wire_header(WIRE_HELLO, 0, 0, WIRE_HELLO_REPLY_SIZE) ? 0 : -1;
}
