/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_listener.c - what the server listens on, what it says where it cannot, and whom it turns away
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "acl.h"
#include "config.h"
#include "listener.h"

static char path[64];
static char error[512];

static int begin(void **state)
{
    (void)state;
    if (config_init() != 0)
        return -1;
    snprintf(path, sizeof(path), "/tmp/superdb-listener-%ld.sock", (long)getpid());
    config.port = 0;
    error[0] = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    listeners_close();
    (void)unlink(path);
    config_free();
    return 0;
}

static void set_bind(const char *address)
{
    for (int i = 0; i < config.bind_count; i++) {
        free(config.bind[i]);
        config.bind[i] = NULL;
    }
    config.bind[0] = strdup(address);
    config.bind_count = 1;
}

static void set_unixsocket(void)
{
    free(config.unixsocket);
    config.unixsocket = strdup(path);
}

/* A port that nobody listens on, found by binding it, together with the socket that has it (listening on loopback). */
static int take_port(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static int connect_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void a_port_is_listened_on(void **state)
{
    int port, fd = take_port(&port);

    (void)state;
    close(fd);
    set_bind("127.0.0.1");
    config.port = port;
    assert_int_equal(listeners_open(error, sizeof(error)), 0);
    assert_int_equal(listeners_count(), 1);
    assert_int_equal(listeners_port(), port);
    assert_false(listener_at(0)->is_unix);
}

static void a_taken_port_is_named_and_nothing_stays_open(void **state)
{
    int port, fd = take_port(&port);
    char number[16];

    (void)state;
    set_bind("127.0.0.1");
    config.port = port;
    assert_int_equal(listeners_open(error, sizeof(error)), -1);
    snprintf(number, sizeof(number), "%d", port);
    assert_non_null(strstr(error, number));
    assert_non_null(strstr(error, "in use"));
    assert_int_equal(listeners_count(), 0);
    close(fd);
}

static void an_address_that_is_not_ours_is_an_error_unless_marked_optional(void **state)
{
    int port, fd = take_port(&port);

    (void)state;
    close(fd);
    config.port = port;
    set_bind("192.0.2.1");
    assert_int_equal(listeners_open(error, sizeof(error)), -1);
    assert_non_null(strstr(error, "192.0.2.1"));
    set_bind("-192.0.2.1");
    config.bind[1] = strdup("127.0.0.1");
    config.bind_count = 2;
    assert_int_equal(listeners_open(error, sizeof(error)), 0);
    assert_int_equal(listeners_count(), 1);
}

static void a_unix_socket_has_its_permissions_and_goes_with_the_server(void **state)
{
    struct stat status;
    int fd;

    (void)state;
    set_unixsocket();
    config.unixsocketperm = 0640;
    assert_int_equal(listeners_open(error, sizeof(error)), 0);
    assert_true(listener_at(0)->is_unix);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    fd = connect_unix();
    assert_true(fd >= 0);
    close(fd);
    listeners_close();
    assert_int_equal(stat(path, &status), -1);
}

static void a_socket_left_over_from_a_crash_is_replaced(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    close(fd);
    set_unixsocket();
    assert_int_equal(listeners_open(error, sizeof(error)), 0);
    fd = connect_unix();
    assert_true(fd >= 0);
    close(fd);
}

static void a_socket_that_somebody_answers_at_is_left_alone(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;

    (void)state;
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(server, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server, 8), 0);
    set_unixsocket();
    assert_int_equal(listeners_open(error, sizeof(error)), -1);
    assert_non_null(strstr(error, path));
    client = connect_unix();
    assert_true(client >= 0);
    close(client);
    close(server);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct stat status;
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    set_unixsocket();
    assert_int_equal(listeners_open(error, sizeof(error)), -1);
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
}

static void a_path_that_is_too_long_is_an_error(void **state)
{
    (void)state;
    free(config.unixsocket);
    config.unixsocket = calloc(1, 200);
    assert_non_null(config.unixsocket);
    memset(config.unixsocket, 'x', 199);
    assert_int_equal(listeners_open(error, sizeof(error)), -1);
    assert_non_null(strstr(error, "longer"));
}

