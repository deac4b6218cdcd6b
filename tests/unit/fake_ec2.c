/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_ec2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_http.h"

struct fake_ec2 fake_ec2_start(const char *const *answers, size_t count)
{
    struct fake_ec2 fake = {.err = ERR_INIT};
    struct credentials_options keys = {.use_environment = true};

    assert_int_equal(setenv("AWS_ACCESS_KEY_ID", "AKIATEST", 1), 0);
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1), 0);
    fake.steps = calloc(count + 2, sizeof(*fake.steps));
    assert_non_null(fake.steps);
    for (size_t i = 0; i < count; i++) {
        bool error = strncmp(answers[i], "<Response>", 10) == 0;
        fake.steps[i].answer =
            fake_http_answer(error ? "400 Bad Request" : "200 OK", "", answers[i]);
    }
    /* One more, so that the connection stays open after the last. */
    fake.steps[count].answer = fake_http_answer("500 Not Scripted", "", "");
    fake.http = fake_http_start(true, fake.steps, count + 1);
    assert_true(credentials_open(&keys, &fake.credentials, &fake.err));
    struct ec2_options options = {.region = "eu-west-1",
                                  .endpoint = fake_http_url(fake.http),
                                  .ca_bundle = fake_http_ca(fake.http),
                                  .credentials = fake.credentials};
    assert_true(ec2_open(&options, &fake.ec2, &fake.err));
    return fake;
}

void fake_ec2_stop(struct fake_ec2 *fake)
{
    ec2_free(fake->ec2);
    credentials_free(fake->credentials);
    fake_http_stop(fake->http);
    for (struct fake_step *step = fake->steps; step->answer != NULL; step++)
        free((char *)(uintptr_t)step->answer);
    free(fake->steps);
}

char *fake_ec2_form(struct fake_ec2 *fake, int n)
{
    const char *body = strstr(fake_http_request(fake->http, n), "\r\n\r\n");
    char *text = strdup(body != NULL ? body + 4 : ""), *to = text;

    assert_non_null(text);
    for (const char *from = text; *from != '\0'; from++) {
        unsigned code = 0;
        if (*from == '%' && sscanf(from + 1, "%2x", &code) == 1) {
            *to++ = (char)code;
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return text;
}

void fake_ec2_assert_has(struct fake_ec2 *fake, int n, const char *parameter)
{
    char *form = fake_ec2_form(fake, n), *rest = form, *part;
    bool found = false;

    while ((part = strsep(&rest, "&")) != NULL)
        found = found || strcmp(part, parameter) == 0;
    free(form);
    if (!found) {
        form = fake_ec2_form(fake, n);
        print_error("%s is not in: %s\n", parameter, form);
        free(form);
        fail();
    }
}

void fake_ec2_assert_lacks(struct fake_ec2 *fake, int n, const char *name)
{
    char *form = fake_ec2_form(fake, n);
    bool found = strstr(form, name) != NULL;

    free(form);
    if (found)
        fail_msg("request %d has %s", n, name);
}
