"""Alerts and the dashboard ask for metrics that exist, in PromQL that parses, and every alert leads to its page."""

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.k8s.build import FOLDER, ROOT, build
from vadray.config import SweepOptions

SOURCE = (ROOT / "vadray" / "sweep" / "gauges.py").read_text()  # not imported: Ray takes seconds
# as the driver publishes them, with their labels; Ray puts `ray_` before the name
GAUGES = {
    name: set(re.findall(r'"(\w+)"', labels))
    for name, labels in re.findall(r'Gauge\(\s*"(\w+)",\s*"[^"]*",\s*\(([^)]*)\)', SOURCE)
}
KUBE_STATE_METRICS = {
    "kube_cronjob_status_last_successful_time",
    "kube_cronjob_created",
    "kube_job_failed",
    "kube_job_created",
    "kube_pod_container_resource_requests",
}
OPERATIONS = ROOT / "docs" / "operations.md"


def alerts() -> list[dict[str, Any]]:
    (rules,) = build("nightly", "gpu", "eks", "monitoring").of("PrometheusRule")
    return [rule for group in rules["spec"]["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found = build("nightly", "gpu", "eks", "monitoring").one("ConfigMap", "vadray-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    return json.loads(found["data"]["dashboard.json"])


def expressions() -> dict[str, str]:
    found = {rule["alert"]: rule["expr"] for rule in alerts()}
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"].replace("$namespace", "vadray")
    return found


@pytest.mark.parametrize("name", expressions())
def test_an_expression_parses(name: str):
    promql_parser.parse(expressions()[name])


@pytest.mark.parametrize("wrong", ["sum by (x (up)", "rate(up)", "up{a=b}", "max_over_time(up[1x])"])
def test_a_wrong_one_does_not(wrong: str):
    with pytest.raises(ValueError):
        promql_parser.parse(wrong)


@pytest.mark.parametrize("name", expressions())
def test_every_metric_is_known_with_the_labels_it_is_asked_for(name: str):
    asked = list(selectors(promql_parser.parse(expressions()[name])))
    assert asked
    for metric, matchers in asked:
        own = metric.removeprefix("ray_")
        assert own in GAUGES or own in _ray_gauges() or metric in KUBE_STATE_METRICS, metric
        if own in GAUGES:
            assert set(matchers) - {"namespace"} <= GAUGES[own]
            for label in set(matchers) - {"namespace"}:
                assert f'"{matchers[label]}"' in SOURCE, f"{metric} has no {label}={matchers[label]}"


def test_every_gauge_of_vadray_is_used():
    assert len(GAUGES) == SOURCE.count("= Gauge(") > 0
    asked = {metric for text in expressions().values() for metric, _ in selectors(promql_parser.parse(text))}
    assert {f"ray_{gauge}" for gauge in GAUGES} <= asked


def test_each_alert_says_what_it_means_and_leads_to_operations():
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) and {"VadraySweepLate", "VadrayQuarantined", "VadrayNoGpu"} <= set(
        names
    )
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_operations_tells_of_each_alert():
    headings = set(re.findall(r"^#+ (\w+)", OPERATIONS.read_text(), re.M))
    assert {rule["alert"] for rule in alerts()} <= headings


def test_the_alert_on_unreadable_objects_has_the_bound_of_the_exit_status():
    (rule,) = (rule for rule in alerts() if rule["alert"] == "VadrayQuarantined")
    bound = float(rule["expr"].split(">")[-1])
    configured = yaml.safe_load((FOLDER / "base" / "sweep.yaml").read_text())["max_quarantined"]
    assert bound == configured == SweepOptions.model_fields["max_quarantined"].default


def test_each_panel_has_its_own_place_and_asks_something():
    panels = dashboard()["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels) and all(panel["targets"] and panel["title"] for panel in panels)


def selectors(expression: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Each metric within an expression, and the labels it is asked for."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression.name, {each.name: each.value for each in expression.matchers.matchers}
    inner = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for each in [*inner, *(getattr(expression, "args", None) or [])]:
        if each is not None:
            yield from selectors(each)


def _ray_gauges() -> set[str]:
    """Names in the sources of Ray's reporter and of Ray Data, which are not imported for it."""
    ray = importlib.util.find_spec("ray")
    assert ray is not None and ray.origin is not None
    reporter = Path(ray.origin).parent / "dashboard" / "modules" / "reporter" / "reporter_agent.py"
    data = Path(ray.origin).parent / "data/_internal/execution/interfaces/op_runtime_metrics.py"
    of_data = re.findall(r"^    (\w+): \w+ = metric_field\(", data.read_text(), re.MULTILINE)
    of_nodes = re.findall(r'"(node_[a-z_]+)": Gauge', reporter.read_text())
    return {*of_nodes, *(f"data_{name}" for name in of_data)}
