/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_crash_images.c - random work on a pool, and at random fences a crash image that is opened, checked and compared
 *
 * The state of an image must be the state after some prefix of the operations, one that holds at least every acknowledged one.
 * Arguments: seed, operations, images to each thousand fences. Without arguments: a few seeds, as the suite runs it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"
#include "simulated_domain.h"
#include "superdb/superdb.h"

#define KEYS 400u
#define JOURNAL_MAX 4096u
#define VALUE_MAX 70000u

struct cell {
    uint32_t size; /* + 1; 0: absent */
    uint32_t seed;
};

struct change {
    uint32_t op; /* changes of one operation are together */
    uint16_t key;
    struct cell cell;
};

struct world {
    struct cell acknowledged[KEYS];
    struct cell now[KEYS];
    struct change journal[JOURNAL_MAX];
    uint32_t changes;
    uint32_t ops;
    uint64_t random;
    uint64_t images;
    unsigned per_thousand;
    uint64_t pool_size;
    char path[64];
    char image_path[64];
    uint8_t *image; /* the image file, mapped */
};

static void fail(const struct world *w, const char *what, const char *detail)
{
    fprintf(stderr, "FAILED: %s (%s), fence %llu, image %llu\n", what, detail, (unsigned long long)simulated.fences,
            (unsigned long long)w->images);
    exit(1);
}

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        int must_error_ = (call);                                                                                      \
        if (must_error_ != SDB_OK)                                                                                     \
            fail(w, #call, sdb_last_error());                                                                          \
    } while (0)

static uint32_t rnd(struct world *w, uint32_t n)
{
    w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((w->random >> 33) % n);
}

static size_t key_text(unsigned key, char *text)
{
    return (size_t)sprintf(text, key % 3 == 0 ? "k%u" : key % 3 == 1 ? "key:%08u" : "a-rather-long-key-name-that-is-a-blob:%u", key);
}

static void value_text(struct cell cell, char *text)
{
    uint32_t x = cell.seed;

    if (cell.seed % 4 == 0) { /* digits: kept as an integer where they are few */
        for (uint32_t i = 0; i + 1 < cell.size; i++)
            text[i] = (char)('1' + (cell.seed + i) % 9);
        return;
    }
    for (uint32_t i = 0; i + 1 < cell.size; i++) {
        x = x * 1103515245u + 12345u;
        text[i] = (char)('A' + (x >> 16) % 26);
    }
}

/* -- the image -- */

static void problem(void *context, uint64_t offset, const char *what)
{
    (void)context;
    fprintf(stderr, "check: offset %llu: %s\n", (unsigned long long)offset, what);
}

static int cell_matches(struct sdb_session *session, unsigned key, struct cell cell, struct world *w)
{
    static char expected[VALUE_MAX];
    char name[64];
    struct sdb_view view;
    int error = sdb_view(session, name, key_text(key, name), &view), same;

    if (error == SDB_ENOTFOUND)
        return cell.size == 0;
    if (error)
        fail(w, "view in an image", sdb_last_error());
    value_text(cell, expected);
    same = cell.size == view.size + 1 && memcmp(view.data, expected, view.size) == 0;
    sdb_view_release(session, &view);
    return same;
}

/* Whether the image holds acknowledged + some whole operations of the journal. */
static int state_is_legal(struct sdb_session *session, struct world *w)
{
    struct cell state[KEYS];
    uint8_t good[KEYS];
    unsigned wrong = 0;

    memcpy(state, w->acknowledged, sizeof(state));
    for (unsigned k = 0; k < KEYS; k++) {
        good[k] = (uint8_t)cell_matches(session, k, state[k], w);
        wrong += !good[k];
    }
    for (uint32_t i = 0; wrong && i < w->changes;) {
        uint32_t op = w->journal[i].op;

        for (; i < w->changes && w->journal[i].op == op; i++) {
            unsigned k = w->journal[i].key;

            state[k] = w->journal[i].cell;
            wrong -= !good[k];
            good[k] = (uint8_t)cell_matches(session, k, state[k], w);
            wrong += !good[k];
        }
    }
    if (wrong)
        for (unsigned k = 0; k < KEYS; k++)
            if (!good[k])
                fprintf(stderr, "key %u differs (size %u seed %u)\n", k, state[k].size, state[k].seed);
    return wrong == 0;
}

