/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_FAKE_EC2_H
#define STILLPOINT_FAKE_EC2_H

#include <stdbool.h>
#include <stddef.h>

#include "aws/ec2.h"

/* An EC2 client in front of a scripted endpoint: each answer is given as its body. */
struct fake_ec2 {
    struct fake_http *http;
    struct fake_step *steps;
    struct credentials *credentials;
    struct ec2 *ec2;
    struct err err;
};

/* An answer is an element's text ("<DescribeVolumesResponse>…"), sent with 200; one that begins
 * with "<Response>" is sent with 400. */
struct fake_ec2 fake_ec2_start(const char *const *answers, size_t count);
void fake_ec2_stop(struct fake_ec2 *fake);
/* The form body of the n-th request, decoded: "Action=X&Version=…"; to be freed. */
char *fake_ec2_form(struct fake_ec2 *fake, int n);
/* Fails the test unless the n-th request has the parameter exactly so ("MaxResults=200"). */
void fake_ec2_assert_has(struct fake_ec2 *fake, int n, const char *parameter);
void fake_ec2_assert_lacks(struct fake_ec2 *fake, int n, const char *name);

#endif
