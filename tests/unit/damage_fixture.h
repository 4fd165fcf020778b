/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * damage_fixture.h - a pool with every kind of key in it, and the question that every damage is followed by: what does it answer now?
 *
 * Include it behind engine_fixture.h. A key's value and time to live follow from its number, so that nothing has to be remembered.
 */
#ifndef SDB_TESTS_DAMAGE_FIXTURE_H
#define SDB_TESTS_DAMAGE_FIXTURE_H

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DAMAGE_DATABASES 4u
#define DAMAGE_VALUE_MAX 3000000u
#define DAMAGE_KEY_MAX 600u

struct damage {
    struct fixture f;
    unsigned keys;       /* numbers 0 to keys - 1 exist, as many behind them do not */
    unsigned largest;    /* class of value sizes, see damage_value */
    uint8_t *raw;        /* the file, for changing it */
    uint8_t *image;      /* the file as it was when it was sound */
    uint64_t size;
    bool *shown;         /* by the last scan */
    bool *lost;          /* told to be lost by a repair */
};

/* What a pool answered. */
struct answers {
    unsigned right;
    unsigned errors;  /* keys that are there and cannot be read: SDB_ECORRUPT */
    unsigned missing; /* keys that are said not to exist: silently wrong */
    unsigned wrong;   /* other values, sizes, times, or keys that never were: silently wrong */
    unsigned scan_errors;
    unsigned scan_missing; /* not shown, by scans that met no error */
    unsigned refused; /* the pool does not open */
};

static inline unsigned damage_database(unsigned i) { return i % 7 == 3 ? 3 : i % 5 == 1 ? 1 : 0; }
static inline int64_t damage_expiry(unsigned i) { return i % 6 == 2 ? INT64_C(4000000000000) + i : 0; }

static inline size_t damage_key(unsigned i, char key[DAMAGE_KEY_MAX])
{
    int size = snprintf(key, DAMAGE_KEY_MAX, i % 4 == 1 ? "%u" : i % 4 == 2 ? "key:%u" : "a longer name of a key:%u", i);

    if (i % 16 != 7)
        return (size_t)size;
    memset(key + size, 'k', DAMAGE_KEY_MAX - (size_t)size);
    return DAMAGE_KEY_MAX - i % 300;
}

/* Values of all kinds: none, integers, inline ones, blobs of each way of being allocated. */
static inline size_t damage_value(const struct damage *d, unsigned i, char *value)
{
    static const size_t sizes[] = {0, 5, 8, 13, 16, 17, 40, 100, 900, 6000, 20000, 100000, DAMAGE_VALUE_MAX};
    unsigned kind = i % 11;
    size_t size;

    if (kind == 4)
        return (size_t)snprintf(value, 24, "%u", i * 7919);
    if (kind == 10)
        kind = i / 11 % 13 == 12 && i / 143 % 8 != 0 ? 10 : i / 11 % 13;
    size = sizes[kind <= d->largest ? kind : d->largest % 8];
    for (size_t at = 0; at < size; at++)
        value[at] = (char)('a' + (at * 7 + i) % 26);
    return size;
}

static inline void damage_set(const struct damage *d, struct sdb_session *session, unsigned i)
{
    static char value[DAMAGE_VALUE_MAX];
    char key[DAMAGE_KEY_MAX];
    size_t key_size = damage_key(i, key), size = damage_value(d, i, value);
    struct sdb_set_options options = {.expire_ms = damage_expiry(i)};

    assert_ok(sdb_select(session, damage_database(i)));
    assert_ok(sdb_set(session, key, key_size, value, size, &options));
}

/* Takes the file as it is for the sound one. */
static inline void damage_take_image(struct damage *d)
{
    struct stat facts;
    int fd = open(d->f.path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &facts), 0);
    d->size = (uint64_t)facts.st_size;
    d->raw = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(d->raw != MAP_FAILED);
    d->image = malloc(d->size);
    assert_non_null(d->image);
    memcpy(d->image, d->raw, d->size);
    close(fd);
}

/*
 * Makes the pool, closed cleanly, or as a kill leaves it. Some keys were deleted, a database was emptied and is not yet reclaimed, two
 * were exchanged.
 */
static inline void damage_create(struct damage *d, uint64_t size, uint32_t shards, unsigned keys, unsigned largest, bool clean)
{
    memset(d, 0, sizeof(*d));
    fixture_create(&d->f, size, 0, shards);
    d->keys = keys;
    d->largest = largest;
    d->shown = calloc(keys, sizeof(bool));
    d->lost = calloc(keys, sizeof(bool));
    assert_true(d->shown && d->lost);
    for (unsigned i = 0; i < keys; i++)
        damage_set(d, d->f.session, i + keys); /* in the places of these stand the ones that stay */
    for (unsigned database = 0; database < DAMAGE_DATABASES; database++) {
        assert_ok(sdb_select(d->f.session, database));
        assert_ok(sdb_flush(d->f.session));
    }
    for (int i = 0, done = 0; i < 1000 && !done; i++)
        assert_ok(sdb_maintain(d->f.session, 1000000, &done));
    for (unsigned i = 0; i < keys; i++)
        damage_set(d, d->f.session, i);
    assert_ok(sdb_select(d->f.session, 2));
    for (unsigned i = 0; i < keys / 8; i++) {
        char key[24];

        assert_ok(sdb_set(d->f.session, key, (size_t)snprintf(key, sizeof(key), "gone:%u", i), "a value", 7, NULL));
    }
    assert_ok(sdb_flush(d->f.session));
    assert_ok(sdb_swap_databases(d->f.session, 1, 3));
    assert_ok(sdb_swap_databases(d->f.session, 1, 3));
    (void)fixture_check(&d->f);
    if (!clean) {
        fixture_crash(&d->f); /* once, so that the records are few */
        for (unsigned i = 0; i < keys; i += 3)
            damage_set(d, d->f.session, i);
        char copy[96];
        snprintf(copy, sizeof(copy), "%s.crash", d->f.path);
        fixture_snapshot(&d->f, copy);
        fixture_close(&d->f);
        assert_int_equal(rename(copy, d->f.path), 0);
    } else {
        fixture_close(&d->f);
    }
    d->f.options.cache_size = 0;
    damage_take_image(d);
}

