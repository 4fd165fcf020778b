/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open.c - connects, says hello, gives the password, selects the database; and closes
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "stream.h"

#define PORT 6379u
#define CONNECT_TIMEOUT_MS 5000u
#define TIMEOUT_MS 10000u
#define REPLY_SIZE_MAX (2ull << 30)
#define HELLO_REPLY_SIZE_MAX 4096u /* and of a refusal in words */

/* ---- connecting ------------------------------------------------------------------------------------------------------- */

static int set_blocking(int fd, int blocks)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* Connects client->fd, a new socket, within the time limit. 0, or -1 with errno set. */
static int connect_to(struct sdb_client *client, const struct sockaddr *address, socklen_t size)
{
    int error = 0;
    socklen_t error_size = sizeof(error);
    short ready;

    if (set_blocking(client->fd, 0) != 0)
        return -1;
    if (connect(client->fd, address, size) != 0) {
        if (errno != EINPROGRESS)
            return -1;
        if (client_wait(client, POLLOUT, &ready) != 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0)
            return -1;
        if (error != 0) {
            errno = error;
            return -1;
        }
    }
    return set_blocking(client->fd, 1);
}

/* A socket that is connected. 0, or -1 with errno set. */
static int try_address(struct sdb_client *client, int family, const struct sockaddr *address, socklen_t size)
{
    int saved;

    client->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return -1;
    if (connect_to(client, address, size) == 0)
        return 0;
    saved = errno;
    (void)close(client->fd);
    client->fd = -1;
    errno = saved;
    return -1;
}

static int connect_failed(const char *where, const char *why)
{
    error_set("connect to %s: %s", where, why);
    return SDB_CLIENT_ECONNECT;
}

static int connect_unix(struct sdb_client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);

    if (size >= sizeof(address.sun_path)) {
        error_set("a unix socket's path is longer than %zu bytes", sizeof(address.sun_path) - 1);
        return SDB_EINVAL;
    }
    memcpy(address.sun_path, path, size + 1);
    if (try_address(client, AF_UNIX, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0)
        return connect_failed(path, strerror(errno));
    return SDB_OK;
}

static int connect_tcp(struct sdb_client *client, const char *host, uint32_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char service[16], where[300];
    int one = 1, failed;

    (void)snprintf(service, sizeof(service), "%u", port);
    (void)snprintf(where, sizeof(where), "%s:%u", host, port);
    failed = getaddrinfo(host, service, &hints, &found);
    if (failed != 0)
        return connect_failed(where, gai_strerror(failed));
    errno = 0;
    for (const struct addrinfo *address = found; address != NULL && client->fd < 0; address = address->ai_next)
        (void)try_address(client, address->ai_family, address->ai_addr, address->ai_addrlen);
    freeaddrinfo(found);
    if (client->fd < 0)
        return connect_failed(where, strerror(errno));
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* a speed, no need */
    return SDB_OK;
}

/* ---- the first exchange ----------------------------------------------------------------------------------------------- */

/* A server that refuses the connection when it is accepted says so in a line of text. */
static int refused_in_words(struct sdb_client *client)
{
    size_t size = client->in_end - client->in_start;
    const char *words = client->in + client->in_start, *end;

    if (size == 0 || words[0] != '-')
        return 0;
    end = memchr(words, '\r', size);
    client->failed = SDB_OK;
    (void)client_fail(client, SDB_CLIENT_ECONNECT, words + 1, (end == NULL ? size : (size_t)(end - words)) - 1);
    return 1;
}

static int queue_hello(struct sdb_client *client)
{
    int error;
    char *to = client_reserve(client, WIRE_HELLO_SIZE, &error);

    if (to == NULL)
        return error;
    to = wire_put64(to + WIRE_HEADER_SIZE, WIRE_MAGIC);
    (void)wire_put64(wire_put64(to, WIRE_VERSION), 0);
    client_queued(client, WIRE_HELLO, 0, WIRE_HELLO_SIZE, 0);
    return SDB_OK;
}

