/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/aws_error.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/parse.h"
#include "aws/xml.h"

/* Codes as EC2's and S3's references name them; the same in all regions. */
static const struct {
    const char *code;
    enum aws_class class;
} table[] = {
    {"DryRunOperation", AWS_CLASS_DRY_RUN_OK},

    {"RequestLimitExceeded", AWS_CLASS_THROTTLE},
    {"Throttling", AWS_CLASS_THROTTLE},
    {"ThrottlingException", AWS_CLASS_THROTTLE},
    {"ThrottledException", AWS_CLASS_THROTTLE},
    {"RequestThrottled", AWS_CLASS_THROTTLE},
    {"RequestThrottledException", AWS_CLASS_THROTTLE},
    {"EC2ThrottledException", AWS_CLASS_THROTTLE},
    {"TooManyRequestsException", AWS_CLASS_THROTTLE},
    {"BandwidthLimitExceeded", AWS_CLASS_THROTTLE},
    {"SlowDown", AWS_CLASS_THROTTLE},
    {"SnapshotCreationPerVolumeRateExceeded", AWS_CLASS_THROTTLE},

    {"InternalError", AWS_CLASS_RETRY},
    {"InternalFailure", AWS_CLASS_RETRY},
    {"ServiceUnavailable", AWS_CLASS_RETRY},
    {"Unavailable", AWS_CLASS_RETRY},
    {"RequestTimeout", AWS_CLASS_RETRY},

    /* 500 all of them, and yet no fault that passes within a call's budget. */
    {"InsufficientAddressCapacity", AWS_CLASS_NEVER},
    {"InsufficientHostCapacity", AWS_CLASS_NEVER},
    {"InsufficientInstanceCapacity", AWS_CLASS_NEVER},
    {"InsufficientReservedInstanceCapacity", AWS_CLASS_NEVER},
    {"InsufficientVolumeCapacity", AWS_CLASS_NEVER},

    {"RequestExpired", AWS_CLASS_CLOCK},
    {"RequestTimeTooSkewed", AWS_CLASS_CLOCK},
    {"SignatureDoesNotMatch", AWS_CLASS_CLOCK},
    {"AuthFailure", AWS_CLASS_CLOCK}, /* but see is_foreign */

    {"ExpiredToken", AWS_CLASS_AUTH},
    {"ExpiredTokenException", AWS_CLASS_AUTH},
    {"IncompleteSignature", AWS_CLASS_AUTH},
    {"InvalidAccessKeyId", AWS_CLASS_AUTH},
    {"InvalidClientTokenId", AWS_CLASS_AUTH},
    {"InvalidToken", AWS_CLASS_AUTH},
    {"MissingAuthenticationToken", AWS_CLASS_AUTH},
    {"TokenRefreshRequired", AWS_CLASS_AUTH},
    {"UnrecognizedClientException", AWS_CLASS_AUTH},

    {"AccessDenied", AWS_CLASS_DENIED},
    {"AccessDeniedException", AWS_CLASS_DENIED},
    {"UnauthorizedOperation", AWS_CLASS_DENIED},

    {"InvalidAMIID.Unavailable", AWS_CLASS_NOT_FOUND}, /* deregistered a moment ago */
    {"NoSuchBucket", AWS_CLASS_NOT_FOUND},
    {"NoSuchKey", AWS_CLASS_NOT_FOUND},
    {"NoSuchLifecycleConfiguration", AWS_CLASS_NOT_FOUND},
};

static enum aws_class by_status(int http_status)
{
    switch (http_status) {
    case 401:
        return AWS_CLASS_AUTH;
    case 403:
        return AWS_CLASS_DENIED;
    case 404:
        return AWS_CLASS_NOT_FOUND;
    case 429:
        return AWS_CLASS_THROTTLE;
    default:
        return http_status >= 500 ? AWS_CLASS_RETRY : AWS_CLASS_NEVER;
    }
}

/* Keys that EC2 can't check are a 401; "Not authorized for volume:…" is a 403, and the keys are
 * fine. */
static bool is_foreign(int http_status, const char *code)
{
    return http_status == 403 && strcmp(code, "AuthFailure") == 0;
}

enum aws_class aws_classify(int http_status, const char *code)
{
    size_t len = strlen(code);

    if (is_foreign(http_status, code))
        return AWS_CLASS_DENIED;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(table[i].code, code) == 0)
            return table[i].class;
    /* InvalidSnapshot.NotFound, InvalidInstanceID.NotFound, InvalidVolume.NotFound, … */
    if (len > 9 && strcmp(code + len - 9, ".NotFound") == 0)
        return AWS_CLASS_NOT_FOUND;
    return by_status(http_status);
}

bool aws_may_retry(enum aws_kind kind, enum aws_class class)
{
    if (kind == AWS_SINGLE)
        return false;
    if (class == AWS_CLASS_THROTTLE)
        return true;
    return class == AWS_CLASS_RETRY && kind != AWS_ONCE_SENT;
}

/* --- reading --- */

