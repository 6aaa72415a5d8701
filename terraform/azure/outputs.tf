# Each but the last is the setting of its name: SPARKANYWHERE_AZURE_SUBNET and so on.

output "azure_subscription" {
  description = "Id of the subscription."
  value       = data.azurerm_client_config.here.subscription_id
}

output "azure_resource_group" {
  description = "The resource group of all container groups."
  value       = azurerm_resource_group.this.name
}

output "azure_location" {
  description = "The region."
  value       = azurerm_resource_group.this.location
}

output "azure_subnet" {
  description = "Resource id of the pods' subnet, told once it has its way out."
  value       = azurerm_subnet.pods.id
  depends_on = [
    azurerm_subnet_nat_gateway_association.pods,
    azurerm_nat_gateway_public_ip_association.this,
    azurerm_subnet_network_security_group_association.pods,
  ]
}

output "azure_identity" {
  description = "Resource id of the pods' identity."
  value       = azurerm_user_assigned_identity.pods.id
}

output "azure_registry" {
  description = "Server name of the registry, empty where none was made."
  value       = one(azurerm_container_registry.this[*].login_server) == null ? "" : azurerm_container_registry.this[0].login_server
}

output "outbound_address" {
  description = "The address from which pods reach the outside, for the control plane's firewall."
  value       = azurerm_public_ip.outbound.ip_address
}
