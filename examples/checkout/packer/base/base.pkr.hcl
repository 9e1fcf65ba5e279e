# The base: what every image of the house has. It changes rarely.
packer {
  required_plugins {
    switchyard = {
      source  = "github.com/switchyard/switchyard"
      version = ">= 0.1.0"
    }
  }
}

variable "switchyard_store" { type = string }
variable "switchyard_version" { default = "1" }
variable "switchyard_commit" { default = "" }
variable "switchyard_created" { default = "" }
variable "switchyard_input_digest" { default = "" }
variable "switchyard_release" { default = "" }
variable "switchyard_receipt" { default = "" }

source "switchyard-oci" "base" {
  store        = var.switchyard_store
  application  = "checkout-base"
  version      = var.switchyard_version
  commit       = var.switchyard_commit
  created      = var.switchyard_created
  input_digest = var.switchyard_input_digest
  release      = var.switchyard_release
}

build {
  sources = ["source.switchyard-oci.base"]

  provisioner "file" {
    source      = "${path.root}/files/"
    destination = "/"
  }

  provisioner "shell" {
    inline = [
      "mkdir -p bin etc/checkout srv var/log",
    ]
  }

  post-processor "switchyard-receipt" {
    path = var.switchyard_receipt
  }
}
