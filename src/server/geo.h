/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * geo.h - places on the earth as numbers: the geohash of 52 bits that Redis uses as the score of a place
 *
 * A longitude and a latitude become 26 bits each, by how far they lie into their range; the bits of the two alternate, the longitude's
 * first. So what has its first bits in common lies in one cell, and a cell is a range of scores. A search goes through the cell that its
 * middle is in and the eight around it, of a size that they cover what is searched. Pure.
 */
#ifndef SDB_SERVER_GEO_H
#define SDB_SERVER_GEO_H

#include <stdint.h>

#define GEO_LONGITUDE_MAX 180.0
#define GEO_LATITUDE_MAX 85.05112878 /* where Mercator's map ends */
#define GEO_TEXT_SIZE 11
#define GEO_CELLS_MAX 9

struct geo_place {
    double longitude, latitude;
};

/* What is searched: everything within a radius, or a box. */
struct geo_shape {
    struct geo_place middle;
    int is_box;
    double radius, width, height; /* in the unit */
    double unit;                  /* metres */
};

/* A range of scores, from min to before max. */
struct geo_cell {
    double min, max;
};

/* The score of a place, and the middle of the smallest cell that a score stands for. */
uint64_t geo_score(const struct geo_place *place);
struct geo_place geo_place_of(double score);

/* The text that geohash.org uses: 11 characters, of which the last is always 0. */
void geo_text(double score, char text[GEO_TEXT_SIZE]);

/* Metres between two places, on a sphere. */
double geo_distance(const struct geo_place *from, const struct geo_place *to);

/* Whether the place lies in the shape. *distance: from its middle, in metres, where it does. */
int geo_is_within(const struct geo_shape *shape, const struct geo_place *place, double *distance);

/* The cells that the shape may touch, in the order in which Redis goes through them. Gives their number. */
int geo_cells(const struct geo_shape *shape, struct geo_cell cells[GEO_CELLS_MAX]);

#endif
