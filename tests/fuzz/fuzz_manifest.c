/* SPDX-License-Identifier: BSD-2-Clause */
/* A manifest of any bytes, as it may lie on a disk: read, held against a set, its GTIDs compared.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/daemon/catalog.h"
#include "agent/daemon/verify_manifest.h"
#include "hooks/db_gtid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void check_gtids(const struct backup *backup)
{
    enum db_gtid_order order, back;

    for (size_t i = 0; i < backup->database_count; i++) {
        const char *gtid = backup->databases[i].gtid;
        struct err err = ERR_INIT;
        if (gtid == NULL)
            continue;
        if (!db_gtid_compare(gtid, "0-1-5", &order, &err)) {
            must(err.kind == ERR_PROTOCOL || err.kind == ERR_INTERNAL);
            continue;
        }
        must(db_gtid_compare("0-1-5", gtid, &back, &err));
        must((order == DB_GTID_EQUAL) == (back == DB_GTID_EQUAL));
        must(db_gtid_compare(gtid, gtid, &order, &err));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest = {.backup = NULL};
    struct strs findings = {NULL, 0};
    struct err err = ERR_INIT;
    struct backup *set;

    if (!manifest_read((const char *)data, size, &manifest, &err)) {
        must(err.kind == ERR_PROTOCOL || err.kind == ERR_LIMIT || err.kind == ERR_INTERNAL);
        return 0;
    }
    must(manifest.backup != NULL && catalog_is_id(manifest.backup->id));
    set = backup_new();
    must(set != NULL && strs_dup(&set->id, "sp-20261129T081530Z-k3f9x", &err));
    must(verify_manifest_judge(set, &manifest, "vol-1", "/", &findings, &err) ||
         err.kind == ERR_LIMIT || err.kind == ERR_INTERNAL);
    must(findings.count > 0 || strcmp(set->id, manifest.backup->id) == 0);
    check_gtids(manifest.backup);
    strs_free(&findings);
    backup_free(set);
    manifest_free(&manifest);
    return 0;
}
