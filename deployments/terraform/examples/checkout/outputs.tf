output "switchyard_spec" {
  description = "Paste it into the release spec: terraform output -raw switchyard_spec."
  value       = module.checkout.switchyard_spec
}
