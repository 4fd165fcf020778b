/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client_list.c - looks at the clients of all workers, one worker at a time
 */
#include "client_list.h"

#include <string.h>

#include "acl_user.h"
#include "config.h"
#include "connection.h"
#include "worker.h"

/* The pause. Atomic: both are written by client_list_pause, deadline last (release); read deadline first (acquire). */
static int64_t pause_deadline_ms;
static int pause_mode;
static struct lock pause_lock = LOCK_INIT; /* writers */

size_t client_list_count(void)
{
    size_t count = 0;

    for (unsigned i = 0; i < workers_count(); i++)
        count += __atomic_load_n(&worker_at(i)->connections_count, __ATOMIC_RELAXED);
    return count;
}

/* Lets others look at this worker, and go on with what it wrote, while it waits for theirs. */
static void leave_turn(struct worker *worker)
{
    if (worker->owns_all_turns)
        return;
    worker_let_go(worker);
    lock_release(&worker->turn_lock);
}

static void resume_turn(struct worker *worker)
{
    if (!worker->owns_all_turns)
        lock_acquire(&worker->turn_lock);
}

static void look_at(const struct client *self, struct worker *worker)
{
    if (!self->worker->owns_all_turns)
        lock_acquire(&worker->turn_lock);
}

static void look_away(const struct client *self, struct worker *worker)
{
    if (!self->worker->owns_all_turns)
        lock_release(&worker->turn_lock);
}

void client_list_stop_others(struct client *self)
{
    leave_turn(self->worker);
    for (unsigned i = 0; i < workers_count(); i++)
        lock_acquire(&worker_at(i)->turn_lock);
    self->worker->owns_all_turns = 1;
}

void client_list_let_others_go(struct client *self)
{
    self->worker->owns_all_turns = 0;
    for (unsigned i = 0; i < workers_count(); i++)
        if (worker_at(i) != self->worker)
            lock_release(&worker_at(i)->turn_lock);
}

void client_list_each(struct client *self, client_visit *visit, void *context)
{
    int stopped = 0;

    leave_turn(self->worker);
    for (unsigned i = 0; i < workers_count() && !stopped; i++) {
        struct worker *worker = worker_at(i);

        look_at(self, worker);
        for (struct connection *connection = worker->connections; connection != NULL && !stopped; connection = connection->next)
            stopped = visit(context, &connection->client);
        look_away(self, worker);
    }
    resume_turn(self->worker);
}

int client_class(const struct client *client)
{
    return (client->flags & CLIENT_PUBSUB) != 0 ? CONFIG_CLIENT_PUBSUB : CONFIG_CLIENT_NORMAL;
}

static int matches(const struct client_filter *filter, const struct client *client, const struct client *self)
{
    if (filter->skip_self && client == self)
        return 0;
    if (filter->class >= 0 && client_class(client) != filter->class)
        return 0;
    if (filter->id != 0 && client->id != filter->id)
        return 0;
    if (filter->user != NULL && !(client->user != NULL && strlen(client->user->name) == filter->user_size &&
                                  memcmp(client->user->name, filter->user, filter->user_size) == 0))
        return 0;
    if (filter->address != NULL && strcmp(client->address, filter->address) != 0)
        return 0;
    return filter->local_address == NULL || strcmp(client->local_address, filter->local_address) == 0;
}

size_t client_list_kill(struct client *self, const struct client_filter *filter)
{
    size_t killed = 0;

    leave_turn(self->worker);
    for (unsigned i = 0; i < workers_count(); i++) {
        struct worker *worker = worker_at(i);
        uint32_t marked = 0;

        look_at(self, worker);
        for (struct connection *connection = worker->connections; connection != NULL; connection = connection->next) {
            struct client *client = &connection->client;

            if ((client->flags & CLIENT_KILLED) != 0 || !matches(filter, client, self))
                continue;
            killed++;
            if (client == self) {
                client->flags |= CLIENT_CLOSE_AFTER_REPLY;
            } else {
                client->flags |= CLIENT_KILLED;
                connection->blocked |= CONNECTION_BLOCK_CLOSING;
                marked++;
            }
        }
        worker->kills += marked;
        look_away(self, worker);
        if (marked > 0)
            worker_wake(worker);
    }
    resume_turn(self->worker);
    return killed;
}

static void wake_all(void)
{
    for (unsigned i = 0; i < workers_count(); i++)
        worker_wake(worker_at(i));
}

void client_list_await_turns(struct client *self)
{
    leave_turn(self->worker);
    for (unsigned i = 0; i < workers_count(); i++) {
        look_at(self, worker_at(i));
        look_away(self, worker_at(i));
    }
    resume_turn(self->worker);
    wake_all();
}

void client_list_pause(struct client *self, int64_t deadline_ms, int writes_only)
{
    int mode = writes_only ? 1 : 2;
    int64_t end_ms;

    lock_acquire(&pause_lock);
    if (client_list_paused(client_now_ms(self), &end_ms) != 0) {
        if (end_ms > deadline_ms)
            deadline_ms = end_ms;
        if (pause_mode > mode)
            mode = pause_mode;
    }
    __atomic_store_n(&pause_mode, mode, __ATOMIC_RELAXED);
    __atomic_store_n(&pause_deadline_ms, deadline_ms, __ATOMIC_RELEASE);
    lock_release(&pause_lock);
    self->worker->pause_mode = mode; /* from the next command on; other workers from their next turn */
    wake_all();
}

void client_list_unpause(struct client *self)
{
    lock_acquire(&pause_lock);
    __atomic_store_n(&pause_deadline_ms, 0, __ATOMIC_RELEASE);
    lock_release(&pause_lock);
    (void)self; /* its worker notices at its next turn, as all do: that lets the clients go on which wait */
    wake_all();
}

int client_list_paused(int64_t now_ms, int64_t *deadline_ms)
{
    int64_t deadline = __atomic_load_n(&pause_deadline_ms, __ATOMIC_ACQUIRE);

    if (deadline <= now_ms)
        return 0;
    if (deadline_ms != NULL)
        *deadline_ms = deadline;
    return __atomic_load_n(&pause_mode, __ATOMIC_RELAXED);
}
