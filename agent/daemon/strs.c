/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/strs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool take(struct strs *strs, char *take_text, struct err *err)
{
    if (take_text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (strs->count >= STRS_MAX) {
        free(take_text);
        return err_set(err, ERR_LIMIT, 0, "more than %d texts in one list", STRS_MAX);
    }
    char **items = realloc(strs->items, (strs->count + 1) * sizeof(*items));
    if (items == NULL) {
        free(take_text);
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    strs->items = items;
    strs->items[strs->count++] = take_text;
    return true;
}

bool strs_add(struct strs *strs, const char *text, struct err *err)
{
    return take(strs, strdup(text), err);
}

bool strs_printf(struct strs *strs, struct err *err, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    return take(strs, len < 0 ? NULL : text, err);
}

bool strs_has(const struct strs *strs, const char *text)
{
    for (size_t i = 0; i < strs->count; i++) {
        if (strcmp(strs->items[i], text) == 0)
            return true;
    }
    return false;
}

bool strs_add_once(struct strs *strs, const char *text, struct err *err)
{
    return strs_has(strs, text) || strs_add(strs, text, err);
}

bool strs_copy(struct strs *ret_strs, const struct strs *from, struct err *err)
{
    struct strs copy = {NULL, 0};

    for (size_t i = 0; i < from->count; i++) {
        if (!strs_add(&copy, from->items[i], err)) {
            strs_free(&copy);
            return false;
        }
    }
    strs_free(ret_strs);
    *ret_strs = copy;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strs_sort(struct strs *strs)
{
    if (strs->count > 1)
        qsort(strs->items, strs->count, sizeof(*strs->items), compare);
}

void strs_free(struct strs *strs)
{
    for (size_t i = 0; i < strs->count; i++)
        free(strs->items[i]);
    free(strs->items);
    *strs = (struct strs){NULL, 0};
}

bool strs_dup(char **ret_text, const char *text, struct err *err)
{
    char *copy = text ? strdup(text) : NULL;

    if (text != NULL && copy == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    *ret_text = copy;
    return true;
}

bool strs_set(char **slot, const char *text, struct err *err)
{
    free(*slot);
    *slot = NULL;
    return strs_dup(slot, text, err);
}
