"""Who refers to whom, and which labels select which pods."""

from collections.abc import Iterator
from typing import Any

from tests.k8s.schemas import fields


def named(template: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Kind, name and whether it may be absent, of whatever a pod needs from its namespace."""
    spec = template["spec"]
    yield "ServiceAccount", spec.get("serviceAccountName", "default"), False
    for found in fields(spec):
        for key, kind in (("configMapRef", "ConfigMap"), ("configMapKeyRef", "ConfigMap")):
            if isinstance(found.get(key), dict):
                yield kind, found[key]["name"], bool(found[key].get("optional"))
        for key in ("secretRef", "secretKeyRef"):
            if isinstance(found.get(key), dict):
                yield "Secret", found[key]["name"], bool(found[key].get("optional"))
        if isinstance(found.get("configMap"), dict):
            yield "ConfigMap", found["configMap"]["name"], bool(found["configMap"].get("optional"))
        if isinstance(found.get("secret"), dict):
            yield "Secret", found["secret"]["secretName"], bool(found["secret"].get("optional"))
        if isinstance(found.get("persistentVolumeClaim"), dict):
            yield "PersistentVolumeClaim", found["persistentVolumeClaim"]["claimName"], False


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector fits."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        there = labels.get(rule["key"])
        fits = {
            "In": there in rule.get("values", []),
            "NotIn": there not in rule.get("values", []),
            "Exists": there is not None,
            "DoesNotExist": there is None,
        }
        if not fits[rule["operator"]]:
            return False
    return True


def may_reach(
    policies: list[dict[str, Any]], source: dict[str, str], target: dict[str, str], port: int
) -> bool:
    """Whether pods of one namespace reach each other on a TCP port, by both sides' policies."""
    return _allowed(policies, "Egress", source, target, port) and _allowed(
        policies, "Ingress", target, source, port
    )


def _allowed(
    policies: list[dict[str, Any]], direction: str, mine: dict[str, str], other: dict[str, str], port: int
) -> bool:
    rules_key, peers_key = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    mine_only = [
        each["spec"]
        for each in policies
        if direction in each["spec"]["policyTypes"] and selects(each["spec"]["podSelector"], mine)
    ]
    if not mine_only:
        return True
    return any(
        _peer(rule.get(peers_key), other) and _port(rule.get("ports"), port)
        for spec in mine_only
        for rule in spec.get(rules_key, [])
    )


def _peer(peers: list[dict[str, Any]] | None, labels: dict[str, str]) -> bool:
    if not peers:
        return True
    return any(
        "ipBlock" not in peer and "namespaceSelector" not in peer and selects(peer["podSelector"], labels)
        for peer in peers
    )


def _port(ports: list[dict[str, Any]] | None, port: int) -> bool:
    return not ports or any(
        each.get("protocol", "TCP") == "TCP" and each.get("port") == port for each in ports
    )
