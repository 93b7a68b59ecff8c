"""Starts the RayJob of a night and lives as long as it does: what the CronJob of `k8s/overlays/nightly` runs.

`concurrencyPolicy: Forbid` keeps two Jobs of a CronJob apart, so this Job must not end before its RayJob. The name of
the RayJob is that of the night: whoever asks for the same night again, a replaced pod or a person, takes up the same one.
"""

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

RAYJOBS = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}
# on the Job of a CronJob, not on its pod, so the downward API does not have it
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
ENDED = ("Complete", "Failed", "ValidationFailed")
REFUSED = (400, 401, 403, 404, 422)  # asked again, it would be answered the same
SHOWN = 2000  # characters of a failed job's message, the last of which tell most


def night_of(job: Any) -> datetime:
    """The day that a Job sweeps: the last one, in UTC, that had ended when it was due.

    A Job that a person made from the CronJob was due when it was made.
    """
    scheduled = (job.metadata.annotations or {}).get(SCHEDULED)
    due = datetime.fromisoformat(scheduled) if scheduled else job.metadata.creation_timestamp
    today = due.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=1)


def filled(template: str, night: datetime, job: Any) -> dict[str, Any]:
    """The RayJob of a night; it goes when its Job does."""
    text = template.replace("{night}", f"{night:%Y-%m-%d}")
    body = yaml.safe_load(text.replace("{next_day}", f"{night + timedelta(days=1):%Y-%m-%d}"))
    body["metadata"]["ownerReferences"] = [
        {"apiVersion": "batch/v1", "kind": "Job", "name": job.metadata.name, "uid": job.metadata.uid}
    ]
    return body


def patiently(call: Any, poll_s: float, **arguments: Any) -> Any:
    """Calls the API until it answers: servers restart, and the night goes on.

    Raises:
        ApiException: It refuses.
    """
    told = ""
    while True:
        try:
            return call(**arguments)
        except (ApiException, HTTPError) as error:
            status = getattr(error, "status", None)
            if status in REFUSED or status == 409:
                raise
            reason = f"{status} {error.reason}" if isinstance(error, ApiException) else type(error).__name__
            if reason != told:
                say(f"the Kubernetes API does not answer ({reason}); asking again")
                told = reason
            time.sleep(poll_s)


def start(api: Any, namespace: str, body: dict[str, Any], poll_s: float) -> None:
    """Creates the RayJob, or finds it created: then it is that of this night."""
    name = body["metadata"]["name"]
    try:
        patiently(api.create_namespaced_custom_object, poll_s, namespace=namespace, body=body, **RAYJOBS)
        say(f"{name}: created")
    except ApiException as error:
        if error.status != 409:
            raise
        say(f"{name}: is there already, waiting for its end")


def follow(api: Any, namespace: str, name: str, poll_s: float) -> int:
    """Waits until a RayJob has ended; 0 where it succeeded."""
    told = ""
    while True:
        found = patiently(api.get_namespaced_custom_object, poll_s, namespace=namespace, name=name, **RAYJOBS)
        status = found.get("status") or {}
        deployment, job = status.get("jobDeploymentStatus") or "New", status.get("jobStatus") or ""
        state = f"{deployment} {job}".strip()
        if state != told:
            attempt = (status.get("failed") or 0) + (deployment not in ENDED)
            say(f"{name}: {state}" + (f", attempt {attempt}" if attempt > 1 else ""))
            told = state
        if deployment in ENDED:
            if job == "SUCCEEDED" and deployment == "Complete":
                return 0
            said = " ".join(str(status[key]) for key in ("reason", "message") if status.get(key))
            say(f"{name}: failed: {said[-SHOWN:] or 'no reason was given'}")
            return 1
        time.sleep(poll_s)


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "template", type=Path, help="the RayJob, with {night} and {next_day} where they belong"
    )
    parser.add_argument("--namespace", default=os.environ.get("NAMESPACE", "vadray"))
    parser.add_argument("--job", default=os.environ.get("JOB_NAME"), help="the Job that this runs in")
    parser.add_argument("--poll-s", type=float, default=15.0)
    given = parser.parse_args(arguments)
    # process 1 of a container ignores it otherwise; not 1, since the night has not failed
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    config.load_config()  # in a pod, that of its service account
    api, poll_s = client.CustomObjectsApi(), given.poll_s
    try:
        job = patiently(
            client.BatchV1Api().read_namespaced_job, poll_s, name=given.job, namespace=given.namespace
        )
        body = filled(given.template.read_text(), night_of(job), job)
        start(api, given.namespace, body, poll_s)
        return follow(api, given.namespace, body["metadata"]["name"], poll_s)
    except ApiException as error:
        say(f"the Kubernetes API refuses: {error.status} {error.reason}: {(error.body or '')[:SHOWN]}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
