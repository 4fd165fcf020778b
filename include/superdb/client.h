/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client.h - libsuperdb_client: speaks superdb-server's binary protocol (docs/BINARY-PROTOCOL.md)
 *
 *     struct sdb_client_options options = SDB_CLIENT_OPTIONS_INIT;
 *     struct sdb_client *client;
 *     struct sdb_client_reply reply;
 *
 *     options.unix_path = "/run/superdb/superdb.sock";         // or options.host, options.port
 *     if (sdb_client_open(&options, &client) != SDB_OK)
 *         errx(1, "%s", sdb_client_last_error());
 *
 *     sdb_client_set(client, "stock:42", 8, "17", 2, NULL);    // one request, one round trip; durable when it returns
 *
 *     for (size_t i = 0; i < count; i++)                       // many requests, one round trip
 *         sdb_client_queue_get(client, keys[i].data, keys[i].size, 0);
 *     for (size_t i = 0; i < count; i++)
 *         if (sdb_client_reply(client, &reply) == SDB_OK && reply.result == SDB_OK)
 *             use(reply.data, reply.size);
 *     sdb_client_close(client);
 *
 * Requests are queued in memory, sent by a flush, and answered in their order: any number may be on the way. A reply is taken
 * with sdb_client_reply, which flushes before it waits. The second chapter of functions does all that for one request.
 *
 * Two kinds of failure are kept apart. A request that failed (no such key, the pool is full) has its error in reply.result; the
 * connection goes on. A call that returns something else than SDB_OK could not do its work: the connection ended, a timeout, an
 * argument. Errors are those of superdb.h and those below, all negative.
 *
 * Threads. A client belongs to one thread at a time; any number of clients may be open. A client does not survive a fork: one of
 * the two processes must not touch it.
 *
 * Ownership. What is passed to a queueing function is copied before it returns. What a reply points to lies in the client's
 * buffer until the next sdb_client_reply, sdb_client_flush or sdb_client_close of that client; queueing does not touch it.
 *
 * Sizes are in bytes, times in milliseconds since 1970 unless the name says otherwise.
 */
#ifndef SUPERDB_CLIENT_H
#define SUPERDB_CLIENT_H

#include <superdb/superdb.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * Errors, besides those of superdb.h
 * ---------------------------------------------------------------------------------------------------------------- */
#define SDB_CLIENT_ERRORS(X)                                                                                           \
    X(SDB_CLIENT_EMALFORMED, -200, "the server did not understand what was sent")                                      \
    X(SDB_CLIENT_EVERSION, -201, "client and server have no version of the protocol in common")                        \
    X(SDB_CLIENT_EAUTH, -202, "a password is wanted, or it is wrong")                                                  \
    X(SDB_CLIENT_EUNKNOWN, -203, "the server does not know this request")                                              \
    X(SDB_CLIENT_EREFUSED, -204, "this command cannot be run in a frame")                                              \
    X(SDB_CLIENT_EPERMISSION, -205, "the user may not do this, or not with this key")                                  \
    X(SDB_CLIENT_ECONNECT, -300, "cannot connect")                                                                     \
    X(SDB_CLIENT_ECLOSED, -301, "the connection has ended")                                                            \
    X(SDB_CLIENT_ETIMEOUT, -302, "the server was silent for too long")                                                 \
    X(SDB_CLIENT_EPROTOCOL, -303, "the server's reply is not of the protocol")                                         \
    X(SDB_CLIENT_EPENDING, -304, "replies are outstanding, or none is")

enum sdb_client_error {
#define SDB_CLIENT_ERROR_ENUM(name, number, text) name = number,
    SDB_CLIENT_ERRORS(SDB_CLIENT_ERROR_ENUM)
#undef SDB_CLIENT_ERROR_ENUM
};

/* The text of an error of superdb.h or of this header, "unknown error" for any other number. Static storage. */
SDB_API const char *sdb_client_strerror(int error);

/*
 * What the last call of this thread that did not return SDB_OK met: "connect to 127.0.0.1:6379: Connection refused". Empty before the
 * first failure. Valid until the thread's next failing call.
 */
