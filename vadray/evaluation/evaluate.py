"""`vadray evaluate`: a bundle against a labelled set."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from vadray import storage
from vadray.bundle import Bundle, open_bundle
from vadray.config import EvaluateOptions
from vadray.errors import RequestError
from vadray.evaluation.alarms import false_alarms_per_hour, normal_hours
from vadray.evaluation.datasets import LabelledSet, read_labels
from vadray.evaluation.evaluation_files import write_evaluation
from vadray.evaluation.learned import NOTHING, LearnedObjects
from vadray.evaluation.localisation import localisation_figures
from vadray.evaluation.metrics import Figures, evaluate_frames
from vadray.evaluation.motion_table import motion_table
from vadray.evaluation.scored import ScoredObject, judged_units, score_labelled

MOTION_JSON = "motion.json"
SHOWN = 10  # names, where there are many


def evaluate(
    options: EvaluateOptions,
    labelled: LabelledSet | None = None,
    say: Callable[[str], None] = lambda text: None,
    others: LearnedObjects = NOTHING,
) -> tuple[Figures, dict[str, Any]]:
    """Scores a labelled set and compares. Ray must be connected.

    Error maps are kept, on this machine's disk until the end, where the set has pixel masks.

    Args:
        options: What is evaluated, and how. What the bundle has learned from is left out, unless `learned` says
            otherwise.
        labelled: The set that `dataset` names, where it has been read already.
        say: Tells a person what is left out, and the motion table, if `motion_table` is set.
        others: Objects to leave out besides.

    Returns:
        The figures, and what else is known: objects that were labelled but could not be scored whole (`not_whole`),
        those that were left out (`left_out`), and how many had masks (`objects_with_masks`).

    Raises:
        RequestError: The bundle, the data set or a mask is wrong.
    """
    bundle = open_bundle(options.bundle)
    if options.motion_table and bundle.kind != "video":
        raise RequestError(
            f"motion_table: expected a bundle that scores video, received {options.bundle}, which scores {bundle.kind}s"
        )
    labelled = labelled or read_labels(options.dataset)
    for note in labelled.notes:
        say(note)
    units, left_out = judged_units(labelled, bundle, options, others)
    if left_out and not units:
        raise RequestError(
            f"dataset {options.dataset}: expected {bundle.kind}s that the bundle {options.bundle} has not learned from, "
            f"received {len(left_out)} that it has; learned=true judges it by them all the same"
        )
    if left_out:
        say(
            f"left out: {len(left_out)} labelled objects that the bundle has learned from, "
            f"{', '.join(left_out[:SHOWN])}"
        )
    with_masks = any(own.kind == bundle.kind and own.pixels is not None for own in labelled.labels.values())
    with tempfile.TemporaryDirectory(prefix="vadray-maps-") as folder:
        found = list(score_labelled(units, labelled, bundle, options, folder if with_masks else None))
        scored = [one for one in found if len(one.time_s)]
        if not scored:
            raise RequestError(
                f"dataset {options.dataset}: expected labelled {bundle.kind}s that the bundle {options.bundle} can score, found none"
            )
        masked = [one.masked for one in scored if one.masked is not None]
        figures = dataclasses.replace(
            evaluate_frames([one.frames for one in scored], bundle.kind),
            **localisation_figures(masked, bundle.kind),
        )
    if bundle.kind == "video":
        hours = sum(normal_hours(one.frames.labels, one.time_s) for one in scored)
        alarms = false_alarms_per_hour(((one.frames.labels, one.frames.flags) for one in scored), hours)
        figures = dataclasses.replace(figures, false_alarms_per_hour=alarms)
    if options.out:
        write_evaluation(
            storage.absolute(options.out), bundle.detector_name, options.dataset, figures, scored
        )
    rest: dict[str, Any] = {
        "detector": bundle.detector_name,
        "not_whole": [one.shortfall for one in found if one.shortfall],
        "left_out": left_out,
        "objects_with_masks": len(masked),
    }
    if options.motion_table:
        rest |= _motion_table(options, bundle, labelled, units, scored, say)
    return figures, rest


def _motion_table(
    options: EvaluateOptions,
    bundle: Bundle,
    labelled: LabelledSet,
    units: list[dict[str, Any]],
    scored: Sequence[ScoredObject],
    say: Callable[[str], None],
) -> dict[str, Any]:
    table = motion_table(bundle, labelled, units, [one.frames for one in scored], options)
    say(table.markdown())
    if not options.out:
        return {}
    names = {"motion_md": "motion.md", "motion_json": MOTION_JSON}
    paths = {key: storage.join(storage.absolute(options.out), name) for key, name in names.items()}
    storage.write_bytes(paths["motion_md"], table.markdown().encode())
    storage.write_bytes(paths["motion_json"], table.to_json().encode())
    return paths
