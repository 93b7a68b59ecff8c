"""Where anomalies are found: one object after the other, on scales that compare."""

import numpy as np
import pytest

from tests.evaluation.conftest import mask_of
from vadray.calibration.calibration import Calibration, VideoScores
from vadray.evaluation import pixel_figures, rbdc_of_maps, threshold_levels
from vadray.evaluation.localisation import MaskedObject, localisation_figures
from vadray.evaluation.scored import comparable_maps
from vadray.sweep.collect import StoredMaps


def objects():
    """Two videos of another size and length each, noisy maps that are higher under the masks."""
    random = np.random.default_rng(0)
    made = []
    for frames, height, width in ((5, 16, 24), (3, 20, 30)):
        masks = np.zeros((frames, height, width), bool)
        masks[1:3, 4:12, 6:12] = True
        cells = masks.reshape(frames, 4, height // 4, 6, width // 6).mean(axis=(2, 4))
        made.append((random.random((frames, 4, 6)) + 0.3 * cells, masks))
    return made


def masked(pairs):
    return [MaskedObject(lambda own=maps: own, lambda own=masks: own) for maps, masks in pairs]


def test_video_has_pixel_auroc_and_rbdc_and_images_pixel_auroc_and_aupro():
    pairs = objects()
    auroc, aupro = pixel_figures(pairs)
    rbdc = rbdc_of_maps(pairs, threshold_levels([maps for maps, _ in pairs]))
    assert localisation_figures(masked(pairs), "video") == {"pixel_auroc": auroc, "rbdc": rbdc}
    assert localisation_figures(masked(pairs), "image") == {"pixel_auroc": auroc, "aupro": aupro}
    assert 0.5 < auroc < 1 and 0 < rbdc < 1


def test_without_masks_there_is_no_figure_and_without_anomalies_none_is_defined():
    assert localisation_figures([], "video") == {}
    normal = [(maps, np.zeros_like(masks)) for maps, masks in objects()]
    assert localisation_figures(masked(normal), "video") == {"pixel_auroc": None, "rbdc": None}


def test_cameras_of_another_level_compare_after_standardisation(tmp_path):
    random = np.random.default_rng(1)
    quiet, loud = random.normal(1.0, 0.1, 600), random.normal(100.0, 10.0, 600)
    scores = [VideoScores("quiet", np.arange(600.0), quiet), VideoScores("loud", np.arange(600.0), loud)]
    np.save(tmp_path / "quiet.npy", np.array([[[1.0, 2.0]]], np.float32))
    np.save(tmp_path / "loud.npy", np.array([[[100.0, 80.0]]], np.float32))
    stored = {
        name: StoredMaps([(str(tmp_path / f"{name}.npy"), np.array([True]))]) for name in ("quiet", "loud")
    }
    masks = {"quiet": mask_of((0, 1), shape=(1, 2))[None], "loud": mask_of(shape=(1, 2))[None]}

    def auroc(calibration):
        pairs = [(comparable_maps(stored[name], name, calibration)(), masks[name]) for name in stored]
        return pixel_figures(pairs)[0]

    assert auroc(Calibration.fit(scores)) == pytest.approx(1 / 3)
    assert auroc(Calibration.fit(scores, per_camera=True)) == 1.0
