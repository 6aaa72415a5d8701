"""The Chalice app: built once, routes and events registered. No logic.

What runs: plane/control_plane. What it answers: endpoints/http/requests. What happens then: controllers.
"""

import contextlib

from chalicelib.cold_start import initialised
from chalicelib.endpoints.app import KubernetesApp, register_events
from chalicelib.lambda_environ import event_pattern
from chalicelib.plane.control_plane import control_plane, prepare

app = KubernetesApp(app_name="sparkanywhere")
app.serve(control_plane)
task_events, resync, launch, stream = register_events(app, control_plane, pattern=event_pattern())
prepare()
initialised()

with contextlib.suppress(ImportError):  # never deployed: Lambda has no such package
    from sparkanywhere.local.chalice_command import replace_stock_chalice

    replace_stock_chalice()
