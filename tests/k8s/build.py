"""Builds the overlays by kustomize, with the components that a reader of k8s/README.md might list."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "k8s"
OVERLAYS = ("once", "standing", "nightly", "nightly-raycronjob")
STARTS = {
    "once": "RayJob",
    "standing": "RayCluster",
    "nightly": "CronJob",
    "nightly-raycronjob": "RayCronJob",
}
HARDWARE = ("gpu", "cpu")
MORE = ((), ("eks", "monitoring"), ("gke", "kueue"), ("eks", "monitoring", "kueue"))
AFTER_SITE = ("kueue",)


@dataclass(frozen=True)
class Build:
    """What an overlay gives with some components.

    Args:
        overlay: Its name.
        components: Names, in order, without site.
        objects: All of it.
    """

    overlay: str
    components: tuple[str, ...]
    objects: tuple[dict[str, Any], ...]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = (each for each in self.of(kind) if each["metadata"]["name"] == name)
        return found

    @property
    def ray_objects(self) -> list[dict[str, Any]]:
        """What the operator will see, the RayJob of a night included."""
        found = [each for each in self.objects if each["apiVersion"].startswith("ray.io/")]
        if self.overlay == "nightly":
            found.append(yaml.safe_load(self.one("ConfigMap", "vadray-nightly")["data"]["rayjob.yaml"]))
        return found

    @property
    def ray_job(self) -> dict[str, Any] | None:
        """The spec of the RayJob that sweeps, if the overlay has one."""
        (found,) = self.ray_objects
        return {"RayJob": found["spec"], "RayCronJob": found["spec"].get("jobTemplate"), "RayCluster": None}[
            found["kind"]
        ]

    @property
    def ray_cluster(self) -> dict[str, Any]:
        job = self.ray_job
        return self.ray_objects[0]["spec"] if job is None else job["rayClusterSpec"]

    @property
    def pods(self) -> dict[str, dict[str, Any]]:
        """Pod templates by what they are."""
        cluster, job = self.ray_cluster, self.ray_job
        found = {"head": cluster["headGroupSpec"]["template"]}
        found |= {f"worker {group['groupName']}": group["template"] for group in cluster["workerGroupSpecs"]}
        if job is not None:
            found["submitter"] = job["submitterPodTemplate"]
        for cron in self.of("CronJob"):
            found["nightly"] = cron["spec"]["jobTemplate"]["spec"]["template"]
        return found


@cache
def build(overlay: str, *components: str) -> Build:
    """An overlay with its list of components changed to these, and site where the README has it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "k8s"
        shutil.copytree(FOLDER, copy)
        path = copy / "overlays" / overlay / "kustomization.yaml"
        kustomization = yaml.safe_load(path.read_text())
        before = [f"../../components/{name}" for name in components if name not in AFTER_SITE]
        after = [f"../../components/{name}" for name in components if name in AFTER_SITE]
        kustomization["components"] = [*before, "../../site", *after]
        path.write_text(yaml.safe_dump(kustomization))
        objects = kustomize(path.parent)
    return Build(overlay, components, objects)


@cache
def as_shipped(overlay: str) -> Build:
    return Build(overlay, ("gpu", "eks"), kustomize(FOLDER / "overlays" / overlay))


def kustomize(folder: Path) -> tuple[dict[str, Any], ...]:
    done = subprocess.run(
        [tool("kubectl"), "kustomize", folder], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.load_all(done.stdout, yaml.CSafeLoader))


def tool(name: str) -> str:
    """A program that the extra `test` installs, before one of the same name elsewhere."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found, f"{name}: pip install -c constraints.txt -e '.[test]'"
    return found


def combinations() -> Sequence[tuple[str, ...]]:
    return [(overlay, hardware, *more) for overlay in OVERLAYS for hardware in HARDWARE for more in MORE]
