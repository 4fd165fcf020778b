/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl.c - the table of users, the file that keeps them, and which of them a client is
 */
#include "acl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "acl_log.h"
#include "acl_rules.h"
#include "client.h"
#include "command_table.h"
#include "config.h"
#include "config_option.h"
#include "pubsub.h"
#include "lock.h"
#include "reply.h"

struct users {
    struct acl_user **items; /* in the order of their names; each holds a reference */
    size_t count;
};

static struct lock users_lock = LOCK_INIT;
static struct users users;        /* Under users_lock. */
static struct users configured;   /* by "user" lines, until acl_start */
static uint64_t version;          /* Atomic: raised behind each change, under the lock. */
static int is_open = 1;           /* Atomic: acl_is_open. */

/* ---- sorted arrays of users ------------------------------------------------------------------------------------- */

static int compare_names(const char *name, size_t size, const char *other)
{
    const size_t length = strlen(other), shorter = size < length ? size : length;
    const int order = memcmp(name, other, shorter);

    return order != 0 ? order : (size > length) - (size < length);
}

/* Where the name is, or belongs. */
static size_t users_place(const struct users *in, const char *name, size_t size, bool *found)
{
    size_t low = 0, high = in->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int order = compare_names(name, size, in->items[middle]->name);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *found = false;
    return low;
}

static struct acl_user *users_find(const struct users *in, const char *name, size_t size)
{
    bool found;
    const size_t place = users_place(in, name, size, &found);

    return found && in->items != NULL ? in->items[place] : NULL;
}

/* Takes the reference over, in place of the one of that name. False: no memory; the reference is released. */
static bool users_put(struct users *in, struct acl_user *user)
{
    struct acl_user **grown;
    bool found;
    const size_t place = users_place(in, user->name, strlen(user->name), &found);

    if (found && in->items != NULL) {
        acl_user_release(in->items[place]);
        in->items[place] = user;
        return true;
    }
    grown = realloc(in->items, (in->count + 1) * sizeof(struct acl_user *));
    if (grown == NULL) {
        acl_user_release(user);
        return false;
    }
    in->items = grown;
    memmove(&grown[place + 1], &grown[place], (in->count - place) * sizeof(struct acl_user *));
    grown[place] = user;
    in->count++;
    return true;
}

static bool users_remove(struct users *in, const char *name, size_t size)
{
    bool found;
    const size_t place = users_place(in, name, size, &found);

    if (!found)
        return false;
    acl_user_release(in->items[place]);
    in->count--;
    memmove(&in->items[place], &in->items[place + 1], (in->count - place) * sizeof(struct acl_user *));
    return true;
}

static void users_clear(struct users *in)
{
    for (size_t i = 0; i < in->count; i++)
        acl_user_release(in->items[i]);
    free(in->items);
    *in = (struct users){0};
}

/* ---- changes ---------------------------------------------------------------------------------------------------- */

/* Behind a change, with the lock: from the clients' next turn on it counts. */
static void publish(void)
{
    const struct acl_user *user = users_find(&users, ACL_DEFAULT_USER, sizeof(ACL_DEFAULT_USER) - 1);
    const unsigned open = ACL_USER_ON | ACL_USER_NO_PASSWORD;

    __atomic_store_n(&is_open, user != NULL && (user->flags & open) == open, __ATOMIC_RELEASE);
    __atomic_store_n(&version, version + 1, __ATOMIC_RELEASE);
}

static struct acl_user *new_default(void)
{
    static const char *const rules[] = {"+@all", "~*", "&*", "on", "nopass"};
    struct acl_user *user = acl_user_new(ACL_DEFAULT_USER, sizeof(ACL_DEFAULT_USER) - 1);

    for (size_t i = 0; user != NULL && i < sizeof(rules) / sizeof(rules[0]); i++)
        (void)acl_user_apply(user, rules[i], strlen(rules[i]));
    return user;
}

/* With the lock: from the first look on there is the user default, who may do everything without a password. */
static void take_lock(void)
{
    struct acl_user *user;

    lock_acquire(&users_lock);
    if (users.count > 0)
        return;
    user = commands_init() == 0 ? new_default() : NULL;
    if (user != NULL && users_put(&users, user))
        publish();
}

void acl_free(void)
{
    users_clear(&users);
    users_clear(&configured);
}

uint64_t acl_version(void)
{
    return __atomic_load_n(&version, __ATOMIC_ACQUIRE);
}

