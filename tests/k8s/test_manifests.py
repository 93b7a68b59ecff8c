"""Every overlay, with every combination of components that makes sense, is what Kubernetes and KubeRay take."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.k8s.build import OVERLAYS, STARTS, as_shipped, build, combinations
from tests.k8s.operator_rules import refusals
from tests.k8s.schemas import WITHOUT_SCHEMA, crd_folder, problems
from vadray.config import SweepOptions

ALL = pytest.mark.parametrize("names", combinations(), ids=" ".join)
needs_crds = pytest.mark.skipif(
    crd_folder() is None, reason="needs KubeRay's CRDs (set VADRAY_KUBERAY_CRDS to their folder)"
)
CLUSTER_WIDE = ("Namespace", "ResourceFlavor", "ClusterQueue")


@needs_crds
@ALL
def test_each_object_fits_its_schema_with_no_field_unknown(names: tuple[str, ...]):
    built = build(*names)
    wrong = {
        f"{each['kind']}/{each['metadata']['name']}": problems(each)
        for each in [*built.objects, *built.ray_objects]
    }
    assert {name: found for name, found in wrong.items() if found} == {}


@ALL
def test_the_operator_would_run_what_it_sees(names: tuple[str, ...]):
    assert [refusals(_of_a_night(each)) for each in build(*names).ray_objects] == [[]]


@ALL
def test_it_starts_one_thing_only(names: tuple[str, ...]):
    started = [
        each["kind"]
        for each in build(*names).objects
        if each["kind"] in {*STARTS.values(), "Job", "Deployment", "StatefulSet", "DaemonSet", "Pod"}
    ]
    assert started == [STARTS[names[0]]]


@ALL
def test_everything_is_in_one_namespace_but_what_is_cluster_wide(names: tuple[str, ...]):
    objects = build(*names).objects
    assert {each["metadata"].get("namespace") for each in objects if each["kind"] in CLUSTER_WIDE} == {None}
    assert {each["metadata"].get("namespace") for each in objects if each["kind"] not in CLUSTER_WIDE} == {
        "vadray"
    }
    (namespace,) = (each for each in objects if each["kind"] == "Namespace")
    assert namespace["metadata"]["name"] == "vadray"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_as_shipped_it_is_gpus_with_an_identity_of_eks(overlay: str):
    assert as_shipped(overlay).objects == build(overlay, "gpu", "eks").objects


@pytest.mark.parametrize("hardware", ["gpu", "cpu"])
def test_all_overlays_run_the_same_cluster(hardware: str):
    clusters = [build(overlay, hardware).ray_cluster for overlay in OVERLAYS]
    assert all(cluster == clusters[0] for cluster in clusters[1:])


def test_the_base_alone_starts_nothing():
    from tests.k8s.build import FOLDER, kustomize

    kinds = {each["kind"] for each in kustomize(FOLDER / "base")}
    assert kinds == {"Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "NetworkPolicy"}


def test_where_the_queue_admits_ray_does_not_scale_and_the_night_fits_the_quota():
    built = build("nightly", "gpu", "kueue")
    cluster = built.ray_cluster
    assert built.ray_objects[0]["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "vadray"
    assert cluster["enableInTreeAutoscaling"] is False and "autoscalerOptions" not in cluster
    assert built.ray_job is not None and built.ray_job["shutdownAfterJobFinishes"] is True
    assert len(cluster["workerGroupSpecs"]) <= 6, "a workload has 8 pod sets, with head and submitter"

    wanted: dict[str, float] = {}
    groups = [(1, "head"), (1, "submitter")]
    groups += [(each["replicas"], f"worker {each['groupName']}") for each in cluster["workerGroupSpecs"]]
    for count, name in groups:
        for container in built.pods[name]["spec"]["containers"]:
            for resource, amount in container["resources"]["requests"].items():
                wanted[resource] = wanted.get(resource, 0) + count * _quantity(amount)
    (group,) = built.one("ClusterQueue", "vadray")["spec"]["resourceGroups"]
    quota = {each["name"]: _quantity(each["nominalQuota"]) for each in group["flavors"][0]["resources"]}
    assert set(wanted) <= set(group["coveredResources"]) == set(quota)
    assert all(wanted[resource] <= quota[resource] for resource in wanted), (wanted, quota)


def test_the_queue_label_is_on_what_each_overlay_submits():
    assert (
        build("once", "gpu", "kueue").ray_objects[0]["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]
        == "vadray"
    )
    standing = build("standing", "cpu", "kueue").one("RayCluster", "vadray")
    assert standing["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "vadray"


def test_a_sweep_may_grow_to_what_its_groups_may_have():
    built = build("nightly", "gpu")
    groups = {each["groupName"]: each for each in built.ray_cluster["workerGroupSpecs"]}
    asked = SweepOptions(**yaml.safe_load(built.one("ConfigMap", "vadray-sweep")["data"]["sweep.yaml"]))
    cpus = sum(
        each["maxReplicas"]
        * int(built.pods[f"worker {name}"]["spec"]["containers"][0]["resources"]["requests"]["cpu"])
        for name, each in groups.items()
    )
    assert (asked.max_gpus, asked.max_actors) == (groups["score"]["maxReplicas"], cpus)
    assert all(each["minReplicas"] <= each["replicas"] <= each["maxReplicas"] for each in groups.values())


def test_kinds_without_a_schema_are_few_and_known():
    unchecked = {
        each["kind"]
        for names in combinations()
        for each in build(*names).objects
        if each["apiVersion"].startswith(WITHOUT_SCHEMA)
    }
    assert unchecked == {"PodMonitor", "PrometheusRule", "ResourceFlavor", "ClusterQueue", "LocalQueue"}


Change = Callable[[dict[str, Any]], Any]
MISTAKES: dict[str, tuple[str, str, Change]] = {
    "entryPoint": (
        "once",
        "RayJob",
        lambda job: job["spec"].update(entryPoint=job["spec"].pop("entrypoint")),
    ),
    "maxReplicaz": ("once", "RayJob", lambda job: _group(job).update(maxReplicaz=3)),
    "cpu is a list": ("once", "RayJob", lambda job: _container(job)["resources"]["limits"].update(cpu=[1])),
    "replicas is text": ("once", "RayJob", lambda job: _group(job).update(replicas="two")),
    "a mode there is not": ("once", "RayJob", lambda job: _cluster(job)["authOptions"].update(mode="tokens")),
    "no head": ("once", "RayJob", lambda job: _cluster(job).pop("headGroupSpec")),
    "enviroment": ("once", "RayJob", lambda job: _container(job).update(enviroment=[])),
    "runAsNonroot": (
        "once",
        "RayJob",
        lambda job: _group(job)["template"]["spec"]["securityContext"].update(runAsNonroot=True),
    ),
    "workerGroups": ("standing", "RayCluster", lambda cluster: cluster["spec"].update(workerGroups=[])),
    "no schedule": ("nightly-raycronjob", "RayCronJob", lambda cron: cron["spec"].pop("schedule")),
    "concurrencyPolicy of a RayCronJob": (
        "nightly-raycronjob",
        "RayCronJob",
        lambda cron: cron["spec"].update(concurrencyPolicy="Forbid"),
    ),
    "concurencyPolicy": ("nightly", "CronJob", lambda cron: cron["spec"].update(concurencyPolicy="Forbid")),
    "a policy there is not": ("nightly", "NetworkPolicy", lambda policy: policy["spec"].update(ingres=[])),
    "verbs missing": ("nightly", "Role", lambda role: role["rules"][0].pop("verbs")),
}


@needs_crds
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_by_the_schema(mistake: str):
    overlay, kind, change = MISTAKES[mistake]
    manifest = copy.deepcopy(as_shipped(overlay).of(kind)[0])
    assert problems(manifest) == []
    change(manifest)
    assert problems(manifest) != []


REFUSED: dict[str, tuple[str, Change]] = {
    "name": ("RayJob name too long", lambda job: job["metadata"].update(name="v" * 48)),
    "restartPolicy": (
        "the head restarts by itself under autoscaler v2",
        lambda job: _cluster(job)["headGroupSpec"]["template"]["spec"].update(restartPolicy="Always"),
    ),
    "minReplicas": ("more nodes than there may be", lambda job: _group(job).update(replicas=99)),
    "one place": (
        "resources said twice",
        lambda job: _cluster(job)["headGroupSpec"].update(resources={"CPU": "0"}),
    ),
    "token": ("a Ray that knows no tokens", lambda job: _cluster(job).update(rayVersion="2.51.0")),
    "autoscaler v2": (
        "a preference without scaling",
        lambda job: _cluster(job).update(enableInTreeAutoscaling=False),
    ),
    "feature gate": (
        "a gate that is off",
        lambda job: _cluster(job).update(networkPolicy={"mode": "DenyAll"}),
    ),
    "positive": ("no time at all", lambda job: job["spec"].update(activeDeadlineSeconds=0)),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_mistake_is_refused_by_the_operators_own_rules(reason: str):
    manifest = copy.deepcopy(as_shipped("once").one("RayJob", "vadray-once"))
    REFUSED[reason][1](manifest)
    assert any(reason in refusal for refusal in refusals(manifest)), REFUSED[reason][0]


def _of_a_night(manifest: dict[str, Any]) -> dict[str, Any]:
    named = copy.deepcopy(manifest)
    named["metadata"]["name"] = named["metadata"]["name"].replace("{night}", "2026-11-22")
    return named


def _cluster(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["rayClusterSpec"]


def _group(job: dict[str, Any]) -> dict[str, Any]:
    return _cluster(job)["workerGroupSpecs"][0]


def _container(job: dict[str, Any]) -> dict[str, Any]:
    return _cluster(job)["headGroupSpec"]["template"]["spec"]["containers"][0]


def _quantity(amount: str | int) -> float:
    for suffix, factor in (("Gi", 2**30), ("Mi", 2**20), ("m", 1e-3)):
        if str(amount).endswith(suffix):
            return float(str(amount).removesuffix(suffix)) * factor
    return float(amount)
