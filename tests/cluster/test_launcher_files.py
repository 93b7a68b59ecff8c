"""The launcher files hold to Ray's schema and to what we promise of them.

What a cloud says to them is not tested, since that takes a cloud. The machines of AWS are checked against the model
of its API that botocore carries; nothing of that kind is there for Google's.
"""

import copy
import json
import re
import subprocess
from functools import reduce
from pathlib import Path
from typing import Any

import botocore.session
import jsonschema
import pytest
import ray.autoscaler
from botocore.exceptions import ParamValidationError
from botocore.validate import validate_parameters

from tests.cluster.launcher_files import CLOUDS, LAUNCHER_FILES, ROOT, as_ray_up_reads, read

SCHEMA_ERRORS = (jsonschema.ValidationError, ValueError)
AWS = ROOT / "cluster" / "aws.yaml"
every_file = pytest.mark.parametrize("path", LAUNCHER_FILES, ids=lambda path: path.stem)
every_cloud = pytest.mark.parametrize("path", CLOUDS, ids=lambda path: path.stem)


def test_there_is_a_file_for_each_place():
    assert [path.stem for path in LAUNCHER_FILES] == ["aws", "gcp", "on-premise"]


@every_file
def test_ray_accepts_it(path):
    prepared = as_ray_up_reads(read(path))
    assert prepared["available_node_types"][prepared["head_node_type"]]["max_workers"] in (0, 3)


def changed(config: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(config)
    *above, last = place.split(".")
    reduce(dict.__getitem__, above, config)[last] = value
    return config


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("max_worker", 12),
        ("idle_timeout_minutes", "ten"),
        ("auth.ssh_usr", "ubuntu"),
        ("head_start_ray_commands", "ray start --head"),
        ("head_start_ray_command", []),
        ("docker", {"imag": "vadray"}),
        ("max_workers", -1),
    ],
)
@every_file
def test_ray_refuses_a_mistake(path, place, value):
    with pytest.raises(SCHEMA_ERRORS):
        as_ray_up_reads(changed(read(path), place, value))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("head_node_type", "heads"),
        ("available_node_types.decode.min_worker", 0),
        ("available_node_types.decode.min_workers", 13),
        ("available_node_types.score.resources", {"GPU": "1"}),
        ("available_node_types.score.resources", {"GPU": -1}),
        ("available_node_types.score", {"resources": {}}),
    ],
)
@every_cloud
def test_ray_refuses_a_mistake_in_a_node_type(path, place, value):
    with pytest.raises(SCHEMA_ERRORS):
        as_ray_up_reads(changed(read(path), place, value))


def unknown_to_providers(provider: dict[str, Any]) -> set[str]:
    """Ray's schema names the fields of providers and lets any other pass."""
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    return set(provider) - set(schema["properties"]["provider"]["properties"])


@every_file
def test_its_provider_has_no_field_that_ray_does_not_name(path):
    provider = read(path)["provider"]
    assert not unknown_to_providers(provider)
    assert unknown_to_providers(provider | {"cached_stopped_nodes": False}) == {"cached_stopped_nodes"}


def ec2_accepts(node_config: dict[str, Any]) -> None:
    shape = (
        botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    )
    validate_parameters({"MinCount": 1, "MaxCount": 1, **node_config}, shape)


@pytest.mark.parametrize("name", ["head", "decode", "score"])
def test_ec2_knows_all_that_is_said_of_a_machine(name):
    ec2_accepts(read(AWS)["available_node_types"][name]["node_config"])


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("InstanceTyp", "m6i.xlarge"),
        ("IamInstanceProfile", {"Nam": "vadray-worker"}),
        ("SecurityGroupIds", "sg-0123456789abcdef0"),
        ("InstanceMarketOptions", {"MarketTyp": "spot"}),
        ("MetadataOptions", {"HttpToken": "required"}),
    ],
)
def test_ec2_refuses_a_mistake(place, value):
    with pytest.raises(ParamValidationError):
        ec2_accepts(changed(read(AWS)["available_node_types"]["decode"]["node_config"], place, value))


def is_spot(node_config: dict[str, Any]) -> bool:
    market = node_config.get("InstanceMarketOptions", {}).get("MarketType")
    return market == "spot" or node_config.get("scheduling", {}).get("provisioningModel") == "SPOT"


