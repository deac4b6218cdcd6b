# SPDX-License-Identifier: BSD-2-Clause
# For Packer 1.7 and later, which has its builders as plugins: `packer init` fetches it.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0"
    }
  }
}
