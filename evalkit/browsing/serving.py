"""The index over HTTP, for this machine alone: 127.0.0.1, read only, and nothing but files that belong to runs."""

from __future__ import annotations

import errno
import os
import re
import shutil
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from evalkit.browsing.index import IndexPage
from evalkit.types import InputError

HOST = "127.0.0.1"
_OWN_NAME = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")  # any port: it may have been forwarded from another
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}
# A report may come from anywhere. In an origin of its own its script reads no other run; and no request leaves the page.
_CONFINED = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Serving:
    """A server for one folder's index. It listens from the moment it is made; `forever` answers until Ctrl-C.

    port: 0 for a free one. Raises InputError where the port cannot be had.
    """

    def __init__(self, root: Path, port: int = 0) -> None:
        self.pages = IndexPage(root)
        try:
            self._server = _Server((HOST, port), self.pages)
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            raise InputError(f"--port: {port}: {reason}; name another one, or leave it out for a free one") from None

    @property
    def address(self) -> str:
        """Where a browser finds the index."""
        return f"http://{HOST}:{self._server.server_port}/"

    def forever(self) -> None:
        """Answer until Ctrl-C, then return."""
        try:
            self._server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass
        finally:
            self._server.server_close()

    def stop(self) -> None:
        """End `forever` from another thread."""
        self._server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], pages: IndexPage) -> None:
        super().__init__(address, _Handler)
        self.pages = pages

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is no error of ours; anything else keeps its traceback."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType]


class _Handler(BaseHTTPRequestHandler):
    server_version = "evalkit"
    sys_version = ""
    timeout = 60

    @property
    def _pages(self) -> IndexPage:
        assert isinstance(self.server, _Server)
        return self.server.pages

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        # A page from elsewhere whose name was made to lead here (DNS rebinding) still says its own name.
        if not _OWN_NAME.fullmatch(self.headers.get("Host", "")):
            return self._refuse(HTTPStatus.MISDIRECTED_REQUEST, body=body)
        path = os.fsdecode(unquote_to_bytes(urlsplit(self.path).path))
        if path in ("/", "/index.html"):
            page = self._pages.page()
            self._head(_TYPES[".html"], len(page), "frame-ancestors 'none'")
            if body:
                self.wfile.write(page)
            return None
        folder, _, name = path.removeprefix("/").rpartition("/")
        found = self._pages.file(folder or ".", name)
        if found is None:
            return self._refuse(HTTPStatus.NOT_FOUND, body=body)
        try:
            with found.open("rb") as file:
                self._head(
                    _TYPES.get(found.suffix, "application/octet-stream"), os.fstat(file.fileno()).st_size, _CONFINED
                )
                if body:
                    shutil.copyfileobj(file, self.wfile)
        except FileNotFoundError:
            return self._refuse(HTTPStatus.NOT_FOUND, body=body)
        return None

    def _head(self, kind: str, length: int, policy: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Security-Policy", policy)
        for name, value in _ALWAYS.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: HTTPStatus, *, body: bool) -> None:
        text = f"{status.value} {status.phrase}\n".encode()
        self._head("text/plain; charset=utf-8", len(text), "default-src 'none'", status)
        if body:
            self.wfile.write(text)
