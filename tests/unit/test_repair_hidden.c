/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_repair_hidden.c - entries that are sound, and that nothing leads to: which of them a repair puts back, which go, and that either is
 * told by name
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "engine_fixture.h"

#include "entry.h"
#include "index.h"
#include "layout.h"

#define KEYS 400u
#define BACK "put back"
#define OLDER "newer entry of its key"
#define PAST "miss no key"

/* What a repair told, of one key. */
struct told {
    const char *key;
    unsigned back, older, past, others, lost;
};

static void note(void *context, const struct sdb_finding *finding)
{
    struct told *told = context;

    told->lost += finding->lost;
    if (finding->key.data == NULL)
        return;
    if (finding->key.size != strlen(told->key) || memcmp(finding->key.data, told->key, finding->key.size) != 0 || finding->database != 0)
        told->others++;
    else if (strstr(finding->what, BACK) != NULL)
        told->back++;
    else if (strstr(finding->what, OLDER) != NULL)
        told->older++;
    else if (strstr(finding->what, PAST) != NULL)
        told->past++;
}

static const char *name(unsigned i)
{
    static char text[2][24];
    static unsigned turn;

    snprintf(text[++turn % 2], sizeof(text[0]), i % 3 ? "k%u" : "a longer key:%u", i);
    return text[turn % 2];
}

static const char *value(unsigned i)
{
    static char text[120];

    snprintf(text, sizeof(text), i % 4 ? "v%u" : "a value that does not stand in its entry, and so has a blob of its own: %u", i);
    return text;
}

static void create(struct fixture *f)
{
    fixture_create(f, 16 * MIB, 0, 2);
    for (unsigned i = 0; i < KEYS; i++)
        assert_ok(fixture_set(f, name(i), value(i)));
    assert_ok(fixture_set(f, "another", value(0))); /* no later key takes the place of one that was deleted */
    fixture_reopen(f);
}

static struct index_found place_of(struct fixture *f, const char *key)
{
    struct index_found found;
    struct index_key hashed;

    index_key_init(&hashed, &f->pool->file, session_physical(f->session, 0), key, strlen(key));
    assert_int_equal(index_find(&f->pool->heap, &hashed, &found), INDEX_FOUND);
    return found;
}

/* Closes it, or leaves it as a kill would; the fixture's file is then nobody's. */
static void leave(struct fixture *f, bool killed)
{
    char copy[96];

    snprintf(copy, sizeof(copy), "%s.crash", f->path);
    for (unsigned i = 0; i < 8 && killed; i++) /* the last records are about another key, and one that stays */
        assert_ok(fixture_set(f, "another", value(i)));
    if (killed)
        fixture_snapshot(f, copy);
    fixture_close(f);
    if (killed)
        assert_int_equal(rename(copy, f->path), 0);
}