/* Two connected TCP sockets over loopback. */
static void tcp_pair(int sockets[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int port, listening = take_port(&port);

    address.sin_port = htons((uint16_t)port);
    sockets[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(sockets[0], (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    sockets[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    assert_true(sockets[1] >= 0);
    close(listening);
}

static void clients_beyond_maxclients_are_told_and_refused(void **state)
{
    static const char text[] = "-ERR max number of clients reached\r\n";
    struct listener unix_listener = {-1, 1};
    char told[128] = "";
    int sockets[2];

    (void)state;
    config.maxclients = 2;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    assert_int_equal(listener_admit(&unix_listener, sockets[0], 1), 1);
    assert_int_equal(listener_admit(&unix_listener, sockets[0], 2), 0);
    assert_int_equal(recv(sockets[1], told, sizeof(told), MSG_DONTWAIT), sizeof(text) - 1);
    assert_string_equal(told, text);
    close(sockets[0]);
    close(sockets[1]);
}

static void loopback_is_let_in_by_protected_mode_with_its_options_set(void **state)
{
    struct listener tcp_listener = {-1, 0};
    socklen_t size = sizeof(int);
    int sockets[2], value = 0;

    (void)state;
    config.protected_mode = 1;
    assert_int_equal(acl_set_default_password(""), 0);
    config.tcp_keepalive = 300;
    tcp_pair(sockets);
    assert_int_equal(listener_admit(&tcp_listener, sockets[1], 0), 1);
    assert_int_equal(getsockopt(sockets[1], IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    assert_int_not_equal(value, 0);
    assert_int_equal(getsockopt(sockets[1], SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    assert_int_not_equal(value, 0);
    assert_int_equal(getsockopt(sockets[1], IPPROTO_TCP, TCP_KEEPIDLE, &value, &size), 0);
    assert_int_equal(value, 300);
    close(sockets[0]);
    close(sockets[1]);
}

static void others_are_told_what_protected_mode_is(void **state)
{
    struct listener tcp_listener = {-1, 0};
    char told[2048] = "";
    int sockets[2];

    (void)state;
    config.protected_mode = 1;
    assert_int_equal(acl_set_default_password(""), 0);
    /* A unix socket that came in by a TCP listener has no loopback address: that is all that is asked. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    assert_int_equal(listener_admit(&tcp_listener, sockets[0], 0), 0);
    assert_true(recv(sockets[1], told, sizeof(told) - 1, MSG_DONTWAIT) > 0);
    assert_memory_equal(told, "-DENIED ", 8);
    assert_string_equal(told + strlen(told) - 2, "\r\n");
    assert_int_equal(acl_set_default_password("x"), 0);
    assert_int_equal(listener_admit(&tcp_listener, sockets[0], 0), 1);
    assert_int_equal(acl_set_default_password(""), 0);
    config.protected_mode = 0;
    assert_int_equal(listener_admit(&tcp_listener, sockets[0], 0), 1);
    close(sockets[0]);
    close(sockets[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_port_is_listened_on, begin, end),
        cmocka_unit_test_setup_teardown(a_taken_port_is_named_and_nothing_stays_open, begin, end),
        cmocka_unit_test_setup_teardown(an_address_that_is_not_ours_is_an_error_unless_marked_optional, begin, end),
        cmocka_unit_test_setup_teardown(a_unix_socket_has_its_permissions_and_goes_with_the_server, begin, end),
        cmocka_unit_test_setup_teardown(a_socket_left_over_from_a_crash_is_replaced, begin, end),
        cmocka_unit_test_setup_teardown(a_socket_that_somebody_answers_at_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_socket_is_left_alone, begin, end),
        cmocka_unit_test_setup_teardown(a_path_that_is_too_long_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(clients_beyond_maxclients_are_told_and_refused, begin, end),
        cmocka_unit_test_setup_teardown(loopback_is_let_in_by_protected_mode_with_its_options_set, begin, end),
        cmocka_unit_test_setup_teardown(others_are_told_what_protected_mode_is, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
