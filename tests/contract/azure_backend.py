"""The Azure backend of the provider contract: a box over the Docker backend, or over processes."""

from __future__ import annotations

from pathlib import Path

from chalicelib.providers.azure.arm import Place, ResourceManager
from chalicelib.providers.azure.group import Site
from chalicelib.providers.azure.provider import AzureProvider, Pace
from chalicelib.providers.base import Provider
from tests.azure_box.box import LOCATION, RESOURCE_GROUP, SUBNET, SUBSCRIPTION, TOKEN, AzureBox
from tests.contract.docker_backend import DockerProviders
from tests.contract.provider_backends import ProcessProviders, ProviderFactory


class AzureProviders:
    """Handles on one box and one folder, as a control plane has that is started again."""

    def __init__(self, directory: Path, engines: ProviderFactory) -> None:
        self.image = engines.image
        self.box = AzureBox(engines.open())
        self._engines, self.folder = engines, directory / "azure"
        self._opened: list[AzureProvider] = []

    def open(self) -> Provider:
        """Return a further handle."""
        place = Place(
            endpoint=self.box.url, subscription=SUBSCRIPTION, resource_group=RESOURCE_GROUP, location=LOCATION
        )
        site = Site(instance="contract", location=LOCATION, subnet=SUBNET)
        pace = Pace(poll=0.05, log=0.2, follow=0.05)
        provider = AzureProvider(site, ResourceManager(place, lambda: TOKEN), self.folder, pace=pace)
        self._opened.append(provider)
        return provider

    def close(self) -> None:
        """Leave nothing."""
        for provider in self._opened:
            provider.close()
        self.box.close()
        self._engines.close()


def azure_on_docker(directory: Path) -> AzureProviders:
    """Return a box whose containers are those of the machine's engine."""
    return AzureProviders(directory, DockerProviders(directory))


def azure_on_processes(directory: Path) -> AzureProviders:
    """Return a box whose containers are processes."""
    return AzureProviders(directory, ProcessProviders(directory))
