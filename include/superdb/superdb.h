/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * superdb.h - the embedded SuperDB library: a durable key-value store that lives in persistent memory
 *
 * A pool is one file, mapped into memory. The structures in it are the store: nothing is loaded when it opens and
 * nothing is replayed. Every write that returned SDB_OK is durable in the sense of the pool's durability class
 * (enum sdb_durability); a process kill never loses one.
 *
 *     struct sdb_pool *pool;
 *     struct sdb_session *session;
 *     struct sdb_options options = SDB_OPTIONS_INIT;
 *
 *     options.flags = SDB_CREATE;
 *     if (sdb_open("/mnt/pmem/shop.sdb", &options, &pool) != SDB_OK)
 *         errx(1, "%s", sdb_last_error());
 *     sdb_session_open(pool, &session);
 *
 *     sdb_set(session, "stock:42", 8, "17", 2, NULL);         // durable when it returns
 *     int64_t left;
 *     sdb_add(session, "stock:42", 8, -1, &left);             // left == 16
 *
 *     struct sdb_view view;                                   // a zero-copy read
 *     if (sdb_view(session, "stock:42", 8, &view) == SDB_OK) {
 *         printf("%.*s\n", (int)view.size, (const char *)view.data);
 *         sdb_view_release(session, &view);
 *     }
 *     sdb_session_close(session);
 *     sdb_close(pool);
 *
 * The chapters below: errors, pools, sessions, keys and values, conditions and expiry, arithmetic and ranges, whole-key
 * operations, handles, batches and transactions, iteration, databases, maintenance, figures. What it includes at its end has chapters of its
 * own: check.h (checking and repairing), collection.h (hashes, lists, sets, sorted sets).
 *
 * Threads. A pool is safe to use from any number of threads. A session belongs to one thread at a time: open one for
 * each thread. Reads take no lock and write to no shared memory. Writes lock the shard that the key hashes to.
 *
 * Costs are given in fences (an sfence that waits for flushed cache lines, 200 ns or so where caches are not
 * persistent): a read costs none, a write one, and any number of writes in a group or a transaction one together.
 *
 * Names: a size is in bytes, a time is in milliseconds since 1970 unless the name says otherwise.
 */
#ifndef SUPERDB_SUPERDB_H
#define SUPERDB_SUPERDB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SDB_API __attribute__((visibility("default")))
#else
#define SDB_API
#endif

#define SDB_VERSION_MAJOR 0
#define SDB_VERSION_MINOR 1
#define SDB_VERSION_PATCH 0

