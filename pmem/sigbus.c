/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sigbus.c - the process-wide SIGBUS handler for lost pages of pools
 *
 * Media:   stores nothing; a lost page is replaced in this process's address space only
 * Holds:   1. `failed` is raised before a zero page appears: whoever stores to one sees the flag at the next fence
 *          2. the handler takes no lock and allocates nothing: it reads an array of atomic pointers
 * Threads: watch and unwatch under one lock; the handler runs in whatever thread faults
 * Memory:  none is allocated; each hole filled costs a page of ordinary memory when it is touched
 */
#include "sigbus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alias.h"
#include "error.h"
#include "superdb/superdb.h"

#define PAGE_BYTES 4096ull

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under `lock`, except that the handler reads them. */
static struct sigbus_region *regions[SIGBUS_REGIONS_MAX]; /* Atomic: stored with release, loaded with acquire */
static unsigned watched;
static struct sigaction former; /* written while the handler is not installed */
static struct sigaction first;  /* the one that was there before the handler was installed for the first time */
static int installed;           /* 1: beneath or on top, the handler is still in use */
static int twice;               /* 1: installed again on top of one that it was beneath */
/*
 * What this thread is passing on, and from which frame; stale once a handler jumped out. Initial-exec: nothing is
 * allocated.
 */
static _Thread_local siginfo_t *passing __attribute__((tls_model("initial-exec")));
static _Thread_local uintptr_t passing_frame __attribute__((tls_model("initial-exec")));

static struct sigbus_region *region_of(uintptr_t address)
{
    for (size_t i = 0; i < SIGBUS_REGIONS_MAX; i++) {
        struct sigbus_region *region = __atomic_load_n(&regions[i], __ATOMIC_ACQUIRE);

        if (region != NULL && address - (uintptr_t)region->base < region->size)
            return region;
    }
    return NULL;
}

/*
 * The range to replace: everything behind the file's end where the fault lies there (one mapping instead of one for
 * each page: mappings are limited), else what the kernel says is lost (a poisoned huge page is more than one page).
 */
static void hole_around(const struct sigbus_region *region, uint64_t offset, const siginfo_t *info, uint64_t *from,
                        uint64_t *to)
{
    struct stat facts;
    uint64_t granule = PAGE_BYTES;

    if (region->fd >= 0 && fstat(region->fd, &facts) == 0 && offset >= (uint64_t)facts.st_size) {
        *from = ((uint64_t)facts.st_size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        *to = region->size;
        if (*from <= offset)
            return;
    }
#ifdef BUS_MCEERR_AR
    if ((info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO) && info->si_addr_lsb > 12 &&
        info->si_addr_lsb < 31)
        granule = 1ull << info->si_addr_lsb;
#else
    (void)info;
#endif
    *from = offset & ~(granule - 1);
    *to = *from + granule < region->size ? *from + granule : region->size;
}

static int place_zeros(uint8_t *at, size_t size)
{
    if (alias_of(at) != at)
        return alias_place_zeros(at, size);
    /* The bare system call: POSIX does not list mmap among what a handler may call, and wrappers may do more. */
    return syscall(SYS_mmap, at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
                   -1, 0L) == (long)at;
}

/* Returns 1 where the access may be tried again. */
static int fill_hole(struct sigbus_region *region, uintptr_t address, const siginfo_t *info)
{
    uint64_t offset = (uint64_t)(address - (uintptr_t)region->base);
    uint64_t from;
    uint64_t to;

    hole_around(region, offset, info, &from, &to);
    __atomic_store_n(&region->last_offset, offset, __ATOMIC_RELAXED);
    __atomic_store_n(&region->last_from, from, __ATOMIC_RELAXED);
    __atomic_store_n(&region->last_to, to, __ATOMIC_RELAXED);
    __atomic_fetch_add(&region->media_errors, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&region->failed, 1, __ATOMIC_SEQ_CST); /* before the page: see Holds 1 */
    return place_zeros(region->base + from, (size_t)(to - from));
}

static void call_former(const struct sigaction *action, int number, siginfo_t *info, void *context)
{
    if ((action->sa_flags & SA_SIGINFO) != 0) {
        action->sa_sigaction(number, info, context);
    } else if (action->sa_handler == SIG_IGN && info->si_code <= 0) {
        return; /* sent by somebody, and ignored before we came */
    } else if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN) {
        /*
         * Back to the default action. A fault repeats itself on return; a signal that was sent needs to be sent again.
         */
        struct sigaction standard = {.sa_handler = SIG_DFL};

        (void)sigaction(SIGBUS, &standard, NULL);
        if (info->si_code <= 0)
            (void)raise(SIGBUS);
    } else {
        action->sa_handler(number);
    }
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    /*
     * What was put on top of us may pass on to us what we pass on to it: the second time round, which is the same
     * signal in a deeper frame, it goes to the first.
     */
    const struct sigaction *action = twice && passing == info && frame < passing_frame ? &first : &former;

    passing = info;
    passing_frame = frame;
    call_former(action, number, info, context);
    passing = NULL;
}

static void handle(int number, siginfo_t *info, void *context)
{
    const int saved = errno;
    const uintptr_t address = alias_view((uintptr_t)info->si_addr);
    struct sigbus_region *region = info->si_code > 0 ? region_of(address) : NULL;

    if (region == NULL || !fill_hole(region, address, info))
        pass_on(number, info, context);
    errno = saved;
}

static int install(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction current;

    (void)sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, NULL, &current) != 0)
        goto failed;
    if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == handle)
        return 0; /* left in place when somebody else's was on top */
    former = current;
    if (installed)
        twice = 1;
    else
        first = current;
    if (sigaction(SIGBUS, &action, NULL) == 0) {
        installed = 1;
        return 0;
    }
failed:
    error_set("sigaction: %s", strerror(errno));
    return SDB_EIO;
}

int sigbus_watch(struct sigbus_region *region)
{
    int error = SDB_ENOMEM;
    size_t i = 0;

    (void)pthread_mutex_lock(&lock);
    while (i < SIGBUS_REGIONS_MAX && regions[i] != NULL)
        i++;
    if (i == SIGBUS_REGIONS_MAX) {
        error_set("more than %u pools are open in this process", SIGBUS_REGIONS_MAX);
        goto out;
    }
    error = watched == 0 ? install() : 0;
    if (error != 0)
        goto out;
    watched++;
    __atomic_store_n(&regions[i], region, __ATOMIC_RELEASE); /* acquired in region_of */
out:
    (void)pthread_mutex_unlock(&lock);
    return error;
}

void sigbus_unwatch(struct sigbus_region *region)
{
    struct sigaction current;

    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SIGBUS_REGIONS_MAX; i++) {
        if (regions[i] != region)
            continue;
        __atomic_store_n(&regions[i], NULL, __ATOMIC_RELEASE);
        watched--;
        if (watched == 0 && sigaction(SIGBUS, NULL, &current) == 0 && (current.sa_flags & SA_SIGINFO) != 0 &&
            current.sa_sigaction == handle && sigaction(SIGBUS, &former, NULL) == 0)
            installed = twice; /* beneath what was put back, where it was on top of that */
        break;
    }
    (void)pthread_mutex_unlock(&lock);
}
