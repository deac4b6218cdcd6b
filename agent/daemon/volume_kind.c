/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/volume_kind.h"

#include <string.h>

#include "agent/base/parse.h"
#include "agent/daemon/iam_arn.h"

enum {
    RATE_MIN = 100, /* VolumeInitializationRate, MiB/s */
    RATE_MAX = 300,
    IOPS_PER_MIBS = 4, /* a gp3 volume's throughput is at most a quarter of its IOPS */
};

/* 0: it takes none of that. */
struct type {
    const char *name;
    int64_t size_min_gib, size_max_gib;
    int64_t iops_min, iops_max, iops_per_gib;
    int64_t iops_default; /* 0: must be given */
    int64_t throughput_min_mibs, throughput_max_mibs;
};

static const struct type types[] = {
    {"gp3", 1, 65536, 3000, 80000, 500, 3000, 125, 2000},
    {"gp2", 1, 16384, 0, 0, 0, 0, 0, 0},
    {"io1", 4, 16384, 100, 64000, 50, 0, 0, 0},
    {"io2", 4, 65536, 100, 256000, 1000, 0, 0, 0},
    {"st1", 125, 16384, 0, 0, 0, 0, 0, 0},
    {"sc1", 125, 16384, 0, 0, 0, 0, 0, 0},
    {"standard", 1, 1024, 0, 0, 0, 0, 0, 0},
};

enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

static const struct type *find_type(const char *name)
{
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (strcmp(types[i].name, name ? name : "gp3") == 0)
            return &types[i];
    }
    return NULL;
}

static bool unknown_type(const char *name, struct err *err)
{
    const char *names[TYPE_COUNT + 1] = {NULL};

    for (size_t i = 0; i < TYPE_COUNT; i++)
        names[i] = types[i].name;
    const char *near = parse_nearest(name, names);
    (void)err_set(err, ERR_USAGE, 0, "--type: EBS has no volumes of type '%.60s'", name);
    if (near != NULL)
        return err_suggest(err, "did you mean %s?", near);
    return err_suggest(err, "write gp3, gp2, io1, io2, st1, sc1 or standard");
}

static bool check_range(const char *option, int64_t value, int64_t min, int64_t max,
                        const char *of_what, struct err *err)
{
    if (value >= min && value <= max)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "--%s: %lld is out of range", option, (long long)value);
    return err_suggest(err, "write a number from %lld to %lld: so many %s", (long long)min,
                       (long long)max, of_what);
}

static bool takes_none(const char *option, const struct type *type, const char *others,
                       struct err *err)
{
    (void)err_set(err, ERR_USAGE, 0, "--%s: volumes of type %s take none", option, type->name);
    return err_suggest(err, "leave it out, or take --type %s", others);
}

static bool check_iops(const struct loan_kind *kind, const struct type *type, struct err *err)
{
    if (kind->iops != 0 && type->iops_max == 0)
        return takes_none("iops", type, "gp3, io1 or io2", err);
    if (kind->iops != 0)
        return check_range("iops", kind->iops, type->iops_min, type->iops_max,
                           "I/O operations a second a volume of that type has", err);
    if (type->iops_max == 0 || type->iops_default != 0)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "volumes of type %s need --iops", type->name);
    return err_suggest(err, "add --iops N, or take --type gp3");
}

static bool check_throughput(const struct loan_kind *kind, const struct type *type, struct err *err)
{
    int64_t iops = kind->iops != 0 ? kind->iops : type->iops_default;

    if (kind->throughput_mibs == 0)
        return true;
    if (type->throughput_max_mibs == 0)
        return takes_none("throughput", type, "gp3", err);
    if (!check_range("throughput", kind->throughput_mibs, type->throughput_min_mibs,
                     type->throughput_max_mibs, "MiB/s a volume of that type has", err))
        return false;
    if (kind->throughput_mibs * IOPS_PER_MIBS <= iops)
        return true;
    (void)err_set(err, ERR_USAGE, 0, "--throughput: %lld MiB/s need more than %lld IOPS",
                  (long long)kind->throughput_mibs, (long long)iops);
    return err_suggest(err, "add --iops %lld, or write at most %lld",
                       (long long)(kind->throughput_mibs * IOPS_PER_MIBS),
                       (long long)(iops / IOPS_PER_MIBS));
}

bool volume_kind_check(const struct loan_kind *kind, struct err *err)
{
    const struct type *type = find_type(kind->type);

    if (type == NULL)
        return unknown_type(kind->type, err);
    return check_iops(kind, type, err) && check_throughput(kind, type, err) &&
           (kind->initialization_rate_mibs == 0 ||
            check_range("initialize", kind->initialization_rate_mibs, RATE_MIN, RATE_MAX,
                        "MiB/s EC2 fills a volume with", err)) &&
           (kind->kms_key_id == NULL || iam_arn_check_any_key(kind->kms_key_id, err) ||
            err_wrap(err, "--kms-key"));
}

bool volume_kind_fits(const struct loan_kind *kind, int64_t size_gib, const char *what,
                      struct err *err)
{
    const struct type *type = find_type(kind->type);

    if (type == NULL || size_gib <= 0)
        return true;
    if (size_gib < type->size_min_gib || size_gib > type->size_max_gib) {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "--type: %s has %lld GiB, and a volume of type %s %lld to %lld", what,
                      (long long)size_gib, type->name, (long long)type->size_min_gib,
                      (long long)type->size_max_gib);
        return err_suggest(err, "take another type, gp3 say, or name the others with --volume");
    }
    /* What each volume of the type has may be asked for at any size. */
    int64_t most = size_gib * type->iops_per_gib;
    most = most > type->iops_default ? most : type->iops_default;
    if (kind->iops <= most)
        return true;
    (void)err_set(err, ERR_PRECONDITION, 0,
                  "--iops: %s has %lld GiB, and a volume of type %s takes at most %lld a GiB", what,
                  (long long)size_gib, type->name, (long long)type->iops_per_gib);
    return err_suggest(err, "write at most %lld, or name the larger ones with --volume",
                       (long long)most);
}
