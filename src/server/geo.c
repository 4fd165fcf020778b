/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * geo.c - places on the earth as numbers
 * Threads: any. Memory: none.
 */
#include "geo.h"

#include <math.h>

#define STEPS_MAX 26                 /* bits of a coordinate */
#define EARTH_RADIUS 6372797.560856  /* metres: what Redis takes, to the same distances */
#define MERCATOR_HALF 20037726.37    /* metres from the map's middle to its edge */

/* A cell: its coordinates, counted in cells of its size. */
struct cell {
    uint32_t longitude, latitude;
    int steps;
};

struct bounds {
    double west, south, east, north; /* degrees */
};

static double radians(double degrees)
{
    return degrees * (M_PI / 180.0);
}

static double degrees(double radians_)
{
    return radians_ / (M_PI / 180.0);
}

/* ---- bits ------------------------------------------------------------------------------------------------------------- */

/* Bits apart: 0, then a zero, 1, then a zero, ... One more than STEPS_MAX is there at the map's very edge. */
static uint64_t spread(uint32_t bits)
{
    uint64_t result = 0;

    for (int i = 0; i <= STEPS_MAX; i++)
        result |= (uint64_t)(bits >> i & 1) << (2 * i);
    return result;
}

static uint32_t gather(uint64_t bits)
{
    uint32_t result = 0;

    for (int i = 0; i <= STEPS_MAX; i++)
        result |= (uint32_t)(bits >> (2 * i) & 1) << i;
    return result;
}

static uint64_t bits_of(const struct cell *cell)
{
    return spread(cell->latitude) | spread(cell->longitude) << 1;
}

static struct cell cell_at(const struct geo_place *place, double latitude_max, int steps)
{
    const double size = (double)(1ull << steps);

    return (struct cell){(uint32_t)((place->longitude + GEO_LONGITUDE_MAX) / (2 * GEO_LONGITUDE_MAX) * size),
                         (uint32_t)((place->latitude + latitude_max) / (2 * latitude_max) * size), steps};
}

static struct bounds bounds_of(const struct cell *cell)
{
    const double size = (double)(1ull << cell->steps);

    return (struct bounds){
        -GEO_LONGITUDE_MAX + cell->longitude / size * (2 * GEO_LONGITUDE_MAX),
        -GEO_LATITUDE_MAX + cell->latitude / size * (2 * GEO_LATITUDE_MAX),
        -GEO_LONGITUDE_MAX + (cell->longitude + 1) / size * (2 * GEO_LONGITUDE_MAX),
        -GEO_LATITUDE_MAX + (cell->latitude + 1) / size * (2 * GEO_LATITUDE_MAX),
    };
}

uint64_t geo_score(const struct geo_place *place)
{
    const struct cell cell = cell_at(place, GEO_LATITUDE_MAX, STEPS_MAX);

    return bits_of(&cell);
}

static double within(double value, double max)
{
    return value > max ? max : value < -max ? -max : value;
}

struct geo_place geo_place_of(double score)
{
    /* Any sorted set can be asked for places: what is no number of 52 bits is some place, too. */
    const uint64_t bits = score >= 0 && score < 0x1p63 ? (uint64_t)score : 0;
    const struct cell cell = {gather(bits >> 1), gather(bits), STEPS_MAX};
    const struct bounds bounds = bounds_of(&cell);

    return (struct geo_place){within((bounds.west + bounds.east) / 2, GEO_LONGITUDE_MAX),
                              within((bounds.south + bounds.north) / 2, GEO_LATITUDE_MAX)};
}

