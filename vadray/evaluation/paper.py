"""`vadray paper`: the experiment that the 2024 paper describes, on synthetic data or on one's own.

Ten thousand images and fifty video sequences, mixed, split 70/15/15; learning rate 0.001, batch 32, 50 epochs, LSTM layers
of 256 units; precision, recall, F1, accuracy and PSNR beside STD, STCEN and AMAE. The paper's own data are not public.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vadray import storage
from vadray.archive.listing import kind_of
from vadray.config import EvaluateOptions, PaperOptions
from vadray.errors import RequestError
from vadray.evaluation.compare import SHARED, Cell, compare
from vadray.evaluation.datasets import LabelledSet, ObjectLabels, read_labels, split_videos
from vadray.synth import synthesise

Say = Callable[[str], None]
SHARES = (0.70, 0.15, 0.15)
IMAGES, VIDEOS = 10_000, 50
NORMAL_SHARE = 0.6  # of the synthetic data; the paper gives no share
LEAST_VIDEOS = 8  # one for each part, normal and not


def paper(options: PaperOptions, say: Say) -> list[Cell]:
    """Makes or takes the data, splits it, and compares the detectors on it. Ray must be connected.

    Raises:
        RequestError: `out` is not a local folder, or the archive has no single files that are labelled.
    """
    out = storage.absolute(options.out)
    if storage.is_s3(out):
        raise RequestError(
            f"out: expected a local folder, since the data are laid out anew in it, received {out}"
        )
    archive = options.archive or str(_synthetic(Path(out, "archive"), options, say))
    data = Path(out, "data")
    if not (data / "labels.json").exists():
        counts = lay_out(read_labels(archive), data, options.seed)
        say(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    common: dict[str, Any] = {
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        # of what is not for testing, so that training, validation and test are 70/15/15
        "validation": SHARES[1] / (SHARES[0] + SHARES[1]),
    }
    training: dict[str, dict[str, Any]] = {
        "all": common,
        "stae": {"units": options.units, "temporal": "lstm"},
    }
    for name, own in options.training.items():
        training[name] = {**training.get(name, {}), **own}
    settings = options.model_dump(include=SHARED, exclude_unset=True)
    first, *others = options.detectors
    return compare(
        EvaluateOptions(
            bundle=first,
            dataset=str(data),
            compare=others,
            seeds=[options.seed],
            training=training,
            out=out,
            **settings,
        ),
        say,
    )


def lay_out(labelled: LabelledSet, data: Path, seed: int) -> dict[str, int]:
    """Splits a labelled archive by object and copies it: `train/` normal only, `test/`, and `labels.json` last.

    Normal and anomalous objects are split apart, so that few of them are in every part too.

    What is anomalous in the training and validation parts is left out: detectors learn from normal data alone.

    Args:
        labelled: The archive.
        data: Where to.
        seed: Of the split.

    Returns:
        How many objects went where.

    Raises:
        RequestError: There is no file that is labelled or known to be normal.
    """
    objects = {path: (storage.join(labelled.archive, path), own) for path, own in labelled.labels.items()}
    if labelled.train:
        for entry in storage.list_objects(labelled.train, hidden=False):
            path = storage.relative(entry.uri, labelled.train)
            known = kind_of(path)
            if known:
                objects[f"normal/{path}"] = (entry.uri, ObjectLabels(known, None, ()))
    if not objects:
        raise RequestError(f"archive: expected labelled files, found none in {labelled.archive}")
    counts: dict[str, int] = {}
    truth: dict[str, dict[str, Any]] = {"clips": {}, "images": {}}
    strata: dict[tuple[str, bool], list[str]] = {}
    for path, (_, labels) in objects.items():
        strata.setdefault((labels.kind, bool(labels.ranges)), []).append(path)
    for (kind, _), own in sorted(strata.items()):
        parts = split_videos(own, SHARES, seed)
        for path in [*parts.train, *parts.validation]:
            if not objects[path][1].ranges:
                _copy(objects[path][0], data / "train" / path)
                counts[f"normal {kind}s to train on"] = counts.get(f"normal {kind}s to train on", 0) + 1
        for path in parts.test:
            uri, labels = objects[path]
            _copy(uri, data / "test" / path)
            counts[f"{kind}s to test on"] = counts.get(f"{kind}s to test on", 0) + 1
            if kind == "image":
                truth["images"][f"test/{path}"] = {"anomalous": bool(labels.ranges)}
            else:
                ranges = [list(pair) for pair in labels.ranges]
                truth["clips"][f"test/{path}"] = {"frames": labels.frames, "anomalous": ranges}
    (data / "labels.json").write_text(json.dumps(truth, indent=1))
    return counts


def _synthetic(root: Path, options: PaperOptions, say: Say) -> Path:
    if not (root / "labels.json").exists():
        images = max(round(options.scale * IMAGES), 40)
        videos = max(round(options.scale * VIDEOS), LEAST_VIDEOS)
        say(f"making {images:,} images and {videos} videos in {root}")
        synthesise(
            root,
            seed=options.seed,
            normal_images=round(NORMAL_SHARE * images),
            test_images=images - round(NORMAL_SHARE * images),
            normal_videos=round(NORMAL_SHARE * videos),
            test_videos=videos - round(NORMAL_SHARE * videos),
        )
    return root


def _copy(uri: str, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if storage.is_s3(uri):
        place.write_bytes(storage.read_bytes(uri))
    elif Path(uri).is_file():
        shutil.copyfile(uri, place)
    else:
        raise RequestError(f"archive: expected image and video files, received the clip folder {uri}")
