variable "vpc_id" {
  description = "VPC the service runs in."
  type        = string
}

variable "public_subnet_ids" {
  description = "Public subnets in two zones, for the load balancer."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "Private subnets in two zones, for the instances."
  type        = list(string)
}

variable "certificate_arn" {
  description = "Certificate of the service's name."
  type        = string
}

variable "worker_principal_arn" {
  description = "Role that Switchyard's workers run with."
  type        = string
}
