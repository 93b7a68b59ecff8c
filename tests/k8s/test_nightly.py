"""The program of the nightly CronJob, with the real client, against an API server over HTTP."""

import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.build import ROOT, build
from tests.k8s.kubernetes_api import Api, kubernetes_api
from tests.k8s.operator_rules import refusals
from tests.k8s.schemas import crd_folder, problems
from tests.patience import PATIENCE_S

Run = Callable[..., tuple[int, list[str]]]
PROGRAM = ROOT / "jobs" / "nightly.py"
NIGHT = "vadray-2026-11-22"
INITIALISING = {"jobDeploymentStatus": "Initializing"}
RUNNING = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
DONE = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED", "succeeded": 1}
FAILED = {
    "jobDeploymentStatus": "Failed",
    "jobStatus": "FAILED",
    "reason": "AppFailed",
    "message": "failed with exit code 1, last logs: no such bundle",
    "failed": 4,
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """With the Job of the night of 22 November, due at half past two on the 23rd."""
    with kubernetes_api() as server:
        server.jobs["vadray-nightly-29"] = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": "vadray-nightly-29",
                "uid": "0000-1111",
                "creationTimestamp": "2026-11-23T04:00:00Z",
                "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-23T02:30:00Z"},
            },
        }
        server.statuses = [INITIALISING, RUNNING, DONE]
        (tmp_path / "rayjob.yaml").write_text(
            build("nightly", "gpu").one("ConfigMap", "vadray-nightly")["data"]["rayjob.yaml"]
        )
        access = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": server.url}}],
            "users": [{"name": "test", "user": {}}],
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(access))
        yield server


