"""The provider that runs tasks on a Docker engine: what others may use of it.

provider.py is the front; launcher creates and starts, stopper ends, events and ledger know, container_spec and
mounts translate a Task into the engine's words, task_state translates back.
"""

from chalicelib.providers.docker.cleanup import Removed, down
from chalicelib.providers.docker.engine import connect
from chalicelib.providers.docker.identity import control_plane_id
from chalicelib.providers.docker.provider import DockerProvider

__all__ = ["DockerProvider", "Removed", "connect", "control_plane_id", "down"]
