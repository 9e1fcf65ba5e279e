# The application image of checkout as an AMI. The program is built before Packer runs,
# and stands beside the template so that it counts as one of the bake's inputs:
#
#   CGO_ENABLED=0 go build -trimpath -buildvcs=false -o packer/aws/bin/checkout .
#
# It is baked on the newest Amazon Linux, or on the AMI that the release names
# (switchyard_parent): image.packer.parent, or image.packer.parentOf in layers.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.8.0"
    }
    switchyard = {
      source  = "github.com/switchyard/switchyard"
      version = ">= 0.1.0"
    }
  }
}

variable "communicator" {
  type        = string
  description = "How Packer reaches the builder instance. none: not at all, nothing is installed."
  default     = "ssh"
}

variable "instance_type" {
  type        = string
  description = "Type of the builder instance."
  default     = "t3.small"
}

variable "subnet" {
  type        = string
  description = "Subnet of the builder instance. Empty: one of the default VPC."
  default     = ""
}

variable "source_ami" {
  type        = string
  description = "AMI to build on where the release names none. Empty: the newest Amazon Linux 2023."
  default     = ""
}

variable "skip_checks" {
  type        = bool
  description = "Leave out what an emulator of AWS can't answer: whether region and credentials are valid."
  default     = false
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

# The values of the release, with defaults so that the image can be baked by hand.
variable "switchyard_application" { default = "checkout" }
variable "switchyard_version" { default = "development" }
variable "switchyard_commit" { default = "" }
variable "switchyard_parent" { default = "" }
variable "switchyard_input_digest" { default = "" }
variable "switchyard_receipt" { default = "" }
variable "switchyard_kms_key" { default = "" }
variable "switchyard_image_name" { default = "checkout-{{timestamp}}" }
variable "switchyard_region" { default = "eu-west-1" }

variable "switchyard_regions" {
  type    = list(string)
  default = []
}

variable "switchyard_kms_keys" {
  type    = map(string)
  default = {}
}

variable "switchyard_tags" {
  type    = map(string)
  default = {}
}

locals {
  source = var.switchyard_parent != "" ? var.switchyard_parent : var.source_ami
  schema = var.schema == 0 ? {} : { schema = var.schema }
  build  = jsonencode(merge({ version = var.switchyard_version, commit = var.switchyard_commit, greeting = var.greeting }, local.schema))

  # With communicator "none" nothing can be installed. The AWS lab then takes the files
  # of the image from its tags.
  installs = var.communicator != "none"
  instead = local.installs ? {} : merge({ "lab:file:/etc/checkout/build.json" = local.build },
  var.faults == "" ? {} : { "lab:file:/etc/checkout/faults.json" = var.faults })

  # What it is built on is known when the bake is, whether the release names it or not.
  tags = merge(var.switchyard_tags, { "switchyard:base" = "{{ .SourceAMI }}" }, local.instead)
}

source "amazon-ebs" "app" {
  region        = var.switchyard_region
  source_ami    = local.source
  instance_type = var.instance_type
  subnet_id     = var.subnet
  communicator  = var.communicator
  ssh_username  = "ec2-user"

  dynamic "source_ami_filter" {
    for_each = local.source == "" ? ["newest"] : []
    content {
      owners      = ["amazon"]
      most_recent = true
      filters = {
        name                = "al2023-ami-2023.*-x86_64"
        root-device-type    = "ebs"
        virtualization-type = "hvm"
      }
    }
  }

  ami_name        = var.switchyard_image_name
  ami_description = "${var.switchyard_application} ${var.switchyard_version}"
  ami_regions     = var.switchyard_regions

  # Encrypted at rest, in every region with the key the spec names for it.
  encrypt_boot       = true
  kms_key_id         = var.switchyard_kms_key
  region_kms_key_ids = var.switchyard_kms_keys

  # No instance of this image, the builder included, answers IMDSv1.
  imds_support = "v2.0"
  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  # On everything the bake makes, or its left-overs can't be found.
  run_tags        = local.tags
  run_volume_tags = local.tags
  tags            = local.tags
  snapshot_tags   = local.tags

  skip_region_validation     = var.skip_checks
  skip_credential_validation = var.skip_checks
}

build {
  sources = ["source.amazon-ebs.app"]

  provisioner "file" {
    only        = local.installs ? ["amazon-ebs.app"] : ["nothing"]
    source      = "${path.root}/bin/checkout"
    destination = "/tmp/checkout"
  }

  provisioner "file" {
    only        = local.installs ? ["amazon-ebs.app"] : ["nothing"]
    content     = local.build
    destination = "/tmp/build.json"
  }

  provisioner "shell" {
    only             = local.installs ? ["amazon-ebs.app"] : ["nothing"]
    environment_vars = ["FAULTS=${var.faults}"]
    inline = [
      "set -eu",
      "sudo install -D -m 0755 /tmp/checkout /bin/checkout",
      "sudo install -D -m 0644 /tmp/build.json /etc/checkout/build.json",
      "if [ -n \"$FAULTS\" ]; then printf '%s\\n' \"$FAULTS\" | sudo tee /etc/checkout/faults.json >/dev/null; fi",
    ]
  }

  post-processor "switchyard-receipt" {
    path         = var.switchyard_receipt
    application  = var.switchyard_application
    version      = var.switchyard_version
    commit       = var.switchyard_commit
    input_digest = var.switchyard_input_digest
    parent       = build.SourceAMI
  }
}
