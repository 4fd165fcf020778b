/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_config.c - the configuration file: any bytes are read or refused with the line, and what was read can be told again
 *
 * The file is a memfd. Every other file that it names (include) is kept from it by a wrapped fopen; itself it may include.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "config_option.h"
#include "fuzz.h"
#include "split.h"

static char path[64];
static int fd = -1;
static int reading; /* libFuzzer's own files are none of ours */

FILE *__wrap_fopen(const char *name, const char *mode);
FILE *__real_fopen(const char *name, const char *mode);

FILE *__wrap_fopen(const char *name, const char *mode)
{
    return !reading || strcmp(name, path) == 0 ? __real_fopen(name, mode) : NULL;
}

static void write_file(const uint8_t *data, size_t size)
{
    if (fd < 0) {
        fd = memfd_create("configuration", MFD_CLOEXEC);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "memfd");
}

/* Whatever bytes a word has: quoted, it is read as the same word. */
static void split_quoted(const uint8_t *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char line[4 * 256 + 3], *at = line, *words[2];

    size = size < 256 ? size : 256;
    *at++ = '"';
    for (size_t i = 0; i < size && data[i] != 0; i++) {
        if (data[i] >= 0x80 || strchr("\"\\\n\r", data[i]) != NULL) {
            *at++ = '\\';
            *at++ = 'x';
            *at++ = digits[data[i] >> 4];
            *at++ = digits[data[i] & 15];
        } else {
            *at++ = (char)data[i];
        }
    }
    *at++ = '"';
    *at = '\0';
    FUZZ_CHECK(split_words(line, words, 2) == 1, "%s", line);
    FUZZ_CHECK(strncmp(words[0], (const char *)data, size) == 0, "%s", line);
    free(words[0]);
}

/* What every option says of itself it also takes, and says again. */
static void tell_and_set(void)
{
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *option = config_option_at(i);
        char *words[CONFIG_WORDS_MAX] = {NULL}, *text = config_option_text(option), *again;
        const char *error = "";
        int count = 1;

        FUZZ_CHECK(text != NULL, "%s", option->name);
        if (option->flags & (OPTION_CONSTANT | OPTION_REPEATS)) {
            free(text);
            continue;
        }
        words[0] = text;
        if (option->flags & OPTION_WORDS &&
            text[0] != '\0') /* nothing is one empty word, as CONFIG REWRITE writes it */
            count = split_words(text, words, CONFIG_WORDS_MAX);
        FUZZ_CHECK(count >= 0 && config_option_set(option, words, count, &error) == 0, "%s %s: %s", option->name, text,
                   error);
        again = config_option_text(option);
        FUZZ_CHECK(again != NULL && strcmp(text, again) == 0, "%s: %s, %s", option->name, text, again);
        if (words[0] != text)
            free(words[0]);
        free(again);
        free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[512] = "";

    if (size == 0)
        return 0;
    write_file(data, size);
    split_quoted(data, size);
    FUZZ_CHECK(config_init() == 0, "config_init");
    reading = 1;
    int result = config_read_file(path, error, sizeof(error));
    reading = 0;
    FUZZ_CHECK(result == 0 || result == -1, "%d", result);
    FUZZ_CHECK((result == 0) == (error[0] == '\0'), "%d, %s", result, error);
    if (result != 0)
        FUZZ_CHECK(strncmp(error, path, strlen(path)) == 0 && error[strlen(path)] == ':', "no place: %s", error);
    tell_and_set();
    config_free();
    return 0;
}
