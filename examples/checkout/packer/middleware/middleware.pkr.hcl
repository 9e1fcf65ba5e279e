# The middleware: what checkout's versions share. It is built on the base.
packer {
  required_plugins {
    switchyard = {
      source  = "github.com/switchyard/switchyard"
      version = ">= 0.1.0"
    }
  }
}

variable "switchyard_store" { type = string }
variable "switchyard_parent" { default = "" }
variable "switchyard_version" { default = "1" }
variable "switchyard_commit" { default = "" }
variable "switchyard_created" { default = "" }
variable "switchyard_input_digest" { default = "" }
variable "switchyard_release" { default = "" }
variable "switchyard_receipt" { default = "" }

source "switchyard-oci" "middleware" {
  store        = var.switchyard_store
  parent       = var.switchyard_parent
  application  = "checkout-middleware"
  version      = var.switchyard_version
  commit       = var.switchyard_commit
  created      = var.switchyard_created
  input_digest = var.switchyard_input_digest
  release      = var.switchyard_release
}

build {
  sources = ["source.switchyard-oci.middleware"]

  provisioner "file" {
    source      = "${path.root}/files/"
    destination = "/"
  }

  post-processor "switchyard-receipt" {
    path = var.switchyard_receipt
  }
}
