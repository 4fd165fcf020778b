/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crashtest.h - tests an application of SuperDB against every crash that could have happened to it
 *
 * The library superdb_crashtest holds the whole engine, on a simulated medium that knows which stores a power cut
 * would leave. Link it in place of superdb. sdb_crashtest_run calls the application's own functions on a pool that
 * lives on that medium. At every fence, and at the end of every operation, it makes the images that a crash at this
 * moment could leave, opens each with the engine, verifies the whole pool, and asks the application whether what it
 * finds is allowed:
 *
 *     static int work(void *context, struct sdb_crashtest *test, struct sdb_pool *pool)
 *     {
 *         ...
 *         sdb_crashtest_begin(test);                  // from here on the move may or may not have happened
 *         move_money(session, "ann", "bob", 10);      // a transaction
 *         sdb_crashtest_end(test);                    // it is acknowledged
 *     }
 *     static int invariant(void *context, struct sdb_session *session, struct sdb_crashtest_image *image)
 *     {
 *         return balance(session, "ann") + balance(session, "bob") == 100 ? 0 : 1;
 *     }
 *
 *     struct sdb_crashtest_options options = SDB_CRASHTEST_OPTIONS_INIT;
 *     struct sdb_crashtest_case mine = {.setup = setup, .work = work, .invariant = invariant};
 *     struct sdb_crashtest_report report;
 *     int error = sdb_crashtest_run(&options, &mine, &report);
 *
 * docs/CRASHTEST.md has whole programs, says which images there are, and how they are chosen where they are too many.
 *
 * Threads. One run at a time in a process. The callbacks run in the thread that called sdb_crashtest_run, or in the
 * threads of sdb_crashtest_threads, one at a time. The invariant is called in the middle of the application's own
 * calls, from below the engine, in whichever thread met the fence: it must touch nothing of the pool that is worked
 * on, and take no lock that the work may hold.
 *
 * Sizes are in bytes, times in milliseconds since 1970 unless the name says otherwise.
 */
#ifndef SUPERDB_CRASHTEST_H
#define SUPERDB_CRASHTEST_H

#include <superdb/superdb.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdb_crashtest; /* a run */

/* What a power cut takes. */
enum sdb_crashtest_domain {
    SDB_CRASHTEST_ADR = 0,   /* caches: of a line survives what was flushed, and any prefix of what was stored since */
    SDB_CRASHTEST_EADR = 1,  /* store buffers: stores survive in their order, up to some one */
    SDB_CRASHTEST_PAGES = 2, /* pages not written back: class msync, a plain file, each sector of 512 bytes by itself */
};

enum sdb_crashtest_flags {
    SDB_CRASHTEST_CREATION = 1u << 0, /* also look at crashes while the pool is made, without the invariant */
    SDB_CRASHTEST_SETUP = 1u << 1,    /* also look at crashes during the setup callback, with the invariant */
};

struct sdb_crashtest_options {
    uint64_t pool_size;      /* 0: 16 MiB, the least */
    uint64_t pool_size_max;  /* that sdb_resize may ask for; 0: pool_size */
    uint32_t shards;         /* a power of two; 0: 1 */
    uint32_t domain;         /* enum sdb_crashtest_domain */
    uint64_t seed;           /* of everything random in the run; 0: a fresh one, told by the report */
    uint32_t flags;          /* enum sdb_crashtest_flags */
    uint32_t states_max;     /* a fence with up to so many states has all of them tried; 0: 4,096 */
    uint32_t random_images;  /* of a fence with more, besides each line for itself; 0: 512 */
    uint32_t lines_max;      /* of a fence with more, so many lines for themselves, chosen at random; 0: 64 */
    uint32_t every;          /* looks at one in so many fences, chosen at random; 0 or 1: at every one */
    uint32_t nested_every;   /* in one of so many images, the recovery is crashed as well; 0: in none */
    uint32_t nested_images;  /* random images at each fence of such a recovery; 0: 32 */
    uint64_t only_point;     /* looks at this fence alone, as the report of a failure named it; 0: at all */
    uint64_t cache_size;     /* of the pool that is worked on; 0: none */
    uint32_t kill_every;     /* at one of so many fences looked at the process is killed as well, and the power goes while the
                                next one recovers; 0: at none */
};
#define SDB_CRASHTEST_OPTIONS_INIT {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* The crash image that an invariant is asked about. Valid during the call. */
struct sdb_crashtest_image {
    struct sdb_pool *pool;
    uint64_t begun;        /* operations begun before the crash (sdb_crashtest_begin) */
    uint64_t acknowledged; /* operations ended: whatever they did must be there */
    uint64_t point;        /* number of the fence or end of operation, from 1 */
    int nested;            /* 1: the crash was one in the recovery from a crash */
    char why[256];         /* for the invariant to say what is wrong, as text */
};

struct sdb_crashtest_case {
    void *context; /* for each of the functions */
    /* Fills the new pool. May be NULL. Returns SDB_OK or an error, which ends the run. */
    int (*setup)(void *context, struct sdb_pool *pool);
    /* Does the work. Closes every session that it opened. Returns SDB_OK or an error, which ends the run. */
    int (*work)(void *context, struct sdb_crashtest *test, struct sdb_pool *pool);
    /*
     * Whether the image is one that the application can live with: 0 if it is. May read and write, all of it is taken
     * back. The session is the harness's own. Must answer by what the image holds and what begin and end have told
     * alone: an image that was judged before is not judged again until the next begin or end. May be NULL: then the
     * engine's own check is all.
     */
    int (*invariant)(void *context, struct sdb_session *session, struct sdb_crashtest_image *image);
};

