locals {
  listener_port                   = var.certificate_arn == null ? 80 : 443
  load_balancer_security_group_id = var.existing_listener == null ? aws_security_group.load_balancer[0].id : var.existing_listener.security_group_id
}

resource "aws_security_group" "load_balancer" {
  count = var.existing_listener == null ? 1 : 0

  name        = "${local.target}-load-balancer"
  description = "Load balancer of ${local.target}"
  vpc_id      = var.vpc_id
  tags        = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = toset(var.existing_listener == null ? var.client_cidrs : [])

  security_group_id = aws_security_group.load_balancer[0].id
  description       = "Users"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = local.listener_port
  to_port           = local.listener_port
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "to_instances" {
  security_group_id            = local.load_balancer_security_group_id
  description                  = "Requests and health checks to the instances of ${local.target}"
  referenced_security_group_id = aws_security_group.instances.id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  tags                         = local.tags
}

resource "aws_security_group" "instances" {
  name        = "${local.target}-instances"
  description = "Instances of ${local.target}, of every release"
  vpc_id      = var.vpc_id
  tags        = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "from_load_balancer" {
  security_group_id            = aws_security_group.instances.id
  description                  = "Requests and health checks"
  referenced_security_group_id = local.load_balancer_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  tags                         = local.tags
}

resource "aws_vpc_security_group_ingress_rule" "from_workers" {
  for_each = toset(var.workers == null ? [] : ["workers"])

  security_group_id            = aws_security_group.instances.id
  description                  = "Switchyard's checks of each instance"
  referenced_security_group_id = var.workers.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
  tags                         = local.tags
}

resource "aws_vpc_security_group_egress_rule" "from_instances" {
  security_group_id = aws_security_group.instances.id
  description       = "What the application calls; narrow it with network rules of your own"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  tags              = local.tags
}
