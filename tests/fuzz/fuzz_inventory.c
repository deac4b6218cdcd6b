/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/daemon/inventory.h"
#include "agent/daemon/inventory_json.h"
#include "aws/ec2_wire.h"

/* The first byte says what the rest is an answer to: 's' DescribeSnapshots, 'a' DescribeImages.
 * What it tells of is an inventory. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool on_snapshot(void *self, const struct ec2_snapshot *snapshot, struct err *err)
{
    return inventory_add_snapshot(self, snapshot, err);
}

static bool on_image(void *self, const struct ec2_image *image, struct err *err)
{
    return inventory_add_image(self, image, err);
}

static void check_set(const struct inventory *inventory, const struct inventory_set *set)
{
    const struct set_member *members = inventory_members(inventory, set);
    uint32_t all = set->members + set->image_members;
    struct err err = ERR_INIT;
    struct strs why = {NULL, 0};

    must(set->members > 0 || set->images > 0);
    must(set->first_member + all <= inventory->member_count);
    must(set->first_image + set->images <= inventory->image_count);
    for (uint32_t i = 0; i < all; i++)
        must(&inventory->sets[members[i].set] == set && members[i].of_image == (i >= set->members));
    /* The label never rises: whole means that each member is there and completed. */
    if (inventory_is_good(set)) {
        must(set->members == set->member_count);
        for (uint32_t i = 0; i < set->members; i++)
            must(members[i].state == EC2_SNAPSHOT_COMPLETED && members[i].fault == SET_FAULT_NONE);
    }
    must(inventory_why(inventory, set, &why, &err) && (why.count > 0) == (set->faults != 0));
    must(!inventory_is_broken(set) || set->faults != 0);
    strs_free(&why);
}

static void check(const struct inventory *inventory)
{
    const struct inventory_set *found = NULL;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < inventory->count; i++) {
        const struct inventory_set *set = &inventory->sets[i];
        check_set(inventory, set);
        must(i == 0 || set[-1].start_utc_us >= set->start_utc_us);
        must(inventory_find(inventory, set->id, NULL, &found, &err) && found == set);
        json_t *row = inventory_json(inventory, set);
        must(row != NULL);
        json_decref(row);
    }
    for (size_t i = 0; i < inventory->orphan_count; i++)
        must(inventory->orphans[i].id != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ec2 *ec2 = NULL;
    struct inventory inventory = {.count = 0};
    struct err err = ERR_INIT;
    int64_t deadline_ms = clock_boot_ms() + 10000;

    if (size == 0 || !inventory_begin(&inventory, "eu-west-1", &err))
        return 0;
    if (ec2_open_canned((const char *)data + 1, size - 1, &ec2, &err)) {
        if (data[0] == 's')
            (void)ec2_describe_snapshots(ec2, NULL, 0, NULL, 0, deadline_ms, NULL, on_snapshot,
                                         &inventory, &err);
        else
            (void)ec2_describe_images(ec2, NULL, 0, NULL, 0, deadline_ms, NULL, on_image,
                                      &inventory, &err);
    }
    /* What came before an answer broke off is judged, too. */
    must(inventory_settle(&inventory, &err));
    check(&inventory);
    ec2_free(ec2);
    inventory_free(&inventory);
    return 0;
}