int acl_is_open(void)
{
    return __atomic_load_n(&is_open, __ATOMIC_ACQUIRE);
}

int acl_set_default_password(const char *password)
{
    const struct acl_user *old;
    struct acl_user *user;
    int result = -1;

    take_lock();
    old = users_find(&users, ACL_DEFAULT_USER, sizeof(ACL_DEFAULT_USER) - 1);
    user = old != NULL ? acl_user_copy(old) : NULL;
    if (user != NULL && acl_rules_password(user, password) == ACL_RULE_OK && users_put(&users, user)) {
        publish();
        result = 0;
    }
    lock_release(&users_lock);
    return result;
}

struct acl_user *acl_find(const char *name, size_t size)
{
    struct acl_user *user;

    take_lock();
    user = users_find(&users, name, size);
    if (user != NULL)
        (void)acl_user_hold(user);
    lock_release(&users_lock);
    return user;
}

struct acl_user **acl_all(size_t *count)
{
    struct acl_user **all;

    take_lock();
    *count = users.count;
    all = malloc((users.count + 1) * sizeof(struct acl_user *));
    for (size_t i = 0; all != NULL && i < users.count; i++)
        all[i] = acl_user_hold(users.items[i]);
    lock_release(&users_lock);
    return all;
}

int acl_set(const struct request_arg *name, const struct request_arg *rules, int count, char error[ACL_ERROR_SIZE])
{
    const struct acl_user *old;
    struct acl_user *user;
    int good;

    take_lock();
    old = users_find(&users, name->data, name->size);
    user = old != NULL ? acl_user_copy(old) : acl_user_new(name->data, name->size);
    good = user != NULL && acl_rules_apply(user, rules, count, error, ACL_ERROR_SIZE);
    if (user == NULL)
        (void)snprintf(error, ACL_ERROR_SIZE, "out of memory");
    if (!good) {
        acl_user_release(user);
    } else if (users_put(&users, user)) {
        publish();
    } else {
        (void)snprintf(error, ACL_ERROR_SIZE, "out of memory");
        good = 0;
    }
    lock_release(&users_lock);
    return good;
}

size_t acl_delete(const struct request_arg *names, int count)
{
    size_t deleted = 0;

    take_lock();
    for (int i = 0; i < count; i++)
        if (compare_names(names[i].data, names[i].size, ACL_DEFAULT_USER) != 0)
            deleted += users_remove(&users, names[i].data, names[i].size);
    if (deleted > 0)
        publish();
    lock_release(&users_lock);
    return deleted;
}

/* ---- the configuration and the file ----------------------------------------------------------------------------- */

/* Puts these users in the place of all. The user default is there always. */
static bool replace_all(struct users *by)
{
    bool good = true;

    if (users_find(by, ACL_DEFAULT_USER, sizeof(ACL_DEFAULT_USER) - 1) == NULL) {
        struct acl_user *user = new_default();
        good = user != NULL && users_put(by, user);
    }
    if (!good)
        return false;
    take_lock();
    users_clear(&users);
    users = *by;
    *by = (struct users){0};
    publish();
    lock_release(&users_lock);
    return true;
}

int acl_configure(char **words, int count, const char **error)
{
    static char text[ACL_ERROR_SIZE];
    struct acl_user *user;

    *error = text;
    if (count < 1) {
        *error = "needs a name";
        return -1;
    }
    if (users_find(&configured, words[0], strlen(words[0])) != NULL) {
        (void)snprintf(text, sizeof(text), "Duplicate user '%s' found. A user can only be defined once in config files", words[0]);
        return -1;
    }
    user = acl_user_new(words[0], strlen(words[0]));
    if (user == NULL || !acl_rules_apply_words(user, words + 1, count - 1, text, sizeof(text))) {
        acl_user_release(user);
        return -1;
    }
    if (users_put(&configured, user))
        return 0;
    *error = "out of memory";
    return -1;
}

int acl_start(char *error, size_t error_size)
{
    const bool has_file = config.aclfile != NULL && config.aclfile[0] != '\0';
    int good = 1;

    if (has_file && configured.count > 0) {
        (void)snprintf(error, error_size, "aclfile: users stand in the configuration already: they are given there or in the file");
        return -1;
    }
    if (has_file)
        return acl_load(config.aclfile, error, error_size) ? 0 : -1;
    take_lock();
    for (size_t i = 0; i < configured.count; i++)
        good &= users_put(&users, acl_user_hold(configured.items[i]));
    publish();
    lock_release(&users_lock);
    users_clear(&configured);
    if (!good)
        (void)snprintf(error, error_size, "out of memory");
    return good ? 0 : -1;
}

