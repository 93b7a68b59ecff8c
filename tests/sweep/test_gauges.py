"""What Prometheus finds on the metrics port of a node, while a driver runs there."""

import re
import time
from urllib.request import urlopen

import ray

from vadray.sweep.gauges import SweepGauges

EXPORTED_WITHIN_S = 60  # Ray exports every 10 s


def exported(name: str) -> dict[str, float]:
    """Values of a gauge by the tag that tells them apart."""
    node = next(node for node in ray.nodes() if node["Alive"])
    page = urlopen(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics", timeout=10)
    lines = re.findall(rf"^ray_{name}{{(.*)}} (\S+)$", page.read().decode(), re.MULTILINE)
    found = {}
    for tags, value in lines:
        if 'sweep_id="gauged"' in tags:
            found["".join(re.findall(r'(?:state|status|reason|stage|quantile)="([^"]+)"', tags))] = float(
                value
            )
    return found


def test_progress_of_a_sweep_reaches_the_metrics_port(cluster):
    gauges = SweepGauges("gauged", ["gate"], objects=10, units=5, done=1)
    chunk = {"bundle": 0, "last": True, "errors": [], "decode_s": 1.0, "score_s": 0.25}
    gauges.tell(
        [
            {**chunk, "frames": 40, "scores": list(range(100))},
            {**chunk, "frames": 0, "last": False, "scores": []},
        ]
    )
    reasons = [{"member": place, "reason": reason} for place, reason in enumerate("aab")]
    gauges.tell([{**chunk, "frames": 2, "errors": reasons, "scores": [100.0]}])
    deadline = time.monotonic() + EXPORTED_WITHIN_S
    while exported("vadray_sweep_objects").get("quarantined") != 3 and time.monotonic() < deadline:
        time.sleep(1)
    assert exported("vadray_sweep_units") == {"done": 3, "todo": 2}
    assert exported("vadray_sweep_objects") == {"planned": 7, "quarantined": 3}
    assert exported("vadray_sweep_frames") == {"": 42}
    assert exported("vadray_sweep_quarantined") == {"a": 2, "b": 1}
    assert exported("vadray_sweep_seconds") == {"decode": 3.0, "score": 0.75}
    assert exported("vadray_sweep_scores") == {"0.5": 50, "0.9": 90, "0.99": 99}
