"""Error maps from the stages to the figures: the right map of the right object at the right place."""

import json
import shutil
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from tests.evaluation.conftest import real_set  # noqa: F401
from vadray import cli
from vadray.archive.routing import Route
from vadray.bundle import open_bundle, write_bundle
from vadray.config import ArchiveOptions, CalibrateOptions, ClusterOptions, EvaluateOptions
from vadray.detectors.registry import detector_class
from vadray.evaluation import read_labels
from vadray.evaluation.scored import judged_units
from vadray.sweep import planning
from vadray.sweep.collect import collect_scores
from vadray.sweep.units import frame_shape
from vadray.training.calibrate import calibrate

HEIGHT, WIDTH = 48, 64
# pictures of other sizes and proportions than the detector's; squares that fill whole cells of 8 x 8 of its input
PICTURES = {
    "a": ((96, 160), (slice(32, 64), slice(80, 140))),
    "b": ((144, 64), (slice(72, 144), slice(0, 24))),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """Grey pictures in the layout of MVTec AD, two of them with a white rectangle somewhere."""
    root = tmp_path_factory.mktemp("planted")
    for name, (size, (rows, columns)) in PICTURES.items():
        picture, mask = np.full(size, 128, np.uint8), np.zeros(size, np.uint8)
        picture[rows, columns] = mask[rows, columns] = 255
        for path, pixels in {
            f"test/white/{name}.png": picture,
            f"ground_truth/white/{name}_mask.png": mask,
            f"test/good/{name}.png": np.full(size, 128, np.uint8),
            f"train/good/{name}.png": np.full(size, 128, np.uint8),
        }.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / path), pixels)
    return root


@pytest.fixture(scope="module")
def grey_bundle(planted, cluster, tmp_path_factory) -> Path:
    """A detector that takes every picture for mid-grey: its error map is known, (pixel - 0.5) squared."""
    folder = tmp_path_factory.mktemp("grey")
    detector = detector_class("conv_ae")(height=HEIGHT, width=WIDTH, filters=(4, 4), code_channels=2)
    detector.build()
    detector.set_weights([np.zeros_like(weight) for weight in detector.get_weights()])
    raw = write_bundle(str(folder / "raw"), detector, None, {}, {})
    options = CalibrateOptions(
        bundle=raw.uri, archive=str(planted / "train"), out=str(folder / "grey"), actors=1
    )
    calibrate(options, lambda text: None)
    return folder / "grey"


def test_maps_come_with_their_object_and_lie_on_its_picture(planted, grey_bundle, tmp_path):
    options = EvaluateOptions(bundle=str(grey_bundle), dataset=str(planted), actors=1)
    bundle, labelled = open_bundle(str(grey_bundle)), read_labels(str(planted))
    units, _ = judged_units(labelled, bundle, options)
    assert len(units) < 4, "several pictures share a unit"
    found = collect_scores(units, bundle, frame_shape(bundle, None, 25.0), options, maps_folder=str(tmp_path))
    maps = {Path(one.uri).parent.name + Path(one.uri).stem: one.maps.read() for one in found}
    assert all(own.shape == (1, 6, 8) for own in maps.values())
    for name, (size, (rows, columns)) in PICTURES.items():
        down, across = size[0] // 6, size[1] // 8
        white = np.zeros((6, 8))
        white[rows.start // down : rows.stop // down, columns.start // across : columns.stop // across] = 0.25
        reached = cv2.blur(white, (3, 3), borderType=cv2.BORDER_CONSTANT) > 0.001
        inside = maps[f"white{name}"][0] > 0.001
        np.testing.assert_array_equal(inside, reached)
        assert maps[f"good{name}"].max() < 0.001
        row, column = np.unravel_index(maps[f"white{name}"][0].argmax(), (6, 8))
        assert white[row, column] > 0


def test_planted_rectangles_are_found_pixel_by_pixel(planted, grey_bundle, tmp_path, capsys):
    assert cli.main(["evaluate", str(grey_bundle), str(planted), f"out={tmp_path}", "actors=1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["pixel_auroc"] == 1.0 and result["aupro"] == pytest.approx(1.0)
    assert result["rbdc"] is None and result["objects_with_masks"] == 4
    assert json.loads((tmp_path / "evaluation.json").read_text())["pixel_auroc"] == 1.0
    assert "| pixel_auroc" in (tmp_path / "evaluation.md").read_text()


def test_a_mask_elsewhere_is_not_found(planted, grey_bundle, tmp_path, capsys):
    moved = tmp_path / "moved"
    shutil.copytree(planted, moved)
    for path in (moved / "ground_truth" / "white").iterdir():
        assert cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[:, ::-1])
    assert cli.main(["evaluate", str(grey_bundle), str(moved), "actors=1"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["pixel_auroc"] < 0.6


def test_video_maps_do_not_depend_on_how_it_is_cut(archive, bundles, tmp_path):
    bundle = open_bundle(str(bundles["video"]))
    cluster_options = EvaluateOptions(bundle=bundle.uri, dataset=str(archive.root))

    def scored(unit_frames, folder):
        shape = frame_shape(bundle, unit_frames, 25.0)
        source = ArchiveOptions(archive=str(archive.test))
        rows = planning.plan_archive(source, cluster_options, [Route(0, "video")], [shape], ["x"], [1])
        units = [row for row in rows if row["status"] == "planned"]
        folder.mkdir()
        found = list(collect_scores(units, bundle, shape, ClusterOptions(actors=1), maps_folder=str(folder)))
        return len(units), {one.uri: (one.score, one.maps.read()) for one in found}

    (few, whole), (many, cut) = scored(None, tmp_path / "whole"), scored(16, tmp_path / "cut")
    assert few < many
    for uri, (score, maps) in whole.items():
        assert maps.shape == (len(score), 4, 6)
        np.testing.assert_array_equal(maps.max(axis=(1, 2)), score)
        np.testing.assert_allclose(cut[uri][1], maps, rtol=1e-4, atol=1e-7)


@pytest.mark.soak
def test_real_tiles_have_pixel_figures(cluster, real_set, tmp_path, capsys):  # noqa: F811
    """A blurred untrained autoencoder already sees the darkest defects: better than chance, far from perfect."""
    keras.utils.set_random_seed(0)
    tiles = Path(real_set("tiles"))
    detector = detector_class("conv_ae")(height=64, width=64, contrast=17, blur=3)
    detector.build()
    raw = write_bundle(str(tmp_path / "raw"), detector, None, {}, {})
    options = CalibrateOptions(
        bundle=raw.uri, archive=str(tiles / "train" / "free"), out=str(tmp_path / "tiles")
    )
    calibrate(options, lambda text: None)
    assert cli.main(["evaluate", str(tmp_path / "tiles"), str(tiles)]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["objects_with_masks"] == result["frames"] == 130
    assert 0.55 < result["pixel_auroc"] < 0.999 and 0.1 < result["aupro"] < 0.95
