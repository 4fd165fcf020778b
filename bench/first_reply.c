/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * first_reply.c - how long a server takes from its start to the first right reply
 *
 * The clock starts before the process does. The key's value is asked for again and again, on a new connection where there is
 * none yet, until it comes back right; refused connections, errors ("loading") and misses count as waiting.
 */
#include "network.h"

#include "arguments.h"
#include "connection.h"
#include "json.h"
#include "machine.h"
#include "timing.h"
#include "traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct attempt {
    struct network_options options; /* target, protocol, sizes */
    uint64_t key;
    uint64_t limit_ms;
    const char *json;
    const char *log; /* where the server's output goes; NULL: nowhere */
    char **command;
};

static const char usage[] =
    "usage: superdb-bench first-reply [OPTION]... -- COMMAND [ARGUMENT]...\n"
    "Starts the command, waits for the first right reply to a GET, and ends the command with SIGTERM.\n"
    "  --host A --port N | --unix PATH\n"
    "  --key N         the number of a key that the network mode has set (0)\n"
    "  --key-size N --value-size N\n"
    "  --limit-ms N    gives up after that (120000)\n"
    "  --log FILE      receives the command's output\n"
    "  --json FILE     instead of stdout\n";

static int parse(struct attempt *attempt, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"host", required_argument, NULL, 'h'},   {"port", required_argument, NULL, 'p'},
        {"unix", required_argument, NULL, 'u'},   {"key", required_argument, NULL, 'k'},
        {"key-size", required_argument, NULL, 's'}, {"value-size", required_argument, NULL, 'v'},
        {"limit-ms", required_argument, NULL, 'l'}, {"log", required_argument, NULL, 'o'},
        {"json", required_argument, NULL, 'j'},   {NULL, 0, NULL, 0},
    };
    uint64_t number = 0;
    int failed = 0;
    int option;

    *attempt = (struct attempt){
        .options = {.target = {"127.0.0.1", NULL, 6379}, .key_size = 16, .value_size = 16, .mget_keys = 1},
        .limit_ms = 120000,
    };
    while (!failed && (option = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
        switch (option) {
        case 'h':
            attempt->options.target.host = optarg;
            break;
        case 'u':
            attempt->options.target.unix_path = optarg;
            break;
        case 'j':
            attempt->json = optarg;
            break;
        case 'o':
            attempt->log = optarg;
            break;
        case 'p':
            failed = argument_number("port", optarg, 1, 65535, &number);
            attempt->options.target.port = (uint32_t)number;
            break;
        case 'k':
            failed = argument_number("key", optarg, 0, UINT64_MAX, &attempt->key);
            break;
        case 's':
            failed = argument_number("key-size", optarg, 8, NETWORK_KEY_SIZE_MAX, &number);
            attempt->options.key_size = number;
            break;
        case 'v':
            failed = argument_number("value-size", optarg, 1, NETWORK_VALUE_SIZE_MAX, &number);
            attempt->options.value_size = number;
            break;
        case 'l':
            failed = argument_number("limit-ms", optarg, 1, 86400000, &attempt->limit_ms);
            break;
        default:
            failed = -1;
            break;
        }
    }
    attempt->command = argv + optind;
    if (failed || optind >= argc) {
        fputs(usage, stderr);
        return -1;
    }
    return 0;
}

static pid_t start_command(const struct attempt *attempt)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        int log = open(attempt->log ? attempt->log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        if (log >= 0) {
            dup2(log, STDOUT_FILENO);
            dup2(log, STDERR_FILENO);
        }
        execvp(attempt->command[0], attempt->command);
        _exit(127);
    }
    return child;
}

/* Asks once on the connection: 1 where the reply is right, 0 where it is not (yet), -1 where the connection is lost. */
static int ask(const struct attempt *attempt, int fd, char *buffer, size_t size)
{
    const struct network_options *options = &attempt->options;
    char *expected = buffer + size;
    size_t wanted = reply_write(options, attempt->key, 0, expected);
    size_t header = (size_t)((const char *)memchr(expected, '\n', wanted) - expected) + 1;
    size_t request = request_write(options, REQUEST_GET, attempt->key, 0, NULL, buffer);
    size_t have = 0;

    if (connection_send(fd, buffer, request))
        return -1;
    while (have < wanted) {
        ssize_t received = recv(fd, buffer + have, size - have, 0);

        if (received <= 0)
            return -1;
        have += (size_t)received;
        /* An error or a miss is one short line. */
        if ((buffer[0] == '-' || (have > 1 && buffer[1] == '-') || buffer[0] == '_') && buffer[have - 1] == '\n')
            return 0;
    }
    if (buffer[header] < 'a' || buffer[header] > 'z')
        return 0;
    reply_write(options, attempt->key, (uint32_t)(buffer[header] - 'a'), expected);
    return memcmp(buffer, expected, wanted) == 0;
}

/*
 * 0 with the nanoseconds from start to the first connection and the first right reply; -1 where the command ended or the time
 * is up.
 */
static int await_reply(const struct attempt *attempt, pid_t child, uint64_t start, uint64_t *connected, uint64_t *replied)
{
    const struct timespec pause = {0, 100000};
    size_t size = request_size_max(&attempt->options);
    char *buffer = malloc(2 * size);
    int fd = -1;
    int result = -1;

    *connected = 0;
    while (buffer && now_ns() - start < attempt->limit_ms * 1000000) {
        int status;

        if (fd < 0)
            fd = connection_open(&attempt->options.target);
        if (fd >= 0) {
            int right = ask(attempt, fd, buffer, size);

            *replied = now_ns() - start;
            if (!*connected)
                *connected = *replied;
            if (right == 1) {
                result = 0;
                break;
            }
            if (right < 0) {
                close(fd);
                fd = -1;
            }
        }
        if (waitpid(child, &status, WNOHANG) == child)
            break;
        nanosleep(&pause, NULL);
    }
    if (fd >= 0)
        close(fd);
    free(buffer);
    return result;
}

int first_reply_benchmark(int argc, char **argv)
{
    struct attempt attempt;
    struct json json;
    FILE *file;
    uint64_t start;
    uint64_t connected = 0;
    uint64_t replied = 0;
    pid_t child;
    int failed;
    int status;

    if (parse(&attempt, argc, argv))
        return 2;
    file = attempt.json ? fopen(attempt.json, "w") : stdout;
    if (!file) {
        perror(attempt.json);
        return 2;
    }
    machine_begin();
    start = now_ns();
    child = start_command(&attempt);
    failed = child < 0 || await_reply(&attempt, child, start, &connected, &replied);
    if (failed)
        fprintf(stderr, "superdb-bench: no right reply from '%s'\n", attempt.command[0]);
    /* It may have ended by itself and been waited for: then there is nobody to signal. */
    if (child > 0 && waitpid(child, &status, WNOHANG) == 0) {
        kill(child, SIGTERM);
        waitpid(child, &status, 0);
    }
    json_begin(&json, file);
    machine_describe_run(&json, "first-reply", argc, argv);
    if (!failed) {
        json_number(&json, "first_connection_ms", (double)connected / 1e6);
        json_number(&json, "first_reply_ms", (double)replied / 1e6);
        fprintf(stderr, "first right reply after %.2f ms\n", (double)replied / 1e6);
    }
    json_integer(&json, "failed", failed != 0);
    machine_describe(&json);
    json_end(&json);
    if (attempt.json)
        fclose(file);
    return failed ? 1 : 0;
}
