"""Checks manifests against their schemas with unknown fields refused, as an API server does that warns of them."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.k8s.build import ROOT

KUBERNETES = "1.37"
QUANTITY = {"type": ["integer", "number", "string"]}
# kinds of operators whose schemas lie nowhere offline: what can be checked of them is in test_manifests.py
WITHOUT_SCHEMA = ("monitoring.coreos.com/", "kueue.x-k8s.io/")


def crd_folder() -> Path | None:
    """KubeRay's CRDs: `VADRAY_KUBERAY_CRDS`, or `shared/kuberay-crds` beside the checkout; None where there are none."""
    folder = Path(os.environ.get("VADRAY_KUBERAY_CRDS", ROOT.parent / "shared" / "kuberay-crds"))
    return folder if folder.is_dir() else None


def problems(manifest: dict[str, Any]) -> list[str]:
    """What is wrong with one object, by its schema."""
    group = manifest["apiVersion"].rpartition("/")[0]
    if group == "ray.io":
        found = _ray_validator(manifest["kind"], manifest["apiVersion"].split("/")[1]).iter_errors(manifest)
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in found]
    if manifest["apiVersion"].startswith(WITHOUT_SCHEMA):
        return []
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message[:300]}"]
    return []


@cache
def _ray_validator(kind: str, version: str) -> jsonschema.Draft202012Validator:
    folder = crd_folder()
    assert folder is not None, "KubeRay's CRDs"
    for path in sorted(folder.glob("ray.io_*.yaml")):
        crd = yaml.load(path.read_text(), yaml.CSafeLoader)
        if crd["spec"]["names"]["kind"] != kind:
            continue
        (served,) = (each for each in crd["spec"]["versions"] if each["name"] == version)
        schema = served["schema"]["openAPIV3Schema"]
        # an API server knows what metadata is and does not look at the CRD's
        schema["properties"]["metadata"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        return jsonschema.Draft202012Validator(closed(schema))
    raise AssertionError(f"{folder} has no {kind}")


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A structural schema as JSON Schema that takes no field it does not name."""
    if schema.get("x-kubernetes-int-or-string"):
        return QUANTITY | {key: schema[key] for key in ("pattern",) if key in schema}
    result = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes")}
    result.pop("format", None)
    if "properties" in schema:
        result["properties"] = {name: closed(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = closed(schema["additionalProperties"])
    if "items" in schema:
        result["items"] = closed(schema["items"])
    return result


def fields(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from fields(each)
    elif isinstance(value, list):
        for each in value:
            yield from fields(each)
