"""kubectl exec, attach and port-forward: connections that a client takes over after an upgrade.

From the bottom up:

    websocket        RFC 6455 on a wire, whole messages in and out
    spdy             SPDY/3.1 frames as Kubernetes' clients use them; pure
    spdy_connection  SPDY on a wire, or within a WebSocket
    channels         numbered channels, over a WebSocket or as SPDY streams
    remote_command   exec and attach on such channels
    port_forward     ports as channels over a WebSocket (Python client, kr8s, fabric8) or as SPDY streams (kubectl)
    upgrade          which of these a request wants, or why it gets none

Reference: Kubernetes KEP-4006, and k8s.io/apimachinery/pkg/util/remotecommand (v1.36) for protocol names.
"""
