/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_harness.c - the crash harness itself: on media of a few words, whose legal images are known by hand, and on
 * small protocols with the mistakes that stores for persistent memory make
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "run.h"

#define MEDIUM (2u << 20)
#define WORDS 256u /* that tests use: 4 sectors, 32 lines */
#define IMAGES_MAX 8192u

static struct sdb_crashtest test;
static struct sdb_crashtest_report report;

/* The images that were tried, each once, as the values of `watched` words. */
static unsigned watched[8], watched_count;
static uint64_t images[IMAGES_MAX][8];
static unsigned image_count;

static uint64_t *word(unsigned n)
{
    return (uint64_t *)(void *)(domains.levels[0].medium.base + n * 8u);
}

static uint64_t found(unsigned n)
{
    return *(const uint64_t *)(const void *)(domains.levels[1].medium.base + n * 8u);
}

static void collect(struct sdb_crashtest *t, unsigned level)
{
    uint64_t image[8] = {0};

    (void)t;
    (void)level;
    for (unsigned i = 0; i < watched_count; i++)
        image[i] = found(watched[i]);
    for (unsigned i = 0; i < image_count; i++)
        if (memcmp(images[i], image, sizeof(image)) == 0)
            return;
    assert_true(image_count < IMAGES_MAX);
    memcpy(images[image_count++], image, sizeof(image));
}

static void at_fence(void *context, unsigned level)
{
    point_reached(context, level);
}

static void begin(enum domain_kind kind, void (*verify)(struct sdb_crashtest *, unsigned))
{
    memset(&test, 0, sizeof(test));
    memset(&report, 0, sizeof(report));
    test.report = &report;
    test.options.states_max = IMAGES_MAX;
    test.options.random_images = 64;
    test.phase = PHASE_WORK;
    test.verify = verify;
    report.seed = 7;
    domains_begin(kind, MEDIUM);
    domains.levels[0].medium.size = domains.levels[0].medium.size_durable = MEDIUM;
    domains.context = &test;
    domain_track(0);
    image_count = 0;
    watched_count = 0;
}

static void end(void)
{
    domains_end();
    for (unsigned i = 0; i < LEVELS; i++)
        free(test.plan[i].states);
    free(test.tried.keys);
    free(test.recovered.keys);
}

static void watch(unsigned n)
{
    watched[watched_count++] = n;
}

static void store(unsigned n, uint64_t value)
{
    domain_store(0, word(n), value, false, NULL);
}

static void copy(unsigned n, unsigned count, uint64_t value, enum event_kind kind)
{
    uint64_t values[64];

    for (unsigned i = 0; i < count; i++)
        values[i] = value;
    domain_copy(0, (uint8_t *)word(n), (const uint8_t *)values, count * 8u, kind, NULL);
}

static void flush(unsigned n)
{
    domain_flush_line(0, n * 8u);
}

/* All images of this moment. */
static unsigned look(void)
{
    image_count = 0;
    seen_clear(&test.tried);
    point_reached(&test, 0);
    return image_count;
}

static int has(uint64_t a, uint64_t b, uint64_t c)
{
    for (unsigned i = 0; i < image_count; i++)
        if (images[i][0] == a && images[i][1] == b && images[i][2] == c)
            return 1;
    return 0;
}

/* -- legal images, counted by hand -- */

static void stores_to_a_line_survive_as_a_prefix(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0), watch(1), watch(2);
    store(0, 1), store(1, 1), store(2, 1);
    assert_int_equal(look(), 4);
    assert_true(has(0, 0, 0) && has(1, 0, 0) && has(1, 1, 0) && has(1, 1, 1));
    end();
}

static void lines_survive_independently(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0), watch(1), watch(8), watch(9);
    store(0, 1), store(8, 1), store(1, 1), store(9, 1);
    assert_int_equal(look(), 9);
    end();
}

static void words_of_a_copy_survive_in_any_subset(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0), watch(1), watch(2);
    copy(0, 3, 1, EVENT_COPY);
    assert_int_equal(look(), 8);
    end();
}

static void a_copy_stands_in_the_order_of_its_line(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0), watch(1), watch(2), watch(3);
    store(0, 1), copy(1, 2, 1, EVENT_COPY), store(3, 1);
    assert_int_equal(look(), 1 + 1 + 3 + 1);
    end();
}

static void a_copy_over_two_lines_has_the_product_of_both(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(6), watch(7), watch(8);
    copy(6, 3, 1, EVENT_COPY);
    assert_int_equal(look(), 4 * 2);
    end();
}

