/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/iam_arn.h"

#include <string.h>

enum { ARN_BYTES = 400 };

/* "arn:PARTITION:SERVICE:…:KIND/…", of characters that an ARN has. */
static bool is_arn(const char *arn, const char *service, const char *kind)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_/+=,.@";
    const char *fields[6];
    size_t count = 0;

    if (strlen(arn) >= ARN_BYTES || strncmp(arn, "arn:aws", 7) != 0)
        return false;
    for (const char *at = arn; at != NULL && count < 6; count++) {
        fields[count] = at;
        at += strspn(at, letters);
        if (*at != ':' && *at != '\0')
            return false;
        at = *at == ':' ? at + 1 : NULL;
    }
    size_t service_len = strlen(service), kind_len = strlen(kind);
    return count == 6 && strchr(fields[5], ':') == NULL &&
           strncmp(fields[2], service, service_len) == 0 && fields[2][service_len] == ':' &&
           strncmp(fields[5], kind, kind_len) == 0 && fields[5][kind_len] != '\0';
}

bool iam_arn_check_key(const char *arn, struct err *err)
{
    if (is_arn(arn, "kms", "key/"))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "'%s' is no key's ARN", arn);
    return err_suggest(err, "write it as in arn:aws:kms:eu-west-1:123456789012:key/1234abcd-…; "
                            "`aws kms describe-key` shows that of an alias");
}

/* "1234abcd-12ab-34cd-56ef-1234567890ab", or of several regions "mrk-" and 32 digits. */
static bool is_key_id(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
                      digits[] = "0123456789abcdef";
    size_t len = strlen(text);

    if (strncmp(text, "mrk-", 4) == 0)
        return len == 36 && strspn(text + 4, digits) == 32;
    for (size_t i = 0; i < sizeof(form) - 1 && i < len; i++) {
        if (form[i] == 'x' ? strchr(digits, text[i]) == NULL : text[i] != form[i])
            return false;
    }
    return len == sizeof(form) - 1;
}

static bool is_alias(const char *text)
{
    size_t len = strlen(text);

    return strncmp(text, "alias/", 6) == 0 && len > 6 && len < ARN_BYTES &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/-") == len;
}

bool iam_arn_check_any_key(const char *key, struct err *err)
{
    if (is_arn(key, "kms", "key/") || is_arn(key, "kms", "alias/") || is_alias(key) ||
        is_key_id(key))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "'%.60s' is no key's id, alias or ARN", key);
    return err_suggest(err, "write it as in 1234abcd-12ab-34cd-56ef-1234567890ab, alias/NAME or "
                            "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-…");
}

bool iam_arn_check_role(const char *arn, struct err *err)
{
    if (is_arn(arn, "iam", "role/"))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "'%s' is no role's ARN", arn);
    return err_suggest(err, "write it as in arn:aws:iam::123456789012:role/NAME; "
                            "`aws iam get-instance-profile` shows that of a profile");
}
