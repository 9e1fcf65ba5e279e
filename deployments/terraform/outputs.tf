locals {
  listener_arn     = var.existing_listener == null ? aws_lb_listener.this[0].arn : aws_lb_listener_rule.traffic[0].arn
  worker_role_arn  = var.existing_roles == null ? aws_iam_role.worker[0].arn : var.existing_roles.worker_role_arn
  instance_profile = var.existing_roles == null ? aws_iam_instance_profile.instance[0].name : var.existing_roles.instance_profile

  # The first target group is place a, the second place b, as the test routes have it.
  region_entry = templatefile("${path.module}/spec_region.tftpl", {
    region          = local.region
    listener        = local.listener_arn
    target_groups   = [aws_lb_target_group.place["a"].arn, aws_lb_target_group.place["b"].arn]
    subnets         = var.instance_subnet_ids
    security_groups = [aws_security_group.instances.id]
    kms_key         = try(var.volume_kms_key.arn, null)
  })
}

output "switchyard_spec" {
  description = "YAML for the release spec: platform, aws and this region's entry of regions."
  value = templatefile("${path.module}/spec_aws.tftpl", {
    role             = local.worker_role_arn
    external_id      = var.external_id
    instance_type    = var.instance_type
    instance_profile = local.instance_profile
    port             = var.port
    region_entry     = trimsuffix(local.region_entry, "\n")
  })
}

output "switchyard_region" {
  description = "YAML of this region's entry alone, to append to regions of a spec that has one already."
  value       = local.region_entry
}

output "worker_role_arn" {
  description = "Role that Switchyard's workers assume; aws.role of the spec."
  value       = local.worker_role_arn
}

output "instance_profile" {
  description = "Instance profile of the instances; aws.instanceProfile of the spec."
  value       = local.instance_profile
}

output "target_group_arns" {
  description = "Target groups of the places a and b, in this order."
  value       = [aws_lb_target_group.place["a"].arn, aws_lb_target_group.place["b"].arn]
}

output "listener_arn" {
  description = "Listener, or rule of the existing listener, whose weights Switchyard moves."
  value       = local.listener_arn
}

output "instance_security_group_id" {
  description = "Security group of the instances."
  value       = aws_security_group.instances.id
}

output "load_balancer_dns_name" {
  description = "Name of the load balancer the module made; null with existing_listener."
  value       = try(aws_lb.this[0].dns_name, null)
}
