resource "aws_lb" "this" {
  count = var.existing_listener == null ? 1 : 0

  name                       = local.short
  load_balancer_type         = "application"
  internal                   = var.internal
  subnets                    = var.load_balancer_subnet_ids
  security_groups            = [aws_security_group.load_balancer[0].id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  tags                       = local.tags

  lifecycle {
    precondition {
      condition     = length(var.load_balancer_subnet_ids) >= 2
      error_message = "A load balancer needs load_balancer_subnet_ids in two zones at least, or give existing_listener."
    }
  }
}

resource "aws_lb_listener" "this" {
  count = var.existing_listener == null ? 1 : 0

  load_balancer_arn = aws_lb.this[0].arn
  port              = local.listener_port
  protocol          = var.certificate_arn == null ? "HTTP" : "HTTPS"
  certificate_arn   = var.certificate_arn
  ssl_policy        = var.certificate_arn == null ? null : var.tls_policy
  tags              = local.tags

  default_action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.place["a"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.place["b"].arn
        weight = 0
      }
    }
  }

  lifecycle {
    # The weights are the switch: Switchyard moves them in every release and in every rollback.
    # An apply that put 100 and 0 back would send all users to whatever is in place a, perhaps
    # to nothing. A change of the action itself has to be made by hand, between releases.
    ignore_changes = [default_action]
  }
}

# Beside other applications of an existing listener, a rule does what the default action does
# on a listener of one's own.
resource "aws_lb_listener_rule" "traffic" {
  count = var.existing_listener == null ? 0 : 1

  listener_arn = var.existing_listener.arn
  priority     = var.existing_listener.priority + 2
  tags         = local.tags

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.place["a"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.place["b"].arn
        weight = 0
      }
    }
  }

  dynamic "condition" {
    for_each = length(var.existing_listener.hosts) > 0 ? [var.existing_listener.hosts] : []

    content {
      host_header {
        values = condition.value
      }
    }
  }

  dynamic "condition" {
    for_each = length(var.existing_listener.paths) > 0 ? [var.existing_listener.paths] : []

    content {
      path_pattern {
        values = condition.value
      }
    }
  }

  lifecycle {
    # For the same reason as on the listener: the weights are Switchyard's.
    ignore_changes = [action]
  }
}

# Test routes: a request that names a place in the header reaches it whatever the weights are.
# In this way a candidate is verified through the load balancer before it has any traffic.
# They look at the header alone, as Switchyard expects of them, so on a listener that serves
# several applications the value has to name this one. Their forward actions never change, so
# Terraform keeps them.
resource "aws_lb_listener_rule" "test" {
  for_each = local.places

  listener_arn = var.existing_listener == null ? aws_lb_listener.this[0].arn : var.existing_listener.arn
  priority     = (var.existing_listener == null ? 1 : var.existing_listener.priority) + (each.key == "a" ? 0 : 1)
  tags         = local.tags

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.place[each.key].arn
  }

  condition {
    http_header {
      http_header_name = "X-Switchyard-Target-Group"
      values           = ["${local.test_prefix}${each.key}"]
    }
  }
}
