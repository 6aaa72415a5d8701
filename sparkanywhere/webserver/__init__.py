"""An HTTP/1.1 server for one machine: threads, keep-alive, streams and upgrades, and nothing of Kubernetes.

From the bottom up:

    limits      every number, with its unit and reason
    transport   a socket as a file whose reads end in time
    head        pure: bytes -> RequestHead, or what is wrong with them
    body        the request's body, by length or in chunks, never beyond a limit
    origin      pure: may a page in a browser have sent this request?
    answer      a handler's answer -> bytes
    wire        one client's bytes in and out, and whether the client is still there
    connection  one client's requests, one after the other
    server      the sockets we listen on, the connections, and how all of it ends
"""