def started(folder: Path, job: str = "vadray-nightly-29") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, PROGRAM, folder / "rayjob.yaml", "--poll-s", "0.05"],
        env={**os.environ, "KUBECONFIG": str(folder / "kubeconfig"), "NAMESPACE": "vadray", "JOB_NAME": job},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Runs it in this process: the client takes a second to import. Gives exit status and lines without their times."""
    import kubernetes.config

    nightly = runpy.run_path(str(PROGRAM))
    for module in (kubernetes.config, kubernetes.config.kube_config):
        monkeypatch.setattr(module, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    before = signal.getsignal(signal.SIGTERM)

    def once(job: str = "vadray-nightly-29") -> tuple[int, list[str]]:
        words = [str(tmp_path / "rayjob.yaml"), "--poll-s", "0.05", "--namespace", "vadray", "--job", job]
        status = nightly["main"](words)
        return status, [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()]

    yield once
    signal.signal(signal.SIGTERM, before)


def test_it_creates_the_rayjob_of_the_night_and_lives_until_that_has_succeeded(api: Api, tmp_path: Path):
    process = started(tmp_path)  # as the pod runs it: told by its environment
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert [line.partition(" ")[2] for line in out.splitlines()] == [
        f"{NIGHT}: created",
        f"{NIGHT}: Initializing",
        f"{NIGHT}: Running RUNNING",
        f"{NIGHT}: Complete SUCCEEDED",
    ]
    created = api.rayjobs[NIGHT]
    assert created["spec"]["entrypoint"].endswith(" sweep_id=2026-11-22 since=2026-11-22 until=2026-11-23")
    assert "{" not in yaml.safe_dump(created).replace("{}", "").replace("{path", "")
    assert created["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "vadray-nightly-29", "uid": "0000-1111"}
    ], "it goes when its Job does"


@pytest.mark.skipif(
    crd_folder() is None, reason="needs KubeRay's CRDs (set VADRAY_KUBERAY_CRDS to their folder)"
)
def test_what_it_creates_fits_the_schema_and_the_operators_rules(api: Api, run: Run):
    run()
    assert problems(api.rayjobs[NIGHT]) == [] and refusals(api.rayjobs[NIGHT]) == []


def test_a_second_start_for_the_same_night_takes_up_the_same_rayjob(api: Api, run: Run):
    assert run()[0] == 0
    api.jobs["by-hand"] = {"metadata": {**api.jobs["vadray-nightly-29"]["metadata"], "name": "by-hand"}}
    api.statuses = [RUNNING, RUNNING, DONE]
    status, lines = run("by-hand")
    assert status == 0
    assert lines[0] == f"{NIGHT}: is there already, waiting for its end"
    assert list(api.rayjobs) == [NIGHT]
    assert api.rayjobs[NIGHT]["metadata"]["ownerReferences"][0]["name"] == "vadray-nightly-29"


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (FAILED, "AppFailed failed with exit code 1, last logs: no such bundle"),
        (
            {"jobDeploymentStatus": "ValidationFailed", "message": "the name is too long"},
            "the name is too long",
        ),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"}, "no reason was given"),
    ],
)
def test_it_fails_as_the_rayjob_did_and_says_why(api: Api, run: Run, last: dict[str, Any], says: str):
    api.statuses = [RUNNING, last]
    status, lines = run()
    assert status == 1
    assert lines[-1] == f"{NIGHT}: failed: {says}"


def test_a_rayjob_that_is_tried_again_has_not_ended(api: Api, run: Run):
    again = {"jobDeploymentStatus": "Retrying", "failed": 1}
    api.statuses = [
        RUNNING,
        again,
        INITIALISING | {"failed": 1},
        RUNNING | {"failed": 1},
        DONE | {"failed": 1},
    ]
    status, lines = run()
    assert status == 0
    assert f"{NIGHT}: Running RUNNING, attempt 2" in lines


def test_one_that_waits_in_a_queue_has_not_ended(api: Api, run: Run):
    api.statuses = [{"jobDeploymentStatus": "Suspended"}, RUNNING, DONE]
    assert run()[0] == 0


def test_a_server_that_does_not_answer_is_asked_again(api: Api, run: Run):
    api.failures = [500, 503, 503, 429]
    status, lines = run()
    assert status == 0
    assert any("does not answer (500" in line for line in lines) and list(api.rayjobs) == [NIGHT]


def test_what_the_server_refuses_ends_it_with_the_servers_word(api: Api, run: Run):
    api.failures = [403]
    status, lines = run()
    assert status == 1 and lines[-1].startswith("the Kubernetes API refuses: 403")
    assert len(api.asked) == 1, "not asked again"


def test_a_rayjob_that_somebody_deletes_ends_it(api: Api, tmp_path: Path):
    api.statuses = [RUNNING]
    process = started(tmp_path)
    _until(lambda: len(api.asked) > 4)
    del api.rayjobs[NIGHT]
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and "404" in out


def test_a_pod_that_is_evicted_leaves_the_rayjob_alone(api: Api, tmp_path: Path):
    api.statuses = [RUNNING]
    process = started(tmp_path)
    _until(lambda: NIGHT in api.rayjobs and len(api.asked) > 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_S) == 143, "1 would say that the night failed"
    assert {line.split()[0] for line in api.asked} == {"GET", "POST"} and NIGHT in api.rayjobs


@pytest.mark.parametrize(
    ("annotations", "made", "night"),
    [
        (
            {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-23T02:30:00Z"},
            "2026-11-25T12:00:00Z",
            "2026-11-22",
        ),
        (
            {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-11-23T00:30:00+01:00"},
            "2026-11-23T00:00:00Z",
            "2026-11-21",
        ),
        ({"cronjob.kubernetes.io/instantiate": "manual"}, "2026-12-01T09:00:00Z", "2026-11-30"),
        (None, "2027-01-01T00:00:00Z", "2026-12-31"),
    ],
    ids=["a late start", "another time zone", "made by hand", "new year"],
)
def test_the_night_is_the_last_utc_day_that_had_ended_when_the_job_was_due(
    api: Api, run: Run, annotations: dict[str, str] | None, made: str, night: str
):
    metadata = api.jobs["vadray-nightly-29"]["metadata"]
    metadata.update(annotations=annotations, creationTimestamp=made)
    assert run()[0] == 0
    assert list(api.rayjobs) == [f"vadray-{night}"]


def _until(true: Any, timeout_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come so far"
        time.sleep(0.02)
