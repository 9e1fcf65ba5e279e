# The checkout service in production: one region with a network that exists, a load balancer
# of its own, and workers in another account.
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40, < 7.0"
    }
  }
}

provider "aws" {
  region = "eu-west-1"
}

module "checkout" {
  source = "../.."

  application = "checkout"
  environment = "production"

  vpc_id                   = var.vpc_id
  load_balancer_subnet_ids = var.public_subnet_ids
  instance_subnet_ids      = var.private_subnet_ids
  certificate_arn          = var.certificate_arn
  health_path              = "/healthz"

  worker_principal_arns = [var.worker_principal_arn]
  external_id           = "checkout-production"
  parameter_names       = ["/checkout/production/db-password"]
}
