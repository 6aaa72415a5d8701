"""One client's requests, one after the other, on a connection of its own thread.

h11 parses them, a new parser for each. Its writing half is not used: it would cost a GET as much time again.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from typing import Literal

import h11

from sparkanywhere.webserver.limits import Limits
from sparkanywhere.webserver.messages import (
    CONTINUE,
    LAST_CHUNK,
    Answer,
    Application,
    BadRequest,
    Request,
    RequestHead,
    answer_head,
    chunk,
    has_body,
    request_head,
)
from sparkanywhere.webserver.origin import refusal
from sparkanywhere.webserver.shares import Shares
from sparkanywhere.webserver.wire import Wire

LOG = logging.getLogger("sparkanywhere.http")

Phase = Literal["idle", "busy", "streaming"]


class Connection:
    """Serves requests until the client leaves, breaks the rules, is too slow, or we stop."""

    def __init__(
        self,
        wire: Wire,
        *,
        client: tuple[str, int],
        application: Application,
        limits: Limits,
        transfer: Shares,
        closed_to: str = "",
    ) -> None:
        """Take over `wire`. `transfer` counts bytes; `closed_to` is why this client is refused whatever it asks."""
        self.wire = wire
        self.phase: Phase = "idle"
        self._client = client
        self._application = application
        self._limits = limits
        self._transfer = transfer
        self._closed_to = closed_to
        self._held = 0  # bytes of `transfer`, for the request under way
        self._parser = h11.Connection(h11.SERVER)
        self._parsed = 0  # bytes that the parser has been given
        self._has_asked = False
        self._stopping = False
        self._chunked = False

    def serve(self) -> None:
        """Serve requests one by one; return when the connection has ended. Raises nothing a client causes."""
        try:
            with contextlib.suppress(OSError):
                while self._serve_one():
                    pass
        finally:
            self.wire.close()

    def stop(self) -> None:
        """End soon, from another thread: an idle connection now, a busy one after its answer."""
        self._stopping = True
        if self.phase == "idle":
            self.wire.cut(socket.SHUT_RD)  # what has arrived can still be read

    def end(self) -> None:
        """End now, from another thread: a stream with its last chunk, anything else in the middle."""
        self.wire.finish(LAST_CHUNK if self.phase == "streaming" and self._chunked else b"")

    def _serve_one(self) -> bool:
        """Serve one request; return whether another may follow."""
        self.phase = "idle"
        head: RequestHead | None = None
        try:
            head = self._read_head()
            if head is None:
                return False
            if why := self._closed_to or refusal(head.headers, self._application.own_names):
                self._application.forbidden(head, self._client, why)
                raise BadRequest(403, why)
            return self._answer(Request(head, self._read_body(head), self._client))
        except BadRequest as error:
            answer = error.answer or self._application.refuse(error.code, error.message)
            body = answer.body if head is None or head.method != "HEAD" else b""
            self.wire.send(answer_head(answer, chunked=False, close=True, now=time.time()) + body)
            self.wire.linger()
            return False
        finally:
            self._transfer.give(self._client[0], self._held)
            self._held = 0

    def _answer(self, request: Request) -> bool:
        """Have a request answered; return whether another may follow. Raises BadRequest."""
        head = request.head
        try:
            answer = self._application.handler(request)
        except Exception:  # the edge: whatever it was, the client gets an answer without internals
            LOG.exception("request failed method=%s path=%s", head.method, head.path)
            answer = self._application.refuse(500, "the server failed to answer this request")
        if answer.takeover is not None:
            self.phase, self._chunked = "streaming", False
            self.wire.unread(self._parser.trailing_data[0])
            answer.takeover(self.wire)
            return False
        close = answer.asks_close or head.wants_close or self._stopping
        if answer.stream is not None:
            return self._send_stream(head, answer, answer.stream, close=close)
        data = answer_head(answer, chunked=False, close=close, now=time.time())
        if has_body(answer, head.method):
            self._hold(self._held + len(answer.body))
            data += answer.body
        self.wire.send(data)
        return not close

    def _hold(self, count: int) -> None:
        """Hold so many bytes in all until the request has been answered. Raises BadRequest."""
        if count > self._limits.stranger_body_bytes:
            if not self._transfer.take(self._client[0], count - self._held):
                raise BadRequest(429, "too many long bodies and answers are under way, please try again later")
            self._held = count

    def _next_event(self, too_slow: str) -> object:
        """Return h11's next event, reading as much as it takes. Raises BadRequest; `too_slow` is its words."""
        try:
            while (event := self._parser.next_event()) is h11.NEED_DATA:
                self._feed(self.wire.receive())
        except h11.RemoteProtocolError as error:
            raise BadRequest(error.error_status_hint, f"malformed HTTP request: {error}") from error
        except ValueError:  # by h11, of more digits than Python takes
            raise BadRequest(400, "bad Content-Length") from None
        except TimeoutError:
            raise BadRequest(408, too_slow) from None
        return event

    def _feed(self, data: bytes) -> None:
        self._parsed += len(data)
        self._parser.receive_data(data)

    def _read_head(self) -> RequestHead | None:
        received = self._parser.trailing_data[0]  # with the request before
        if not received:
            self.wire.allow(self._limits.idle_seconds if self._has_asked else self._limits.head_seconds)
            with contextlib.suppress(TimeoutError):
                received = self.wire.receive()
            if not received:
                return None
        self.phase = "busy"
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head_bytes)
        self._parsed = 0
        self._feed(received)
        self.wire.allow(self._limits.head_seconds)
        event = self._next_event("the request's headers did not arrive in time")
        if not isinstance(event, h11.Request):
            return None
        limit = (
            self._limits.head_bytes
        )  # h11 holds it for what is incomplete, and not for what comes with the last piece
        if self._parsed > limit and self._parsed - len(self._parser.trailing_data[0]) > limit:
            raise BadRequest(431, f"the request's headers are too long: at most {limit} bytes")
        self._has_asked = True
        return request_head(event, header_count=self._limits.header_count)

    def _read_body(self, head: RequestHead) -> bytes:
        body, limit = bytearray(), self._limits.body_bytes
        size = int(head.headers.get("content-length", "0"))
        if not size and "transfer-encoding" not in head.headers:
            return b""
        if size <= limit:
            self._expect(head, size)
            if self._parser.they_are_waiting_for_100_continue:
                self.wire.send(CONTINUE)
        self.wire.allow(self._limits.body_seconds)
        while size <= limit:
            event = self._next_event("the request body did not arrive in time")
            if not isinstance(event, h11.Data):
                return bytes(body)
            body += event.data
            if len(body) > size:  # of chunks, whose sum nobody has said before
                size = len(body)
                self._expect(head, size)
        raise BadRequest(413, "the request body is too large")

    def _expect(self, head: RequestHead, size: int) -> None:
        """Make room for a body of that size, if it is long for a known caller alone. Raises BadRequest."""
        if size > self._limits.stranger_body_bytes and not self._held:
            answer = self._application.stranger(head, self._client)
            if answer is not None:
                raise BadRequest(answer.status, "", answer)
        self._hold(size)

    def _send_stream(self, head: RequestHead, answer: Answer, stream: Iterator[bytes], *, close: bool) -> bool:
        """Send every piece; return whether the stream ended whole and another request may follow."""
        self._chunked = head.minor_version > 0
        close = close or not self._chunked
        try:
            self.wire.send(answer_head(answer, chunked=self._chunked, close=close, now=time.time()))
            if not has_body(answer, head.method):
                return not close
            self.phase = "streaming"
            has_sent = False
            for piece in stream:
                if piece:
                    data = chunk(piece) if self._chunked else piece
                    self.wire.send(data, seconds=self._limits.stream_write_seconds)
                elif not has_sent and self.wire.client_is_gone():  # it has just been there
                    return False
                has_sent = bool(piece)
                if self._stopping:
                    break
            if self._chunked:
                self.wire.send(LAST_CHUNK)
            return not self._stopping and not close
        except OSError:
            return False
        except Exception:  # the head is out: all that is left is to break off, so that the client notices
            LOG.exception("stream failed path=%s", head.path)
            return False
        finally:
            end_stream = getattr(stream, "close", None)  # generators have one, plain iterators don't
            if end_stream is not None:
                end_stream()
