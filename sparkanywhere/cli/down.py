"""`make down`: remove everything that stopped control planes of this user left on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from chalicelib.config import Settings
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.local.instance_lock import InstanceLock
from sparkanywhere.local.providers import remove_leftovers


@click.command()
@click.option("--instance", help="Only this control plane; default: all that do not run now.")
def down(instance: str | None) -> None:
    """Remove processes, containers, networks and volumes that stopped control planes left running."""
    settings = Settings.from_env()
    root = settings.state_dir().parent
    folders = [root / instance] if instance else sorted(path for path in root.glob("*") if path.is_dir())
    for folder in folders:
        click.echo(f"{folder.name}: {clear(folder, settings)}")
    if not folders:
        click.echo(f"No control plane has left anything below {root}.")


def clear(folder: Path, settings: Settings) -> str:
    """Remove what the instance has left; return in words what was done."""
    if not folder.is_dir():
        return "there is no such control plane here"
    lock = InstanceLock(folder / "lock")
    if not lock.take():
        return f"its server runs (process {lock.holder()}): end that first"
    try:
        removed = remove_leftovers(folder, settings, providers=[settings.provider])
    except ProviderUnavailable as error:
        return error.message
    finally:
        lock.release()
    return " and ".join(f"{count} {what}" for what, count in removed.items()) + " removed"