/* Takes one line of the file into the table; what is wrong with it goes behind what is in error already. */
static void take_line(struct users *into, const char *path, int number, char *line, struct acl_errors *errors)
{
    struct acl_user *user;
    char *rules, *name = acl_rules_user_of_line(line, &rules);

    if (name == NULL) {
        acl_errors_add(errors, "%s:%d should start with user keyword followed by the username. ", path, number);
        return;
    }
    if (users_find(into, name, strlen(name)) != NULL) {
        acl_errors_add(errors, "WARNING: Duplicate user '%s' found on line %d. ", name, number);
        return;
    }
    user = acl_user_new(name, strlen(name));
    if (user == NULL) {
        acl_errors_add(errors, "%s:%d: out of memory. ", path, number);
        return;
    }
    acl_rules_apply_line(user, rules, path, number, errors);
    if (!users_put(into, user))
        acl_errors_add(errors, "%s:%d: out of memory. ", path, number);
}

int acl_load(const char *path, char *error, size_t error_size)
{
    struct acl_errors errors = {error, error_size, 0};
    struct users read = {0};
    FILE *stream = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    int good;

    error[0] = '\0';
    if (stream == NULL) {
        (void)snprintf(error, error_size, "Error loading ACLs, opening file '%s': %s", path, strerror(errno));
        return 0;
    }
    for (int number = 1; getline(&line, &capacity, stream) >= 0; number++) {
        char *text = acl_rules_trim(line);

        if (text[0] != '\0')
            take_line(&read, path, number, text, &errors);
    }
    good = !ferror(stream) && errors.count == 0;
    (void)fclose(stream);
    free(line);
    if (good)
        good = replace_all(&read);
    if (!good)
        acl_errors_add(&errors, "WARNING: ACL errors detected, no change to the previously active ACL rules was performed");
    users_clear(&read);
    return good;
}

/* Whether the user default is as requirepass alone makes it, so that a configuration need not name it. */
static bool is_as_configured(const struct acl_user *user)
{
    char *password = config_password();
    struct acl_user *plain = new_default();
    struct reply one, other;
    bool same = false;

    reply_init(&one);
    reply_init(&other);
    if (password != NULL && plain != NULL && acl_rules_password(plain, password) == ACL_RULE_OK) {
        acl_user_describe(user, &one);
        acl_user_describe(plain, &other);
        same = !one.failed && !other.failed && one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
    }
    reply_free(&one);
    reply_free(&other);
    acl_user_release(plain);
    free(password);
    return same;
}

void acl_describe(struct reply *text, int for_configuration)
{
    take_lock();
    for (size_t i = 0; i < users.count; i++) {
        if (for_configuration && strcmp(users.items[i]->name, ACL_DEFAULT_USER) == 0 && is_as_configured(users.items[i]))
            continue;
        acl_user_describe(users.items[i], text);
        reply_raw(text, "\n", 1);
    }
    lock_release(&users_lock);
}

/* To a file beside it, which takes its place when all is on the medium. */
int acl_save(const char *path, char *error, size_t error_size)
{
    struct reply text;
    struct stat status;
    const mode_t mode = stat(path, &status) == 0 ? status.st_mode & 07777 : 0600;
    bool good;

    reply_init(&text);
    acl_describe(&text, 0);
    good = !text.failed && config_replace_file(path, mode, text.data, text.size) == 0;
    if (!good)
        (void)snprintf(error, error_size, "There was an error trying to save the ACLs. Please check the server logs for more information");
    reply_free(&text);
    return good;
}

/* ---- clients ---------------------------------------------------------------------------------------------------- */

/* Takes the reference over. */
static void client_set_user(struct client *client, struct acl_user *user)
{
    acl_user_release(client->user);
    client->user = user;
    if (user != NULL && acl_user_is_open(user))
        client->flags &= ~(unsigned)CLIENT_RESTRICTED;
    else
        client->flags |= CLIENT_RESTRICTED;
}

