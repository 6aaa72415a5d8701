# A deployment with everything as it comes: sparkanywhere-prod in eu-west-1.
provider "aws" {
  region = "eu-west-1"
}

module "sparkanywhere" {
  source = "../.."
}

output "sparkanywhere" {
  description = "All that the module tells, such as the settings of the Chalice stage."
  value       = module.sparkanywhere
}
