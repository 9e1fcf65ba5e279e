# Each target group holds one fleet at a time: the live one, and beside it the candidate or
# the previous one. Both are the same, so that a fleet behaves alike in either.
resource "aws_lb_target_group" "place" {
  for_each = local.places

  name                 = "${local.short}-${each.key}"
  vpc_id               = var.vpc_id
  target_type          = "instance"
  protocol             = "HTTP"
  port                 = var.port
  deregistration_delay = var.deregistration_delay
  slow_start           = var.slow_start
  tags                 = local.tags

  health_check {
    protocol            = "HTTP"
    port                = "traffic-port"
    path                = var.health_path
    matcher             = "200"
    interval            = var.health_interval
    timeout             = min(5, var.health_interval - 1)
    healthy_threshold   = var.healthy_threshold
    unhealthy_threshold = var.unhealthy_threshold
  }
}
