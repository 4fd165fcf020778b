/* SPDX-License-Identifier: BSD-3-Clause */
/* client.c - an application that uses the installed client of the binary protocol: one argument, a server's socket. Strict C11, as main.c. */
#include <stdio.h>
#include <string.h>

#include <superdb/client.h>

int main(int argc, char **argv)
{
    struct sdb_client_options options = SDB_CLIENT_OPTIONS_INIT;
    struct sdb_client *client;
    char text[32];
    size_t size = 0;
    int64_t sum = 0;

    options.unix_path = argc > 1 ? argv[1] : "";
    if (sdb_client_open(&options, &client) != SDB_OK || sdb_client_set(client, "name:42", 7, "a chair of oak", 14, NULL) != SDB_OK ||
        sdb_client_get(client, "name:42", 7, text, sizeof(text), &size) != SDB_OK || sdb_client_add(client, "n", 1, 1, &sum) != SDB_OK) {
        fprintf(stderr, "consumer: %s\n", sdb_client_last_error());
        return 1;
    }
    sdb_client_close(client);
    if (size != 14 || memcmp(text, "a chair of oak", 14) != 0)
        return 1;
    printf("%d\n", (int)sum);
    return 0;
}
