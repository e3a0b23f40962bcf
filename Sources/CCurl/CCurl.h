// SPDX-License-Identifier: Apache-2.0
// What Swift cannot call of libcurl: a function with variable arguments. Callers pass the address that they have looked up, so
// nothing is linked, and no header of libcurl is needed to build: its interface has been binary compatible since 2006.
#pragma once
#include <stddef.h>

/// Receives bytes of a body, or a line of a header; returns `size * count` to continue.
typedef size_t (*curl_receiver)(char *bytes, size_t size, size_t count, void *context);

/// curl_easy_setopt for options whose value is a number.
static inline int curl_set_number(void *easy_setopt, void *handle, int option, long value) {
    return ((int (*)(void *, int, ...))easy_setopt)(handle, option, value);
}

/// curl_easy_setopt for options whose value is a text, a list or any other address.
static inline int curl_set_pointer(void *easy_setopt, void *handle, int option, const void *value) {
    return ((int (*)(void *, int, ...))easy_setopt)(handle, option, value);
}

/// curl_easy_setopt for options whose value is a function.
static inline int curl_set_receiver(void *easy_setopt, void *handle, int option, curl_receiver value) {
    return ((int (*)(void *, int, ...))easy_setopt)(handle, option, value);
}

/// CURLMsg: kind 1 says that a transfer has ended, with a CURLcode.
typedef struct {
    int kind;
    void *handle;
    union {
        void *other;
        int code;
    } data;
} curl_message;
