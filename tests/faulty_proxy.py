"""A proxy before a real S3 server that behaves as some stores and networks do."""

import http.client
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

CONDITIONS = {"if-match", "if-none-match"}


@contextmanager
def faulty_proxy(
    endpoint: str,
    forgets_conditions: bool = False,
    tear_every: int = 0,
    refuse_every: int = 0,
    forbids: str | None = None,
) -> Iterator[str]:
    """Gives the endpoint of a proxy before an anonymous `endpoint`, which must not look at signatures.

    Args:
        endpoint: The real server's.
        forgets_conditions: Leave out the conditions of writes, as gateways do that do not know them.
        tear_every: Of so many answers to GET, break one off in its middle; 0 for none.
        refuse_every: Answer one of so many requests with 503 SlowDown; 0 for none.
        forbids: Answer GET and HEAD of paths that end with this with 403 AccessDenied.
    """
    host = urlsplit(endpoint).netloc
    requests, reads = itertools.count(1), itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if refuse_every and next(requests) % refuse_every == 0:
                self.answer(503, [], b"<Error><Code>SlowDown</Code><Message>less</Message></Error>")
                return
            if forbids and self.command in ("GET", "HEAD") and urlsplit(self.path).path.endswith(forbids):
                self.answer(403, [], b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
                return
            forgotten = CONDITIONS if forgets_conditions else ()
            kept = {name: value for name, value in self.headers.items() if name.lower() not in forgotten}
            upstream = http.client.HTTPConnection(host)
            upstream.request(self.command, self.path, body, kept)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            tear = self.command == "GET" and tear_every and next(reads) % tear_every == 0
            self.answer(answer.status, answer.getheaders(), content, len(content) // 2 if tear else None)

        do_PUT = do_DELETE = do_HEAD = do_POST = do_GET

        def answer(
            self, status: int, headers: list[tuple[str, str]], content: bytes, most: int | None = None
        ) -> None:
            self.send_response(status)
            length = str(len(content))
            for name, value in headers:
                if name.lower() == "content-length":
                    length = value if self.command == "HEAD" else length
                elif name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[:most])
            self.close_connection = most is not None

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
