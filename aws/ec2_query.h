/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_EC2_QUERY_H
#define STILLPOINT_EC2_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "aws/ec2.h"

/* The form body of a query call: "Action=CreateSnapshots&Version=2016-11-15&…". Errors stick: after
 * one that failed all further ones do nothing, and query_end tells. Pure.
 *
 *   struct query query;
 *   query_begin(&query, "CreateSnapshots");
 *   query_add(&query, "InstanceSpecification.InstanceId", id);
 *   query_add_tags(&query, "TagSpecification.1.Tag", tags);
 *   if (!query_end(&query, err)) …
 */
struct query {
    struct buf body; /* at most 1 MiB */
    bool failed;
    struct err err;
};

void query_begin(struct query *query, const char *action);
void query_add(struct query *query, const char *name, const char *value); /* NULL value: left out */
void query_add_some(struct query *query, const char *name, const char *value); /* nor "" */
void query_add_bool(struct query *query, const char *name, bool value);
void query_add_int(struct query *query, const char *name, int64_t value);
/* NAME.1, NAME.2, … */
void query_add_list(struct query *query, const char *name, const char *const *values, size_t count);
/* NAME.1.Key, NAME.1.Value, … */
void query_add_tags(struct query *query, const char *name, const struct ec2_tags *tags);
/* TagSpecification.INDEX.ResourceType and its tags; nothing where there are none. */
void query_add_tag_specification(struct query *query, int index, const char *resource_type,
                                 const struct ec2_tags *tags);
/* Filter.1.Name, Filter.1.Value.1, … */
void query_add_filters(struct query *query, const struct ec2_filter *filters, size_t count);
/* false: ERR_LIMIT, ERR_INTERNAL; the query is freed by query_free in both cases */
bool query_end(struct query *query, struct err *err);
void query_free(struct query *query);

#endif