/* What the server says of itself. Errors: SDB_CLIENT_EPROTOCOL. */
static int take_hello(struct sdb_client *client, const struct sdb_client_reply *reply, int *wants_password)
{
    const char *body = reply->data;
    uint64_t version;

    if (reply->size < WIRE_HELLO_REPLY_SIZE - WIRE_HEADER_SIZE || wire_get64(body) != WIRE_MAGIC || wire_get32(body + 8) != WIRE_VERSION)
        return client_fail(client, SDB_CLIENT_EPROTOCOL, "no hello", 8);
    version = wire_get64(body + 48);
    *wants_password = (wire_get32(body + 12) & WIRE_HELLO_AUTH) != 0;
    client->info = (struct sdb_client_info){
        .connection_id = wire_get64(body + 40),
        .key_size_max = wire_get32(body + 24),
        .value_size_max = wire_get32(body + 28),
        .many_max = wire_get32(body + 32),
        .databases = wire_get32(body + 36),
        .server_version = {(uint16_t)version, (uint16_t)(version >> 16), (uint16_t)(version >> 32)},
        .protocol_version = WIRE_VERSION,
    };
    if (client->info.key_size_max > WIRE_KEY_SIZE_MAX || client->info.value_size_max > WIRE_VALUE_SIZE_MAX ||
        client->info.many_max > WIRE_MANY_MAX)
        return client_fail(client, SDB_CLIENT_EPROTOCOL, "limits beyond the protocol's", 28);
    return SDB_OK;
}

/* Takes a reply that must be a success. */
static int take_success(struct sdb_client *client, struct sdb_client_reply *reply)
{
    int result = sdb_client_reply(client, reply);

    if (result != SDB_OK)
        return refused_in_words(client) ? client->failed : result;
    return reply->result == SDB_OK ? SDB_OK : client_refused(reply);
}

static int authenticate(struct sdb_client *client, const char *user, const char *password)
{
    size_t user_size = user == NULL ? 0 : strlen(user), password_size = strlen(password);
    size_t size = WIRE_HEADER_SIZE + 8 + user_size + password_size;
    struct sdb_client_reply reply = {0};
    int error;
    char *to;

    if (size > WIRE_UNAUTHENTICATED_SIZE_MAX)
        return client_error(SDB_ETOOBIG);
    to = client_reserve(client, size, &error);
    if (to == NULL)
        return error;
    to = wire_put64(to + WIRE_HEADER_SIZE, user_size);
    (void)client_put(client_put(to, user, user_size), password, password_size);
    client_queued(client, WIRE_AUTH, 0, size, 0);
    return take_success(client, &reply);
}

static int greet(struct sdb_client *client, const struct sdb_client_options *options)
{
    struct sdb_client_reply reply = {0};
    int wants_password = 0;
    int result = queue_hello(client);

    if (result == SDB_OK)
        result = take_success(client, &reply);
    if (result == SDB_OK)
        result = take_hello(client, &reply, &wants_password);
    if (result == SDB_OK && wants_password && options->password == NULL)
        result = client_error(SDB_CLIENT_EAUTH);
    if (result == SDB_OK && options->password != NULL)
        result = authenticate(client, options->user, options->password);
    if (result == SDB_OK && options->database != 0) {
        result = sdb_client_queue_select(client, options->database);
        if (result == SDB_OK)
            result = take_success(client, &reply);
    }
    return result;
}

/* ---- open, close, and what there is to know --------------------------------------------------------------------------- */

int sdb_client_open(const struct sdb_client_options *options, struct sdb_client **opened)
{
    static const struct sdb_client_options defaults = SDB_CLIENT_OPTIONS_INIT;
    struct sdb_client *client = calloc(1, sizeof(*client));
    int result;

    if (options == NULL)
        options = &defaults;
    if (client == NULL)
        return client_error(SDB_ENOMEM);
    client->fd = -1;
    client->timeout_ms = options->connect_timeout_ms != 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    client->reply_size_max = HELLO_REPLY_SIZE_MAX;
    result = options->unix_path != NULL ? connect_unix(client, options->unix_path)
                                        : connect_tcp(client, options->host != NULL ? options->host : "127.0.0.1",
                                                      options->port != 0 ? options->port : PORT);
    if (result == SDB_OK) {
        sdb_client_set_timeout(client, client->timeout_ms);
        result = greet(client, options);
    }
    if (result != SDB_OK) {
        sdb_client_close(client);
        return result;
    }
    client->reply_size_max = options->reply_size_max != 0 ? options->reply_size_max : REPLY_SIZE_MAX;
    sdb_client_set_timeout(client, options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS);
    *opened = client;
    return SDB_OK;
}

void sdb_client_close(struct sdb_client *client)
{
    if (client == NULL)
        return;
    if (client->fd >= 0)
        (void)close(client->fd);
    free(client->out);
    free(client->in);
    free(client->ring);
    free(client);
}

void sdb_client_set_timeout(struct sdb_client *client, uint32_t timeout_ms)
{
    struct timeval limit = {0}; /* none; a timeout of 0 is a matter of flags */

    if (timeout_ms != SDB_CLIENT_FOREVER)
        limit = (struct timeval){.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    client->timeout_ms = timeout_ms;
    (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

void sdb_client_info(const struct sdb_client *client, struct sdb_client_info *info)
{
    *info = client->info;
}
