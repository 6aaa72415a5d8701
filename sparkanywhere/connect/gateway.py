"""The gateway: what Spark Connect clients speak TLS with, and what passes their calls on to a server.

Requests and answers pass as bytes, one at a time, so that neither side is read faster than the other takes it. Spark
keeps the sessions of each user apart and takes the user from the request (SparkConnectSessionManager, 4.3): here that
is the user of the token.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import grpc

from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import ApiUnreachable
from sparkanywhere.connect.server import Server, Servers, TokenRefused
from sparkanywhere.connect.token_checks import TokenChecks, Users
from sparkanywhere.connect.user_context import MalformedRequest, of_user

SERVICE = "/spark.connect.SparkConnectService/"
AUTHORIZATION = "authorization"
# Spark's own limit is 128 MB, and it says so itself.
ANY_SIZE = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
# PySpark 4.3 pings each minute, also while nothing is called; gRPC takes more than one in five minutes for an attack.
LISTENING = (
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),  # a second gateway must not share the port of the first
)
IDLE_CHANNEL = ("grpc.client_idle_timeout_ms", 5_000)  # a server of the engine Sail counts its connections as use
CONNECT_SECONDS = 3.0
START_SECONDS = 420.0  # for a server that is not there: more than a start is given by whoever starts it
PAUSE_SECONDS = 1.0
STOP_SECONDS = 2.0
OURS = frozenset({AUTHORIZATION, "user-agent", "te", "content-type", "grpc-accept-encoding", "grpc-encoding"})


class Gateway(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """Serves clients, one server behind all of them."""

    def __init__(self, users: Users, servers: Servers) -> None:
        self._checks = TokenChecks(users)
        self._servers = servers
        self._reaching: asyncio.Task[tuple[Any, str]] | None = None
        self._server: Server | None = None
        self._channel: Any = None  # of grpc.aio

    @contextmanager
    def serving(self, *, bind: str, port: int, certificate: bytes) -> Iterator[int]:
        """Serve with the certificate and key of a PEM, on a thread of its own; yield the port, a free one for 0.

        Without a certificate there is no TLS, which is for loopback alone. Raises OSError for a port that is taken,
        and whatever else keeps it from listening.
        """
        is_over, listening = threading.Event(), Future[int]()

        def serve() -> None:
            try:
                asyncio.run(self._serve(bind, port, certificate, listening, is_over))
            except Exception as error:  # of any kind: else nobody who waits for the port would learn of it
                if listening.done():
                    raise
                listening.set_exception(error)

        thread = threading.Thread(target=serve, name="gateway", daemon=True)
        thread.start()
        try:
            yield listening.result()
        finally:
            is_over.set()
            thread.join()

    async def _serve(
        self, bind: str, port: int, certificate: bytes, listening: Future[int], is_over: threading.Event
    ) -> None:
        server = grpc.aio.server(options=(*ANY_SIZE, *LISTENING))
        server.add_generic_rpc_handlers((self,))
        host = f"[{bind}]" if ":" in bind else bind
        try:
            if certificate:
                credentials = grpc.ssl_server_credentials([(certificate, certificate)])
                bound = server.add_secure_port(f"{host}:{port}", credentials)
            else:
                bound = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise OSError(f"{host}:{port} cannot be listened on: another program may have the port.") from error
        await server.start()
        listening.set_result(bound)
        try:
            await asyncio.to_thread(is_over.wait)
        finally:
            await server.stop(STOP_SECONDS)
            if self._channel is not None:
                await self._channel.close()

    def service(self, details: Any) -> Any:  # Any: grpc's own
        """Return what answers a call, None for one that is not Spark Connect's."""
        if not details.method.startswith(SERVICE):
            return None

        async def answer(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for message in self._pass_on(details.method, requests, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(answer)  # on the wire a single message is a stream of one

    async def _pass_on(self, method: str, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        metadata = list(context.invocation_metadata() or ())
        try:
            token = next((str(value) for key, value in metadata if key == AUTHORIZATION), "").removeprefix("Bearer ")
            user = await self._checks.find_user(token, context.peer().rpartition(":")[0])
            # One for all callers, which goes on when they have left: threads cannot be stopped, nor starts of a server.
            if self._reaching is None or self._reaching.done():
                self._reaching = asyncio.create_task(self._reach())
            channel, own_token = await asyncio.shield(self._reaching)
        except TokenRefused as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        except ApiUnreachable as error:  # clients ask again
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        except Failure as error:  # asking again would start the same anew
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        malformed: list[MalformedRequest] = []

        async def of_this_user() -> AsyncIterator[bytes]:
            async for message in requests:
                try:
                    yield of_user(message, user)
                except MalformedRequest as error:
                    malformed.append(error)
                    raise  # cancels the call

        call = channel.stream_stream(method)(
            of_this_user(),
            metadata=(*passing(metadata), *([(AUTHORIZATION, f"Bearer {own_token}")] if own_token else ())),
            timeout=context.time_remaining(),
        )
        try:
            await context.send_initial_metadata(tuple(passing(await call.initial_metadata())))
            async for message in call:
                yield message
            context.set_trailing_metadata(tuple(passing(await call.trailing_metadata())))
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            if malformed:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"The request is malformed: {malformed[0]}.")
            if isinstance(error, asyncio.CancelledError):
                raise
            trailing = tuple(passing(error.trailing_metadata() or ()))
            await context.abort(error.code(), error.details() or "", trailing)
        finally:
            call.cancel()  # our client may have gone; no harm to a call that has ended

    async def _reach(self) -> tuple[Any, str]:
        """Return a channel that is connected, and the token to use on it. Raises Failure."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while True:
            if self._channel is not None and await self._is_connected():
                assert self._server
                return self._channel, self._server.token
            if asyncio.get_running_loop().time() > deadline:
                raise ApiUnreachable("The Spark Connect server runs but does not answer.")
            before, self._server = self._server, await asyncio.to_thread(self._servers.ensure)
            if self._channel is not None:
                await self._channel.close()
            self._channel = grpc.aio.insecure_channel(self._server.address, options=(*ANY_SIZE, IDLE_CHANNEL))
            if before == self._server:
                await asyncio.sleep(PAUSE_SECONDS)  # it may be on its way out

    async def _is_connected(self) -> bool:
        try:
            await asyncio.wait_for(self._channel.channel_ready(), CONNECT_SECONDS)
        except TimeoutError:
            return False
        return True


def passing(metadata: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    """Yield what is passed on of a call's metadata: not what gRPC and we put there ourselves."""
    return ((key, value) for key, value in metadata if key not in OURS)
