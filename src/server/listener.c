/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * listener.c - listening sockets
 */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "acl.h"
#include "config.h"
#include "log.h"

#define BIND_ATTEMPTS 20
static const struct timespec bind_pause = {0, 50000000};

static struct listener listeners[LISTENERS_MAX];
static int count;
static int tcp_port;

static const char too_many_clients[] = "-ERR max number of clients reached\r\n";
static const char not_from_outside[] =
    "-DENIED SuperDB is running in protected mode because protected mode is enabled and no password is set for the default "
    "user. In this mode connections are only accepted from the loopback interface. To connect from other computers, do one "
    "of these: 1) Send 'CONFIG SET protected-mode no' from the loopback interface, on the host that the server runs on, and "
    "make sure that the server cannot be reached from the internet; CONFIG REWRITE makes the change permanent. 2) Set "
    "'protected-mode no' in the configuration file and restart the server. 3) For a test, start the server with "
    "'--protected-mode no'. 4) Set a password with requirepass. Any one of them is enough for the server to accept "
    "connections from outside.\r\n";

int listeners_count(void)
{
    return count;
}

const struct listener *listener_at(int index)
{
    return &listeners[index];
}

int listeners_port(void)
{
    return tcp_port;
}

/* A socket of another family (unix) is told by sa_family; what does not fit of its address is cut off. */
union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static int port_of(int fd)
{
    union address address = {0};
    socklen_t size = sizeof(address);

    if (getsockname(fd, &address.any, &size) != 0)
        return 0;
    if (address.any.sa_family == AF_INET6)
        return ntohs(address.in6.sin6_port);
    return ntohs(address.in.sin_port);
}

static int bind_address(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    int error;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    for (int attempt = 0;; attempt++) {
        if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, config.tcp_backlog) == 0)
            return fd;
        /* The kernel lets go of a killed server's port a little after its death: its ring is taken down by a kernel thread. */
        if (errno != EADDRINUSE || attempt == BIND_ATTEMPTS)
            break;
        (void)nanosleep(&bind_pause, NULL);
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void add(int fd, int is_unix)
{
    listeners[count].fd = fd;
    listeners[count].is_unix = is_unix;
    count++;
    if (!is_unix && tcp_port == 0)
        tcp_port = port_of(fd);
}

/* An address in each family that it has. name NULL: all interfaces of that family. Returns how many were bound, or -1. */
static int open_tcp(const char *name, int family, int *error_number)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    char port[8];
    int bound = 0;

    snprintf(port, sizeof(port), "%d", config.port);
    if (getaddrinfo(name, port, &hints, &addresses) != 0) {
        *error_number = EADDRNOTAVAIL;
        return -1;
    }
    for (struct addrinfo *address = addresses; address != NULL && count < LISTENERS_MAX; address = address->ai_next) {
        int fd = bind_address(address);

        if (fd < 0) {
            *error_number = errno;
            continue;
        }
        add(fd, 0);
        bound++;
    }
    freeaddrinfo(addresses);
    return bound > 0 ? bound : -1;
}

/* Errors that say "this address does not exist here", which a leading '-' makes harmless. */
static int is_unavailable(int error)
{
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ENOPROTOOPT;
}

static int open_tcp_listeners(char *error, size_t error_size)
{
    int number = 0;

    if (config.bind_count == 0) {
        if (open_tcp("0.0.0.0", AF_INET, &number) < 0 && !is_unavailable(number))
            goto failed_everywhere;
        if (open_tcp("::", AF_INET6, &number) < 0 && (!is_unavailable(number) || count == 0))
            goto failed_everywhere;
        return 0;
    }
    for (int i = 0; i < config.bind_count; i++) {
        const char *name = config.bind[i];
        int is_optional = name[0] == '-';
        int family = AF_UNSPEC;

        name += is_optional;
        if (strcmp(name, "*") == 0) {
            name = "0.0.0.0";
            family = AF_INET;
        } else if (strcmp(name, "::*") == 0) {
            name = "::";
            family = AF_INET6;
        }
        if (open_tcp(name, family, &number) >= 0 || (is_optional && is_unavailable(number)))
            continue;
        snprintf(error, error_size, "cannot listen on %s port %d: %s", name, config.port, strerror(number));
        return -1;
    }
    if (count > 0)
        return 0;
    snprintf(error, error_size, "cannot listen on port %d: none of the addresses is available", config.port);
    return -1;

failed_everywhere:
    snprintf(error, error_size, "cannot listen on port %d: %s", config.port, strerror(number));
    return -1;
}