static void streamed_words_have_no_order_with_anything(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0), watch(1), watch(2);
    store(0, 1), copy(1, 2, 1, EVENT_STREAM);
    assert_int_equal(look(), 2 * 4);
    domain_fence(); /* needs no flush for them */
    assert_int_equal(look(), 2);
    assert_true(has(0, 1, 1) && has(1, 1, 1));
    end();
}

static void one_word_stored_twice_has_three_values(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0);
    store(0, 1), store(0, 2), store(0, 2);
    assert_int_equal(look(), 3);
    end();
}

static void a_fence_guarantees_what_was_flushed_before_it(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0), watch(1), watch(8);
    store(0, 1), flush(0), store(1, 1), store(8, 1);
    domain_fence();
    assert_int_equal(look(), 4); /* the words behind the flush, and the line without one, are open */
    assert_true(has(1, 0, 0) && has(1, 1, 0) && has(1, 0, 1) && has(1, 1, 1));
    flush(0), flush(8);
    assert_int_equal(look(), 4); /* a flush alone guarantees nothing */
    domain_fence();
    assert_int_equal(look(), 1);
    end();
}

/* What the process stored is there for the next one, and durable only where that one makes it so. */
static void a_kill_leaves_every_store_and_makes_none_durable(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    store(0, 1), flush(0);
    domain_fence();
    store(1, 2), store(8, 3), copy(16, 1, 4, EVENT_STREAM);
    const uint64_t moment = domains.group;
    store(24, 5);
    for (unsigned i = 0; i < 2; i++) {
        size_t mark = medium_mark(&domains.levels[1].medium), above = medium_mark(&domains.levels[2].medium);
        const uint64_t *visible = (const uint64_t *)(const void *)domains.levels[1].medium.base;
        const uint64_t *durable = (const uint64_t *)(const void *)domains.levels[2].medium.base;

        domain_kill(0, moment);
        domains.floor = 1;
        assert_true(visible[0] == 1 && visible[1] == 2 && visible[8] == 3 && visible[16] == 4 && visible[24] == 0);
        assert_true(durable[0] == 1 && durable[1] == 0 && durable[8] == 0 && durable[16] == 0);
        domain_flush_line(1, 8 * 8), domain_flush_line(1, 16 * 8);
        domain_fence();
        assert_true(durable[1] == 0 && durable[8] == 3 && durable[16] == 4);
        domains.floor = 0;
        domain_untrack(1);
        medium_undo(&domains.levels[2].medium, above);
        medium_undo(&domains.levels[1].medium, mark);
        assert_true(visible[0] == 1 && visible[1] == 0 && visible[8] == 0 && durable[8] == 0);
    }
    end();
}

static void *fence_elsewhere(void *unused)
{
    (void)unused;
    domain_fence();
    return NULL;
}

static void *flush_elsewhere(void *unused)
{
    (void)unused;
    flush(0);
    domain_fence();
    return NULL;
}

static void run_elsewhere(void *(*function)(void *))
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, function, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_fence_covers_its_own_thread_alone(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0);
    store(0, 1), flush(0);
    run_elsewhere(fence_elsewhere);
    assert_int_equal(look(), 2);
    run_elsewhere(flush_elsewhere); /* whoever flushes what another one stored */
    assert_int_equal(look(), 1);
    end();
}

static void eadr_keeps_stores_in_their_order(void **state)
{
    (void)state;
    begin(DOMAIN_EADR, collect);
    watch(0), watch(8), watch(16);
    store(16, 1), store(8, 1), store(0, 1);
    assert_int_equal(look(), 4);
    assert_true(has(0, 0, 0) && has(0, 0, 1) && has(0, 1, 1) && has(1, 1, 1));
    domain_fence();
    assert_int_equal(look(), 1);
    end();
}

static void pages_survive_by_sectors(void **state)
{
    (void)state;
    begin(DOMAIN_PAGES, collect);
    watch(0), watch(8), watch(64);
    store(0, 1), store(8, 1), store(64, 1); /* two lines of a sector, in order; another sector */
    assert_int_equal(look(), 3 * 2);
    assert_false(has(0, 1, 0));
    flush(0), flush(64), domain_fence(); /* neither clwb nor sfence writes a page back */
    assert_int_equal(look(), 6);
    domain_sync(0, 0, 512);
    assert_int_equal(look(), 2);
    domain_sync(0, 0, 4096);
    assert_int_equal(look(), 1);
    end();
}

static void an_image_is_taken_back_without_a_trace(void **state)
{
    uint8_t *before = malloc(MEDIUM);

    (void)state;
    begin(DOMAIN_ADR, collect);
    store(0, 1), copy(10, 30, 5, EVENT_COPY), flush(0);
    memcpy(before, domains.levels[1].medium.base, MEDIUM);
    (void)look();
    assert_memory_equal(before, domains.levels[1].medium.base, MEDIUM);
    assert_true(report.images > 100);
    free(before);
    end();
}

