variable "name" {
  description = "Name of this deployment. All that is made is called by it."
  type        = string
  default     = "sparkanywhere"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name takes 2 to 24 lower-case letters, digits and single dashes, from a letter to a letter or digit."
  }
}

variable "location" {
  description = "Azure region, which must have container groups in virtual networks."
  type        = string
  default     = "westeurope"

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "location takes a region's short name, such as westeurope: lower-case letters and digits."
  }
}

variable "tags" {
  description = "Further tags for everything, for cost allocation."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(var.tags) <= 48 && !contains(keys(var.tags), "project") && !contains(keys(var.tags), "deployment")
    error_message = "tags takes 48 tags at most, since Azure takes 50, none of ours: project, deployment."
  }
}

variable "network_cidr" {
  description = "Address range of the virtual network. Its first quarter is the subnet of the pods, an address each."
  type        = string
  default     = "10.48.0.0/16"

  validation {
    condition = can(regex("^[0-9.]+/(1[6-9]|2[0-4])$", var.network_cidr)) && try(
      cidrhost(var.network_cidr, 0) == split("/", var.network_cidr)[0], false
    )
    error_message = "network_cidr takes an IPv4 range from /16 to /24 without host bits, such as 10.48.0.0/16."
  }
}

variable "registry" {
  description = "Name of the container registry to make, the same for nobody else in Azure; empty makes none."
  type        = string
  default     = ""

  validation {
    condition     = var.registry == "" || can(regex("^[a-zA-Z0-9]{5,50}$", var.registry))
    error_message = "registry takes 5 to 50 letters and digits."
  }
}

variable "registry_sku" {
  description = "Tier of the registry: Basic, Standard or Premium."
  type        = string
  default     = "Basic"

  validation {
    condition     = contains(["Basic", "Standard", "Premium"], var.registry_sku)
    error_message = "registry_sku is one of Basic, Standard, Premium."
  }
}

variable "control_plane_principals" {
  description = "Object ids of those as whom control planes run: users, groups, service principals or managed identities."
  type        = list(string)
  default     = []

  validation {
    condition = length(var.control_plane_principals) == length(toset(var.control_plane_principals)) && alltrue([
      for each in var.control_plane_principals : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", each))
    ])
    error_message = "control_plane_principals takes different object ids, which are UUIDs in lower case."
  }
}
