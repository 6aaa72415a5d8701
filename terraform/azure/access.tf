# Whom pods are: they pull images as it. What else they may read, others give to it.
resource "azurerm_user_assigned_identity" "pods" {
  name                = "${var.name}-pods"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  tags                = local.tags
}

resource "azurerm_container_registry" "this" {
  count               = var.registry == "" ? 0 : 1
  name                = var.registry
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  sku                 = var.registry_sku
  admin_enabled       = false
  tags                = local.tags
}

resource "azurerm_role_assignment" "pull" {
  count                = var.registry == "" ? 0 : 1
  scope                = azurerm_container_registry.this[0].id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_user_assigned_identity.pods.principal_id
}

# A control plane makes groups, has them join the subnet and bear the pods' identity: a role of its own, less than
# Contributor, which might give itself more by whatever else the resource group comes to hold.
resource "azurerm_role_definition" "control_plane" {
  name        = "${var.name} control plane"
  scope       = azurerm_resource_group.this.id
  description = "Runs container groups in the resource group ${var.name}."

  permissions {
    actions = [
      "Microsoft.ContainerInstance/containerGroups/*",
      "Microsoft.ContainerInstance/locations/*/read",
      "Microsoft.Network/virtualNetworks/subnets/read",
      "Microsoft.Network/virtualNetworks/subnets/join/action",
      "Microsoft.ManagedIdentity/userAssignedIdentities/read",
      "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    ]
  }

  assignable_scopes = [azurerm_resource_group.this.id]
}

resource "azurerm_role_assignment" "control_plane" {
  for_each           = toset(var.control_plane_principals)
  scope              = azurerm_resource_group.this.id
  role_definition_id = azurerm_role_definition.control_plane.role_definition_resource_id
  principal_id       = each.value
}

# Quotas are the subscription's: only reading them takes a role there.
resource "azurerm_role_definition" "usages" {
  name        = "${var.name} usages"
  scope       = "/subscriptions/${data.azurerm_client_config.here.subscription_id}"
  description = "Reads the quotas of Azure Container Instances."

  permissions {
    actions = ["Microsoft.ContainerInstance/locations/usages/read"]
  }

  assignable_scopes = ["/subscriptions/${data.azurerm_client_config.here.subscription_id}"]
}

resource "azurerm_role_assignment" "usages" {
  for_each           = toset(var.control_plane_principals)
  scope              = "/subscriptions/${data.azurerm_client_config.here.subscription_id}"
  role_definition_id = azurerm_role_definition.usages.role_definition_resource_id
  principal_id       = each.value
}
