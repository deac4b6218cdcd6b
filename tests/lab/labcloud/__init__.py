# SPDX-License-Identifier: BSD-2-Clause
"""The lab's cloud: moto's EC2 under a layer that checks requests and gives EBS a data plane."""
