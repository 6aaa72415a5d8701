"""What the provider `azure` declares; azure-identity and requests are imported where they are needed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from chalicelib.extras import lacking
from chalicelib.providers.azure.prices import SIZES, price_list
from chalicelib.providers.base import Provider, ProviderUnavailable
from chalicelib.providers.declaration import ProviderContext, ProviderDeclaration

SCOPE = "/.default"  # behind an endpoint: all that the identity may do there


@dataclass(frozen=True, slots=True)
class AzureSettings:
    """The settings that this provider alone has; Terraform's outputs become them. Credentials are azure-identity's."""

    azure_subscription: str = field(default="", metadata={"doc": "id of the Azure subscription", "required": True})
    azure_resource_group: str = field(
        default="", metadata={"doc": "resource group that container groups are made in", "required": True}
    )
    azure_location: str = field(default="", metadata={"doc": "Azure region, as `westeurope`", "required": True})
    azure_subnet: str = field(
        default="",
        metadata={
            "doc": "resource id of a subnet that is delegated to Microsoft.ContainerInstance/containerGroups",
            "required": True,
        },
    )
    azure_identity: str = field(
        default="", metadata={"doc": "resource id of the user-assigned identity that pods have, and pull images with"}
    )
    azure_registry: str = field(
        default="", metadata={"doc": "container registry that this identity pulls from, as `NAME.azurecr.io`"}
    )
    azure_dns: str = field(default="", metadata={"doc": "name servers of pods, separated by commas; default Azure's"})
    azure_zone: str = field(default="", metadata={"doc": "availability zone of pods, as `1`; default any"})
    azure_endpoint: str = field(
        default="https://management.azure.com",
        metadata={"doc": "URL of Azure Resource Manager; another one in Azure's clouds of China and of US agencies"},
    )


def build(context: ProviderContext) -> Provider:
    """Return the provider. Raises ProviderUnavailable where azure-identity is not installed."""
    if words := lacking("azure"):
        raise ProviderUnavailable("SdkMissing", words)
    from azure.identity import DefaultAzureCredential

    from chalicelib.providers.azure.arm import Place, ResourceManager
    from chalicelib.providers.azure.group import Site
    from chalicelib.providers.azure.provider import AzureProvider

    logging.getLogger("azure").setLevel(logging.WARNING)  # three lines for each token otherwise, from the cache too
    settings: AzureSettings = context.settings
    endpoint = settings.azure_endpoint.rstrip("/")
    credential = DefaultAzureCredential()
    place = Place(
        endpoint=endpoint,
        subscription=settings.azure_subscription,
        resource_group=settings.azure_resource_group,
        location=settings.azure_location,
    )
    site = Site(
        instance=context.instance,
        location=settings.azure_location,
        subnet=settings.azure_subnet,
        identity=settings.azure_identity,
        registry=settings.azure_registry,
        dns=tuple(each.strip() for each in settings.azure_dns.split(",") if each.strip()),
        zone=settings.azure_zone,
    )

    def token() -> str:
        try:
            return str(credential.get_token(f"{endpoint}{SCOPE}").token)
        except Exception as error:  # of azure-core, and whatever a credential's own library raises
            raise ProviderUnavailable("Credentials", f"no token for Azure: {error}") from error

    return AzureProvider(site, ResourceManager(place, token), context.state / "azure")


def check(context: ProviderContext) -> str:
    """Return how many cores the subscription may have in the region."""
    provider = build(context)
    from chalicelib.providers.extensions import HasQuotas

    quotas = provider.quotas() if isinstance(provider, HasQuotas) else ()
    if not quotas:
        raise ProviderUnavailable("Unavailable", "Azure does not tell the region's quotas: see the log for why")
    return f"{quotas[0].vcpus:g} vCPUs in {context.settings.azure_location}"


DECLARATION = ProviderDeclaration(
    name="azure",
    summary="container groups of Azure Container Instances",
    build=build,
    settings=AzureSettings,
    network="remote",
    opens_declared_ports=True,  # nobody says what of others in a virtual network: 5 are declared
    start_seconds=30.0,  # nobody of us has measured it: "seconds", and more in a virtual network
    sizes=SIZES,
    price_list=price_list,
    not_honoured=(
        "GPUs",
        "hostPath volumes",
        "claims that outlive their pod",
        "names of Services",
        "grace periods: Azure's 30 seconds hold",
        "Spot capacity, which Azure has outside of virtual networks only",
        "logs of a container's run before its restart",
        "exec, attach and port-forward",
    ),
    start_advice={"pull": "each task pulls its image: a smaller one, in a registry of the same region, is quicker"},
    log_delay_seconds=5.0,
    check=check,
)
