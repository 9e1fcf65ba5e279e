# The role that Switchyard's workers assume in this account. Its policies are the files of
# deployments/iam, narrowed to this application, this instance role and these regions.
resource "aws_iam_role" "worker" {
  count = var.existing_roles == null ? 1 : 0

  name                 = "${local.long}-worker"
  path                 = "/switchyard/worker/"
  description          = "Switchyard's releases of ${local.target}"
  assume_role_policy   = data.aws_iam_policy_document.worker_trust.json
  max_session_duration = 3600
  tags                 = local.tags

  lifecycle {
    precondition {
      condition     = length(var.worker_principal_arns) > 0
      error_message = "Say in worker_principal_arns who may assume the worker's role, or give existing_roles."
    }
  }
}

data "aws_iam_policy_document" "worker_trust" {
  statement {
    sid     = "SwitchyardWorkers"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = var.worker_principal_arns
    }

    dynamic "condition" {
      for_each = var.external_id == null ? [] : [var.external_id]

      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [condition.value]
      }
    }
  }
}

locals {
  worker_policies = var.existing_roles == null ? toset(concat(
    ["switchyard"],
    var.bake_with_packer ? ["packer"] : [],
    var.volume_kms_key == null ? [] : ["kms"],
  )) : toset([])

  # In the files: any application, any instance role below the path, any key, partition aws.
  instance_role_arn = "arn:${local.partition}:iam::${local.account_id}:role/switchyard/instance/${local.long}-instance"

  worker_documents = {
    for name in local.worker_policies : name => replace(replace(replace(replace(
      file("${path.module}/../iam/${name}.json"),
      "switchyard:application\": \"*\"", "switchyard:application\": \"${var.application}\""),
      "arn:aws:iam::*:role/switchyard/instance/*", local.instance_role_arn),
      "arn:aws:kms:*:*:key/*", try(var.volume_kms_key.arn, "")),
    "arn:aws:", "arn:${local.partition}:")
  }

  worker_regions = length(var.regions) > 0 ? var.regions : [local.region]
}

resource "aws_iam_policy" "worker" {
  for_each = local.worker_policies

  name        = "${local.long}-${each.key}"
  path        = "/switchyard/worker/"
  description = "Switchyard's deployments/iam/${each.key}.json for ${local.target}"
  # Without whitespace, which counts towards the policy's greatest size.
  policy = jsonencode(jsondecode(local.worker_documents[each.key]))
  tags   = local.tags
}

resource "aws_iam_role_policy_attachment" "worker" {
  for_each = local.worker_policies

  role       = aws_iam_role.worker[0].name
  policy_arn = aws_iam_policy.worker[each.key].arn
}

resource "aws_iam_role_policy" "worker_regions" {
  count = var.existing_roles == null ? 1 : 0

  name   = "regions"
  role   = aws_iam_role.worker[0].name
  policy = data.aws_iam_policy_document.worker_regions.json
}

# IAM and STS belong to no region; everything else stays in the release's regions.
data "aws_iam_policy_document" "worker_regions" {
  statement {
    sid         = "NothingInOtherRegions"
    effect      = "Deny"
    not_actions = ["iam:*", "sts:*"]
    resources   = ["*"]

    condition {
      test     = "StringNotEquals"
      variable = "aws:RequestedRegion"
      values   = local.worker_regions
    }
  }
}
