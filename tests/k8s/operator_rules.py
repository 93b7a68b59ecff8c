"""What the operator refuses that no schema says: read from KubeRay's validation at the commit of the CRDs."""

import re
from typing import Any

LONGEST_NAME = {"RayCluster": 53, "RayJob": 47, "RayCronJob": 36}
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
SIZES = ("num-cpus", "num-gpus", "memory", "resources")


def refusals(manifest: dict[str, Any]) -> list[str]:
    """Why the operator would not run an object."""
    kind, name, spec = manifest["kind"], manifest["metadata"]["name"], manifest["spec"]
    found = []
    if len(name) > LONGEST_NAME[kind] or not LABEL.fullmatch(name):
        found.append(
            f"name {name!r}: at most {LONGEST_NAME[kind]} characters, a DNS label that begins with a letter"
        )
    if kind == "RayCronJob":
        if "TZ" in spec["schedule"]:
            found.append("schedule: no TZ")
        return found + _job(spec["jobTemplate"])
    return found + (_job(spec) if kind == "RayJob" else _cluster(spec))


def _job(spec: dict[str, Any]) -> list[str]:
    found = []
    if spec.get("suspend") and not spec.get("shutdownAfterJobFinishes"):
        found.append("suspend needs shutdownAfterJobFinishes")
    if "rayClusterSpec" not in spec and not spec.get("clusterSelector"):
        found.append("rayClusterSpec or clusterSelector")
    if spec.get("submissionMode") == "SidecarMode" and (
        "submitterPodTemplate" in spec or "submitterConfig" in spec
    ):
        found.append("SidecarMode has no submitter to configure")
    if spec.get("submissionMode") == "InteractiveMode" and spec.get("backoffLimit"):
        found.append("InteractiveMode has no backoffLimit")
    for name in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        if spec.get(name, 1) <= 0:
            found.append(f"{name}: positive")
    for name in ("backoffLimit", "ttlSecondsAfterFinished"):
        if spec.get(name, 0) < 0:
            found.append(f"{name}: not negative")
    cluster = spec.get("rayClusterSpec", {})
    if cluster.get("authOptions", {}).get("enableK8sTokenAuth"):
        found.append("a RayJob has no Kubernetes tokens")
    if (cluster.get("upgradeStrategy") or {}).get("type"):
        found.append("a RayJob's cluster has no upgradeStrategy")
    return found + (_cluster(cluster) if cluster else [])


def _cluster(spec: dict[str, Any]) -> list[str]:
    found = []
    scaling = bool(spec.get("enableInTreeAutoscaling"))
    second = scaling and spec.get("autoscalerOptions", {}).get("version") == "v2"
    head = spec["headGroupSpec"]
    for name, group in [
        ("head", head),
        *((each["groupName"], each) for each in spec.get("workerGroupSpecs", [])),
    ]:
        if not group["template"]["spec"]["containers"]:
            found.append(f"{name}: a container")
        started = group.get("rayStartParams") or {}
        if group.get("resources") and any(started.get(size) for size in SIZES):
            found.append(f"{name}: resources in one place only, rayStartParams or resources")
        if "labels" in started:
            found.append(f"{name}: labels beside rayStartParams, not in them")
        if second and group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            found.append(f"{name}: restartPolicy Never or unset with autoscaler v2")
    for group in spec.get("workerGroupSpecs", []):
        name, least, most = group["groupName"], group.get("minReplicas"), group.get("maxReplicas")
        if not scaling and (least is None or most is None):
            found.append(f"{name}: minReplicas and maxReplicas without scaling")
        if not 0 <= (least or 0) <= group.get("replicas", least or 0) <= (2**31 if most is None else most):
            found.append(f"{name}: minReplicas ≤ replicas ≤ maxReplicas")
        if group.get("suspend") and scaling:
            found.append(f"{name}: not suspended while Ray scales")
        if (group.get("priority") or group.get("idleTimeoutSeconds") is not None) and not second:
            found.append(f"{name}: priority and idleTimeoutSeconds need autoscaler v2")
        if group.get("priority") and _version(spec) < (2, 56):
            found.append(f"{name}: priority needs Ray 2.56")
    auth = spec.get("authOptions", {})
    if auth.get("mode") == "token" and _version(spec) < (2, 52):
        found.append("authOptions: token needs rayVersion 2.52 or later")
    for name, gate in (("networkPolicy", "RayClusterNetworkPolicy"), ("tlsOptions", "RayClusterMTLS")):
        if name in spec:
            found.append(f"{name}: only with the feature gate {gate}")
    names = {each["name"] for each in head["template"]["spec"]["containers"][0].get("env", [])}
    if "RAY_enable_autoscaler_v2" in names:
        found.append("head: RAY_enable_autoscaler_v2 is said by autoscalerOptions.version")
    return found


def _version(spec: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in spec.get("rayVersion", "0.0").split(".")[:2])