static void file_bytes(const struct fixture *f, uint64_t offset, void *bytes, size_t size, bool write)
{
    const int fd = open(f->path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(write ? pwrite(fd, bytes, size, (off_t)offset) : pread(fd, bytes, size, (off_t)offset), size);
    close(fd);
}

static void hide(const struct fixture *f, uint64_t index_word)
{
    file_bytes(f, index_word, &(uint64_t){0}, sizeof(uint64_t), true);
}

/* Repairs: sound, and told of this key alone. */
static struct told repair(struct fixture *f, const char *key, struct sdb_repair *result)
{
    struct told told = {.key = key}, dry = {.key = key};

    assert_ok(sdb_repair(f->path, SDB_REPAIR_DRY_RUN, note, &dry, NULL));
    assert_ok(sdb_repair(f->path, 0, note, &told, result));
    assert_memory_equal(&dry, &told, sizeof(told));
    assert_int_equal(told.others, 0);
    fixture_open(f);
    (void)fixture_check(f);
    return told;
}

/* ---- Hidden keys ---- */

static void a_key_that_nothing_leads_to_is_put_back(bool killed)
{
    struct fixture f;
    struct sdb_repair result;

    create(&f);
    for (unsigned i = 0; i < KEYS; i += 7) {
        const uint64_t word = place_of(&f, name(i)).word;
        struct told told;

        leave(&f, killed);
        hide(&f, word);
        told = repair(&f, name(i), &result);
        assert_true(told.back == 1 && told.lost == 0);
        assert_true(result.index_words_missing == 1 && result.keys_lost == 0 && result.keys_untraced == 0 && result.entries_older == 0);
        assert_int_equal(result.keys_uncounted, killed);
        for (unsigned k = 0; k < KEYS; k++)
            assert_true(fixture_has(&f, name(k), value(k)));
    }
    fixture_destroy(&f);
}

static void every_key_whose_index_word_is_gone_from_a_closed_pool_is_put_back(void **state)
{
    (void)state;
    a_key_that_nothing_leads_to_is_put_back(false);
}

static void and_from_one_that_was_killed(void **state)
{
    (void)state;
    a_key_that_nothing_leads_to_is_put_back(true);
}

/* Hidden, and then written anew, so that the pool has two entries of the key. */
static void the_newer_entry_stays(bool killed)
{
    struct fixture f;
    struct sdb_repair result;

    create(&f);
    for (unsigned i = 0; i < KEYS; i += 13) {
        const uint64_t word = place_of(&f, name(i)).word;
        struct told told;

        fixture_close(&f);
        hide(&f, word);
        fixture_open(&f);
        assert_true(fixture_has(&f, name(i), NULL));
        assert_ok(fixture_set(&f, name(i), "newer"));
        leave(&f, killed);
        told = repair(&f, name(i), &result);
        assert_true(told.older == 1 && told.back == 0 && told.lost == 0);
        assert_true(result.entries_older == 1 && result.keys_lost == 0 && result.keys_untraced == 0);
        assert_true(fixture_has(&f, name(i), "newer"));
        assert_ok(fixture_set(&f, name(i), value(i)));
    }
    assert_int_equal(fixture_count(&f), KEYS + 1);
    fixture_destroy(&f);
}

static void of_two_entries_of_a_key_the_one_that_is_led_to_stays(void **state)
{
    (void)state;
    the_newer_entry_stays(false);
    the_newer_entry_stays(true);
}

/* Of two that nothing leads to nobody knows which is the newer one: one stays, and it is told. */
static void of_two_hidden_entries_of_a_key_one_stays(void **state)
{
    struct fixture f;
    struct sdb_repair result;
    struct told told;
    uint64_t word;

    (void)state;
    create(&f);
    word = place_of(&f, name(5)).word;
    fixture_close(&f);
    hide(&f, word);
    fixture_open(&f);
    assert_ok(fixture_set(&f, name(5), "newer"));
    word = place_of(&f, name(5)).word;
    leave(&f, false);
    hide(&f, word);
    told = repair(&f, name(5), &result);
    assert_true(told.back == 2 && told.lost == 0);
    assert_true(result.entries_older == 1 && result.keys_kept == KEYS + 1 && result.keys_untraced == 0);
    assert_true(fixture_has(&f, name(5), "newer") || fixture_has(&f, name(5), value(5)));
    assert_int_equal(fixture_count(&f), KEYS + 1);
    fixture_destroy(&f);
}

/* The delete took the newer entry. What comes back is told by name: that it was deleted stands nowhere. */
static void a_hidden_key_that_was_written_and_deleted_comes_back_and_is_told(void **state)
{
    struct fixture f;
    struct sdb_repair result;
    struct told told;
    uint64_t word;

    (void)state;
    create(&f);
    word = place_of(&f, name(9)).word;
    fixture_close(&f);
    hide(&f, word);
    fixture_open(&f);
    assert_ok(fixture_set(&f, name(9), "newer"));
    assert_ok(sdb_delete(f.session, name(9), strlen(name(9))));
    leave(&f, false);
    told = repair(&f, name(9), &result);
    assert_true(told.back == 1 && told.lost == 0);
    assert_true(fixture_has(&f, name(9), value(9)));
    fixture_destroy(&f);
}

/* ---- Entries of the past ---- */

/* Deletes a key, and brings its entry back as an older version of its line would. */
static struct told bring_back(struct fixture *f, unsigned i, bool killed, struct sdb_repair *result)
{
    const uint64_t entry = place_of(f, name(i)).entry;
    uint64_t words[4];

    memcpy(words, f->pool->file.base + entry, sizeof(words));
    assert_ok(sdb_delete(f->session, name(i), strlen(name(i))));
    fixture_reopen(f);
    leave(f, killed);
    file_bytes(f, entry, words, sizeof(words), true);
    return repair(f, name(i), result);
}

static void an_entry_of_the_past_goes_where_the_counts_miss_no_key(void **state)
{
    struct fixture f;
    struct sdb_repair result;

    (void)state;
    create(&f);
    for (unsigned i = 1; i < 100; i += 9) {
        const struct told told = bring_back(&f, i, false, &result);

        assert_true(told.past == 1 && told.back == 0 && told.lost == 1);
        assert_true(result.keys_lost == 1 && result.keys_untraced == 0);
        assert_true(fixture_has(&f, name(i), NULL));
    }
    fixture_destroy(&f);
}

/* Without counts nothing says what an entry is that nothing leads to: it stays, and is told of. */
static void it_comes_back_and_is_told_where_there_are_no_counts(void **state)
{
    struct fixture f;
    struct sdb_repair result;
    struct told told;

    (void)state;
    create(&f);
    told = bring_back(&f, 1, true, &result); /* its value stands in the entry */
    assert_true(told.back == 1 && told.past == 0 && told.lost == 0);
    assert_int_equal(result.keys_uncounted, 1);
    assert_true(fixture_has(&f, name(1), value(1)));
    fixture_destroy(&f);
}

/* ---- A repair that is cut short ---- */

static void state_of(const struct fixture *f, uint32_t *state)
{
    struct sdb_m_superblock sb;

    file_bytes(f, 0, &sb, sizeof(sb), false);
    *state = sb.state;
}

/* Ends the process where the entry of the past is told of: the pool is announced as being repaired, and nothing is stored yet. */
static void note_and_die(void *context, const struct sdb_finding *finding)
{
    (void)context;
    if (strstr(finding->what, PAST) != NULL)
        _exit(7);
}

static void a_repair_that_was_cut_short_has_the_same_counts_to_go_by(void **state)
{
    struct fixture f;
    struct sdb_repair result;
    struct told told = {.key = name(1)};
    uint64_t words[4];
    uint32_t found;
    int status;

    (void)state;
    create(&f);
    const uint64_t entry = place_of(&f, name(1)).entry;
    memcpy(words, f.pool->file.base + entry, sizeof(words));
    assert_ok(sdb_delete(f.session, name(1), strlen(name(1))));
    fixture_close(&f);
    file_bytes(&f, entry, words, sizeof(words), true);
    for (unsigned i = 0; i < 2; i++) {
        const pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0)
            _exit(sdb_repair(f.path, 0, note_and_die, NULL, NULL) == SDB_OK ? 0 : 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        state_of(&f, &found);
        assert_int_equal(found, SB_STATE_REPAIR_CLOSED);
        assert_int_equal(sdb_open(f.path, &f.options, &f.pool), SDB_ECORRUPT);
    }
    assert_ok(sdb_repair(f.path, 0, note, &told, &result));
    assert_true(told.past == 1 && told.back == 0 && result.keys_lost == 1 && result.keys_uncounted == 0);
    fixture_open(&f);
    assert_true(fixture_has(&f, name(1), NULL));
    fixture_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_whose_index_word_is_gone_from_a_closed_pool_is_put_back),
        cmocka_unit_test(and_from_one_that_was_killed),
        cmocka_unit_test(of_two_entries_of_a_key_the_one_that_is_led_to_stays),
        cmocka_unit_test(of_two_hidden_entries_of_a_key_one_stays),
        cmocka_unit_test(a_hidden_key_that_was_written_and_deleted_comes_back_and_is_told),
        cmocka_unit_test(an_entry_of_the_past_goes_where_the_counts_miss_no_key),
        cmocka_unit_test(it_comes_back_and_is_told_where_there_are_no_counts),
        cmocka_unit_test(a_repair_that_was_cut_short_has_the_same_counts_to_go_by),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
