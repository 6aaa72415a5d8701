# A network, an identity and a registry in westeurope.
provider "azurerm" {
  features {}
}

data "azurerm_client_config" "me" {}

module "azure" {
  source = "../.."

  registry                 = "sparkanywhere0example" # choose another: registries' names are Azure-wide
  control_plane_principals = [data.azurerm_client_config.me.object_id]
}

output "settings" {
  description = "The settings of a control plane, as variables of its environment, and the pods' outbound address."
  value       = module.azure
}
