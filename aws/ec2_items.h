/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_ITEMS_H
#define STILLPOINT_EC2_ITEMS_H

#include <stdbool.h>

#include "aws/ec2_describe.h"
#include "aws/ec2_images.h"
#include "aws/ec2_wire.h"

/* What stands alike in several calls. For ec2_*.c only. */

/* BlockDeviceMapping.N of a request; N counts from 1. */
void items_add_mapping(struct query *query, size_t n, const struct ec2_mapping *mapping);

/* Which of a describe call's things: ids (ID_NAME.1, …; at most 200, else ERR_LIMIT) or a page's
 * size, never both, which EC2 refuses; and filters. */
bool items_add_choice(struct query *query, const char *id_name, const char *const *ids,
                      size_t id_count, const struct ec2_filter *filters, size_t filter_count,
                      struct err *err);

/* One instance and one volume as EC2 writes them, in whichever answer they stand: for a wire_list's
 * open and close. */

struct items_instance {
    struct ec2_instance *instance; /* borrowed */
    struct wire_tag tag;
    char owner_id[EC2_ID_BYTES]; /* of the reservation that is being read */
    char reservation_id[EC2_ID_BYTES];
};
/* For the item "" an empty instance begins. */
bool items_open_instance(struct items_instance *reading, const char *path, struct err *err);
/* For the item "" ERR_PROTOCOL where the instance has no id. */
bool items_close_instance(struct items_instance *reading, const char *path, const char *text,
                          struct err *err);
/* What stands before the instances: PATH is below the reservation, "" at its end. */
bool items_take_reservation(struct items_instance *reading, const char *path, const char *text,
                            struct err *err);

/* An answer with one instance at the most, for wire_list's open and close: a second one is
 * ERR_PROTOCOL. */
struct items_one {
    struct items_instance item;
    size_t count;
};
bool items_open_one(void *self, const char *path, struct err *err);
bool items_close_one(void *self, const char *path, const char *text, struct err *err);

struct items_volume {
    struct ec2_volume *volume; /* borrowed; may move between calls */
    struct wire_tag tag;
};
bool items_open_volume(struct items_volume *reading, const char *path, struct err *err);
bool items_close_volume(struct items_volume *reading, const char *path, const char *text,
                        struct err *err);

#endif
