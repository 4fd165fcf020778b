/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cases.c - the commands of types, and how they are written
 */
#include "cases.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Of 1,000 elements: no server keeps them packed. Of 10 and of 20: each does. What is taken from is one large collection. */
const struct fill fills[] = {
    {"list", "RPUSH list:$k", "v:$e", NULL, 1000, 1000, 100, 0},
    {"list_small", "RPUSH list_small:$k", "v:$e", NULL, 20000, 10, 10, 0},
    {"list_taken", "RPUSH list_taken:$k", "v:$e", NULL, 1, 500000, 100, 0},
    {"set", "SADD set:$k", "m:$e", NULL, 1000, 1000, 100, 0},
    {"set_ints", "SADD set_ints:$k", "$d", NULL, 2000, 500, 100, 0},
    {"set_taken", "SADD set_taken:$k", "m:$e", NULL, 1, 500000, 100, 0},
    {"set_pair", "SADD set_pair:$k", "m:$e", NULL, 100, 1000, 100, 0},
    {"set_other", "SADD set_other:$k", "m:$e", NULL, 100, 1000, 100, 500},
    {"hash", "HSET hash:$k", "f:$e $v", NULL, 1000, 1000, 100, 0},
    {"hash_small", "HSET hash_small:$k", "f:$e $v", NULL, 20000, 20, 20, 0},
    {"hash_numbers", "HSET hash_numbers:$k", "f:$e $d", NULL, 1000, 1000, 100, 0},
    {"zset", "ZADD zset:$k", "$s m:$e", NULL, 1000, 1000, 100, 0},
    {"zset_small", "ZADD zset_small:$k", "$s m:$e", NULL, 20000, 10, 10, 0},
    {"zset_taken", "ZADD zset_taken:$k", "$s m:$e", NULL, 1, 500000, 100, 0},
    {"hyperloglog", "PFADD hyperloglog:$k", "e:$e", NULL, 1000, 1000, 100, 0},
    {"geo", "GEOADD geo:$k", "$x $y p:$e", NULL, 100, 10000, 100, 0},
    {"stream", "XADD stream:$k", "$d-1 f:0000000000 $v", NULL, 200, 1000, 1, 100000},
    {"stream_read", "XADD stream_read:$k", "$d-1 f:0000000000 $v", "XGROUP CREATE stream_read:$k g 0", 1, 200000, 1, 100000},
    {"stream_acked", "XADD stream_acked:$k", "$d-1 f:0000000000 $v",
     "XGROUP CREATE stream_acked:$k g 0;XREADGROUP GROUP g c STREAMS stream_acked:$k >", 1, 200000, 1, 100000},
};
const size_t fill_count = sizeof fills / sizeof fills[0];

const struct type_case type_cases[] = {
    {"lpush", "list", "list", "LPUSH list:$k v:$n", CASE_WRITES},
    {"rpush", "list", "list", "RPUSH list:$k v:$n", CASE_WRITES},
    {"lpop", "list", "list_taken", "LPOP list_taken:$k", CASE_WRITES | CASE_TAKES},
    {"lrange_100", "list", "list", "LRANGE list:$k $r $t", 0},
    {"lindex_middle", "list", "list", "LINDEX list:$k 500", 0},
    {"lset_small", "list", "list_small", "LSET list_small:$k 5 v:$n", CASE_WRITES},
    {"sadd_new", "set", "set", "SADD set:$k m:$n", CASE_WRITES},
    {"sismember", "set", "set", "SISMEMBER set:$k m:$e", 0},
    {"sismember_ints", "set", "set_ints", "SISMEMBER set_ints:$k $d", 0},
    {"spop", "set", "set_taken", "SPOP set_taken:$k", CASE_WRITES | CASE_TAKES},
    {"sinter_1000", "set", "set_pair,set_other", "SINTER set_pair:$k set_other:$k", CASE_HEAVY},
    {"hset", "hash", "hash", "HSET hash:$k f:$e $v", CASE_WRITES},
    {"hset_new", "hash", "hash", "HSET hash:$k f:$n $v", CASE_WRITES},
    {"hset_small", "hash", "hash_small", "HSET hash_small:$k f:$e $v", CASE_WRITES},
    {"hget", "hash", "hash", "HGET hash:$k f:$e", 0},
    {"hget_small", "hash", "hash_small", "HGET hash_small:$k f:$e", 0},
    {"hincrby", "hash", "hash_numbers", "HINCRBY hash_numbers:$k f:$e 7", CASE_WRITES},
    {"hgetall_20", "hash", "hash_small", "HGETALL hash_small:$k", 0},
    {"zadd", "sorted set", "zset", "ZADD zset:$k $s m:$e", CASE_WRITES},
    {"zadd_new", "sorted set", "zset", "ZADD zset:$k $s m:$n", CASE_WRITES},
    {"zadd_small", "sorted set", "zset_small", "ZADD zset_small:$k $s m:$e", CASE_WRITES},
    {"zincrby", "sorted set", "zset", "ZINCRBY zset:$k 3 m:$e", CASE_WRITES},
    {"zscore", "sorted set", "zset", "ZSCORE zset:$k m:$e", 0},
    {"zrank", "sorted set", "zset", "ZRANK zset:$k m:$e", 0},
    {"zrange_100", "sorted set", "zset", "ZRANGE zset:$k $r $t", 0},
    {"zpopmin", "sorted set", "zset_taken", "ZPOPMIN zset_taken:$k", CASE_WRITES | CASE_TAKES},
    {"pfadd", "hyperloglog", "hyperloglog", "PFADD hyperloglog:$k e:$n", CASE_WRITES},
    {"geosearch", "geo", "geo", "GEOSEARCH geo:$k FROMLONLAT $x $y BYRADIUS 20 km", CASE_HEAVY},
    {"xadd", "stream", "stream", "XADD stream:$k * f:0000000000 $v", CASE_WRITES},
    {"xadd_maxlen", "stream", "stream", "XADD stream:$k MAXLEN = 1000 * f:0000000000 $v", CASE_WRITES},
    {"xrange_100", "stream", "stream", "XRANGE stream:$k $d + COUNT 100", 0},
    {"xreadgroup", "stream", "stream_read", "XREADGROUP GROUP g c COUNT 1 STREAMS stream_read:$k >", CASE_WRITES | CASE_TAKES},
    {"xack", "stream", "stream_acked", "XACK stream_acked:$k g $d-1", CASE_WRITES | CASE_TAKES},
};
const size_t type_case_count = sizeof type_cases / sizeof type_cases[0];

