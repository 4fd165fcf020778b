/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_busy.c - scripts that run longer than busy-reply-threshold
 * Threads: the list is under busy_lock, a leaf. A run's wrote and is_killed are atomic.
 * Memory:  none
 */
#include "script_busy.h"

#include <sched.h>

#include "client.h"
#include "clock.h"
#include "config.h"
#include "lock.h"
#include "log.h"
#include "script_run.h"
#include "worker.h"

#define NS_IN_MS 1000000u

static const char script_text[] =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
static const char function_text[] =
    "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";

unsigned script_busy_runs;
static struct lock busy_lock = LOCK_INIT;
static struct script_run *runs; /* Under busy_lock: the one that began to be busy last comes first. */

void script_busy_begin(struct script_run *run)
{
    run->begin_ns = clock_ns();
}

static void add(struct script_run *run, uint64_t ms)
{
    run->is_busy = 1;
    if (run->client->worker != NULL)
        __atomic_store_n(&run->client->worker->script_is_busy, 1, __ATOMIC_RELAXED);
    lock_acquire(&busy_lock);
    run->next_busy = runs;
    runs = run;
    __atomic_fetch_add(&script_busy_runs, 1, __ATOMIC_RELEASE);
    lock_release(&busy_lock);
    /* Last: whoever connects because of these words is not given to this worker any more. */
    log_message(LOG_LEVEL_WARNING,
                "Slow script detected: still in execution after %llu milliseconds. You can try killing the script using the %s command.",
                (unsigned long long)ms, run->vm->kind == LUA_VM_EVAL ? "SCRIPT KILL" : "FUNCTION KILL");
}

void script_busy_end(struct script_run *run)
{
    struct script_run **link = &runs;

    if (!run->is_busy)
        return;
    if (run->client->worker != NULL)
        __atomic_store_n(&run->client->worker->script_is_busy, 0, __ATOMIC_RELAXED);
    lock_acquire(&busy_lock);
    while (*link != run)
        link = &(*link)->next_busy;
    *link = run->next_busy;
    __atomic_fetch_sub(&script_busy_runs, 1, __ATOMIC_RELEASE);
    lock_release(&busy_lock);
}

/* Others may look at this worker's clients meanwhile, as while a command waits for theirs. */
static void let_others_look(struct worker *worker)
{
    if (worker->owns_all_turns)
        return;
    lock_release(&worker->turn_lock);
    sched_yield();
    lock_acquire(&worker->turn_lock);
}

void script_busy_look(struct script_run *run)
{
    struct worker *worker = run->client->worker;
    uint64_t ms = (clock_ns() - run->begin_ns) / NS_IN_MS;

    if (worker != NULL && __atomic_load_n(&worker->stop, __ATOMIC_ACQUIRE)) {
        run->must_end = SCRIPT_MUST_STOP;
        return;
    }
    if (!run->is_busy && ms >= (uint64_t)CONFIG_READ(busy_reply_threshold))
        add(run, ms);
    if (!run->is_busy)
        return;
    if (__atomic_load_n(&run->is_killed, __ATOMIC_ACQUIRE)) {
        log_message(LOG_LEVEL_WARNING, "Lua script killed by user with SCRIPT KILL.");
        run->must_end = SCRIPT_WAS_KILLED;
    } else if (worker != NULL) {
        let_others_look(worker);
    }
}

/* Under busy_lock. The oldest of a kind (LUA_VM_KINDS: of any); NULL: there is none. */
static struct script_run *oldest(enum lua_vm_kind kind)
{
    struct script_run *found = NULL;

    for (struct script_run *run = runs; run != NULL; run = run->next_busy)
        if (kind == LUA_VM_KINDS || run->vm->kind == kind)
            found = run;
    return found;
}

const char *script_busy_text(void)
{
    const struct script_run *run;
    const char *text;

    lock_acquire(&busy_lock);
    run = oldest(LUA_VM_KINDS);
    text = run != NULL && run->vm->kind == LUA_VM_FUNCTIONS ? function_text : script_text;
    lock_release(&busy_lock);
    return text;
}

int script_busy_is_eval(void)
{
    int is_eval;

    lock_acquire(&busy_lock);
    is_eval = runs != NULL && oldest(LUA_VM_FUNCTIONS) == NULL;
    lock_release(&busy_lock);
    return is_eval;
}

void script_busy_kill(struct client *client, enum lua_vm_kind kind)
{
    const char *refusal = "-NOTBUSY No scripts in execution right now.";
    int killed = 0;

    lock_acquire(&busy_lock);
    if (runs != NULL)
        refusal = kind == LUA_VM_EVAL ? function_text : script_text;
    for (struct script_run *run = runs; run != NULL; run = run->next_busy) {
        if (__atomic_load_n(&run->wrote, __ATOMIC_ACQUIRE)) {
            refusal = "-UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the "
                      "script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";
        } else if (run->vm->kind == kind) {
            __atomic_store_n(&run->is_killed, 1, __ATOMIC_RELEASE);
            killed = 1;
        }
    }
    lock_release(&busy_lock);
    if (killed)
        reply_ok(&client->reply);
    else
        reply_error(&client->reply, refusal);
}

void script_busy_describe(struct reply *reply)
{
    const struct script_run *run;

    lock_acquire(&busy_lock);
    run = oldest(LUA_VM_FUNCTIONS);
    if (run == NULL) {
        reply_null(reply);
    } else {
        reply_map(reply, 3);
        reply_bulk_text(reply, "name");
        reply_bulk_text(reply, run->call->name);
        reply_bulk_text(reply, "command");
        reply_array(reply, (size_t)run->call->argc);
        for (int i = 0; i < run->call->argc; i++)
            reply_bulk(reply, run->call->argv[i].data, run->call->argv[i].size);
        reply_bulk_text(reply, "duration_ms");
        reply_integer(reply, (int64_t)((clock_ns() - run->begin_ns) / NS_IN_MS));
    }
    lock_release(&busy_lock);
}
