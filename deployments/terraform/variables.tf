variable "application" {
  description = "Application that is released; the spec's application."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$", var.application))
    error_message = "1 to 40 lower-case letters, digits and dashes, with a letter or digit at both ends."
  }
}

variable "environment" {
  description = "Environment it is released to; the spec's environment."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$", var.environment))
    error_message = "1 to 40 lower-case letters, digits and dashes, with a letter or digit at both ends."
  }
}

variable "vpc_id" {
  description = "VPC of the load balancer and the instances."
  type        = string
}

variable "instance_subnet_ids" {
  description = "Subnets the instances run in, best in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.instance_subnet_ids) >= 1 && length(var.instance_subnet_ids) <= 16
    error_message = "1 to 16 subnets."
  }
}

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer, in two zones at least. Not used with existing_listener."
  type        = list(string)
  default     = []
}

variable "instance_type" {
  description = "Instance type that goes into the spec's snippet."
  type        = string
  default     = "m7g.large"
}

variable "port" {
  description = "Port the application listens on."
  type        = number
  default     = 8080
}

variable "health_path" {
  description = "Path the load balancer asks to learn whether an instance is healthy; the spec's fleet.healthPath."
  type        = string
  default     = "/healthz"
}

variable "health_interval" {
  description = "Seconds between two health checks of an instance."
  type        = number
  default     = 10
}

variable "healthy_threshold" {
  description = "Health checks in a row that make an instance healthy."
  type        = number
  default     = 2
}

variable "unhealthy_threshold" {
  description = "Health checks in a row that make an instance unhealthy."
  type        = number
  default     = 3
}

variable "deregistration_delay" {
  description = "Seconds an instance that leaves may take to answer the requests it has; the drain."
  type        = number
  default     = 60
}

variable "slow_start" {
  description = "Seconds in which a new instance's share of requests grows to its full one; 0 switches it off, else 30 to 900."
  type        = number
  default     = 0

  validation {
    condition     = var.slow_start == 0 || (var.slow_start >= 30 && var.slow_start <= 900)
    error_message = "0, or 30 to 900 seconds."
  }
}

variable "certificate_arn" {
  description = "Certificate of an HTTPS listener on port 443. Null: HTTP on port 80. Not used with existing_listener."
  type        = string
  default     = null
}

variable "tls_policy" {
  description = "Security policy of the HTTPS listener."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"
}

variable "internal" {
  description = "Whether the load balancer has private addresses only."
  type        = bool
  default     = false
}

variable "client_cidrs" {
  description = "Networks the load balancer answers to. Not used with existing_listener."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "test_prefix" {
  description = "Text before a and b in the header that chooses a target group, such as a long random word: who knows the value reaches a candidate before it has traffic. Null: none on a listener of one's own, application and environment on an existing one."
  type        = string
  default     = null
}

variable "existing_listener" {
  description = "Listener to add rules to instead of making a load balancer: its ARN, the security group of its load balancer, the priority of the first of three rules, and which requests are the application's (hosts, paths; one of them at least, five values in all)."
  type = object({
    arn               = string
    security_group_id = string
    priority          = optional(number, 100)
    hosts             = optional(list(string), [])
    paths             = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.existing_listener == null ? true : length(var.existing_listener.hosts) + length(var.existing_listener.paths) >= 1
    error_message = "Without hosts and paths the rules would take every request of the listener."
  }
}

variable "workers" {
  description = "Security group of Switchyard's workers, which ask every instance the checks of verification. Null: only the load balancer reaches the instances, and every check of the spec must go through the router."
  type = object({
    security_group_id = string
  })
  default = null
}

variable "existing_roles" {
  description = "Roles to use instead of making them, for the second region of the same account: the outputs worker_role_arn and instance_profile of the first."
  type = object({
    worker_role_arn  = string
    instance_profile = string
  })
  default = null
}

variable "worker_principal_arns" {
  description = "Who may assume the worker's role: ARNs of roles, users or accounts. Needed unless existing_roles is given."
  type        = list(string)
  default     = []
}

variable "external_id" {
  description = "External id that whoever assumes the worker's role must present. Null: none."
  type        = string
  default     = null
}

variable "regions" {
  description = "Regions the worker's role may act in. Empty: the provider's only. Name all regions of the spec that share this role."
  type        = list(string)
  default     = []
}

variable "parameter_names" {
  description = "SSM parameters the instances may read, as the spec's secrets name them after ssm:, for example /checkout/db."
  type        = list(string)
  default     = []
}

variable "secret_names" {
  description = "Secrets of Secrets Manager the instances may read, as the spec's secrets name them after secretsmanager:."
  type        = list(string)
  default     = []
}

variable "secret_kms_key_arns" {
  description = "Keys that encrypt these parameters and secrets, when they are not the default ones."
  type        = list(string)
  default     = []
}

variable "instance_policy_arns" {
  description = "Further managed policies of the instances, by a name of your choice."
  type        = map(string)
  default     = {}
}

variable "bake_with_packer" {
  description = "Whether the worker's role gets what Packer's amazon-ebs builder needs, too."
  type        = bool
  default     = true
}

variable "volume_kms_key" {
  description = "Key that encrypts volumes and copied images: the object's arn. Its key policy must let AWSServiceRoleForAutoScaling use it. Null: the account's default key for EBS."
  type = object({
    arn = string
  })
  default = null
}

variable "deletion_protection" {
  description = "Whether the load balancer must be unprotected by hand before it can be deleted."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Further tags of everything the module makes."
  type        = map(string)
  default     = {}
}
