"""A tiny image of our own that does nothing, for sandboxes, records and loaders: no registry has to be asked.

Its one program is assembled here: an ELF file whose code waits for a signal, for ever. The engine's init
(PID 1) hands it SIGTERM, which ends it.
"""

from __future__ import annotations

import struct

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import archives
from chalicelib.providers.docker.engine import Client, reachable, words

REPOSITORY = "sparkanywhere/pause"
TAG = "1"  # goes up with every change of the program
NAME = f"{REPOSITORY}:{TAG}"
PROGRAM = "/pause"

LOAD_ADDRESS = 0x400000
FILE_HEADER_BYTES, PROGRAM_HEADER_BYTES = 64, 56  # of ELF64
EXECUTABLE_AND_READABLE = 5
# architecture as Kubernetes names it -> (ELF machine number, code)
CODE = {
    # mov eax, 34 (pause); syscall; jmp back
    "amd64": (62, bytes.fromhex("b822000000 0f05 ebf7")),
    # x0..x4 = 0; x8 = 73 (ppoll); svc 0; b back
    "arm64": (183, struct.pack("<8I", *(0xD2800000 + n for n in range(5)), 0xD2800928, 0xD4000001, 0x17FFFFF9)),
}


def ensure(client: Client, architecture: str) -> str:
    """Return the image's name, imported into the engine if it was not there. Raises ProviderUnavailable."""
    with reachable():
        try:
            client.inspect_image(NAME)
        except docker.errors.ImageNotFound:
            _import(client, architecture)
    return NAME


def _import(client: Client, architecture: str) -> None:
    if architecture not in CODE:
        raise ProviderUnavailable("EngineUnsupported", f"No pause program for the architecture {architecture}.")
    try:
        client.import_image_from_data(
            archives.archive([archives.Entry(PROGRAM, program(architecture), 0o755)]),
            repository=NAME,  # its tag in one with it: Podman passes over one that is given by itself
            changes=[f'ENTRYPOINT ["{PROGRAM}"]'],
        )
    except docker.errors.APIError as error:
        message = f"The engine did not take the image {NAME}: {words(error)}"
        raise ProviderUnavailable("EngineUnavailable", message) from error


def program(architecture: str) -> bytes:
    """Return the ELF executable that pauses for ever."""
    machine, code = CODE[architecture]
    headers = FILE_HEADER_BYTES + PROGRAM_HEADER_BYTES
    size = headers + len(code)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bits, little endian, version 1
    file_header = identity + struct.pack(
        "<HHIQQQIHHHHHH",
        2,  # an executable with fixed addresses
        machine,
        1,
        LOAD_ADDRESS + headers,  # where it begins
        FILE_HEADER_BYTES,  # where the program headers are
        0,
        0,
        FILE_HEADER_BYTES,
        PROGRAM_HEADER_BYTES,
        1,
        0,
        0,
        0,
    )
    program_header = struct.pack(
        "<IIQQQQQQ", 1, EXECUTABLE_AND_READABLE, 0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, 0x1000
    )
    return file_header + program_header + code
