"""Ask the API for its version as each client in a pod does: by the variables, and by every name at port 443."""

import os
import ssl
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}"}
where = {"env": f"{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"}
forms = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
for name, end in (where | {form: form for form in forms}).items():
    request = urllib.request.Request(f"https://{end}/version", headers=headers)
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        print(name, answer.status, flush=True)