/* The version of the library that is linked, "0.1.0". Static storage. */
SDB_API const char *sdb_version(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Errors
 *
 * Every function that can fail returns SDB_OK (0) or one of these, all negative. Out-parameters are untouched on
 * failure unless a function says otherwise. sdb_last_error() tells the story behind the last failure in this thread.
 * ---------------------------------------------------------------------------------------------------------------- */
#define SDB_ERRORS(X)                                                                                                  \
    X(SDB_EINVAL, -1, "invalid argument")                                                                              \
    X(SDB_ENOMEM, -2, "out of memory")                                                                                 \
    X(SDB_EIO, -3, "input/output error")                                                                               \
    X(SDB_ENOENT, -4, "no such pool")                                                                                  \
    X(SDB_EEXIST, -5, "the pool exists already")                                                                       \
    X(SDB_EACCESS, -6, "permission denied")                                                                            \
    X(SDB_ELOCKED, -7, "the pool is open in another process")                                                          \
    X(SDB_EFORMAT, -8, "not a SuperDB pool")                                                                           \
    X(SDB_EVERSION, -9, "the pool's format is not supported by this version")                                          \
    X(SDB_ECORRUPT, -10, "the pool is damaged")                                                                        \
    X(SDB_ENOSPC, -11, "the pool is full")                                                                             \
    X(SDB_EDURABILITY, -12, "the medium cannot give the durability that was asked for")                                \
    X(SDB_EFAILED, -13, "the pool has failed and refuses writes")                                                      \
    X(SDB_EREADONLY, -14, "the pool is open for reading only")                                                         \
    X(SDB_ENOTFOUND, -15, "no such key")                                                                               \
    X(SDB_ECONDITION, -16, "the condition does not hold")                                                              \
    X(SDB_ESTALE, -17, "stale or invalid handle")                                                                      \
    X(SDB_ETYPE, -18, "the key holds a value of another type")                                                         \
    X(SDB_ENOTINT, -19, "the value is not an integer or out of range")                                                 \
    X(SDB_ENOTFLOAT, -20, "the value is not a valid float")                                                            \
    X(SDB_EOVERFLOW, -21, "the result would overflow")                                                                 \
    X(SDB_ETOOBIG, -22, "the key or value is too big")                                                                 \
    X(SDB_ECONFLICT, -23, "another thread holds a shard that the transaction needs: abort and try again")              \
    X(SDB_EBUSY, -24, "sessions are still open")

enum sdb_error {
    SDB_OK = 0,
#define SDB_ERROR_ENUM(name, number, text) name = number,
    SDB_ERRORS(SDB_ERROR_ENUM)
#undef SDB_ERROR_ENUM
};

/* The text of an error number, "unknown error" for any other number. Static storage. */
SDB_API const char *sdb_strerror(int error);

/*
 * What the last failed call of this thread met, with the file, offset or process concerned: "pool.sdb: locked by
 * process 4711". Empty before the first failure. Valid until the thread's next failing call. Misses (SDB_ENOTFOUND,
 * SDB_ECONDITION) do not set it.
 */
SDB_API const char *sdb_last_error(void);

/* ------------------------------------------------------------------------------------------------------------------
 * Pools
 * ---------------------------------------------------------------------------------------------------------------- */
#define SDB_KEY_SIZE_MAX 65536u               /* 64 KiB */
#define SDB_VALUE_SIZE_MAX 536870912u         /* 512 MiB */
#define SDB_ELEMENT_SIZE_MAX 536870912u       /* 512 MiB: an element, a member; a field and its value, each; a name in a stream */
#define SDB_STREAM_ENTRY_SIZE_MAX 1073741824u /* 1 GiB: all fields and values of an entry of a stream */
#define SDB_DATABASES 16u                     /* logical databases, 0 to 15 */
#define SDB_DATABASE_SYSTEM 16u               /* one more, for what a server keeps for itself: see sdb_select */

struct sdb_pool;    /* an open pool */
struct sdb_session; /* one thread's way into it */

/* What a write that returned SDB_OK survives. */
enum sdb_durability {
    SDB_DURABILITY_AUTO = 0,    /* as an option: the strongest class the medium gives without a system call a commit */
    SDB_DURABILITY_PMEM = 1,    /* a power cut: MAP_SYNC on persistent memory, cache lines flushed (ADR) or not (eADR) */
    SDB_DURABILITY_MSYNC = 2,   /* a power cut: a plain file, msync in every commit (slow) */
    SDB_DURABILITY_PROCESS = 3, /* a kill of the process, not a power cut: tmpfs, or a plain file without msync */
};

enum sdb_open_flags {
    SDB_CREATE = 1u << 0,    /* make the pool where there is none */
    SDB_EXCLUSIVE = 1u << 1, /* with SDB_CREATE: fail with SDB_EEXIST where there is one */
    SDB_ABSENT = 1u << 3,    /* with SDB_CREATE: only where there is no file; one that is empty or of zeros may have been a pool: SDB_EFORMAT */
    SDB_READONLY = 1u << 2,  /* for tools: writes nothing; keeps writers out, refused while there is one or the pool needs recovery */
};

struct sdb_options {
    uint64_t pool_size;     /* of a new pool; 0: 1 GiB. Rounded up to 2 MiB, at least 16 MiB */
    uint64_t pool_size_max; /* how far a new pool can grow, fixed at creation; 0: 64 times pool_size */
    uint32_t shards;        /* of a new pool, a power of two up to 1024, fixed at creation; 0: by size */
    uint32_t flags;         /* enum sdb_open_flags */
    uint32_t durability;    /* enum sdb_durability; what cannot be given fails with SDB_EDURABILITY */
    uint32_t mode;          /* permissions of a new file; 0: 0600 */
    uint64_t cache_size;    /* of the L1 hot-handle cache in DRAM; SDB_CACHE_DEFAULT: 32 MiB or less, 0: none */
};
#define SDB_CACHE_DEFAULT UINT64_MAX
#define SDB_OPTIONS_INIT {0, 0, 0, 0, 0, 0, SDB_CACHE_DEFAULT}

/*
 * Opens the pool at path, and creates it first where options say so. Recovery completes or discards the commits that
 * were in flight: its time depends on the number of commit lanes, not on the number of keys.
 * Owner: the caller closes *pool with sdb_close. options may be NULL for the defaults.
 * A process may hold one open pool on a path; a second process gets SDB_ELOCKED, and sdb_last_error() names the holder.
 * Errors: SDB_ENOENT, SDB_EEXIST, SDB_EACCESS, SDB_ELOCKED, SDB_EFORMAT, SDB_EVERSION, SDB_ECORRUPT, SDB_ENOSPC (the
 * file system is full), SDB_EDURABILITY, SDB_EIO, SDB_ENOMEM, SDB_EINVAL.
 */
SDB_API int sdb_open(const char *path, const struct sdb_options *options, struct sdb_pool **pool);

/*
 * Closes the pool: waits for nothing, flushes everything, writes the counters that make the next open's figures exact.
 * Errors: SDB_EBUSY while a session is open (the pool stays open). SDB_EIO, SDB_ENOSPC: the medium refused; the pool is closed, what was
 * committed is as durable as it was, and the next open recovers where it must. A pool that has failed is closed without a word: see sdb_pool_info.
 */
SDB_API int sdb_close(struct sdb_pool *pool);

/*
 * Grows the pool's file to size bytes (rounded up to 2 MiB) while it is in use. Pools do not shrink.
 * Errors: SDB_EINVAL (smaller than now, or larger than the stated maximum), SDB_ENOSPC, SDB_ENOMEM (no room for the mapping), SDB_EIO,
 * SDB_EREADONLY, SDB_EFAILED. The pool is as before, and goes on; after SDB_EIO in class msync it may have failed.
 */
SDB_API int sdb_resize(struct sdb_pool *pool, uint64_t size);

struct sdb_pool_info {
    char path[1024];
    uint8_t uuid[16];
    uint32_t format_version;
    uint32_t shards;
    uint32_t lanes;             /* commit lanes: how many threads can be in a commit at the same time */
    uint64_t size;              /* of the file */
    uint64_t size_max;          /* that it can grow to */
    uint64_t used;              /* bytes in use: metadata, index, entries and blobs */
    uint32_t durability;        /* enum sdb_durability: what is given */
    char durability_reason[160];/* why, in words for people: "tmpfs: survives a kill of the process, not a power cut" */
    uint32_t persistent_caches; /* 1 where caches are in the persistence domain (eADR) and flushes are left out */
    char flush[16];             /* "clwb", "clflushopt", "clflush", "none" (eADR), "msync", "dccvap" */
    uint32_t huge_pages;        /* 1 where the mapping has (some) huge pages */
    uint64_t huge_page_bytes;   /* how many bytes of it, as the kernel reports; on DAX as the file's layout allows */
    uint32_t recovered;         /* 1 where the last close was not a clean one */
    uint32_t failed;            /* 1 in the sticky FAILED state: reads only */
    char simd[16];              /* "avx512", "avx2", "plain": the code path chosen for this CPU */
    int64_t created_ms;
    uint32_t created;           /* 1 where this open made it */
};
SDB_API void sdb_pool_info(struct sdb_pool *pool, struct sdb_pool_info *info);

/* ------------------------------------------------------------------------------------------------------------------
 * Sessions
 *
 * A session carries a thread's selected database, its open group or transaction, and its commit lane. Opening one
 * allocates memory; using one does so only for transactions larger than any before.
 * ---------------------------------------------------------------------------------------------------------------- */

/* Errors: SDB_ENOMEM. Owner: the caller closes it with sdb_session_close, before it closes the pool. */
SDB_API int sdb_session_open(struct sdb_pool *pool, struct sdb_session **session);

/* Closes the session; an open transaction is aborted, an open group is committed. NULL is allowed. */
SDB_API void sdb_session_close(struct sdb_session *session);

/*
 * Selects the database (0 to 15) that the session's next calls work on. A new session works on 0. SDB_DATABASE_SYSTEM selects one more: it
 * is durable like the others, no call that is about all databases reaches it, and observers are not told of its keys. Errors: SDB_EINVAL.
 */
SDB_API int sdb_select(struct sdb_session *session, uint32_t database);

/*
 * Overrides the clock that decides what is expired, for this session: now in milliseconds since 1970, or 0 for the
 * system's clock read at each call. A server sets it once for each turn of its loop.
 */
SDB_API void sdb_session_set_time(struct sdb_session *session, int64_t now_ms);

/*
 * Where the session waits for keys that another thread holds, give_up is asked every few milliseconds; once it gives another value than 0
 * the call fails with SDB_EBUSY. NULL: the session waits for as long as it takes. Nothing else of the session may be called by it.
 */
typedef int sdb_give_up(void *context);
SDB_API void sdb_session_set_patience(struct sdb_session *session, sdb_give_up *give_up, void *context);

/* ------------------------------------------------------------------------------------------------------------------
 * Keys and values
 *
 * Keys are 0 to 64 KiB of any bytes, values 0 to 512 MiB. Key and value stand together in one 32-byte entry when they
 * fit in 24 bytes (8-byte words: 16 + 8 or 8 + 16; a time to live takes 8 of them). Canonical decimal integers in the
 * int64 range are kept as 8-byte integers, and read back as the same text.
 * ---------------------------------------------------------------------------------------------------------------- */
enum sdb_type {
    SDB_TYPE_NONE = 0,
    SDB_TYPE_STRING = 1,
    SDB_TYPE_LIST = 2,
    SDB_TYPE_SET = 3,
    SDB_TYPE_HASH = 4,
    SDB_TYPE_ZSET = 5,
    SDB_TYPE_STREAM = 6,
};
enum sdb_encoding {
    SDB_ENCODING_INT = 1,
    SDB_ENCODING_INLINE = 2,
    SDB_ENCODING_BLOB = 3,
    SDB_ENCODING_PACKED = 4, /* a collection that never was larger than its limits: struct sdb_limits */
    SDB_ENCODING_INTS = 5,   /* such a set of integers */
    SDB_ENCODING_LARGE = 6,
};

struct sdb_slice {
    const void *data;
    size_t size;
};

enum sdb_set_flags {
    SDB_IF_ABSENT = 1u << 0,   /* only if there is no such key */
    SDB_IF_PRESENT = 1u << 1,  /* only if there is one */
    SDB_IF_VERSION = 1u << 2,  /* only if its version is options->version */
    SDB_KEEP_EXPIRY = 1u << 3, /* keep the key's time to live; without it a set clears it */
};

struct sdb_set_options {
    uint32_t flags;     /* enum sdb_set_flags */
    uint64_t version;   /* for SDB_IF_VERSION, from a view or from sdb_stat */
    int64_t expire_ms;  /* the time at which the key expires; 0: never (or kept, see SDB_KEEP_EXPIRY) */
    uint64_t *handle;   /* out, may be NULL: the key's handle */
};

/*
 * Stores value under key. options may be NULL.
 * Errors: SDB_ECONDITION, SDB_ENOSPC, SDB_ETOOBIG, SDB_ECONFLICT, SDB_EREADONLY, SDB_EFAILED, SDB_ECORRUPT, SDB_ENOMEM; in
 * each case the store is as before. SDB_EIO: the medium refused; the pool has failed, and its next open tells whether the
 * write took effect. A time to live in the past deletes the key and is no error. One fence.
 */
SDB_API int sdb_set(struct sdb_session *session, const void *key, size_t key_size, const void *value, size_t value_size,
                    const struct sdb_set_options *options);

/*
 * Copies the value to buffer (up to buffer_size bytes of it) and its whole size to *value_size. Of a value larger than the
 * buffer, the buffer's worth is copied and SDB_OK is returned. value_size may be NULL. No fence.
 * Errors: SDB_ENOTFOUND, SDB_ETYPE, SDB_ECORRUPT (the value's checksum or its entry's is wrong).
 */
SDB_API int sdb_get(struct sdb_session *session, const void *key, size_t key_size, void *buffer, size_t buffer_size,
                    size_t *value_size);

/* Deletes a key. One fence. Errors: SDB_ENOTFOUND, and those of sdb_set. */
SDB_API int sdb_delete(struct sdb_session *session, const void *key, size_t key_size);

/* SDB_OK or SDB_ENOTFOUND. No fence. sdb_touch counts as a use of the key: sdb_track_access. */
SDB_API int sdb_exists(struct sdb_session *session, const void *key, size_t key_size);
SDB_API int sdb_touch(struct sdb_session *session, const void *key, size_t key_size);

/*
 * A view: the value where it lies in the pool, or a copy inside the view where it is small. The bytes do not change and
 * stay readable until sdb_view_release, whatever is written meanwhile, this session's own writes included. While a view of a
 * blob is held, memory that is freed is not reused: hold views for moments, not for minutes.
 */
struct sdb_view {
    const void *data;
    size_t size;
    uint64_t version;   /* for SDB_IF_VERSION: changes with every change of the key, and could only come back after 256 of them
                           that end in the same value */
    int64_t expire_ms;  /* 0: never */
    uint64_t handle;
    uint8_t type;       /* enum sdb_type */
    uint8_t encoding;   /* enum sdb_encoding */
    uint8_t pinned;     /* the view holds pool memory: private to the library */
    uint8_t reserved[5];
    char inlined[24];   /* where data points for integers (as text) and inline values */
};

/*
 * Errors: SDB_ENOTFOUND, SDB_ECORRUPT. After SDB_OK the caller owes a sdb_view_release; a view must not be copied or moved
 * (data may point into it). No fence.
 */
SDB_API int sdb_view(struct sdb_session *session, const void *key, size_t key_size, struct sdb_view *view);
SDB_API void sdb_view_release(struct sdb_session *session, struct sdb_view *view);

/*
 * Views of many keys at once, prefetched together: results[i] is SDB_OK, SDB_ENOTFOUND or SDB_ECORRUPT, and views[i] is to be
 * released where it is SDB_OK. The keys are read as of one moment: no transaction of another session is seen in part. Behind a
 * write of the session's own group to one of them, that moment is the group's commit, and nobody changes the keys before.
 * Errors: SDB_ENOMEM, SDB_EINVAL (then no view is to be released).
 */
SDB_API int sdb_view_many(struct sdb_session *session, const struct sdb_slice *keys, size_t count, struct sdb_view *views,
                          int *results);

/*
 * How many of the keys exist, as of one moment like sdb_view_many's; a key that is named twice counts twice. No fence.
 * Errors: SDB_ENOMEM, SDB_ECORRUPT.
 */
SDB_API int sdb_exists_many(struct sdb_session *session, const struct sdb_slice *keys, size_t count, size_t *found);

/*
 * Finds keys (up to 64) ahead of the operations on them, together, and loads what these will need. A hint: call it for the keys
 * of a batch, then do the operations in the same order. Each looks again at what was found. No fence.
 */
SDB_API void sdb_prefetch(struct sdb_session *session, const struct sdb_slice *keys, size_t count);

struct sdb_pair {
    struct sdb_slice key;
    struct sdb_slice value;
};

/*
 * Stores all pairs or none, at once for every reader. flags: SDB_IF_ABSENT for "only if none of the keys exists"
 * (SDB_ECONDITION otherwise), or 0. Of a key that is named twice the last value counts. Clears times to live.
 * Errors: those of sdb_set. One fence.
 */
SDB_API int sdb_set_many(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, uint32_t flags);

/*
 * Stores the pairs one after the other, each as sdb_set without options does, but found together and with one fence for many: they
 * are part of the open group or transaction, or else a group of their own. Ends with the first pair that fails; *done, may be NULL, is
 * how many came before it.
 * Errors: those of sdb_set, of that pair; or those of sdb_group_end, and then nobody knows of any pair whether it took effect.
 */
SDB_API int sdb_set_each(struct sdb_session *session, const struct sdb_pair *pairs, size_t count, size_t *done);

/*
 * Deletes those of the keys that exist, all at once; *deleted, may be NULL, says how many did. That none does is no error.
 * Errors: those of sdb_set. One fence.
 */
SDB_API int sdb_delete_many(struct sdb_session *session, const struct sdb_slice *keys, size_t count, size_t *deleted);

/* ------------------------------------------------------------------------------------------------------------------
 * Expiry
 * ---------------------------------------------------------------------------------------------------------------- */
struct sdb_stat {
    size_t size;         /* of the value; of a collection: how many elements it has */
    uint64_t version;
    int64_t expire_ms;   /* 0: never */
    uint64_t handle;
    size_t memory;       /* bytes of the pool that the key takes: entry, its share of the index, blobs, trees */
    uint8_t type;
    uint8_t encoding;
    uint8_t frequency;   /* of its use, 0 to 255, on a logarithmic scale: sdb_track_access */
    uint64_t idle_ms;    /* since its last use, likewise */
};

/* What is known of a key, without reading its value. Errors: SDB_ENOTFOUND, SDB_ECORRUPT. No fence. */
SDB_API int sdb_stat(struct sdb_session *session, const void *key, size_t key_size, struct sdb_stat *stat);

/*
 * Sets the time at which the key expires, or takes it away (0). A time in the past deletes the key. An expired key is
 * gone for every call at once; its memory is freed when it is next written to, or by sdb_maintain.
 * Errors: SDB_ENOTFOUND, and those of sdb_set. One fence.
 */
SDB_API int sdb_expire(struct sdb_session *session, const void *key, size_t key_size, int64_t expire_ms);

/* ------------------------------------------------------------------------------------------------------------------
 * Arithmetic and ranges. All keep the key's time to live, and make the key where there is none. One fence each.
 * ---------------------------------------------------------------------------------------------------------------- */

/* Adds delta to an integer (absent: 0). Errors: SDB_ENOTINT, SDB_EOVERFLOW, SDB_ETYPE, and those of sdb_set. */
SDB_API int sdb_add(struct sdb_session *session, const void *key, size_t key_size, int64_t delta, int64_t *result);

#define SDB_FLOAT_TEXT_MAX 5120u
/*
 * Adds delta to a number kept as decimal text, in long double arithmetic, and keeps the sum as the shortest text with at
 * most 17 digits after the point; text (SDB_FLOAT_TEXT_MAX bytes) receives it, without a final zero, its size in *text_size.
 * Errors: SDB_ENOTFLOAT (the value), SDB_EOVERFLOW (a result that is not finite), SDB_ETYPE, and those of sdb_set.
 */
SDB_API int sdb_add_float(struct sdb_session *session, const void *key, size_t key_size, long double delta, char *text,
                          size_t *text_size);

/* Appends, and gives the value's size. Errors: SDB_ETOOBIG, SDB_ETYPE, and those of sdb_set. */
SDB_API int sdb_append(struct sdb_session *session, const void *key, size_t key_size, const void *data, size_t data_size,
                       size_t *value_size);

/* Overwrites from offset on, padding with zero bytes, and gives the value's size. Errors as sdb_append. */
SDB_API int sdb_set_range(struct sdb_session *session, const void *key, size_t key_size, uint64_t offset, const void *data,
                          size_t data_size, size_t *value_size);

/*
 * Copies up to buffer_size bytes of the value from offset on; *read_size says how many there were. No fence.
 * Errors: SDB_ENOTFOUND, SDB_ETYPE, SDB_ECORRUPT.
 */
SDB_API int sdb_get_range(struct sdb_session *session, const void *key, size_t key_size, uint64_t offset, void *buffer,
                          size_t buffer_size, size_t *read_size);

/* ------------------------------------------------------------------------------------------------------------------
 * Whole keys
 * ---------------------------------------------------------------------------------------------------------------- */

/*
 * Gives a key another name, with its value and time to live. replace 0: SDB_ECONDITION where the new name exists.
 * Errors: SDB_ENOTFOUND, and those of sdb_set. One fence.
 */
SDB_API int sdb_rename(struct sdb_session *session, const void *key, size_t key_size, const void *new_key,
                       size_t new_key_size, int replace);

/* Copies a key with its time to live to new_key in database. replace and errors as in sdb_rename. One fence. */
SDB_API int sdb_copy(struct sdb_session *session, const void *key, size_t key_size, uint32_t database, const void *new_key,
                     size_t new_key_size, int replace);

/* Moves a key to another database. SDB_ECONDITION where it exists there; other errors as in sdb_rename. One fence. */
SDB_API int sdb_move(struct sdb_session *session, const void *key, size_t key_size, uint32_t database);

/* ------------------------------------------------------------------------------------------------------------------
 * Handles
 *
 * A handle leads straight to a key's entry: no hashing, no index, one cache line. It stays valid, across restarts too, for
 * as long as the key lives; after the key was deleted it is stale, and so it stays (generations are counted in 16 bits for
 * each entry, so that 65,536 reuses of one entry later an old handle could be taken for a new one). Handles are positive
 * as int64_t. A handle names the database too: the selected one does not matter.
 * ---------------------------------------------------------------------------------------------------------------- */

/* Errors: SDB_ENOTFOUND, SDB_ECORRUPT. No fence. */
SDB_API int sdb_handle(struct sdb_session *session, const void *key, size_t key_size, uint64_t *handle);

/* As sdb_get and sdb_view. Errors: SDB_ESTALE instead of SDB_ENOTFOUND (the key is gone or expired, or it never was). */
SDB_API int sdb_get_by_handle(struct sdb_session *session, uint64_t handle, void *buffer, size_t buffer_size,
                              size_t *value_size);
SDB_API int sdb_view_by_handle(struct sdb_session *session, uint64_t handle, struct sdb_view *view);

/* As sdb_set without options; keeps the time to live. Errors: SDB_ESTALE. One fence. */
SDB_API int sdb_set_by_handle(struct sdb_session *session, uint64_t handle, const void *value, size_t value_size);

/* As sdb_prefetch, for operations by handle: loads the entries, and what of their keys lies outside. Any numbers. */
SDB_API void sdb_prefetch_by_handle(struct sdb_session *session, const uint64_t *handles, size_t count);

/* A small value as read by a batch. */
struct sdb_inline {
    int32_t result;   /* SDB_OK, SDB_ESTALE, SDB_ENOTFOUND, SDB_ECORRUPT, or SDB_ETOOBIG: more than 16 bytes, view it by handle */
    uint8_t size;     /* of the value */
    uint8_t encoding; /* enum sdb_encoding: SDB_ENCODING_INT means that integer counts and size is 8 */
    uint8_t reserved[2];
    union {
        char data[16];
        int64_t integer;
        uint64_t handle; /* SDB_ETOOBIG: the key's, for sdb_view_by_handle */
        struct {
            uint64_t handle, version; /* SDB_ETOOBIG: and its version then, as in a view */
        } big;
    } value;
};

/*
 * Reads many small values by handle, or by key: the fastest read there is. None is older than those before it, as if each had been
 * read by a call of its own. Never fails as a whole. No fence.
 */
SDB_API void sdb_get_many_by_handle(struct sdb_session *session, const uint64_t *handles, size_t count,
                                    struct sdb_inline *values);
SDB_API void sdb_get_many(struct sdb_session *session, const struct sdb_slice *keys, size_t count, struct sdb_inline *values);

/* ------------------------------------------------------------------------------------------------------------------
 * Groups and transactions
 *
 * A group makes one fence serve many independent operations. Between sdb_group_begin and sdb_group_end each call is
 * atomic by itself and takes effect for this session at once; other sessions may see it, and it is durable, no later than
 * when sdb_group_end has returned SDB_OK. Acknowledge nothing before, reads included: they may have seen the group's own
 * writes. The library commits a part of the group early where the group grows large or a shard is contended.
 *
 * A transaction is atomic as a whole: all of it is durable and visible at once, or nothing ever is. Inside a group it
 * counts as one operation. Keys named to sdb_begin are locked at once, in an order that cannot deadlock; one that is not
 * named is locked when it is first written to or read, and where another thread holds its shard the call fails with
 * SDB_ECONFLICT: abort and start again. Reads inside a transaction see its own writes.
 *
 * Transactions nest, up to SDB_TRANSACTION_DEPTH of them: the commit of an inner one is a part of the outer one, its abort takes back
 * what was done since its own beginning. After SDB_ECONFLICT only the abort of the outermost helps.
 * ---------------------------------------------------------------------------------------------------------------- */

/* Errors: SDB_EINVAL (a group or transaction is open). */
SDB_API int sdb_group_begin(struct sdb_session *session);

/*
 * Makes everything since sdb_group_begin durable. One fence, none where nothing was written.
 * Errors: SDB_EFAILED, SDB_EIO, SDB_ENOMEM: what was not made durable earlier is lost, and nothing of it may be acknowledged.
 */
SDB_API int sdb_group_end(struct sdb_session *session);

#define SDB_TRANSACTION_DEPTH 4u

/*
 * Begins a transaction. keys may be NULL with count 0. Errors: SDB_EINVAL (too many are open), SDB_ENOMEM, SDB_ECONFLICT (inside
 * another transaction).
 */
SDB_API int sdb_begin(struct sdb_session *session, const struct sdb_slice *keys, size_t count);

/* As sdb_begin, and locks every key of the pool: for work whose keys are not known beforehand. */
SDB_API int sdb_begin_all(struct sdb_session *session);

/*
 * One fence (none inside a group or another transaction, none where nothing was written). The transaction is over, whatever is returned.
 * Errors: SDB_EINVAL (none is open), SDB_ECONFLICT (a call inside it met one), SDB_ENOSPC, SDB_ENOMEM, SDB_EREADONLY, SDB_EFAILED:
 * nothing took effect; SDB_EIO as in sdb_set.
 */
SDB_API int sdb_commit(struct sdb_session *session);

/* Takes back everything since sdb_begin. No fence. */
SDB_API void sdb_abort(struct sdb_session *session);

/* ------------------------------------------------------------------------------------------------------------------
 * Watching for changes
 *
 * An observer is told of every change of a key: by the thread that makes it, when it is staged and before it is committed, with the
 * key's shard locked. It may yet be taken back, by an error or sdb_abort. So whoever notes what it knows of a key in a transaction that
 * named the key, and looks in another such transaction whether the observer was told of the key since, misses no change.
 * ---------------------------------------------------------------------------------------------------------------- */
enum sdb_change_kind {
    SDB_CHANGE_STORED = 1,  /* a key has another value or time to live */
    SDB_CHANGE_DELETED = 2,
    SDB_CHANGE_EXPIRED = 3, /* a key whose time had come was deleted */
    SDB_CHANGE_EMPTIED = 4, /* a database is about to be emptied; every shard is locked */
    SDB_CHANGE_SWAPPED = 5, /* database and other are about to change places; every shard is locked */
    SDB_CHANGE_CREATED = 6, /* a key that was not there was stored */
    SDB_CHANGE_EVICTED = 7, /* a key was deleted by sdb_evict */
    SDB_CHANGE_GROUPS = 8,  /* of a stream its groups changed, what is pending, or ids: no entry came or went */
    SDB_CHANGE_UNDONE = 9,  /* the call under way begins anew: what it has changed so far it has not. No key */
};

struct sdb_change {
    struct sdb_session *session; /* that makes it */
    enum sdb_change_kind kind;
    uint32_t database, other;
    struct sdb_slice key; /* valid during the call; of databases: none */
};

/*
 * It must write nothing. Told of a database, it may select others and read (what was selected is so again behind it); told of a
 * key, it uses no session at all.
 */
typedef void sdb_observer(const struct sdb_change *change);

/* Names the pool's observer; NULL: none, which costs writers nothing. Any thread. */
SDB_API void sdb_observe(struct sdb_pool *pool, sdb_observer *observer);

/* ------------------------------------------------------------------------------------------------------------------
 * Iteration
 * ---------------------------------------------------------------------------------------------------------------- */
struct sdb_scan_item {
    struct sdb_slice key; /* valid during the call */
    uint64_t handle;
    int64_t expire_ms;
    uint8_t type;
    uint8_t encoding; /* of a string; of a collection 0: sdb_stat says which */
};
/* Return 0 to go on, anything else to stop after this item. It may call read functions of the same session, and no others. */
typedef int sdb_scan_fn(void *context, const struct sdb_scan_item *item);

/*
 * Calls visit for the selected database's keys, from *cursor (0: the beginning) on; looks at about `effort` entries, writes
 * where to go on to *cursor, 0 at the end. A key that exists during the whole scan is visited at least once; one that comes or goes
 * meanwhile may be. A cursor is never invalid: any number is taken. No fence.
 * Errors: SDB_ECORRUPT: an entry is damaged; *cursor stands behind it, so that a caller can go on.
 */
SDB_API int sdb_scan(struct sdb_session *session, uint64_t *cursor, size_t effort, sdb_scan_fn *visit, void *context);

/* Copies a random key's name (up to buffer_size bytes) and gives its whole size. Errors: SDB_ENOTFOUND (the database is empty). */
SDB_API int sdb_random_key(struct sdb_session *session, void *buffer, size_t buffer_size, size_t *key_size);

/* ------------------------------------------------------------------------------------------------------------------
 * Databases
 * ---------------------------------------------------------------------------------------------------------------- */

/*
 * The number of keys in the selected database, expired ones that were not yet swept included. Exact. After an unclean stop
 * the first call counts the entries (about 10 ns each); every other call is immediate.
 */
SDB_API int sdb_count(struct sdb_session *session, uint64_t *count);

/* How many of the selected database's keys have a time to live. As sdb_count. */
SDB_API int sdb_count_expiring(struct sdb_session *session, uint64_t *count);

/*
 * Empties the selected database, or all of them: at once, whatever its size; the memory comes back by sdb_maintain. One fence.
 * Errors: SDB_ENOSPC (too many emptied databases wait for it), and those of sdb_set.
 */
SDB_API int sdb_flush(struct sdb_session *session);
SDB_API int sdb_flush_all(struct sdb_session *session);

/* Exchanges two databases, for everyone at once. Errors: SDB_EINVAL, and those of sdb_set. One fence. */
SDB_API int sdb_swap_databases(struct sdb_session *session, uint32_t a, uint32_t b);

/* ------------------------------------------------------------------------------------------------------------------
 * Maintenance
 * ---------------------------------------------------------------------------------------------------------------- */

/*
 * Does up to `effort` entries' worth of background work: deletes expired keys, reclaims flushed databases. Writes that
 * find the pool full do so by themselves. *done, may be NULL, is 1 when a whole round over the pool found nothing more to do.
 * Call it now and then from any one thread. A fence for each batch of entries that it deletes.
 * Errors: SDB_EINVAL (a transaction is open), and those of sdb_set.
 */
SDB_API int sdb_maintain(struct sdb_session *session, size_t effort, int *done);

/*
 * How much this session has given back so far by sdb_maintain, and by writes that found the pool full: keys of emptied databases and
 * elements of deleted collections. Where it grows, there is likely to be more.
 */
SDB_API uint64_t sdb_reclaimed(const struct sdb_session *session);

/*
 * What a write that finds the pool full does by itself, but cannot inside a transaction: deletes expired keys, reclaims flushed
 * databases and what deletions have left behind. Errors: SDB_ENOSPC (there was nothing), SDB_EINVAL (a transaction is open), and those
 * of sdb_set.
 */
SDB_API int sdb_make_room(struct sdb_session *session);

/* ------------------------------------------------------------------------------------------------------------------
 * Eviction: for those who use a pool as a cache, which forgets what it has no room for
 * ---------------------------------------------------------------------------------------------------------------- */

/*
 * Bytes of the pool that entries, keys, values and the index take, with the pool's fixed part: what free memory inside of pages that are
 * in use does not count to, so that deletions lower it at once. The first call counts, with every shard locked.
 * Errors: SDB_EINVAL (the first call, in a transaction), SDB_ENOMEM.
 */
SDB_API int sdb_used(struct sdb_session *session, uint64_t *bytes);

enum sdb_access {
    SDB_ACCESS_NONE = 0,
    SDB_ACCESS_RECENCY = 1,   /* when a key was last used */
    SDB_ACCESS_FREQUENCY = 2, /* how often, of late */
};

/*
 * Notes in DRAM, 4 bytes a key, when or how often keys are read or written; sdb_exists, sdb_stat and scans are no use. A key that
 * was not used since this began counts as used then. Reads do not write to the pool. For frequencies: the counter is raised with a probability
 * of 1 in (counter - 5) * log_factor + 1, and lowered by one for each decay_minutes without use (0: never).
 * Any thread. Errors: SDB_ENOMEM, SDB_EINVAL.
 */
SDB_API int sdb_track_access(struct sdb_pool *pool, enum sdb_access what, unsigned log_factor, unsigned decay_minutes);

/*
 * Says of a key that it was not used for so long, or, where frequencies are kept, that its counter is at so much. No fence.
 * Errors: SDB_ENOTFOUND, SDB_ECORRUPT.
 */
SDB_API int sdb_set_use(struct sdb_session *session, const void *key, size_t key_size, uint64_t idle_ms, unsigned frequency);

enum sdb_evict_order {
    SDB_EVICT_RECENCY = 0,   /* unused for longest; with sdb_track_access */
    SDB_EVICT_FREQUENCY = 1, /* used least; likewise */
    SDB_EVICT_RANDOM = 2,
    SDB_EVICT_EXPIRY = 3,    /* those that expire soonest; with expiring_only */
};

struct sdb_evict_options {
    enum sdb_evict_order order;
    int expiring_only; /* only keys with a time to live */
    unsigned samples;  /* keys that are looked at for each one that goes: 5 is usual, more choose better */
};

/*
 * Deletes keys of any database, up to count_max of them, until sdb_used is not above target; *evicted, may be NULL, says how many.
 * Commits what the session's group has staged before, and what it deletes: a fence for each 64 keys.
 * Errors: SDB_ENOTFOUND (there is nothing more to delete), SDB_EINVAL (a transaction is open), and those of sdb_set.
 */
SDB_API int sdb_evict(struct sdb_session *session, const struct sdb_evict_options *options, uint64_t target, size_t count_max,
                      size_t *evicted);

/* ------------------------------------------------------------------------------------------------------------------
 * Figures, summed over all sessions since the pool was opened
 * ---------------------------------------------------------------------------------------------------------------- */
struct sdb_stats {
    uint64_t commits;          /* groups, transactions and single writes that reached the medium */
    uint64_t fences;
    uint64_t flushed_lines;    /* cache lines */
    uint64_t log_bytes;        /* of redo records */
    uint64_t msyncs;
    uint64_t gets;             /* keys looked up */
    uint64_t hits;
    uint64_t cache_hits;       /* of the L1 hot-handle cache: keys that it was asked for */
    uint64_t cache_misses;     /* where it seldom hits, few are: gets - cache_hits - cache_misses were not */
    uint64_t cache_bytes;      /* its size in DRAM; 0: there is none */
    uint64_t cache_copies;     /* entries that it holds */
    uint64_t cache_copies_max;
    uint64_t expired_keys;     /* deleted because their time had come */
    uint64_t evicted_keys;     /* deleted to make room */
    uint64_t reclaimed_keys;   /* of flushed databases */
    uint64_t index_splits;
    uint64_t conflicts;        /* a shard was held by another thread */
    uint64_t retries;          /* a lock-free read that met a writer and read again */
    uint64_t checksum_errors;
    uint64_t media_errors;     /* pages of the medium that answered with SIGBUS */
    uint64_t used;             /* bytes of the pool in use */
    uint64_t entry_bytes;      /* of which: pages of handle entries */
    uint64_t index_bytes;      /*           index segments and directories */
    uint64_t blob_bytes;       /*           keys and values outside entries */
    uint64_t metadata_bytes;   /*           superblock, logs, maps, extent headers */
    uint64_t free_bytes;       /* never used so far, or free again */
    uint64_t reclaimed_elements; /* of large collections that were deleted */
};
SDB_API void sdb_stats(struct sdb_pool *pool, struct sdb_stats *stats);

#ifdef __cplusplus
}
#endif

#include "check.h"
#include "collection.h"

#endif
