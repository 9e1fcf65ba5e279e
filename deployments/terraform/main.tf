# What one target needs in one region: a route with two target groups, the network around
# it, and roles. Call the module once per region and paste the output switchyard_spec, or
# switchyard_region from the second region on, into the release spec.

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  target = "${var.application}-${var.environment}"

  # Names of load balancers and target groups have at most 32 characters, of roles 64.
  short = length(local.target) <= 28 ? local.target : "${substr(local.target, 0, 19)}-${substr(sha1(local.target), 0, 8)}"
  long  = length(local.target) <= 54 ? local.target : "${substr(local.target, 0, 45)}-${substr(sha1(local.target), 0, 8)}"

  region     = data.aws_region.current.name
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # The worker's policy lets it touch what carries these two tags, and nothing else.
  tags = merge(var.tags, {
    "switchyard:application" = var.application
    "switchyard:environment" = var.environment
  })

  # The two places for fleets, and what the header of the test routes says before them.
  places      = toset(["a", "b"])
  test_prefix = var.test_prefix != null ? var.test_prefix : var.existing_listener == null ? "" : "${local.target}-"
}
