/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * acl.h - the users: who may come in, and what each may do
 *
 * A user that is published never changes: a change publishes another one under the same name and raises the version. Each worker
 * looks at the version once in a turn, and gives its clients the users of that version (acl_client_refresh).
 * Threads: any; one lock, which a command of a client takes that changes users, never one that runs under permissions.
 */
#ifndef SDB_SERVER_ACL_H
#define SDB_SERVER_ACL_H

#include <stddef.h>
#include <stdint.h>

#include "acl_log.h"
#include "acl_user.h"

struct client;
struct reply;

#define ACL_DEFAULT_USER "default"
#define ACL_ERROR_SIZE 2048

void acl_free(void);

/*
 * "user NAME RULE ..." of the configuration file: kept until acl_start, and checked there. Errors: -1, with the words in
 * *error.
 */
int acl_configure(char **words, int count, const char **error);

/* Takes the users of the configuration, or of the file that aclfile names. Errors: -1, with the words in error. */
int acl_start(char *error, size_t error_size);

/* requirepass: the only password of the user default; "": none is asked for. */
int acl_set_default_password(const char *password);

/* Whether clients come in as the user default without a password. */
int acl_is_open(void);

/* Raised by each change. */
uint64_t acl_version(void);

/* ---- users ---- */

/* A reference, which the caller releases; NULL: there is none. */
struct acl_user *acl_find(const char *name, size_t size);

/* References to all users in the order of their names, in memory that the caller frees with each of them released. NULL: no memory. */
struct acl_user **acl_all(size_t *count);

/* Makes or changes a user. 1, or 0 with what is wrong in error ("Error in ACL SETUSER modifier ..."). */
int acl_set(const struct request_arg *name, const struct request_arg *rules, int count, char error[ACL_ERROR_SIZE]);

/* Removes users; the number that there were. The user default stays. */
size_t acl_delete(const struct request_arg *names, int count);

/* ---- the file ---- */

/* 1, or 0 with what is wrong in error. Nothing of a file that has an error is taken. */
int acl_load(const char *path, char *error, size_t error_size);
int acl_save(const char *path, char *error, size_t error_size);

/* All users, a line each. for_configuration: without the user default where requirepass says all of it. */
void acl_describe(struct reply *text, int for_configuration);

/* ---- clients ---- */

/* A new client, or one that is reset: as the user default, authenticated where no password is asked for. */
void acl_client_init(struct client *client);
void acl_client_close(struct client *client);

/* Gives the client its user as it is now. 0: there is none any more, or it may not hear what the client has subscribed to. */
int acl_client_refresh(struct client *client);

/*
 * Whether the client may run the request; where not, it is logged, and *verdict says why. number: the command's. For clients that are
 * CLIENT_RESTRICTED.
 */
int acl_allows(struct client *client, enum acl_context context, const struct command *command, size_t number,
               const struct request_arg *argv, int argc, enum acl_verdict *verdict);

/* Whether permissions that allow the request allow every key to be read, too: what a pattern of SORT may stand for. */
int acl_reads_all_keys(const struct client *client, const struct command *command, const struct request_arg *argv, int argc);

/* What ACL DRYRUN says. 1 where the user may run the request, else 0 with the words, not ended by a NUL. */
int acl_explain(const struct acl_user *user, const struct command *command, const struct request_arg *argv, int argc, char *text,
                size_t capacity, size_t *size);

/* 1 where the user exists, is on, and has the password: then the client is the user's from now on. */
int acl_authenticate(struct client *client, const char *name, size_t size, const char *password, size_t password_size);

#endif
