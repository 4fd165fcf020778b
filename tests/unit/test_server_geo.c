/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_geo.c - places as numbers: there and back, and cells that cover what is searched
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "geo.h"

static double between(double least, double most)
{
    return least + (most - least) * ((double)random() / (double)RAND_MAX);
}

static struct geo_place any_place(double latitude_max)
{
    return (struct geo_place){between(-180, 180), between(-latitude_max, latitude_max)};
}

static void a_known_place_has_its_number_and_text(void **state)
{
    const struct geo_place palermo = {13.361389, 38.115556}, catania = {15.087269, 37.502669};
    char text[GEO_TEXT_SIZE];

    (void)state;
    assert_int_equal(geo_score(&palermo), 3479099956230698);
    assert_int_equal(geo_score(&catania), 3479447370796909);
    geo_text((double)geo_score(&palermo), text);
    assert_memory_equal(text, "sqc8b49rny0", GEO_TEXT_SIZE);
    assert_true(fabs(geo_distance(&palermo, &catania) - 166274) < 1);
    assert_true(geo_distance(&palermo, &palermo) == 0);
}

static void a_place_comes_back_within_a_metre(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) {
        const struct geo_place place = any_place(85);
        const struct geo_place back = geo_place_of((double)geo_score(&place));

        assert_true(geo_distance(&place, &back) < 1);
        assert_int_equal(geo_score(&back), geo_score(&place));
    }
}

static void any_score_is_some_place(void **state)
{
    static const double scores[] = {-1, -INFINITY, INFINITY, 1e300, 0x1p63, 0.5, 4503599627370496.0};

    (void)state;
    for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++) {
        const struct geo_place place = geo_place_of(scores[i]);

        assert_true(fabs(place.longitude) <= GEO_LONGITUDE_MAX && fabs(place.latitude) <= GEO_LATITUDE_MAX);
    }
}

static int is_covered(const struct geo_cell *cells, int count, double score)
{
    for (int i = 0; i < count; i++)
        if (score >= cells[i].min && score < cells[i].max)
            return 1;
    return 0;
}

/* Away from the poles and the map's edge. */
static void cells_cover_what_is_in_the_shape(void **state)
{
    int met = 0;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct geo_shape shape = {.middle = {between(-120, 120), between(-55, 55)}, .is_box = i % 2, .unit = i % 3 ? 1 : 1000};
        struct geo_cell cells[GEO_CELLS_MAX];
        int count;

        shape.radius = pow(10, between(0, 6)) / shape.unit;
        shape.width = pow(10, between(1, 6)) / shape.unit;
        shape.height = pow(10, between(1, 6)) / shape.unit;
        count = geo_cells(&shape, cells);
        assert_in_range(count, 1, GEO_CELLS_MAX);
        for (int j = 0; j < 100; j++) {
            const double reach = (shape.is_box ? fmax(shape.width, shape.height) : shape.radius) * shape.unit / 100000;
            struct geo_place place = {shape.middle.longitude + between(-reach, reach), shape.middle.latitude + between(-reach, reach)};
            double distance;

            if (fabs(place.latitude) > 85 || !geo_is_within(&shape, &place, &distance))
                continue;
            met++;
            assert_true(distance >= 0);
            assert_true(is_covered(cells, count, (double)geo_score(&place)));
        }
    }
    assert_true(met > 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_place_has_its_number_and_text),
        cmocka_unit_test(a_place_comes_back_within_a_metre),
        cmocka_unit_test(any_score_is_some_place),
        cmocka_unit_test(cells_cover_what_is_in_the_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