static void copy_printable(const char *text, char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size, "%s", text);
    parse_cut_utf8(ret_text, size, size - 1);
    for (char *c = ret_text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

static bool take_element(void *self, const char *path, const char *text, struct err *err)
{
    struct aws_error *error = self;

    (void)err;
    if (strncmp(path, "Errors/Error/", 13) == 0)
        path += 13; /* EC2; S3 has them right below its root */
    if (strcmp(path, "Code") == 0 && error->code[0] == '\0')
        copy_printable(text, error->code, sizeof(error->code));
    else if (strcmp(path, "Message") == 0 && error->message[0] == '\0')
        copy_printable(text, error->message, sizeof(error->message));
    else if ((strcmp(path, "RequestID") == 0 || strcmp(path, "RequestId") == 0) &&
             error->request_id[0] == '\0')
        copy_printable(text, error->request_id, sizeof(error->request_id));
    return true;
}

void aws_parse_error(int http_status, const char *body, size_t len, struct aws_error *ret_error)
{
    struct xml_handler handler = {.self = ret_error, .close = take_element};
    struct err ignored = ERR_INIT; /* a proxy's page is no XML: the status says enough then */

    memset(ret_error, 0, sizeof(*ret_error));
    ret_error->http_status = http_status;
    (void)xml_parse(body, len, NULL, &handler, &ignored);
    if (ret_error->code[0] == '\0')
        (void)snprintf(ret_error->code, sizeof(ret_error->code), "HTTP %d", http_status);
    /* A kilobyte of encoded details follows, for `aws sts decode-authorization-message`. */
    char *encoded = strstr(ret_error->message, " Encoded authorization failure message:");
    if (encoded != NULL)
        *encoded = '\0';
}

/* --- telling --- */

/* The IAM action: newer messages name it ("…not authorized to perform: ec2:CreateTags on…"), which
 * need not be the call's own. */
static void missing_right(const struct aws_error *error, const char *service, const char *action,
                          char *text, size_t size)
{
    static const char before[] = "to perform: ";
    const char *named = strstr(error->message, before);
    size_t len = named != NULL ? strcspn(named + sizeof(before) - 1, " ,") : 0;

    if (len > 0 && named[sizeof(before) - 2 + len] == '.') /* the sentence's, not the name's */
        len--;

    if (len > 0 && len < 100 && memchr(named + sizeof(before) - 1, ':', len) != NULL)
        (void)snprintf(text, size, "%.*s", (int)len, named + sizeof(before) - 1);
    else
        (void)snprintf(text, size, "%s:%s", service, action);
}

static const struct {
    const char *code, *remedy;
} remedies[] = {
    {"ConcurrentSnapshotLimitExceeded",
     "too many snapshots of a volume are pending: wait until they are completed"},
    {"SnapshotLimitExceeded", "delete snapshots, or have the account's limit raised"},
    {"ResourceLimitExceeded", "have the account's limit raised"},
    {"TagLimitExceeded", "a resource takes 50 tags: set fewer tags in [backup]"},
    {"InvalidAMIName.Duplicate", "delete or rename the image that has this name"},
    {"CustomerKeyHasBeenRevoked",
     "the volume's KMS key does not serve us: add what `stillpoint iam-policy --kms-key ARN' "
     "prints, and see the key's own policy"},
    {"OptInRequired", "the account is not subscribed to the service"},
    {"PendingVerification", "AWS is still verifying the account"},
};

static bool explain_auth(const struct aws_error *error, const char *who, struct err *err)
{
    err->kind = ERR_AWS_AUTH;
    if (aws_classify(error->http_status, error->code) == AWS_CLASS_CLOCK)
        return err_suggest(err, "check the keys of %s, and this node's clock (timedatectl)", who);
    return err_suggest(err, "check the keys of %s", who);
}

static bool explain_denied(const struct aws_error *error, const char *service, const char *action,
                           const char *who, struct err *err)
{
    char right[128];

    err->kind = ERR_AWS_DENIED;
    if (is_foreign(error->http_status, error->code))
        return err_suggest(err, "it is another account's, which has not shared it with this one");
    missing_right(error, service, action, right, sizeof(right));
    (void)err_wrap(err, "%s is not allowed", right);
    return err_suggest(err, "allow it: add %s to the policies of %s", right, who);
}

bool aws_explain(const struct aws_error *error, enum aws_kind kind, const char *service,
                 const char *action, const char *who, struct err *err)
{
    enum aws_class class = aws_classify(error->http_status, error->code);
    bool unknown = class == AWS_CLASS_RETRY && (kind == AWS_ONCE_SENT || kind == AWS_SINGLE);

    (void)err_set(err, ERR_AWS, 0, "%s: %s%s%s (request id %s)", action, error->code,
                  error->message[0] != '\0' ? ": " : "", error->message,
                  error->request_id[0] != '\0' ? error->request_id : "unknown");
    for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
        if (strcmp(remedies[i].code, error->code) == 0)
            return err_suggest(err, "%s", remedies[i].remedy);
    switch (class) {
    case AWS_CLASS_THROTTLE:
        err->kind = ERR_AWS_THROTTLED;
        return err_suggest(err,
                           "other tools in this account and region share the limit: try later");
    case AWS_CLASS_CLOCK:
    case AWS_CLASS_AUTH:
        return explain_auth(error, who, err);
    case AWS_CLASS_DENIED:
        return explain_denied(error, service, action, who, err);
    case AWS_CLASS_NOT_FOUND:
        err->kind = ERR_AWS_NOT_FOUND;
        return false;
    case AWS_CLASS_RETRY:
        err->kind = unknown ? ERR_SENT : ERR_AWS; /* a server that fails may have acted before */
        return err_suggest(err, "AWS has trouble: see health.aws.amazon.com, try later");
    case AWS_CLASS_NEVER:
    case AWS_CLASS_DRY_RUN_OK:
        break;
    }
    if (error->http_status >= 300 && error->http_status < 400)
        (void)err_suggest(err,
                          "the endpoint sends us elsewhere: check region and endpoints in [aws]");
    return false;
}