static void use_image(struct world *w, struct sdb_session *session)
{
    char name[64];

    for (unsigned i = 0; i < 20; i++) {
        size_t size = key_text(rnd(w, KEYS), name);

        if (i % 3 == 0) {
            int error = sdb_delete(session, name, size);

            if (error && error != SDB_ENOTFOUND)
                fail(w, "delete in an image", sdb_last_error());
        } else {
            MUST(sdb_set(session, name, size, "value after the crash, in a blob", i % 2 ? 32 : 5, NULL));
        }
    }
}

static void check_pool(struct world *w, struct sdb_pool *pool)
{
    struct sdb_check check;

    if (sdb_check(pool, problem, NULL, &check) != SDB_OK)
        fail(w, "check of an image", "see above");
}

static void try_image(struct world *w)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool;
    struct sdb_session *session;

    simulated_image(w->image, &w->random, rnd(w, 4));
    w->images++;
    options.cache_size = 0;
    MUST(sdb_open(w->image_path, &options, &pool));
    check_pool(w, pool);
    MUST(sdb_session_open(pool, &session));
    if (!state_is_legal(session, w))
        fail(w, "state of an image", "neither an acknowledged state nor one after it");
    use_image(w, session);
    sdb_session_close(session);
    check_pool(w, pool);
    MUST(sdb_close(pool));
}

static void at_fence(void *context)
{
    struct world *w = context;
    void (*saved)(void *) = simulated.at_fence;

    if (rnd(w, 1000) >= w->per_thousand)
        return;
    simulated.at_fence = NULL;
    try_image(w);
    simulated.at_fence = saved;
}

/* -- the work -- */

static void journal(struct world *w, unsigned key, struct cell cell)
{
    if (w->changes == JOURNAL_MAX)
        fail(w, "journal", "too long");
    w->journal[w->changes++] = (struct change){.op = w->ops, .key = (uint16_t)key, .cell = cell};
    w->now[key] = cell;
}

static struct cell random_cell(struct world *w)
{
    static const uint32_t sizes[] = {0, 1, 5, 8, 9, 16, 17, 24, 60, 300, 3000, 20000, 60000};
    uint32_t limit = rnd(w, 20) ? 11 : 13;

    return (struct cell){.size = 1 + sizes[rnd(w, limit)] + rnd(w, 3), .seed = rnd(w, 1u << 30)};
}

static void set_one(struct world *w, struct sdb_session *session, unsigned key)
{
    static char value[VALUE_MAX];
    struct cell cell = random_cell(w);
    char name[64];
    int error;

    value_text(cell, value);
    journal(w, key, cell);
    error = sdb_set(session, name, key_text(key, name), value, cell.size - 1, NULL);
    if (error == SDB_ENOSPC) { /* nothing happened: the journal's last entry did not either */
        w->changes--;
        w->now[key] = w->acknowledged[key];
        for (uint32_t i = 0; i < w->changes; i++)
            if (w->journal[i].key == key)
                w->now[key] = w->journal[i].cell;
        return;
    }
    if (error)
        fail(w, "set", sdb_last_error());
}

