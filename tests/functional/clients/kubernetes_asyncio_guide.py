"""kubernetes_asyncio's examples: pods, watch, exec over a WebSocket, patches, a job."""

from __future__ import annotations

import asyncio

from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.stream import WsApiClient


async def main() -> None:
    await config.load_kube_config()
    async with client.ApiClient() as api:
        core = client.CoreV1Api(api)
        container = {"name": "c", "image": "busybox", "command": ["sh", "-c", "echo hello; sleep 1000"]}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
        await core.create_namespaced_pod("default", {"metadata": {"name": "ka"}, "spec": spec})
        async with watch.Watch() as stream:
            async for event in stream.stream(
                core.list_namespaced_pod, "default", field_selector="metadata.name=ka", timeout_seconds=60
            ):
                if event["object"].status.phase == "Running":
                    break
        for _ in range(100):
            if await core.read_namespaced_pod_log("ka", "default") == "hello\n":
                break
            await asyncio.sleep(0.2)
        else:
            raise AssertionError("the log stays empty")
        async with WsApiClient() as sockets:
            said = await client.CoreV1Api(sockets).connect_get_namespaced_pod_exec(
                "ka", "default", command=["echo", "from-exec"], stdout=True, stderr=True, stdin=False, tty=False
            )
        assert said == "from-exec\n", said
        patched = await core.patch_namespaced_pod("ka", "default", {"metadata": {"labels": {"x": "y"}}})
        assert patched.metadata.labels == {"x": "y"}
        await core.delete_namespaced_pod("ka", "default")
        missing = await asyncio.gather(core.read_namespaced_pod("nobody", "default"), return_exceptions=True)
        assert missing[0].status == 404


asyncio.run(main())
