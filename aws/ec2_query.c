/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/ec2_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "aws/sigv4.h"

#define EC2_VERSION "2016-11-15"

enum { QUERY_MAX_BYTES = 1024 * 1024, NAME_BYTES = 200 };

void query_begin(struct query *query, const char *action)
{
    *query = (struct query){.body = BUF_INIT(QUERY_MAX_BYTES), .err = ERR_INIT};
    query_add(query, "Action", action);
    query_add(query, "Version", EC2_VERSION);
}

void query_add(struct query *query, const char *name, const char *value)
{
    if (query->failed || value == NULL)
        return;
    query->failed = (query->body.len > 0 && !buf_add(&query->body, "&", 1, &query->err)) ||
                    !sigv4_encode(&query->body, name, strlen(name), false, &query->err) ||
                    !buf_add(&query->body, "=", 1, &query->err) ||
                    !sigv4_encode(&query->body, value, strlen(value), false, &query->err);
}

void query_add_some(struct query *query, const char *name, const char *value)
{
    query_add(query, name, value != NULL && *value != '\0' ? value : NULL);
}

void query_add_bool(struct query *query, const char *name, bool value)
{
    query_add(query, name, value ? "true" : "false");
}

void query_add_int(struct query *query, const char *name, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    query_add(query, name, text);
}

void query_add_list(struct query *query, const char *name, const char *const *values, size_t count)
{
    char numbered[NAME_BYTES];

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(numbered, sizeof(numbered), "%s.%zu", name, i + 1);
        query_add(query, numbered, values[i]);
    }
}

void query_add_tags(struct query *query, const char *name, const struct ec2_tags *tags)
{
    char numbered[NAME_BYTES];

    for (size_t i = 0; tags != NULL && i < tags->count; i++) {
        (void)snprintf(numbered, sizeof(numbered), "%s.%zu.Key", name, i + 1);
        query_add(query, numbered, tags->list[i].key);
        (void)snprintf(numbered, sizeof(numbered), "%s.%zu.Value", name, i + 1);
        query_add(query, numbered, tags->list[i].value);
    }
}

void query_add_tag_specification(struct query *query, int index, const char *resource_type,
                                 const struct ec2_tags *tags)
{
    char name[NAME_BYTES];

    if (tags == NULL || tags->count == 0)
        return;
    (void)snprintf(name, sizeof(name), "TagSpecification.%d.ResourceType", index);
    query_add(query, name, resource_type);
    (void)snprintf(name, sizeof(name), "TagSpecification.%d.Tag", index);
    query_add_tags(query, name, tags);
}

void query_add_filters(struct query *query, const struct ec2_filter *filters, size_t count)
{
    char name[64];

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "Filter.%zu.Name", i + 1);
        query_add(query, name, filters[i].name);
        (void)snprintf(name, sizeof(name), "Filter.%zu.Value", i + 1);
        query_add_list(query, name, filters[i].values, filters[i].value_count);
    }
}

bool query_end(struct query *query, struct err *err)
{
    if (!query->failed)
        return true;
    *err = query->err;
    return err_wrap(err, "the request to EC2");
}

void query_free(struct query *query)
{
    buf_free(&query->body);
}
