# The application image of checkout. The program is built before Packer runs:
#
#   CGO_ENABLED=0 go build -trimpath -buildvcs=false -o packer/app/bin/checkout .
#
# It runs by itself, so it can be baked on nothing (the default) or on the middleware
# image (switchyard_parent).
packer {
  required_plugins {
    switchyard = {
      source  = "github.com/switchyard/switchyard"
      version = ">= 0.1.0"
    }
  }
}

variable "version" {
  type        = string
  description = "Version the service reports. Empty: the release's."
  default     = ""
}

variable "commit" {
  type        = string
  description = "Commit the service reports. Empty: the release's."
  default     = ""
}

variable "greeting" {
  type        = string
  description = "Words on every receipt."
  default     = ""
}

variable "schema" {
  type        = number
  description = "Version of the database's schema that this build needs. 0: the first one."
  default     = 0
}

variable "faults" {
  type        = string
  description = "Faults to bake in, as JSON: {\"failAfter\":\"6s\",\"errorRate\":0.3}; all of them are in faults.go. Empty: none."
  default     = ""
}

variable "switchyard_application" { default = "checkout" }
variable "switchyard_store" { type = string }
variable "switchyard_parent" { default = "" }
variable "switchyard_version" { default = "development" }
variable "switchyard_commit" { default = "" }
variable "switchyard_created" { default = "" }
variable "switchyard_input_digest" { default = "" }
variable "switchyard_release" { default = "" }
variable "switchyard_receipt" { default = "" }

locals {
  version = var.version != "" ? var.version : var.switchyard_version
  commit  = var.commit != "" ? var.commit : var.switchyard_commit
  schema  = var.schema == 0 ? {} : { schema = var.schema }
}

source "switchyard-oci" "app" {
  store        = var.switchyard_store
  parent       = var.switchyard_parent
  application  = var.switchyard_application
  version      = local.version
  commit       = local.commit
  created      = var.switchyard_created
  input_digest = var.switchyard_input_digest
  release      = var.switchyard_release
}

build {
  sources = ["source.switchyard-oci.app"]

  provisioner "file" {
    source      = "${path.root}/bin/checkout"
    destination = "/bin/checkout"
  }

  provisioner "file" {
    content     = jsonencode(merge({ version = local.version, commit = local.commit, greeting = var.greeting }, local.schema))
    destination = "/etc/checkout/build.json"
  }

  # Commands run in the image's root, with the tools of the machine that bakes.
  provisioner "shell" {
    environment_vars = ["FAULTS=${var.faults}"]
    inline = [
      "set -eu",
      "chmod 0755 bin/checkout",
      "if [ -n \"$FAULTS\" ]; then printf '%s\\n' \"$FAULTS\" > etc/checkout/faults.json; fi",
    ]
  }

  post-processor "switchyard-receipt" {
    path = var.switchyard_receipt
  }
}
