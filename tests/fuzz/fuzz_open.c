/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_open.c - pools with changed bytes and with forged words: opened, checked, read, written to, closed
 *
 * Input: flags, then changes (places.h). Flags: 1: the image of a crash; 2: for reading only; 4: with the hot-handle cache;
 * 8: it is written to; 16: and opened a second time.
 * Holds: no error but those that say what is wrong; nothing crashes or loops; where single bytes were changed, and every check
 * can tell, what is read was written.
 */
#include "fuzz.h"
#include "image.h"
#include "places.h"
#include "tenant.h"

#define PATCHES_MAX 24
#define UNIT 32u /* of the medium: an entry. Two changed bytes in one check's reach may cancel */

static struct image *images[2];
static struct places places[2];

static void prepare(void)
{
    for (int i = 0; i < 2; i++) {
        images[i] = image_make(2, tenant_fill, i == 1);
        places_find(&places[i], images[i]);
    }
}

static void check_error(int error)
{
    FUZZ_CHECK(error == SDB_ECORRUPT || error == SDB_EFORMAT || error == SDB_EVERSION || error == SDB_EREADONLY ||
                   error == SDB_ENOMEM || error == SDB_EFAILED,
               "%s (%s)", sdb_strerror(error), sdb_last_error());
    FUZZ_CHECK(error == SDB_ENOMEM || sdb_last_error()[0] != '\0', "%s: no words", sdb_strerror(error));
}

static void use(struct image *image, unsigned flags, enum tenant_belief belief)
{
    struct sdb_options options = SDB_OPTIONS_INIT;
    struct sdb_pool *pool;

    options.flags = flags & 2 ? SDB_READONLY : 0;
    options.cache_size = flags & 4 ? 1 << 16 : 0;
    int error = sdb_open(image->path, &options, &pool);
    if (error != SDB_OK) {
        check_error(error);
        return;
    }
    tenant_read(pool, belief);
    if (flags & 8) {
        tenant_write(pool);
        tenant_read(pool, TENANT_ANY);
    }
    FUZZ_CHECK(sdb_close(pool) == SDB_OK, "close");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned flags = (unsigned)fuzz_take(&input, 1), which = flags & 1;

    if (images[0] == NULL)
        prepare();
    struct image *image = images[which];
    enum tenant_belief belief = which ? TENANT_VERSIONS : TENANT_NEWEST;
    uint64_t units[PATCHES_MAX];
    unsigned count = 0;

    image_use(image);
    for (; input.size > 0 && count < PATCHES_MAX; count++) {
        if (places_patch(&places[which], image, &input, &units[count]))
            belief = TENANT_ANY;
        units[count] /= UNIT;
        for (unsigned i = 0; i < count; i++)
            belief = units[i] == units[count] ? TENANT_ANY : belief;
    }
    use(image, flags, belief);
    if (flags & 16)
        use(image, flags, (flags & 8) ? TENANT_ANY : belief);
    image_restore(image);
    return 0;
}