static void a_store_around_the_layer_is_noticed(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    store(0, 1), store(9, 1), flush(9), domain_fence();
    assert_true(domain_unannounced() == UINT64_MAX);
    end();
    begin(DOMAIN_ADR, collect);
    store(0, 1), store(9, 1), flush(9), domain_fence();
    *(volatile uint64_t *)word(100) = 1;
    assert_int_equal(domain_unannounced(), 800);
    end();
}

static void too_many_states_are_sampled_and_all_of_them_legal(void **state)
{
    (void)state;
    begin(DOMAIN_ADR, collect);
    watch(0), watch(1), watch(2);
    store(0, 1), store(1, 1), store(2, 1);
    for (unsigned line = 1; line < 30; line++)
        store(line * 8, 1), store(line * 8 + 1, 1);
    assert_true(look() <= 4 && image_count >= 4);
    assert_true(report.images > 64);
    end();
}

/*
 * -- small protocols: data of 12 words from word 4 on, published by word 24 (line 3); word 32 is a lock, 40 and 41 a
 * pair --
 */

#define DATA 4u
#define DATA_WORDS 12u
#define FLAG 24u
#define LOCK 32u
#define PAIR 40u
#define STAMP 48u

static uint64_t acknowledged, stamp_acknowledged;

/*
 * What each protocol promises: a published version has all of its data, an acknowledged one is there, nothing is left
 * locked.
 */
static void judge(struct sdb_crashtest *t, unsigned level)
{
    uint64_t flag = found(FLAG);

    for (unsigned i = 0; flag && i < DATA_WORDS; i++)
        if (found(DATA + i) != flag)
            run_fail(t, level, "version %d without its data", (int)flag);
    if (flag < acknowledged)
        run_fail(t, level, "an acknowledged version is gone");
    if (found(LOCK))
        run_fail(t, level, "a lock was left");
    if (found(PAIR) != found(PAIR + 1))
        run_fail(t, level, "half a pair");
    if (found(STAMP) < stamp_acknowledged)
        run_fail(t, level, "a stamp is gone");
}

static void fence(void)
{
    domain_fence();
}

static void flush_words(unsigned from, unsigned count)
{
    for (unsigned line = from / 8; line <= (from + count - 1) / 8; line++)
        flush(line * 8);
}

/* Looks at the end too. */
static void finish(void)
{
    seen_clear(&test.tried);
    point_reached(&test, 0);
}

static void publish_right(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_COPY), flush_words(DATA, DATA_WORDS), fence();
    store(FLAG, 1), flush(FLAG), fence();
    acknowledged = 1;
}

static void publish_streamed_right(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_STREAM), fence();
    store(FLAG, 1), flush(FLAG), fence();
    acknowledged = 1;
}

static void flag_before_its_data(void)
{
    store(FLAG, 1), copy(DATA, DATA_WORDS, 1, EVENT_COPY);
    flush_words(DATA, DATA_WORDS), flush(FLAG), fence();
}

static void flag_with_its_data_in_one_fence(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_COPY), flush_words(DATA, DATA_WORDS);
    store(FLAG, 1), flush(FLAG), fence();
}

static void second_line_not_flushed(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_COPY), flush(DATA), fence();
    store(FLAG, 1), flush(FLAG), fence();
}

/* Rounds the size, not the end: of an unaligned range the last line is missed. */
static void unaligned_tail_not_flushed(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_COPY);
    for (unsigned done = 0; done < DATA_WORDS / 8 * 8; done += 8)
        flush(DATA + done);
    fence(), store(FLAG, 1), flush(FLAG), fence();
}

static void acknowledged_before_its_fence(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_COPY), flush_words(DATA, DATA_WORDS), fence();
    store(FLAG, 1), flush(FLAG);
    acknowledged = 1;
}

static void flag_never_flushed(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_COPY), flush_words(DATA, DATA_WORDS), fence();
    store(FLAG, 1), fence();
    acknowledged = 1;
}

static void streamed_without_a_fence(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_STREAM), store(FLAG, 1), flush(FLAG), fence();
}

static void two_words_taken_for_one(void)
{
    store(PAIR, 1), store(PAIR + 1, 1), flush(PAIR), fence();
}

static void lock_in_the_pool(void)
{
    store(LOCK, 1), publish_right(), store(LOCK, 0), flush(LOCK), fence();
}

static void stamp_changed_after_publication(void)
{
    publish_right(), store(STAMP, 9), stamp_acknowledged = 9;
}

