"""An HTTP/1.1 server for one machine: threads, keep-alive, streams and upgrades, and nothing of Kubernetes.

From the bottom up:

    limits      every number, with its unit and reason
    wire        one client's bytes in and out, in time, and whether the client is still there
    messages    pure: h11's request -> RequestHead, or why it is refused; a handler's answer -> bytes
    origin      pure: may a page in a browser have sent this request?
    peers       which user of this machine holds the other end of a connection
    shares      pure: counts what there is only so much of, in all and for each client
    connection  one client's requests, one after the other, parsed and written by h11
    server      the sockets we listen on, the connections, and how all of it ends
"""
