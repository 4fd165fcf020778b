/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error_text.c - errors in words
 */
#include "error.h"
#include "superdb/client.h"

const char *sdb_client_strerror(int error)
{
    switch (error) {
    case SDB_OK:
        return "success";
#define CASE(name, number, text)                                                                                       \
    case number:                                                                                                       \
        return text;
        SDB_ERRORS(CASE)
        SDB_CLIENT_ERRORS(CASE)
#undef CASE
    default:
        return "unknown error";
    }
}

const char *sdb_client_last_error(void)
{
    return error_text();
}
