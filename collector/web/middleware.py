"""Limits that stand before every route."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

REPORTS_PATH = "/api/v1/reports"
_TOO_LARGE = b'{"detail":"the body is larger than limits.form_bytes"}'


class BodyLimit:
    """Refuses bodies of more than `form_bytes` on every route but the one for reports, which has limits of its own.

    Nobody needs to be known for a form to be read, so its size must be bounded before anything else is looked at.
    """

    def __init__(self, app: ASGIApp, form_bytes: int) -> None:
        self._app = app
        self._form_bytes = form_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers 413."""
        if scope["type"] != "http" or scope["path"] == REPORTS_PATH:
            await self._app(scope, receive, send)
            return
        # Read whole here: forms are small, and no route starts before its body is known to be.
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if len(body) > self._form_bytes:
                await _refuse(send)
                return
            if not message.get("more_body", False):
                break

        delivered = False

        async def replay() -> Message:
            nonlocal delivered
            if delivered:
                return await receive()
            delivered = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _TOO_LARGE})