struct sdb_crashtest_report {
    uint64_t seed;
    uint64_t points;      /* fences and ends of operations that were looked at */
    uint64_t fences;      /* that there were */
    double states_log10;  /* legal images of these points together, as the logarithm of their number */
    uint64_t images;      /* opened, after those that were the same as one before */
    uint64_t duplicates;
    uint64_t converged;   /* of the images opened: the same as another one once recovered, and not checked again */
    uint64_t nested;      /* of the images: in a recovery */
    uint64_t kills;       /* of the images: what a kill leaves, whose recoveries were crashed */
    double seconds;
    /* The first image that was not allowed; failed_point 0: none. */
    uint64_t failed_point;
    char failure[1024];   /* what was found, the point, and which stores the image had */
};

/*
 * Makes a pool, runs setup and work on it, tries the images, closes the pool. report may be NULL.
 * Errors: SDB_ECORRUPT: an image failed, or an operation left what is not durable; report->failure tells. SDB_EBUSY: a
 * run is going on in this process. SDB_EINVAL, SDB_ENOMEM. Else what setup or work returned.
 */
SDB_API int sdb_crashtest_run(const struct sdb_crashtest_options *options, const struct sdb_crashtest_case *test,
                              struct sdb_crashtest_report *report);

/*
 * The operation between the two, in this thread, may or may not be found in an image; from the end on it must be. A
 * model that the invariant compares with says "under way" right behind begin, and "done" right in front of end.
 */
SDB_API void sdb_crashtest_begin(struct sdb_crashtest *test);
SDB_API void sdb_crashtest_end(struct sdb_crashtest *test);

/*
 * Runs count threads to their end, one at a time, in an order that the seed decides: the turn changes at fences,
 * locks, begin and end. Called by work. Returns the first error that a thread returned, or SDB_OK.
 */
typedef int sdb_crashtest_thread(void *context, struct sdb_crashtest *test, struct sdb_pool *pool, unsigned number);
SDB_API int sdb_crashtest_threads(struct sdb_crashtest *test, unsigned count, sdb_crashtest_thread *thread,
                                  void *context);

/*
 * Lets another one of these threads run: for loops that wait for one, like that of a transaction which met
 * SDB_ECONFLICT.
 */
SDB_API void sdb_crashtest_yield(struct sdb_crashtest *test);

/*
 * Closes the pool and opens it again, with crashes in both. Every session must be closed; the old pointer is gone.
 * Called by work. Errors: as sdb_open and sdb_close.
 */
SDB_API int sdb_crashtest_reopen(struct sdb_crashtest *test, struct sdb_pool **pool);

/* Damage to the medium: may change any of its bytes, and make the file shorter. */
typedef void sdb_crashtest_damage_fn(void *context, uint8_t *medium, uint64_t *size);

/*
 * Closes the pool, or ends it as a kill would (killed: 1), lets damage change it, repairs it (sdb_repair, which report and result are
 * for) with crashes in the repair, and opens it again. Every session must be closed; the old pointer is gone. Called by work.
 * An image is repaired once more. Then it must hold, to the key, value, time to live and handle, what the repair keeps where nothing
 * cuts it short; unless a power cut alone, behind a kill, could have made a difference to that. The invariant is not asked.
 * Where it opens without a repair it holds what the damaged pool held, or that.
 * Errors: as sdb_close, sdb_repair and sdb_open.
 */
SDB_API int sdb_crashtest_repair(struct sdb_crashtest *test, struct sdb_pool **pool, int killed,
                                 sdb_crashtest_damage_fn *damage, sdb_finding_fn *report, void *context,
                                 struct sdb_repair *result);

/* Passes fences over without a look at them (0), or looks again (1): for work that is only there to get somewhere. */
SDB_API void sdb_crashtest_look(struct sdb_crashtest *test, int look);

/*
 * From here on the engine's memory (DRAM) cannot grow, one time in `often`, chosen at random; 0: never. Calls may then
 * fail with SDB_ENOMEM, and have changed nothing. Images that are tried have all the memory there is.
 */
SDB_API void sdb_crashtest_fail_memory(struct sdb_crashtest *test, uint32_t often);

/* The time that the engine is told, from here on, in images too. It begins at 1,700,000,000,000 and stands still. */
SDB_API void sdb_crashtest_set_time(struct sdb_crashtest *test, int64_t now_ms);

/* The report so far: valid during the run, and what it counts goes on. */
SDB_API const struct sdb_crashtest_report *sdb_crashtest_progress(const struct sdb_crashtest *test);

/* A place in the engine's source that flushes or fences, and how often all runs of this process came by. */
struct sdb_crashtest_site {
    const char *file;
    const char *function;
    unsigned line;
    int fences; /* 1: a fence or a sync, 0: a flush */
    uint64_t reached;
};
typedef void sdb_crashtest_site_fn(void *context, const struct sdb_crashtest_site *site);

/* Calls visit for every such place that the library was compiled with, those never reached too. */
SDB_API void sdb_crashtest_sites(sdb_crashtest_site_fn *visit, void *context);

#ifdef __cplusplus
}
#endif
#endif
