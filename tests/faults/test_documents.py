"""Mutated configurations, bundles and files of a sweep: each is read, or refused by one clear error."""

import json
import os
import random
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.archive.test_plan_files import rows_of
from tests.faults.fuzz_files import MUTATIONS
from tests.faults.material import untrained_bundles
from vadray.archive.plan_files import read_part_rows
from vadray.bundle import open_bundle, sha256
from vadray.config import SweepOptions
from vadray.errors import DamagedSweep, RequestError
from vadray.parsing import parse
from vadray.sweep import plan_store, scores
from vadray.sweep.manifest import read_manifest, write_manifest

CONFIG = Path(__file__).resolve().parents[2] / "jobs" / "configs" / "sweep.yaml"


def mutated(content: bytes, count: int) -> list[bytes]:
    draw = random.Random(0)
    return [draw.choice(MUTATIONS)(draw, content, [content, CONFIG.read_bytes()]) for _ in range(count)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return Path(untrained_bundles(tmp_path_factory.mktemp("bundles"))[1])


def changed(bundle: Path, place: Path, name: str, content: bytes) -> Path:
    """A copy of a bundle with one other file, and digests that agree: as a stranger would make it."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(bundle, place)
    (place / name).write_bytes(content)
    if name != "bundle.json":
        info = json.loads((place / "bundle.json").read_text())
        info["files"][name] = sha256(content)
        (place / "bundle.json").write_text(json.dumps(info))
    return place


def test_mutated_configurations(tmp_path):
    refused = 0
    for number, content in enumerate(mutated(CONFIG.read_bytes(), 600)):
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(content)
        try:
            parse(SweepOptions, str(path), {})
        except RequestError as error:
            refused += bool(str(error))
    assert refused > 300


@pytest.mark.parametrize(
    "name, count", [("bundle.json", 300), ("calibration.json", 300), ("model.keras", 60)]
)
def test_mutated_bundles(bundle, tmp_path, name, count):
    refused = 0
    for content in mutated((bundle / name).read_bytes(), count):
        try:
            opened = open_bundle(str(changed(bundle, tmp_path / "bundle", name, content)))
            assert opened.calibration is not None
            if name == "model.keras":
                opened.load_detector()
        except RequestError as error:
            assert str(tmp_path / "bundle") in str(error)
            refused += 1
    assert refused > count / 2


def test_a_bundle_that_was_changed_is_refused_by_its_digests(bundle, tmp_path):
    for name in ("model.keras", "calibration.json"):
        place = tmp_path / name
        shutil.copytree(bundle, place)
        (place / name).write_bytes((bundle / name).read_bytes() + b" ")
        with pytest.raises(RequestError, match=f"{name} was changed: expected SHA-256"):
            open_bundle(str(place))


def with_config(bundle: Path, edit) -> bytes:
    """The bundle's model file with another configuration."""
    with zipfile.ZipFile(bundle / "model.keras") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    edit(config)
    files["config.json"] = json.dumps(config).encode()
    path = bundle.parent / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.read_bytes()


def call_the_shell(config: dict) -> None:
    shell = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    config["config"]["losses"] = shell


def pretend_to_be_registered(config: dict) -> None:
    config["config"]["dtype"] = {
        "module": "subprocess", "class_name": "Popen", "registered_name": "vadray>Popen", "config": {"args": "id"},
    }  # fmt: skip


@pytest.mark.parametrize("edit", [call_the_shell, pretend_to_be_registered])
def test_a_bundle_cannot_name_code(bundle, tmp_path, edit):
    place = changed(bundle, tmp_path / "bundle", "model.keras", with_config(bundle, edit))
    with pytest.raises(RequestError, match="expected classes of vadray, received"):
        open_bundle(str(place)).load_detector()


def test_a_bundle_cannot_bring_code(bundle, tmp_path):
    marker = str(tmp_path / "ran")
    inputs = keras.Input((4,))
    layer = keras.layers.Lambda(lambda values: (os.mkdir(marker), values)[1], (4,))
    keras.Model(inputs, layer(inputs)).save(tmp_path / "evil.keras")
    keras.saving.load_model(tmp_path / "evil.keras", safe_mode=False)(np.zeros((1, 4)))
    os.rmdir(marker)  # so it does run where it is let
    place = changed(bundle, tmp_path / "bundle", "model.keras", (tmp_path / "evil.keras").read_bytes())
    with pytest.raises(RequestError, match="expected classes of vadray, received keras"):
        open_bundle(str(place)).load_detector()
    assert not os.path.exists(marker)


def test_a_model_that_is_not_what_the_bundle_tells_of_is_refused(bundle, tmp_path):
    info = json.loads((bundle / "bundle.json").read_text())
    info["preprocessing"]["height"] *= 2
    place = changed(bundle, tmp_path / "bundle", "bundle.json", json.dumps(info).encode())
    with pytest.raises(RequestError, match=r"another detector than bundle.json tells of"):
        open_bundle(str(place)).load_detector()


def test_a_bundle_cannot_name_files_outside(bundle, tmp_path):
    info = json.loads((bundle / "bundle.json").read_text())
    info["files"]["../secret"] = "0"
    place = changed(bundle, tmp_path / "bundle", "bundle.json", json.dumps(info).encode())
    with pytest.raises(RequestError, match="names a file outside"):
        open_bundle(str(place))


@pytest.fixture(scope="module")
def sweep_files(tmp_path_factory) -> Path:
    """The folder of a sweep that is planned, frozen and has one score."""
    folder = tmp_path_factory.mktemp("sweep")
    plan = plan_store.freeze(str(folder), "first", rows_of(60), {"archive": "/a"})
    units = plan.planned()
    write_manifest(str(folder / "manifest.parquet"), units.append_column("chunks", [[1] * units.num_rows]))
    nothing = {field.name: [] for field in scores.FRAME}
    scores.save(scores.scores_row("ab", 0, True, [], nothing, [], [], 0.1, 0.2), str(folder / "scores"))
    return folder


def read_sweep(folder: Path) -> None:
    plan = plan_store.load(str(folder))
    plan.todo(scores.complete_units(str(folder / "scores")))
    for part in plan.parts:
        list(read_part_rows(plan.uri(part)))
    read_manifest(str(folder / "manifest.parquet"))
    scores.load(next(str(path) for path in (folder / "scores").iterdir()))


@pytest.mark.parametrize("name", ["plan.json", "plan/first/part-00000.parquet", "manifest.parquet", "scores"])
def test_mutated_files_of_a_sweep(sweep_files, tmp_path, name):
    read_sweep(sweep_files)
    place = tmp_path / "sweep"
    shutil.copytree(sweep_files, place)
    target = place / name if name != "scores" else next((place / "scores").iterdir())
    refused = 0
    for content in mutated(target.read_bytes(), 200):
        target.write_bytes(content)
        try:
            read_sweep(place)
        except DamagedSweep as error:
            assert str(target) in str(error)
            refused += 1
    assert refused > 100


def test_parquet_of_other_columns_is_no_part_of_a_plan(sweep_files, tmp_path):
    place = tmp_path / "sweep"
    shutil.copytree(sweep_files, place)
    part = place / "plan/first/part-00000.parquet"
    pq.write_table(pq.read_table(part).drop_columns(["members"]), part)
    with pytest.raises(DamagedSweep, match="expected a part of a plan"):
        read_sweep(place)
