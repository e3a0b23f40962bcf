// SPDX-License-Identifier: Apache-2.0
// The state of zlib's streams, whose layout callers share with the library. Nothing is linked, and no header of zlib is needed:
// this layout has not changed since 1995.
#pragma once

/// z_stream of zlib.h.
typedef struct {
    const unsigned char *next_in;
    unsigned int available_in;
    unsigned long total_in;
    unsigned char *next_out;
    unsigned int available_out;
    unsigned long total_out;
    const char *message;
    void *state;
    void *allocate, *release, *opaque;
    int data_type;
    unsigned long check;
    unsigned long reserved;
} zlib_stream;
