"""What a sweep's tables follow from is frozen by the first attempt that comes so far; then they are written, part by part."""

import json
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayTaskError

from vadray import storage
from vadray.archive.plan_files import read_part_rows
from vadray.calibration.calibration import Calibration
from vadray.errors import VadrayError
from vadray.health.conditions import Stretch
from vadray.health.found import HEALTH, Health, from_json, to_json
from vadray.health.nights import CAMERAS_FILE, UsualCamera, write_cameras
from vadray.sweep import health
from vadray.sweep.camera_counts import camera_rows
from vadray.sweep.cluster import reason_of
from vadray.sweep.finalise import PartResult, finalise_part
from vadray.sweep.manifest import read_manifest
from vadray.sweep.plan_store import FrozenPlan
from vadray.sweep.request import Prepared
from vadray.sweep.rules import RULES, frame_rules, with_places
from vadray.sweep.rules import to_json as rules_to_json
from vadray.sweep.watch import Say


@dataclass(frozen=True)
class Basis:
    """What the tables follow from, besides the scores.

    Args:
        calibrations: Content of each bundle's `calibration.json`.
        rules: Of `rules.with_places`.
        health: When cameras were not well.
    """

    calibrations: list[str]
    rules: dict[str, Any]
    health: Health


def freeze(prepared: Prepared, plan: FrozenPlan, manifest: str, say: Say) -> Basis:
    """What the first attempt that comes so far finds; later ones read it."""
    return Basis(_calibrations(prepared), _rules(prepared), _health(prepared, plan, manifest, say))


def write_tables(prepared: Prepared, plan: FrozenPlan, manifest: str, basis: Basis) -> list[PartResult]:
    """Writes the files of `frames`, `events` and `objects`, and what is usual of the cameras from now on.

    Raises:
        VadrayError: A part failed.
    """
    calibrations, rules = ray.put(basis.calibrations), ray.put(basis.rules)
    stretches = ray.put(basis.health.by_object())
    parts = [
        _finalise_part.remote(
            plan.uri(part),
            part,
            prepared.sweep_id,
            prepared.report,
            prepared.scores_folder,
            manifest,
            calibrations,
            rules,
            stretches,
        )
        for part in plan.parts
    ]
    results: list[PartResult] = _all_of(parts, "the tables were not written")
    storage.create_bytes(
        storage.join(prepared.folder, CAMERAS_FILE),
        write_cameras(camera_rows([result.camera_hours for result in results], basis.health)),
    )
    return results


def _calibrations(prepared: Prepared) -> list[str]:
    uri = storage.join(prepared.folder, "calibrations.json")
    content = json.dumps([bundle.calibration.to_json() for bundle in prepared.bundles]).encode()
    storage.create_bytes(uri, content)
    return json.loads(storage.read_bytes(uri))


def _rules(prepared: Prepared) -> dict[str, Any]:
    uri = storage.join(prepared.folder, RULES)
    if not storage.exists(uri):
        storage.create_bytes(uri, rules_to_json(with_places(prepared.rules, prepared.report)))
    return json.loads(storage.read_bytes(uri))


def _health(prepared: Prepared, plan: FrozenPlan, manifest: str, say: Say) -> Health:
    if not prepared.options.health:
        return Health()
    uri = storage.join(prepared.folder, HEALTH)
    if not storage.exists(uri):
        usual = health.usual_cameras(prepared.report, prepared.sweep_id)
        shared = ray.put(usual)
        looks = [
            _look_at_cameras.remote(plan.uri(part), part, prepared.scores_folder, manifest, shared)
            for part in plan.parts
        ]
        objects = [one for part in _all_of(looks, "the cameras were not looked at") for one in part]
        storage.create_bytes(uri, to_json(health.decide(objects, usual)))
    found = from_json(storage.read_bytes(uri))
    for camera, seconds in found.by_camera().items():
        named = ", ".join(f"{condition} for {spent / 60:.0f} min" for condition, spent in seconds.items())
        say(f"camera {camera or '(unknown)'}: {named}; what it shows then makes no events")
    return found


def _all_of(results: list[Any], failed: str) -> list[Any]:
    try:
        return ray.get(results)
    except RayTaskError as error:
        raise VadrayError(f"{failed}, {reason_of(error)}") from error


@ray.remote(num_cpus=1)
def _look_at_cameras(
    uri: str, part: int, folder: str, manifest: str, usual: dict[health.Key, UsualCamera]
) -> list[health.ObjectFigures]:
    return health.gather(read_part_rows(uri), folder, read_manifest(manifest, part), usual)


@ray.remote(num_cpus=1)
def _finalise_part(
    uri: str,
    part: int,
    sweep_id: str,
    report: str,
    folder: str,
    manifest: str,
    calibrations: list[str],
    rules: dict[str, Any],
    stretches: dict[str, list[Stretch]],
) -> PartResult:
    return finalise_part(
        read_part_rows(uri),
        part,
        sweep_id,
        report,
        folder,
        read_manifest(manifest, part),
        [Calibration.from_json(c) for c in calibrations],
        frame_rules(rules),
        stretches,
    )
