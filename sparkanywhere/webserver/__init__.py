"""An HTTP/1.1 server for one machine: threads, keep-alive, streams and upgrades, and nothing of Kubernetes.

From the bottom up:

    limits      every number, with its unit and reason
    transport   a socket whose reads and writes end in time
    head        pure: h11's request -> RequestHead, or why it is refused
    origin      pure: may a page in a browser have sent this request?
    answer      a handler's answer, and its head for h11
    wire        one client's bytes in and out, and whether the client is still there
    connection  one client's requests, one after the other, parsed and written by h11
    server      the sockets we listen on, the connections, and how all of it ends
"""