const struct fill *fill_find(const char *name)
{
    size_t size = strcspn(name, ",");

    for (size_t i = 0; i < fill_count; i++)
        if (strlen(fills[i].name) == size && !memcmp(fills[i].name, name, size))
            return &fills[i];
    return NULL;
}

void case_words_split(struct case_words *words, const char *text)
{
    assert(strlen(text) < sizeof words->text);
    snprintf(words->text, sizeof words->text, "%s", text);
    words->count = 0;
    for (char *word = strtok(words->text, " "); word; word = strtok(NULL, " ")) {
        assert(words->count < CASE_WORDS_MAX);
        words->words[words->count++] = word;
    }
}

/* What a letter behind $ stands for; returns its size. */
static int write_part(char letter, const struct fill *fill, struct case_numbers *numbers, char *out)
{
    uint64_t span = fill->elements > CASE_RANGE ? fill->elements - CASE_RANGE : 1;

    switch (letter) {
    case 'k':
        return sprintf(out, "%06llu", (unsigned long long)numbers->key);
    case 'e':
        return sprintf(out, "%010llu", (unsigned long long)numbers->element);
    case 'n':
        return sprintf(out, "%010llu", (unsigned long long)numbers->fresh++);
    case 'd':
        return sprintf(out, "%llu", (unsigned long long)numbers->element);
    case 'r':
        return sprintf(out, "%llu", (unsigned long long)(numbers->element % span));
    case 't':
        return sprintf(out, "%llu", (unsigned long long)(numbers->element % span + CASE_RANGE - 1));
    case 's':
        return sprintf(out, "%llu", (unsigned long long)(random64(&numbers->state) % 1000000));
    case 'x':
        return sprintf(out, "%.6f", 10 + (double)(random64(&numbers->state) % 10000000) / 1e6);
    case 'y':
        return sprintf(out, "%.6f", 40 + (double)(random64(&numbers->state) % 10000000) / 1e6);
    default:
        assert(letter == 'v');
        text_value(numbers->element, (uint32_t)(random64(&numbers->state) % 26), out, 16);
        return 16;
    }
}

size_t case_words_write(const struct case_words *words, const struct fill *fill, struct case_numbers *numbers, char *out)
{
    char *start = out;

    for (uint32_t i = 0; i < words->count; i++) {
        char word[CASE_REQUEST_MAX / CASE_WORDS_MAX] = "";
        int size = 0;

        for (const char *at = words->words[i]; *at; at++) {
            if (*at == '$')
                size += write_part(*++at, fill, numbers, word + size);
            else
                word[size++] = *at;
        }
        out += sprintf(out, "$%d\r\n%.*s\r\n", size, size, word);
    }
    return (size_t)(out - start);
}

size_t case_command_write(const struct case_words *words, const struct fill *fill, struct case_numbers *numbers, char *out)
{
    size_t header = (size_t)sprintf(out, "*%u\r\n", words->count);

    return header + case_words_write(words, fill, numbers, out + header);
}
