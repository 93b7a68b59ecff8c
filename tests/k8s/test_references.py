"""What manifests name exists, what selects selects something, and pods have no more rights than they need."""

import pytest
import yaml

from tests.k8s.build import FOLDER, OVERLAYS, ROOT, build, combinations
from tests.k8s.references import may_reach, named, selects
from vadray import __version__

ALL = pytest.mark.parametrize("names", combinations(), ids=" ".join)
HEAD = {"app.kubernetes.io/part-of": "vadray", "app.kubernetes.io/component": "head"}
WORKER, SUBMITTER, NIGHTLY = (
    HEAD | {"app.kubernetes.io/component": name} for name in ("worker", "submitter", "nightly")
)


@ALL
def test_whatever_a_pod_needs_is_there_or_optional(names: tuple[str, ...]):
    built = build(*names)
    there = {(each["kind"], each["metadata"]["name"]) for each in built.objects}
    missing = [
        (pod, kind, name)
        for pod, template in built.pods.items()
        for kind, name, optional in named(template)
        if (kind, name) not in there and not optional
    ]
    assert missing == []


@ALL
def test_one_image_everywhere_of_this_version_and_of_the_hardware(names: tuple[str, ...]):
    images = {each["image"] for pod in build(*names).pods.values() for each in pod["spec"]["containers"]}
    assert images == {f"registry.example/vadray:{__version__}-{names[1]}"}


def test_ray_is_of_one_version_in_constraints_manifests_and_image():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    assert build("once", "gpu").ray_cluster["rayVersion"] == pins["ray"]
    bases = [word for word in (FOLDER / "Dockerfile").read_text().split() if "rayproject/ray:" in word]
    assert {base.rpartition(":")[2] for base in bases} == {
        f"{pins['ray']}-py311-gpu",
        f"{pins['ray']}-py311-cpu",
    }


@ALL
def test_pods_keep_to_the_restricted_standard_that_their_namespace_enforces(names: tuple[str, ...]):
    built = build(*names)
    assert (
        built.of("Namespace")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    )
    containers = [each for pod in built.pods.values() for each in pod["spec"]["containers"]]
    for pod in built.pods.values():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"])
        assert all(not {"hostPath"} & set(volume) for volume in pod["spec"].get("volumes", []))
    contexts = [each["securityContext"] for each in containers]
    if options := built.ray_cluster.get("autoscalerOptions"):
        contexts.append(options["securityContext"])
    assert contexts == [{"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}] * len(
        contexts
    )


@ALL
def test_every_container_says_what_it_takes(names: tuple[str, ...]):
    for name, pod in build(*names).pods.items():
        for container in pod["spec"]["containers"]:
            asked, most = container["resources"]["requests"], container["resources"]["limits"]
            assert {"cpu", "memory"} <= set(asked) and set(asked) == set(most), name
            if name.startswith(("head", "worker")):
                assert asked["memory"] == most["memory"], f"{name}: Ray sizes its object store by the limit"


@ALL
def test_only_pods_that_ask_the_kubernetes_api_have_a_token_for_it(names: tuple[str, ...]):
    built = build(*names)
    scales = built.ray_cluster.get("enableInTreeAutoscaling", False)
    with_token = {name for name, pod in built.pods.items() if pod["spec"]["automountServiceAccountToken"]}
    assert with_token == ({"head"} if scales else set()) | ({"nightly"} & set(built.pods))
    assert all(each["automountServiceAccountToken"] is False for each in built.of("ServiceAccount"))


def test_the_nightly_pod_may_make_a_rayjob_and_look_and_nothing_else():
    built = build("nightly", "gpu")
    (role,), (binding,) = built.of("Role"), built.of("RoleBinding")
    assert role["rules"] == [
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create", "get"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"]},
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject["name"] == built.pods["nightly"]["spec"]["serviceAccountName"]
    assert subject["namespace"] == role["metadata"]["namespace"] == "vadray"


def test_no_key_is_in_a_manifest_and_the_secrets_with_keys_may_be_absent():
    for overlay in OVERLAYS:
        built = build(overlay, "gpu", "eks", "monitoring")
        assert built.of("Secret") == []
        secrets = {each for pod in built.pods.values() for each in named(pod) if each[0] == "Secret"}
        assert secrets == {("Secret", "vadray-aws", True), ("Secret", "vadray-notify", True)}


def test_the_identity_is_that_of_the_cloud_that_was_chosen():
    annotations = {
        cloud: build("once", "gpu", cloud).one("ServiceAccount", "vadray")["metadata"].get("annotations")
        for cloud in ("eks", "gke")
    }
    assert list(annotations["eks"]) == ["eks.amazonaws.com/role-arn"]
    assert list(annotations["gke"]) == ["iam.gke.io/gcp-service-account"]
    assert "annotations" not in build("once", "gpu").one("ServiceAccount", "vadray")["metadata"]


@ALL
def test_every_policy_selects_a_pod_or_all(names: tuple[str, ...]):
    built = build(*names)
    labels = [pod["metadata"]["labels"] for pod in built.pods.values()]
    idle = [
        each["metadata"]["name"]
        for each in built.of("NetworkPolicy")
        if not any(selects(each["spec"]["podSelector"], each_labels) for each_labels in labels)
    ]
    assert idle == ([] if built.ray_job else ["vadray-submitter"])  # people submit to a standing cluster


