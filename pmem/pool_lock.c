/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_lock.c - the lock of a pool's writer, or of its readers
 *
 * Media:   none: locks live in the kernel
 * Threads: any
 * Memory:  none is allocated
 */
#include "pool_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "superdb/superdb.h"

static struct flock lock_of_byte(short type, off_t at)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
}

static int name_holder(int fd, const char *path)
{
    struct flock who = lock_of_byte(F_WRLCK, 1);

    if (fcntl(fd, F_GETLK, &who) == 0 && who.l_type != F_UNLCK && who.l_pid > 0)
        error_set("%s: locked by process %d", path, (int)who.l_pid);
    else
        error_set("%s: locked by a process whose number cannot be told", path);
    return SDB_ELOCKED;
}

int pool_lock_take(int fd, const char *path)
{
    struct flock exclusion = lock_of_byte(F_WRLCK, 0);
    struct flock name = lock_of_byte(F_WRLCK, 1);

    if (fcntl(fd, F_OFD_SETLK, &exclusion) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return name_holder(fd, path);
        error_set("%s: cannot be locked: %s", path, strerror(errno));
        return SDB_EIO;
    }
    (void)fcntl(fd, F_SETLK, &name); /* only a name: see the header */
    return 0;
}

int pool_lock_share(int fd, const char *path)
{
    struct flock share = lock_of_byte(F_RDLCK, 0);
    struct flock name = lock_of_byte(F_RDLCK, 1);

    if (fcntl(fd, F_OFD_SETLK, &share) != 0 && (errno == EAGAIN || errno == EACCES))
        return name_holder(fd, path);
    (void)fcntl(fd, F_SETLK, &name);
    return 0;
}

void pool_lock_drop(int fd)
{
    struct flock exclusion = lock_of_byte(F_UNLCK, 0);

    (void)fcntl(fd, F_OFD_SETLK, &exclusion);
}