static inline void damage_restore(const struct damage *d)
{
    memcpy(d->raw, d->image, d->size);
}

static inline void damage_destroy(struct damage *d)
{
    munmap(d->raw, d->size);
    free(d->image);
    free(d->shown);
    free(d->lost);
    unlink(d->f.path);
}

/* -- asking -- */

static inline void damage_ask_key(const struct damage *d, struct sdb_session *session, unsigned i, struct answers *answers)
{
    static char value[DAMAGE_VALUE_MAX];
    char key[DAMAGE_KEY_MAX];
    size_t key_size = damage_key(i, key), size;
    struct sdb_view view;
    struct sdb_inline in_line;
    struct sdb_slice slice = {.data = key, .size = key_size};
    bool there = i < d->keys;
    int error;

    assert_ok(sdb_select(session, damage_database(i)));
    error = sdb_view(session, key, key_size, &view);
    if (error == SDB_OK) {
        size = damage_value(d, i, value);
        if (there && view.size == size && memcmp(view.data, value, size) == 0 && view.expire_ms == damage_expiry(i))
            answers->right++;
        else
            answers->wrong++;
        sdb_view_release(session, &view);
    } else if (error == SDB_ECORRUPT) {
        answers->errors++;
    } else if (error != SDB_ENOTFOUND) {
        answers->wrong++;
    } else if (there && !d->lost[i]) {
        answers->missing++;
    } else {
        answers->right += there;
    }
    sdb_get_many(session, &slice, 1, &in_line);
    if (in_line.result == SDB_OK && error != SDB_OK)
        answers->wrong++;
}

struct damage_scan {
    struct damage *d;
    struct answers *answers;
    unsigned database;
};

static inline int damage_show(void *context, const struct sdb_scan_item *item)
{
    struct damage_scan *scan = context;
    char text[DAMAGE_KEY_MAX + 1] = "", key[DAMAGE_KEY_MAX];
    const char *number;
    unsigned i;

    memcpy(text, item->key.data, item->key.size < DAMAGE_KEY_MAX ? item->key.size : DAMAGE_KEY_MAX);
    number = strchr(text, ':');
    i = (unsigned)strtoul(number ? number + 1 : text, NULL, 10);
    if (i >= scan->d->keys || damage_key(i, key) != item->key.size || memcmp(key, item->key.data, item->key.size) != 0 ||
        damage_database(i) != scan->database || scan->d->shown[i])
        scan->answers->wrong++;
    else
        scan->d->shown[i] = true;
    return 0;
}

static inline void damage_ask_scan(struct damage *d, struct sdb_session *session, struct answers *answers)
{
    unsigned errors = 0, missing = 0;

    memset(d->shown, 0, d->keys * sizeof(bool));
    for (unsigned database = 0; database < DAMAGE_DATABASES; database++) {
        struct damage_scan scan = {.d = d, .answers = answers, .database = database};
        uint64_t cursor = 0, rounds = 0;

        assert_ok(sdb_select(session, database));
        do {
            int error = sdb_scan(session, &cursor, 4096, damage_show, &scan);

            assert_true(error == SDB_OK || error == SDB_ECORRUPT);
            errors += error != SDB_OK;
            assert_true(++rounds < 1000000);
        } while (cursor);
    }
    for (unsigned i = 0; i < d->keys; i++)
        missing += !d->shown[i] && !d->lost[i];
    answers->scan_errors += errors;
    if (errors == 0)
        answers->scan_missing += missing;
}

/* Every key by name, keys that are not there, every key by scans, and the figures. */
static inline void damage_ask(struct damage *d, struct sdb_pool *pool, unsigned absent, struct answers *answers)
{
    struct sdb_session *session;
    struct sdb_stats stats;
    uint64_t count;

    assert_ok(sdb_session_open(pool, &session));
    for (unsigned i = 0; i < d->keys + absent; i++)
        damage_ask_key(d, session, i, answers);
    damage_ask_scan(d, session, answers);
    assert_ok(sdb_select(session, 0));
    (void)sdb_count(session, &count);
    sdb_stats(pool, &stats);
    sdb_session_close(session);
}

static inline void damage_not_silent(const struct answers *answers, const char *what)
{
    if (answers->missing || answers->wrong || answers->scan_missing)
        fail_msg("%s: %u keys silently missing, %u silently wrong, %u not shown", what, answers->missing, answers->wrong,
                 answers->scan_missing);
}

#endif