/* A socket file that nobody answers at is left over from a crash: it is replaced. Anything else is not ours to remove. */
static int remove_stale_socket(const struct sockaddr_un *address)
{
    struct stat status;
    int fd, answered;

    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(status.st_mode))
        return EEXIST;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    answered = connect(fd, (const struct sockaddr *)(const void *)address, sizeof(*address)) == 0 || errno == EAGAIN;
    close(fd);
    if (answered)
        return EADDRINUSE;
    return unlink(address->sun_path) == 0 ? 0 : errno;
}

static int open_unix_listener(char *error, size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int number, fd;

    if (strlen(config.unixsocket) >= sizeof(address.sun_path)) {
        snprintf(error, error_size, "the unix socket's path is longer than %zu bytes: %s", sizeof(address.sun_path) - 1,
                 config.unixsocket);
        return -1;
    }
    memcpy(address.sun_path, config.unixsocket, strlen(config.unixsocket) + 1);
    number = remove_stale_socket(&address);
    if (number != 0)
        goto failed;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        number = errno;
        goto failed;
    }
    if (bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0 ||
        (config.unixsocketperm != 0 && chmod(config.unixsocket, (mode_t)config.unixsocketperm) != 0) ||
        listen(fd, config.tcp_backlog) != 0) {
        number = errno;
        close(fd);
        goto failed;
    }
    add(fd, 1);
    return 0;

failed:
    snprintf(error, error_size, "cannot listen on %s: %s", config.unixsocket, strerror(number));
    return -1;
}

int listeners_open(char *error, size_t error_size)
{
    if (config.port > 0 && open_tcp_listeners(error, error_size) != 0)
        goto close_all;
    if (config.unixsocket != NULL && config.unixsocket[0] != '\0' && open_unix_listener(error, error_size) != 0)
        goto close_all;
    return 0;

close_all:
    listeners_close();
    return -1;
}

void listeners_close(void)
{
    for (int i = 0; i < count; i++) {
        close(listeners[i].fd);
        if (listeners[i].is_unix)
            (void)unlink(config.unixsocket);
    }
    count = 0;
    tcp_port = 0;
}

static int is_from_loopback(int fd)
{
    union address address = {0};
    socklen_t size = sizeof(address);

    if (getpeername(fd, &address.any, &size) != 0)
        return 0;
    if (address.any.sa_family == AF_INET)
        return ntohl(address.in.sin_addr.s_addr) >> 24 == 127;
    if (address.any.sa_family == AF_INET6) {
        const struct in6_addr *in6 = &address.in6.sin6_addr;

        return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
    }
    return 0;
}

static void refuse(int fd, const char *text, size_t size)
{
    /* A courtesy: where the peer is not there to read it, nothing is lost. */
    if (send(fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_message(LOG_LEVEL_DEBUG, "A refused client went away before it was told why");
}

static void set_options(int fd)
{
    int keepalive = CONFIG_READ(tcp_keepalive);
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (keepalive > 0) {
        int interval = keepalive / 3 > 0 ? keepalive / 3 : 1;
        int probes = 3;

        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive, sizeof(keepalive));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    }
}

int listener_admit(const struct listener *listener, int fd, size_t clients)
{
    if (clients >= (size_t)CONFIG_READ(maxclients)) {
        refuse(fd, too_many_clients, sizeof(too_many_clients) - 1);
        return 0;
    }
    if (listener->is_unix)
        return 1;
    if (CONFIG_READ(protected_mode) && acl_is_open() && !is_from_loopback(fd)) {
        refuse(fd, not_from_outside, sizeof(not_from_outside) - 1);
        return 0;
    }
    set_options(fd);
    return 1;
}