void acl_client_init(struct client *client)
{
    client_set_user(client, acl_find(ACL_DEFAULT_USER, sizeof(ACL_DEFAULT_USER) - 1));
    if (acl_is_open())
        client->flags |= CLIENT_AUTHENTICATED;
    else
        client->flags &= ~(unsigned)CLIENT_AUTHENTICATED;
}

void acl_client_close(struct client *client)
{
    acl_user_release(client->user);
    client->user = NULL;
}

/* Whether all that was subscribed to is allowed. */
struct hearing {
    const struct acl_user *user;
    int literally;
    int allowed;
};

static void hear(void *context, const char *name, size_t size)
{
    struct hearing *hearing = context;

    hearing->allowed &= acl_user_allows_channel(hearing->user, name, size, hearing->literally);
}

static int may_hear(const struct client *client, const struct acl_user *user)
{
    struct hearing hearing = {user, 0, 1};

    if ((client->flags & CLIENT_PUBSUB) == 0)
        return 1;
    pubsub_each_of(client, PUBSUB_CHANNEL, hear, &hearing);
    pubsub_each_of(client, PUBSUB_SHARD, hear, &hearing);
    hearing.literally = 1;
    pubsub_each_of(client, PUBSUB_PATTERN, hear, &hearing);
    return hearing.allowed;
}

int acl_client_refresh(struct client *client)
{
    const char *name = client->user != NULL ? client->user->name : ACL_DEFAULT_USER;
    struct acl_user *user = acl_find(name, strlen(name));

    if (user == client->user) {
        acl_user_release(user);
        return 1;
    }
    if (user == NULL)
        return 0;
    client_set_user(client, user);
    return may_hear(client, user);
}

int acl_allows(struct client *client, enum acl_context context, const struct command *command, size_t number,
               const struct request_arg *argv, int argc, enum acl_verdict *verdict)
{
    static const enum acl_log_reason reasons[] = {
        [ACL_DENIED_COMMAND] = ACL_LOG_COMMAND, [ACL_DENIED_KEY] = ACL_LOG_KEY, [ACL_DENIED_CHANNEL] = ACL_LOG_CHANNEL};
    char name[COMMAND_FULL_NAME_SIZE];
    struct request_arg object;
    int position = 0;

    *verdict = client->user != NULL ? acl_user_check(client->user, command, number, argv, argc, &position) : ACL_DENIED_COMMAND;
    if (*verdict == ACL_ALLOWED)
        return 1;
    if (*verdict == ACL_DENIED_COMMAND)
        object = (struct request_arg){name, command_full_name(command, name)};
    else
        object = argv[position];
    acl_log_add(client, context, reasons[*verdict], &object, NULL);
    return 0;
}

int acl_reads_all_keys(const struct client *client, const struct command *command, const struct request_arg *argv, int argc)
{
    const size_t number = (size_t)command_number(command);
    const struct acl_user *user = client->user;
    int position;

    for (size_t i = 0; user != NULL && i < user->selector_count; i++)
        if (acl_selector_check(user->selectors[i], command, number, argv, argc, &position) == ACL_ALLOWED &&
            acl_selector_reads_all_keys(user->selectors[i]))
            return 1;
    return 0;
}

int acl_explain(const struct acl_user *user, const struct command *command, const struct request_arg *argv, int argc, char *text,
                size_t capacity, size_t *size)
{
    char name[COMMAND_FULL_NAME_SIZE];
    int position;
    const enum acl_verdict verdict = acl_user_check(user, command, (size_t)command_number(command), argv, argc, &position);
    const struct request_arg *arg = &argv[position];
    const int shown = (int)(arg->size < capacity / 2 ? arg->size : capacity / 2);

    *size = 0;
    if (verdict == ACL_ALLOWED)
        return 1;
    command_full_name(command, name);
    if (verdict == ACL_DENIED_COMMAND)
        *size = (size_t)snprintf(text, capacity, "This user has no permissions to run the '%s' command", name);
    else
        *size = (size_t)snprintf(text, capacity, "This user has no permissions to access the '%.*s' %s", shown, arg->data,
                                 verdict == ACL_DENIED_KEY ? "key" : "channel");
    return 0;
}

int acl_authenticate(struct client *client, const char *name, size_t size, const char *password, size_t password_size)
{
    struct acl_user *user = acl_find(name, size);

    if (user == NULL || !acl_user_accepts(user, password, password_size)) {
        acl_user_release(user);
        return 0;
    }
    client_set_user(client, user);
    client->flags |= CLIENT_AUTHENTICATED;
    return 1;
}