SDB_API const char *sdb_client_last_error(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Connections
 * ---------------------------------------------------------------------------------------------------------------- */
struct sdb_client;

#define SDB_CLIENT_FOREVER UINT32_MAX

struct sdb_client_options {
    const char *host;            /* a name or an address; NULL: 127.0.0.1 */
    const char *unix_path;       /* a unix socket instead of host and port; NULL: none */
    uint32_t port;               /* 0: 6379 */
    uint32_t database;           /* that is selected */
    const char *user;            /* NULL: the default user */
    const char *password;        /* NULL: none */
    uint32_t connect_timeout_ms; /* for each step of sdb_client_open, but for the resolver's; 0: 5,000 */
    uint32_t timeout_ms;         /* see sdb_client_set_timeout; SDB_CLIENT_FOREVER, or 0: 10,000 */
    uint64_t reply_size_max;     /* a longer reply ends the connection; 0: 2 GiB */
};
#define SDB_CLIENT_OPTIONS_INIT {0, 0, 0, 0, 0, 0, 0, 0, 0}

/*
 * Connects, says hello, gives the password and selects the database. Strings are not kept. options may be NULL.
 * Owner: the caller closes *client with sdb_client_close.
 * Errors: SDB_CLIENT_ECONNECT (sdb_client_last_error tells why, in the server's words where it refused), SDB_CLIENT_EAUTH,
 * SDB_CLIENT_EVERSION, SDB_CLIENT_EPROTOCOL (a server that does not speak the protocol), SDB_CLIENT_ECLOSED, SDB_CLIENT_ETIMEOUT,
 * SDB_EINVAL (a path that is too long, no such database), SDB_ENOMEM.
 */
SDB_API int sdb_client_open(const struct sdb_client_options *options, struct sdb_client **client);

/* Ends the connection. Whether requests without a reply took effect, nobody knows. NULL is allowed. */
SDB_API void sdb_client_close(struct sdb_client *client);

/*
 * How long a call waits while nothing comes and nothing goes: milliseconds, SDB_CLIENT_FOREVER, or 0: not at all (for event loops; wait
 * for sdb_client_fd). A call that returns SDB_CLIENT_ETIMEOUT has lost nothing: repeat it, or close.
 */
SDB_API void sdb_client_set_timeout(struct sdb_client *client, uint32_t timeout_ms);

/* The socket, to be waited for and nothing else: for reading, and for writing while sdb_client_unsent is not 0. */
SDB_API int sdb_client_fd(const struct sdb_client *client);

/* What the server said in its hello. */
struct sdb_client_info {
    uint64_t connection_id; /* as in CLIENT LIST */
    uint32_t key_size_max;
    uint32_t value_size_max;
    uint32_t many_max;  /* entries of one request */
    uint32_t databases;
    uint32_t server_version[3];
    uint32_t protocol_version;
};
SDB_API void sdb_client_info(const struct sdb_client *client, struct sdb_client_info *info);

/* ------------------------------------------------------------------------------------------------------------------
 * Pipelines
 *
 * Functions named sdb_client_queue_ put a request behind those queued before, and send nothing. Each takes memory of the request's size
 * until it is sent.
 * Errors: SDB_EINVAL (flags), SDB_ETOOBIG (a key, a value, a request or a number of entries is beyond what the server takes), SDB_ENOMEM;
 * nothing is queued then, and the connection goes on. The connection's own failure, once it has failed.
 *
 * A reply's fields beside result, which are 0 where the request has none:
 *     get, get_by_handle     data and size: the value; with SDB_CLIENT_META version, handle, expire_ms
 *     set                    with SDB_CLIENT_WANT_HANDLE handle
 *     add                    number: the sum
 *     handle                 handle
 *     get_many[_by_handle]   count, and each value by sdb_client_value
 *     handle_many            count, handles: 0 where there is no such key
 *     delete_many            number: how many there were
 *     command                data and size: the reply in RESP
 *     ping                   data and size: what was sent
 * ---------------------------------------------------------------------------------------------------------------- */
enum sdb_client_flags {
    /* of sdb_client_queue_set, beside enum sdb_set_flags */
    SDB_CLIENT_WANT_HANDLE = 1u << 6,
    /* of sdb_client_queue_get and sdb_client_queue_get_by_handle */
    SDB_CLIENT_META = 1u << 0,
    /* of sdb_client_queue_get_many: read all keys as of one moment, as MGET does */
    SDB_CLIENT_ONE_MOMENT = 1u << 0,
};

struct sdb_client_set_options {
    uint32_t flags;         /* enum sdb_set_flags, SDB_CLIENT_WANT_HANDLE */
    uint64_t version;       /* for SDB_IF_VERSION, from a reply with SDB_CLIENT_META */
    int64_t expire_ms;      /* the time at which the key expires; 0: none */
    int64_t expire_in_ms;   /* or in how many milliseconds; 0: never (or kept, see SDB_KEEP_EXPIRY) */
};

struct sdb_client_reply {
    int result;        /* SDB_OK, or why the request failed: then data and size are the server's words for it, perhaps none */
    const void *data;
    size_t size;
    int64_t number;
    uint64_t version;
    uint64_t handle;
    int64_t expire_ms; /* 0: never */
    size_t count;
    const struct sdb_inline *values; /* as in memory, but for values of more than 16 bytes: use sdb_client_value */
    const uint64_t *handles;
};

SDB_API int sdb_client_queue_get(struct sdb_client *client, const void *key, size_t key_size, uint32_t flags);
SDB_API int sdb_client_queue_get_by_handle(struct sdb_client *client, uint64_t handle, uint32_t flags);

/* options may be NULL. Errors besides: SDB_EINVAL: two times to live, or one that is to be kept. */
SDB_API int sdb_client_queue_set(struct sdb_client *client, const void *key, size_t key_size, const void *value, size_t value_size,
                                 const struct sdb_client_set_options *options);

/* Keeps the time to live. */
SDB_API int sdb_client_queue_set_by_handle(struct sdb_client *client, uint64_t handle, const void *value, size_t value_size);
SDB_API int sdb_client_queue_delete(struct sdb_client *client, const void *key, size_t key_size);
SDB_API int sdb_client_queue_exists(struct sdb_client *client, const void *key, size_t key_size);
SDB_API int sdb_client_queue_add(struct sdb_client *client, const void *key, size_t key_size, int64_t delta);
SDB_API int sdb_client_queue_handle(struct sdb_client *client, const void *key, size_t key_size);

/* The time at which the key expires, or in how many milliseconds; 0: the time to live is taken away. */
SDB_API int sdb_client_queue_expire(struct sdb_client *client, const void *key, size_t key_size, int64_t expire_ms);
SDB_API int sdb_client_queue_expire_in(struct sdb_client *client, const void *key, size_t key_size, int64_t expire_in_ms);

/* One request of many entries, up to the server's many_max: the fastest there is. Reads: each value has its own result. */
SDB_API int sdb_client_queue_get_many(struct sdb_client *client, const struct sdb_slice *keys, size_t count, uint32_t flags);
SDB_API int sdb_client_queue_get_many_by_handle(struct sdb_client *client, const uint64_t *handles, size_t count);
SDB_API int sdb_client_queue_handle_many(struct sdb_client *client, const struct sdb_slice *keys, size_t count);

/* Writes: all or none, at once for every reader. flags: SDB_IF_ABSENT for "only if none of the keys exists", or 0. */
SDB_API int sdb_client_queue_set_many(struct sdb_client *client, const struct sdb_pair *pairs, size_t count, uint32_t flags);
SDB_API int sdb_client_queue_set_many_by_handle(struct sdb_client *client, const uint64_t *handles, const struct sdb_slice *values,
                                                size_t count);
SDB_API int sdb_client_queue_delete_many(struct sdb_client *client, const struct sdb_slice *keys, size_t count);

/* A command of docs/COMMANDS.md and its arguments. An error reply is data that begins with '-', and its result is SDB_OK. */
SDB_API int sdb_client_queue_command(struct sdb_client *client, const struct sdb_slice *words, size_t count);
SDB_API int sdb_client_queue_ping(struct sdb_client *client, const void *data, size_t size);
SDB_API int sdb_client_queue_select(struct sdb_client *client, uint32_t database);

/*
 * Sends what is queued. Replies that come meanwhile are received too and kept in memory, so that a pipeline of any length can be sent before
 * the first reply is taken. Errors: SDB_CLIENT_ETIMEOUT (what is left stays queued), SDB_CLIENT_ECLOSED, SDB_ENOMEM.
 */
SDB_API int sdb_client_flush(struct sdb_client *client);

/*
 * Takes the reply to the oldest request that has none. Sends what is queued where it has to wait, and makes no system call where the reply
 * has been received already. Replies that were received before the connection failed are given out first.
 * Errors: SDB_CLIENT_EPENDING (no request is without a reply), SDB_CLIENT_ETIMEOUT, SDB_ENOMEM: the connection goes on. SDB_CLIENT_ECLOSED,
 * SDB_CLIENT_EPROTOCOL, SDB_CLIENT_EMALFORMED, SDB_EFAILED or another error that the server ended the connection with (a commit
 * failed): it stays so; of this request and those behind it nobody knows whether they took effect.
 */
SDB_API int sdb_client_reply(struct sdb_client *client, struct sdb_client_reply *reply);

/* How many requests have no reply taken yet; how many bytes of requests are not sent yet. */
SDB_API size_t sdb_client_pending(const struct sdb_client *client);
SDB_API size_t sdb_client_unsent(const struct sdb_client *client);

/*
 * Entry `index` of a reply to get_many or get_many_by_handle: its result, and where that is SDB_OK its value, which lies in the reply, or in
 * text where the value is an integer. Errors: SDB_ENOTFOUND, SDB_ESTALE, SDB_ECORRUPT; SDB_ETOOBIG: the reply would have been larger than
 * 1 GiB; SDB_EINVAL: the reply has no such entry.
 */
#define SDB_CLIENT_TEXT_SIZE 24u
SDB_API int sdb_client_value(const struct sdb_client_reply *reply, size_t index, char text[SDB_CLIENT_TEXT_SIZE],
                             struct sdb_slice *value);

/* ------------------------------------------------------------------------------------------------------------------
 * One request at a time: queues, flushes, takes the reply
 *
 * Parameters and errors are those of the function of superdb.h without "client_", the connection's errors besides; and SDB_CLIENT_EPENDING
 * where other requests have no reply yet. After SDB_CLIENT_ETIMEOUT the reply is still to come: take it with sdb_client_reply, or close.
 * ---------------------------------------------------------------------------------------------------------------- */
SDB_API int sdb_client_get(struct sdb_client *client, const void *key, size_t key_size, void *buffer, size_t buffer_size,
                           size_t *value_size);
SDB_API int sdb_client_get_by_handle(struct sdb_client *client, uint64_t handle, void *buffer, size_t buffer_size, size_t *value_size);
SDB_API int sdb_client_set(struct sdb_client *client, const void *key, size_t key_size, const void *value, size_t value_size,
                           const struct sdb_client_set_options *options);
SDB_API int sdb_client_set_by_handle(struct sdb_client *client, uint64_t handle, const void *value, size_t value_size);
SDB_API int sdb_client_delete(struct sdb_client *client, const void *key, size_t key_size);
SDB_API int sdb_client_exists(struct sdb_client *client, const void *key, size_t key_size);
SDB_API int sdb_client_add(struct sdb_client *client, const void *key, size_t key_size, int64_t delta, int64_t *sum);
SDB_API int sdb_client_handle(struct sdb_client *client, const void *key, size_t key_size, uint64_t *handle);
SDB_API int sdb_client_expire(struct sdb_client *client, const void *key, size_t key_size, int64_t expire_ms);
SDB_API int sdb_client_set_many(struct sdb_client *client, const struct sdb_pair *pairs, size_t count, uint32_t flags);
SDB_API int sdb_client_delete_many(struct sdb_client *client, const struct sdb_slice *keys, size_t count, size_t *deleted);

#ifdef __cplusplus
}
#endif
#endif