@every_cloud
def test_the_head_stays_and_has_no_work_and_the_others_come_and_go(path):
    config = read(path)
    types = config["available_node_types"]
    head = types.pop(config["head_node_type"])
    assert head["resources"] == {"CPU": 0} and not is_spot(head["node_config"])
    assert set(types) == {"decode", "score"}
    assert all(is_spot(one["node_config"]) and one["min_workers"] == 0 for one in types.values())
    assert sum(one["max_workers"] for one in types.values()) == config["max_workers"]
    assert 5 <= config["idle_timeout_minutes"] <= 30


@every_cloud
def test_every_machine_has_an_identity_by_name_and_workers_have_less_of_it(path):
    types = read(path)["available_node_types"]
    identity = {
        name: one["node_config"].get("IamInstanceProfile", {}).get("Name")
        or one["node_config"]["serviceAccounts"][0]["email"].partition("@")[0]
        for name, one in types.items()
    }
    assert identity == {"head": "vadray-head", "decode": "vadray-worker", "score": "vadray-worker"}


@every_file
def test_ray_starts_with_a_token_and_shows_its_dashboard_to_loopback_alone(path):
    config = read(path)
    starts = {
        name: [command for command in config[f"{name}_start_ray_commands"] if "ray start" in command]
        for name in ("head", "worker")
    }
    assert [len(commands) for commands in starts.values()] == [1, 1]
    (head,), (worker,) = starts["head"], starts["worker"]
    assert all(command.startswith(". ~/vadray/cluster/environment.sh;") for command in (head, worker))
    assert "--num-cpus=0" in head and "--autoscaling-config=" in head
    assert "--dashboard-host=127.0.0.1" in head and "0.0.0.0" not in path.read_text()
    assert "--address=$RAY_HEAD_IP:" in worker
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


def test_the_environment_has_the_token_mode_and_no_usage_statistics(tmp_path):
    (tmp_path / "vadray-environment" / "bin").mkdir(parents=True)
    said = subprocess.run(
        [
            "bash",
            "-euc",
            '. cluster/environment.sh; echo "$RAY_AUTH_MODE $RAY_USAGE_STATS_ENABLED ${PATH%%:*}"',
        ],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )
    assert said.stdout == f"token 0 {tmp_path}/vadray-environment/bin\n"


@every_file
def test_what_is_copied_to_machines_is_there_and_is_all_that_their_commands_need(path):
    config = read(path)
    copied = {there: here for there, here in config["file_mounts"].items() if there.startswith("~/vadray/")}
    assert copied and all((ROOT / here).exists() for here in copied.values())
    commands = [command for key, value in config.items() if key.endswith("_commands") for command in value]
    named = {word for command in commands for word in re.findall(r"~/vadray/[\w./-]+", command)}
    assert "~/vadray/cluster/setup_node.sh" in named
    for one in named:
        assert (ROOT / one.removeprefix("~/vadray/")).is_file(), one
        assert any(one == there or one.startswith(f"{there}/") for there in copied), one
    # and what pip builds the package from
    assert {"pyproject.toml", "constraints.txt", "README.md", "vadray"} <= set(copied.values())


CREDENTIALS = {
    "AWS key": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
    "key in a variable": r"(?i)(secret|password|token|api_?key)\w*\s*[:=]\s*['\"]?[A-Za-z0-9/+]{16,}",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "key of a service account": r"private_key_id|GOOG1[0-9A-Z]{10,}",
    "token": r"\b[0-9a-f]{32,}\b",
}


def credentials(text: str) -> list[str]:
    return [kind for kind, pattern in CREDENTIALS.items() if re.search(pattern, text)]


@pytest.mark.parametrize("path", sorted((ROOT / "cluster").glob("*.*")), ids=lambda path: path.name)
def test_no_file_has_a_credential(path):
    assert credentials(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "aws_access_key_id: " + "AKIA" + "Z" * 16,
        "AWS_SECRET_ACCESS_KEY=" + "a1B2" * 10,
        "RAY_AUTH_TOKEN: " + "0f" * 32,
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        '{"private_key_id": "1"}',
    ],
)
def test_one_that_had_would_be_found(text):
    assert credentials(text)
