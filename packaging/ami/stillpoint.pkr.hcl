# SPDX-License-Identifier: BSD-2-Clause
# A Kaltura node's image with Stillpoint in it, for Packer: what component.yaml does in EC2 Image
# Builder, by the same build.sh and validate.sh. plugins.pkr.hcl beside it names the plugin.
#
#   packer init packaging/ami
#   packer build -var region=eu-west-1 -var source_ami=ami-0... packaging/ami

variable "region" {
  type = string
}

variable "source_ami" {
  type        = string
  description = "The image that this one begins with: Debian, Ubuntu, RHEL, Alma or Amazon Linux."
}

variable "instance_type" {
  type    = string
  default = "t3.small"
}

variable "ssh_username" {
  type        = string
  default     = "admin"
  description = "Debian: admin. Ubuntu: ubuntu. RHEL, Amazon Linux: ec2-user."
}

variable "ami_name" {
  type    = string
  default = "kaltura-node-{{timestamp}}"
}

variable "package" {
  type        = string
  default     = "stillpoint"
  description = "The package's name, or a .deb or .rpm: https://..., s3://... or /tmp/NAME of upload."
}

variable "repository" {
  type        = string
  default     = "none"
  description = "The file that names its repository (.list, .sources, .repo), likewise."
}

variable "repository_key" {
  type        = string
  default     = "none"
  description = "The key of a .list or .sources file, likewise."
}

variable "config" {
  type        = string
  default     = "none"
  description = "Settings of these nodes, likewise: becomes conf.d/50-image.conf."
}

variable "upload" {
  type        = list(string)
  default     = []
  description = "Files from here that are put into /tmp first."
}

source "amazon-ebs" "node" {
  region        = var.region
  source_ami    = var.source_ami
  instance_type = var.instance_type
  ssh_username  = var.ssh_username
  ami_name      = var.ami_name
}

build {
  sources = ["source.amazon-ebs.node"]

  # A list that is empty is an error to Packer; this one never is.
  provisioner "file" {
    sources     = concat(["${path.root}/test.sh"], var.upload)
    destination = "/tmp/"
  }

  # Last: what runs after it could leave something of this machine behind again.
  provisioner "shell" {
    execute_command = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = [
      "STILLPOINT_PACKAGE=${var.package}",
      "STILLPOINT_REPOSITORY=${var.repository}",
      "STILLPOINT_KEY=${var.repository_key}",
      "STILLPOINT_CONFIG=${var.config}",
    ]
    scripts = [
      "${path.root}/build.sh",
      "${path.root}/validate.sh",
    ]
  }
}
