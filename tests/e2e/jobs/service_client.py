"""Ask each `name:port` of the arguments for a line, for ever, and print what comes whenever it is another.

With `--hold N` before them: ask the first one N more times on the same connection, and end.
"""

import socket
import sys
import time


def connected(end: str) -> socket.socket:
    name, _, port = end.rpartition(":")
    return socket.create_connection((name, int(port)), timeout=5)


if sys.argv[1] == "--hold":
    count, end = int(sys.argv[2]), sys.argv[3]
    with connected(end) as connection:
        line = connection.recv(100).decode()
        print(f"{end} says {line}", flush=True)
        for _ in range(count):
            connection.sendall(b"?")
            assert connection.recv(100).decode() == line
            time.sleep(0.1)
        print(f"{count} more times {line}", flush=True)
    sys.exit()
last: dict[str, str] = {}
while True:
    for end in sys.argv[1:]:
        try:
            with connected(end) as connection:
                found = connection.recv(100).decode() or "nothing"
        except OSError as error:
            found = type(error).__name__
        if last.get(end) != found:
            last[end] = found
            print(f"{end} says {found}", flush=True)
    time.sleep(0.05)
