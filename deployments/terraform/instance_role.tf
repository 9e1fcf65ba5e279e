# What the instances may do: read the parameters and secrets that the spec names, each by name.
# The path is what the worker's policy allows to be passed to EC2.
resource "aws_iam_role" "instance" {
  count = var.existing_roles == null ? 1 : 0

  name               = "${local.long}-instance"
  path               = "/switchyard/instance/"
  description        = "Instances of ${local.target}"
  assume_role_policy = data.aws_iam_policy_document.instance_trust.json
  tags               = local.tags
}

resource "aws_iam_instance_profile" "instance" {
  count = var.existing_roles == null ? 1 : 0

  name = aws_iam_role.instance[0].name
  path = "/switchyard/instance/"
  role = aws_iam_role.instance[0].name
  tags = local.tags
}

data "aws_iam_policy_document" "instance_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

locals {
  # In any region, because one role serves the regions of an account.
  parameter_arns = [for name in var.parameter_names : "arn:${local.partition}:ssm:*:${local.account_id}:parameter/${trimprefix(name, "/")}"]

  # AWS adds a dash and six characters to the name of a secret.
  secret_arns = [for name in var.secret_names : "arn:${local.partition}:secretsmanager:*:${local.account_id}:secret:${name}-??????"]

  instance_reads = length(var.parameter_names) + length(var.secret_names) > 0
}

data "aws_iam_policy_document" "instance" {
  dynamic "statement" {
    for_each = length(var.parameter_names) > 0 ? [local.parameter_arns] : []

    content {
      sid       = "ReadNamedParameters"
      actions   = ["ssm:GetParameter"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = length(var.secret_names) > 0 ? [local.secret_arns] : []

    content {
      sid       = "ReadNamedSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = length(var.secret_kms_key_arns) > 0 ? [var.secret_kms_key_arns] : []

    content {
      sid       = "DecryptThem"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["ssm.*.amazonaws.com", "secretsmanager.*.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role_policy" "instance" {
  count = var.existing_roles == null && local.instance_reads ? 1 : 0

  name   = "secrets"
  role   = aws_iam_role.instance[0].name
  policy = data.aws_iam_policy_document.instance.json
}

resource "aws_iam_role_policy_attachment" "instance" {
  for_each = { for name, arn in var.instance_policy_arns : name => arn if var.existing_roles == null }

  role       = aws_iam_role.instance[0].name
  policy_arn = each.value
}
