/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_XML_H
#define STILLPOINT_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* AWS's XML answers, as a stream of paths: no tree, constant memory. Pure; any thread.
 *
 * A path is made of the element names below the root, without name-space prefixes:
 * "snapshotSet/item/volumeId". Attributes are passed over. DOCTYPE and so entities of one's own
 * are refused. */

enum {
    XML_DEPTH_MAX = 32,
    XML_PATH_BYTES = 512,
    XML_TEXT_MAX_BYTES = 64 * 1024, /* of one element */
    XML_ELEMENTS_MAX = 1000 * 1000, /* in one document */
    XML_TOTAL_MAX_BYTES = 64 * 1024 * 1024
};

/* A callback that returns false ends the parse with its err. Either may be NULL. */
struct xml_handler {
    void *self;
    bool (*open)(void *self, const char *path, struct err *err);
    /* TEXT is the element's own character data, "" for none; for one with children what stood
     * between them is dropped. Borrowed for the call. */
    bool (*close)(void *self, const char *path, const char *text, struct err *err);
};

/* A whole document.
 *   root   the root element's name that is accepted; NULL for any
 *   false  ERR_PROTOCOL not well formed, ends early, another root, a DOCTYPE; ERR_LIMIT too deep,
 *          too long, too many elements; or what a callback said */
bool xml_parse(const char *bytes, size_t len, const char *root, const struct xml_handler *handler,
               struct err *err);

/* The root element's name into NAME, cut; false (and "") where there is none. */
bool xml_root_name(const char *bytes, size_t len, char *name, size_t size);

#endif