static void fence_left_to_another_thread(void)
{
    copy(DATA, DATA_WORDS, 1, EVENT_COPY), flush_words(DATA, DATA_WORDS);
    run_elsewhere(fence_elsewhere);
    store(FLAG, 1), flush(FLAG), fence();
}

static void flushed_before_it_was_stored(void)
{
    flush_words(DATA, DATA_WORDS), copy(DATA, DATA_WORDS, 1, EVENT_COPY), fence();
    store(FLAG, 1), flush(FLAG), fence();
}

/* Data and flag side by side: a line keeps the order of its stores. A copy does not. */
static void same_line_in_order_right(void)
{
    for (unsigned i = 0; i < DATA_WORDS; i++)
        store(DATA + i, 1);
    flush_words(DATA, DATA_WORDS), fence();
    store(FLAG - 1, 1), store(FLAG, 1), flush(FLAG), fence();
    acknowledged = 1;
}

static void pair_in_one_copy(void)
{
    copy(PAIR, 2, 3, EVENT_COPY), flush(PAIR), fence();
}

struct protocol {
    const char *name;
    void (*run)(void);
    int right_on_adr, right_on_eadr;
};

static const struct protocol protocols[] = {
    {"publish, right", publish_right, 1, 1},
    {"publish, streamed, right", publish_streamed_right, 1, 1},
    {"same line in order, right", same_line_in_order_right, 1, 1},
    {"the flag before its data", flag_before_its_data, 0, 0},
    {"flag and data in one fence", flag_with_its_data_in_one_fence, 0, 1},
    {"the second line not flushed", second_line_not_flushed, 0, 1},
    {"an unaligned tail not flushed", unaligned_tail_not_flushed, 0, 1},
    {"acknowledged before its fence", acknowledged_before_its_fence, 0, 0},
    {"the flag never flushed", flag_never_flushed, 0, 1},
    {"streamed, no fence before the flag", streamed_without_a_fence, 0, 0},
    {"two words taken for one", two_words_taken_for_one, 0, 0},
    {"a pair in one copy", pair_in_one_copy, 0, 0},
    {"a lock in the pool", lock_in_the_pool, 0, 0},
    {"a field changed after publication", stamp_changed_after_publication, 0, 0},
    {"the fence left to another thread", fence_left_to_another_thread, 0, 1},
    {"flushed before it was stored", flushed_before_it_was_stored, 0, 1},
};

static int survives(enum domain_kind kind, const struct protocol *protocol, uint32_t states_max)
{
    int failed;

    begin(kind, judge);
    acknowledged = stamp_acknowledged = 0;
    domains.at_fence = at_fence;
    test.options.states_max = states_max;
    test.options.random_images = 512;
    protocol->run();
    finish();
    failed = test.error != SDB_OK;
    end();
    return !failed;
}

static void every_mistake_is_caught_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        const struct protocol *p = &protocols[i];

        if (survives(DOMAIN_ADR, p, 100000) != p->right_on_adr || survives(DOMAIN_EADR, p, 100000) != p->right_on_eadr)
            fail_msg("%s", p->name);
    }
}

/* As where there are too many states for all of them. */
static void every_mistake_is_caught_by_samples_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
        if (survives(DOMAIN_ADR, &protocols[i], 1) != protocols[i].right_on_adr)
            fail_msg("%s", protocols[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_to_a_line_survive_as_a_prefix),
        cmocka_unit_test(lines_survive_independently),
        cmocka_unit_test(words_of_a_copy_survive_in_any_subset),
        cmocka_unit_test(a_copy_stands_in_the_order_of_its_line),
        cmocka_unit_test(a_copy_over_two_lines_has_the_product_of_both),
        cmocka_unit_test(streamed_words_have_no_order_with_anything),
        cmocka_unit_test(one_word_stored_twice_has_three_values),
        cmocka_unit_test(a_kill_leaves_every_store_and_makes_none_durable),
        cmocka_unit_test(a_fence_guarantees_what_was_flushed_before_it),
        cmocka_unit_test(a_fence_covers_its_own_thread_alone),
        cmocka_unit_test(eadr_keeps_stores_in_their_order),
        cmocka_unit_test(pages_survive_by_sectors),
        cmocka_unit_test(an_image_is_taken_back_without_a_trace),
        cmocka_unit_test(a_store_around_the_layer_is_noticed),
        cmocka_unit_test(too_many_states_are_sampled_and_all_of_them_legal),
        cmocka_unit_test(every_mistake_is_caught_and_nothing_else),
        cmocka_unit_test(every_mistake_is_caught_by_samples_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