void geo_text(double score, char text[GEO_TEXT_SIZE])
{
    static const char alphabet[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    const struct geo_place place = geo_place_of(score);
    const struct cell cell = cell_at(&place, 90, STEPS_MAX); /* the whole earth */
    const uint64_t bits = bits_of(&cell);

    for (int i = 0; i < GEO_TEXT_SIZE - 1; i++)
        text[i] = alphabet[bits >> (52 - 5 * (i + 1)) & 31];
    text[GEO_TEXT_SIZE - 1] = '0'; /* two bits are left: not enough */
}

/* ---- distances -------------------------------------------------------------------------------------------------------- */

static double latitude_distance(double from, double to)
{
    return EARTH_RADIUS * fabs(radians(to) - radians(from));
}

/* The haversine formula. */
double geo_distance(const struct geo_place *from, const struct geo_place *to)
{
    const double v = sin((radians(to->longitude) - radians(from->longitude)) / 2);
    double latitude, other, u;

    if (v == 0)
        return latitude_distance(from->latitude, to->latitude);
    latitude = radians(from->latitude);
    other = radians(to->latitude);
    u = sin((other - latitude) / 2);
    return 2 * EARTH_RADIUS * asin(sqrt(u * u + cos(latitude) * cos(other) * v * v));
}

int geo_is_within(const struct geo_shape *shape, const struct geo_place *place, double *distance)
{
    const struct geo_place beside = {shape->middle.longitude, place->latitude};

    if (shape->is_box) {
        if (latitude_distance(place->latitude, shape->middle.latitude) > shape->height * shape->unit / 2 ||
            geo_distance(place, &beside) > shape->width * shape->unit / 2)
            return 0;
        *distance = geo_distance(&shape->middle, place);
        return 1;
    }
    *distance = geo_distance(&shape->middle, place);
    return *distance <= shape->radius * shape->unit;
}

/* ---- cells ------------------------------------------------------------------------------------------------------------ */

/* Into how many bits a coordinate is taken, so that a cell is about as large as the radius; larger towards the poles. */
static int steps_for(double radius, double latitude)
{
    int steps = 1;

    if (radius == 0)
        return STEPS_MAX;
    while (radius < MERCATOR_HALF) {
        radius *= 2;
        steps++;
    }
    steps -= 2;
    if (fabs(latitude) > 66)
        steps -= fabs(latitude) > 80 ? 2 : 1;
    return steps < 1 ? 1 : steps > STEPS_MAX ? STEPS_MAX : steps;
}

static struct bounds box_around(const struct geo_shape *shape)
{
    const double height = shape->unit * (shape->is_box ? shape->height / 2 : shape->radius);
    const double width = shape->unit * (shape->is_box ? shape->width / 2 : shape->radius);
    const double up = degrees(height / EARTH_RADIUS);
    const double latitude = shape->middle.latitude < 0 ? shape->middle.latitude - up : shape->middle.latitude + up;
    const double aside = degrees(width / EARTH_RADIUS / cos(radians(latitude)));

    return (struct bounds){shape->middle.longitude - aside, shape->middle.latitude - up, shape->middle.longitude + aside,
                           shape->middle.latitude + up};
}

/* So many cells to the east and to the north, around the edges. */
static struct cell neighbour(const struct cell *cell, int east, int north)
{
    const uint32_t mask = (uint32_t)((1ull << cell->steps) - 1);

    return (struct cell){east == 0 ? cell->longitude : (cell->longitude + (uint32_t)east) & mask,
                         north == 0 ? cell->latitude : (cell->latitude + (uint32_t)north) & mask, cell->steps};
}

/* Whether a cell and its neighbours are too small for the box. */
static int reaches_beyond(const struct cell *cell, const struct bounds *box)
{
    const struct cell east = neighbour(cell, 1, 0), west = neighbour(cell, -1, 0);
    const struct cell north = neighbour(cell, 0, 1), south = neighbour(cell, 0, -1);

    return bounds_of(&north).north < box->north || bounds_of(&south).south > box->south || bounds_of(&east).east < box->east ||
           bounds_of(&west).west > box->west;
}

static struct geo_cell scores_of(const struct cell *cell)
{
    const int shift = 2 * (STEPS_MAX - cell->steps);
    const uint64_t bits = bits_of(cell);

    return (struct geo_cell){(double)(bits << shift), (double)((bits + 1) << shift)};
}

int geo_cells(const struct geo_shape *shape, struct geo_cell cells[GEO_CELLS_MAX])
{
    static const struct {
        int east, north;
    } around[GEO_CELLS_MAX] = {{0, 0}, {0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
    const struct bounds box = box_around(shape);
    const double radius = shape->is_box ? sqrt(shape->width / 2 * (shape->width / 2) + shape->height / 2 * (shape->height / 2))
                                        : shape->radius;
    int steps = steps_for(radius * shape->unit, shape->middle.latitude), count = 0;
    struct cell middle = cell_at(&shape->middle, GEO_LATITUDE_MAX, steps);
    struct bounds bounds;

    if (steps > 1 && reaches_beyond(&middle, &box))
        middle = cell_at(&shape->middle, GEO_LATITUDE_MAX, --steps);
    bounds = bounds_of(&middle);
    for (int i = 0; i < GEO_CELLS_MAX; i++) {
        const int east = around[i].east, north = around[i].north;
        const struct cell cell = neighbour(&middle, east, north);

        if (steps >= 2 && ((north < 0 && bounds.south < box.south) || (north > 0 && bounds.north > box.north) ||
                           (east < 0 && bounds.west < box.west) || (east > 0 && bounds.east > box.east)))
            continue;
        cells[count] = scores_of(&cell);
        /* Of few and large cells neighbours may be the same one. */
        if (count < 2 || cells[count].min != cells[count - 1].min)
            count++;
    }
    return count;
}
