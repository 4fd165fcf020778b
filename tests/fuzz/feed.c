/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * feed.c - main of a fuzz target where there is no libFuzzer: runs it on each file of the directories that are named
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_SIZE_MAX (1u << 20)

static int feed_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* not fopen, which a target may have wrapped */
    uint8_t *data = malloc(INPUT_SIZE_MAX), *exact;
    ssize_t got = fd < 0 || data == NULL ? -1 : read(fd, data, INPUT_SIZE_MAX);
    size_t size = (size_t)got;

    if (got < 0) {
        perror(path);
        exit(2);
    }
    (void)close(fd);
    (void)fprintf(stderr, "%s\n", path); /* the last line names the one that failed */
    exact = malloc(size == 0 ? 1 : size); /* so that a sanitizer sees a read behind it */
    if (exact == NULL)
        exit(2);
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(data);
    return 1;
}

static int feed_directory(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort), fed = 0;

    if (count < 0) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        struct stat facts;

        (void)snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (stat(name, &facts) == 0 && S_ISREG(facts.st_mode))
            fed += feed_file(name);
        free(entries[i]);
    }
    free(entries);
    return fed;
}

int main(int argc, char **argv)
{
    int fed = 0;

    for (int i = 1; i < argc; i++) {
        struct stat facts;

        if (stat(argv[i], &facts) == 0 && S_ISDIR(facts.st_mode))
            fed += feed_directory(argv[i]);
        else
            fed += feed_file(argv[i]);
    }
    (void)printf("%d inputs\n", fed);
    return fed > 0 ? 0 : 1;
}
