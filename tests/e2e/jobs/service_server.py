"""Give every connection to a port (the first argument) one line (the second), and hold it until the client leaves.

It listens on the pod's own address where POD_IP says it.
"""

import os
import socket
import sys
import threading

port, line = int(sys.argv[1]), sys.argv[2]


def serve(connection: socket.socket) -> None:
    with connection:
        connection.sendall(line.encode())
        while connection.recv(100):
            connection.sendall(line.encode())


with socket.create_server((os.environ.get("POD_IP", ""), port)) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
