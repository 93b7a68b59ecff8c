"""An HTTP server that answers as a Kubernetes API does for one Job and for RayJobs; a test moves what it says."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JOB_PATH = "/apis/batch/v1/namespaces/vadray/jobs/"
RAYJOBS_PATH = "/apis/ray.io/v1/namespaces/vadray/rayjobs"


@dataclass
class Api:
    """What is in the cluster, and what was asked.

    Args:
        jobs: By name.
        rayjobs: By name, as created.
        statuses: What a RayJob's status is at each look, the last for ever after.
        failures: Statuses of HTTP that the next requests are answered with, before anything else.
        asked: Method and path of each request.
    """

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    rayjobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        if path.startswith(JOB_PATH) and (job := self.jobs.get(path.removeprefix(JOB_PATH))):
            return 200, job
        if found := self.rayjobs.get(path.removeprefix(f"{RAYJOBS_PATH}/")):
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            return 200, {**found, "status": status}
        return 404, _failure(404, "NotFound")

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path != RAYJOBS_PATH:
            return 404, _failure(404, "NotFound")
        name = body["metadata"]["name"]
        if name in self.rayjobs:
            return 409, _failure(409, "AlreadyExists")
        self.rayjobs[name] = body
        return 201, body


@contextmanager
def kubernetes_api() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(lambda body: api.get(self.path))

        def do_POST(self) -> None:
            self._answer(lambda body: api.post(self.path, body))

        def _answer(self, answer: Any) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else {}
            api.asked.append(f"{self.command} {self.path}")
            if api.failures:
                status, content = (code := api.failures.pop(0)), _failure(code, "InternalError")
            else:
                status, content = answer(body)
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _failure(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