static void one_operation(struct world *w, struct sdb_session *session)
{
    unsigned key = rnd(w, KEYS), what = rnd(w, 20);
    char name[64], other[64];

    w->ops++;
    if (what < 12) {
        set_one(w, session, key);
    } else if (what < 16) {
        int error;

        journal(w, key, (struct cell){0, 0});
        error = sdb_delete(session, name, key_text(key, name));
        if (error && error != SDB_ENOTFOUND)
            fail(w, "delete", sdb_last_error());
    } else if (what < 18) { /* a transaction over a few keys */
        MUST(sdb_begin_all(session));
        for (unsigned i = 0; i < 4; i++)
            set_one(w, session, (key + i * 7) % KEYS);
        MUST(sdb_commit(session));
    } else if (w->now[key].size && key != (key + 5) % KEYS) {
        unsigned to = (key + 5) % KEYS;
        struct cell cell = w->now[key];
        uint32_t changes = w->changes;
        int error;

        journal(w, to, cell);
        journal(w, key, (struct cell){0, 0});
        error = sdb_rename(session, name, key_text(key, name), other, key_text(to, other), 1);
        if (error == SDB_ENOSPC) {
            w->changes = changes;
            memcpy(w->now, w->acknowledged, sizeof(w->now));
            for (uint32_t i = 0; i < changes; i++)
                w->now[w->journal[i].key] = w->journal[i].cell;
        } else if (error) {
            fail(w, "rename", sdb_last_error());
        }
    }
}

static void acknowledge(struct world *w)
{
    memcpy(w->acknowledged, w->now, sizeof(w->now));
    w->changes = 0;
}

/* Two sessions take turns, so that lanes meet. */
static void work(struct world *w, struct sdb_session *sessions[2], uint64_t operations)
{
    for (uint64_t done = 0; done < operations;) {
        struct sdb_session *session = sessions[rnd(w, 2)];
        unsigned group = rnd(w, 3) ? 0 : 1 + rnd(w, 60);

        if (!group) {
            one_operation(w, session);
            done++;
        } else {
            MUST(sdb_group_begin(session));
            for (unsigned i = 0; i < group; i++, done++)
                one_operation(w, session);
            MUST(sdb_group_end(session));
        }
        acknowledge(w);
        if (rnd(w, 3000) == 0) {
            MUST(sdb_flush(session));
            memset(w->now, 0, sizeof(w->now));
            acknowledge(w);
        }
        if (rnd(w, 50) == 0)
            MUST(sdb_maintain(session, 2000, NULL));
    }
}

static void map_image(struct world *w)
{
    int fd = open(w->image_path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)w->pool_size) != 0)
        fail(w, "image file", w->image_path);
    w->image = mmap(NULL, w->pool_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (w->image == MAP_FAILED)
        fail(w, "image file", "mmap");
}

static void run(uint64_t seed, uint64_t operations, unsigned per_thousand)
{
    static struct world world;
    struct world *w = &world;
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_session *sessions[2];
    struct sdb_pool *pool;

    memset(w, 0, sizeof(*w));
    w->random = seed * 2654435761u + 1;
    w->per_thousand = per_thousand;
    w->pool_size = 16u << 20;
    snprintf(w->path, sizeof(w->path), "/dev/shm/crash-%d.sdb", (int)getpid());
    snprintf(w->image_path, sizeof(w->image_path), "/dev/shm/crash-%d.image", (int)getpid());
    unlink(w->path);
    options.flags = SDB_CREATE;
    options.pool_size = options.pool_size_max = w->pool_size;
    options.shards = 1u << rnd(w, 3);
    MUST(sdb_open(w->path, &options, &pool));
    map_image(w);
    simulated_begin(pool->file.base, w->pool_size);
    simulated.at_fence = at_fence;
    simulated.context = w;
    MUST(sdb_session_open(pool, &sessions[0]));
    MUST(sdb_session_open(pool, &sessions[1]));
    work(w, sessions, operations);
    simulated.at_fence = NULL;
    printf("seed %llu: %llu fences, %llu images, all legal\n", (unsigned long long)seed,
           (unsigned long long)simulated.fences, (unsigned long long)w->images);
    simulated_end();
    sdb_session_close(sessions[0]);
    sdb_session_close(sessions[1]);
    check_pool(w, pool);
    MUST(sdb_close(pool));
    munmap(w->image, w->pool_size);
    unlink(w->path);
    unlink(w->image_path);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        run(strtoull(argv[1], NULL, 10), argc > 2 ? strtoull(argv[2], NULL, 10) : 20000,
            argc > 3 ? (unsigned)atoi(argv[3]) : 50);
        return 0;
    }
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(seed, 3000, 30);
    return 0;
}
