"""Examines every machine of the cluster, the archive and the report's store, before a night depends on them."""

import os
from collections.abc import Callable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from vadray.bundle import open_bundle
from vadray.config import DoctorOptions
from vadray.doctor import node, store
from vadray.doctor.codecs import examine_codecs
from vadray.doctor.finding import Finding, worst
from vadray.errors import RequestError
from vadray.sweep.cluster import ACTOR_CPUS, Pools, pools

Say = Callable[[str], None]
NODE_TIMEOUT_S = 600.0


def examine(options: DoctorOptions, say: Say) -> dict[str, list[Finding]]:
    """What was found, by machine, and under `cluster` and `storage`. Ray must be connected."""
    say("looking at the cluster")
    size, findings = _cluster(options)
    found = {"cluster": findings, "storage": _storage(options)}
    nodes = [one for one in ray.nodes() if one["Alive"]]
    tasks = {one["NodeID"]: _asked(one, size) for one in nodes}
    versions = {}
    for one in nodes:
        say(f"looking at {one['NodeManagerHostname']} ({one['NodeManagerAddress']})")
        try:
            name, versions[name], found[name] = ray.get(tasks[one["NodeID"]], timeout=NODE_TIMEOUT_S)
        except ray.exceptions.RayError as error:
            name = f"{one['NodeManagerHostname']} ({one['NodeManagerAddress']})"
            found[name] = [
                Finding("vadray", "fault", _first_line(error), "install vadray's environment there")
            ]
    findings += _same(versions)
    return found


def result(found: dict[str, list[Finding]]) -> dict[str, Any]:
    """The command's JSON: the gravest level, and every finding."""
    return {
        "level": worst(finding for findings in found.values() for finding in findings),
        "findings": [{"where": where, **vars(finding)} for where in found for finding in found[where]],
    }


def _cluster(options: DoctorOptions) -> tuple[Pools | None, list[Finding]]:
    resources = ray.cluster_resources()
    there = f"{resources.get('CPU', 0):g} CPUs, {resources.get('GPU', 0):g} GPUs, Ray {ray.__version__}"
    size, findings = None, []
    try:
        size = pools(options)
        findings.append(Finding("actors", "ok", f"{there}: {size}"))
    except RequestError as error:
        findings.append(
            Finding("actors", "fault", f"{there}; {error}", "more CPUs, or other actors= and gpus=")
        )
    if os.environ.get("RAY_AUTH_MODE", "token") == "disabled":
        advice = (
            "RAY_AUTH_MODE=token, or a network that nobody else is in: whoever reaches Ray's ports runs code"
        )
        findings.append(Finding("authentication", "warning", "Ray takes commands from anyone", advice))
    else:
        tls = os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
        said = (
            f"Ray asks for a token, {'with' if tls else 'without'} TLS between nodes; its ports are open on every "
            "interface, /metrics without the token"
        )
        findings.append(Finding("authentication", "ok", said))
    return size, findings


def _storage(options: DoctorOptions) -> list[Finding]:
    findings = []
    if options.archive:
        findings += store.examine_archive(options.archive, options.pattern)
    if options.out:
        findings += store.examine_report(options.out, options.lease_s)
    for uri in options.bundle:
        try:
            bundle = open_bundle(uri)
            _ = bundle.calibration
            said = f"{uri}: {bundle.detector_name} for {bundle.kind}s"
            findings.append(Finding("bundle", "ok", said))
        except RequestError as error:
            findings.append(Finding("bundle", "fault", str(error), "train or calibrate it again"))
    return findings


def _asked(one: dict[str, Any], size: Pools | None) -> ray.ObjectRef:
    """A task on one node."""
    resources = one["Resources"]
    actors = int(resources.get("CPU", 0) / ACTOR_CPUS)
    if size is not None:
        actors = min(actors, size.decode + size.score)
    strategy = NodeAffinitySchedulingStrategy(one["NodeID"], soft=False)
    # a node without a CPU to itself, as a head that does no work, is looked at too
    return _examine_node.options(num_cpus=0, scheduling_strategy=strategy).remote(
        int(resources.get("GPU", 0)),
        actors,
        resources.get("memory", 0.0),
        resources.get("object_store_memory", 0.0),
    )


@ray.remote(max_retries=0)
def _examine_node(*arguments: Any) -> tuple[str, dict[str, str], list[Finding]]:
    return node.host(), node.versions(), [*node.examine_node(*arguments), *examine_codecs()]


def _same(versions: dict[str, dict[str, str]]) -> list[Finding]:
    """Machines whose libraries differ: a detector's scores, and Ray itself, depend on them."""
    if len(versions) < 2:
        return []
    names = {name for one in versions.values() for name in one}
    differing = {
        name: {one.get(name, "absent") for one in versions.values()}
        for name in sorted(names)
        if len({one.get(name, "absent") for one in versions.values()}) > 1
    }
    if not differing:
        return [Finding("versions", "ok", f"the same on {len(versions)} machines")]
    said = "; ".join(f"{name} {' and '.join(sorted(found))}" for name, found in differing.items())
    return [Finding("versions", "fault", said, "one image, or one constraints file, for all machines")]


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines()[::-1] if line.strip()), type(error).__name__)