@pytest.mark.parametrize(
    ("source", "target", "port", "allowed"),
    [
        (HEAD, WORKER, 10002, True),
        (WORKER, HEAD, 6379, True),
        (WORKER, WORKER, 34567, True),
        (SUBMITTER, HEAD, 8265, True),
        (SUBMITTER, HEAD, 6379, False),
        (SUBMITTER, WORKER, 8265, False),
        (NIGHTLY, HEAD, 8265, False),
        (WORKER, NIGHTLY, 443, False),
        ({"app": "another"}, HEAD, 8265, False),
        (HEAD, {"app": "another"}, 8080, False),
    ],
)
def test_who_reaches_whom(source: dict[str, str], target: dict[str, str], port: int, allowed: bool):
    assert may_reach(build("nightly", "gpu").of("NetworkPolicy"), source, target, port) is allowed


def test_everything_else_is_denied_in_both_directions():
    deny = build("once", "cpu").one("NetworkPolicy", "vadray-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_node_metadata_server_is_reached_on_gke_alone():
    def blocks(cloud: str) -> set[str]:
        return {
            peer["ipBlock"]["cidr"]
            for policy in build("once", "gpu", cloud).of("NetworkPolicy")
            for rule in policy["spec"].get("egress", [])
            for peer in rule.get("to", [])
            if "ipBlock" in peer
        }

    assert blocks("eks") == set()
    assert blocks("gke") == {"169.254.169.252/32", "169.254.169.254/32"}


def test_the_pods_that_are_scraped_have_the_ports_and_the_policy_lets_prometheus_in():
    built = build("nightly", "gpu", "eks", "monitoring")
    (monitor,) = built.of("PodMonitor")
    scraped = {
        name
        for name, pod in built.pods.items()
        if selects(monitor["spec"]["selector"], pod["metadata"]["labels"])
    }
    assert scraped == {"head", "worker decode", "worker score", "worker decode-spot"}
    wanted = {each["port"] for each in monitor["spec"]["podMetricsEndpoints"]}
    ports = {
        name: {
            each["name"]: each["containerPort"] for each in built.pods[name]["spec"]["containers"][0]["ports"]
        }
        for name in scraped
    }
    assert wanted <= set(ports["head"]) and all("metrics" in each for each in ports.values())
    (rule,) = built.one("NetworkPolicy", "vadray-metrics")["spec"]["ingress"]
    assert {each["port"] for each in rule["ports"]} >= {ports["head"][name] for name in wanted}


def test_a_night_is_not_overtaken_and_waits_in_utc():
    cron = build("nightly", "gpu").one("CronJob", "vadray-nightly")["spec"]
    assert (cron["concurrencyPolicy"], cron["timeZone"]) == ("Forbid", "Etc/UTC")
    job = cron["jobTemplate"]["spec"]
    assert "activeDeadlineSeconds" not in job, "it must live as long as its RayJob"
    assert {
        "action": "FailJob",
        "onExitCodes": {"containerName": "nightly", "operator": "In", "values": [1]},
    } in job["podFailurePolicy"]["rules"]


@pytest.mark.parametrize("overlay", ["once", "nightly", "nightly-raycronjob"])
def test_a_sweep_ends_with_its_cluster_and_is_tried_again(overlay: str):
    job = build(overlay, "gpu").ray_job
    assert job is not None
    assert job["shutdownAfterJobFinishes"] is True and job["ttlSecondsAfterFinished"] >= 60
    assert job["backoffLimit"] >= 1 and job["activeDeadlineSeconds"] < 21.5 * 3600
    head = job["rayClusterSpec"]["headGroupSpec"]
    assert head["rayStartParams"] == {"num-cpus": "0"}, "no work on the head"
    assert job["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_a_stopped_sweep_has_time_to_give_back_its_lease():
    head = build("once", "gpu").pods["head"]["spec"]
    (container,) = head["containers"]
    waits_s = float(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    by_ray_s = {each["name"]: each.get("value") for each in container["env"]}["RAY_JOB_STOP_WAIT_TIME_S"]
    assert 60 <= waits_s == float(by_ray_s) < head["terminationGracePeriodSeconds"]


def test_the_readme_shows_each_overlay_and_component():
    text = (FOLDER / "README.md").read_text()
    for folder in [*(FOLDER / "overlays").iterdir(), *(FOLDER / "components").iterdir()]:
        assert f"{folder.parent.name}/{folder.name}" in text, folder.name


def test_the_sweeps_configuration_is_flat_yaml_that_vadray_takes():
    from vadray.config import SweepOptions
    from vadray.parsing import parse

    for hardware in ("gpu", "cpu"):
        values = yaml.safe_load(
            build("once", hardware).one("ConfigMap", "vadray-sweep")["data"]["sweep.yaml"]
        )
        options = parse(SweepOptions, None, values)
        assert options.archive.startswith("s3://") and options.out.startswith("s3://")
