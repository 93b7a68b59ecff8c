"""Scores do not depend on how many frames the device takes at once, nor on who else asks it."""

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vadray.bundle import open_bundle, write_bundle
from vadray.detectors.layers.temporal import TEMPORAL
from vadray.detectors.registry import DETECTORS, detector_class
from vadray.detectors.stae import SpatiotemporalAutoencoder
from vadray.sweep import scorer as module
from vadray.sweep.blocks import BLOCK_FRAMES, MOST_FRAMES, SHARE_OF_FREE, large_block
from vadray.sweep.scorer import Scorer


@pytest.fixture(scope="module")
def detector() -> SpatiotemporalAutoencoder:
    keras.utils.set_random_seed(0)
    made = SpatiotemporalAutoencoder(
        height=32, width=48, window=4, stride=2, units=8, filters=(4, 4), code_channels=2
    )
    made.build()
    return made


def frames(count: int, detector) -> np.ndarray:
    shape = (count, detector.height, detector.width, detector.input_channels)
    return np.random.default_rng(count).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("count", [1, 63, 64, 299, 300, 301, 700])
def test_on_a_device_with_memory_fewer_calls_give_the_same(detector, monkeypatch, count):
    monkeypatch.setattr(module, "free_device_bytes", lambda: 8 * 2**30)  # there is no GPU to ask
    some = frames(2 + count, detector)
    at_once = Scorer(detector, compile_for_device=True, chunk_frames=300)
    assert at_once.blocks == [300, BLOCK_FRAMES]
    for large, small in zip(at_once.score(some, 2), Scorer(detector).score(some, 2), strict=True):
        np.testing.assert_allclose(large, small, rtol=0, atol=1e-6)


@pytest.mark.soak  # a process that fills its memory takes half a minute
def test_what_does_not_fit_after_all_is_scored_in_smaller_blocks():
    """In a process whose address space ends where the large block would need more."""
    script = """
        import resource
        import numpy as np
        from vadray.detectors.conv_ae import ConvolutionalAutoencoder
        from vadray.sweep import scorer

        detector = ConvolutionalAutoencoder(height=256, width=256, filters=(32, 8))
        detector.build()
        some = np.random.default_rng(0).integers(0, 256, (2048, 256, 256, 1), np.uint8)
        first = scorer.Scorer(detector).score(some[:64], 0)[0]
        scorer.free_device_bytes = lambda: 1 << 40
        tight = scorer.Scorer(detector, True, 2048)
        assert tight.blocks == [2048, 64], tight.blocks
        taken = int(open("/proc/self/statm").read().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (taken + (2 << 30),) * 2)
        scores = tight.score(some, 0)[0]
        assert tight.blocks == [64], tight.blocks
        np.testing.assert_allclose(scores[:64], first, rtol=0, atol=1e-6)
        assert len(scores) == 2048 and np.isfinite(scores).all()
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_two_at_once_get_their_own(detector):
    scorer, some = Scorer(detector), [frames(2 + count, detector) for count in (100, 30, 64, 7)]
    alone = [scorer.score(one, 2)[0] for one in some]
    with ThreadPoolExecutor(2) as pool:
        for got, wanted in zip(
            pool.map(lambda one: scorer.score(one, 2)[0], 5 * some), 5 * alone, strict=True
        ):
            np.testing.assert_array_equal(got, wanted)


@given(
    chunk=st.integers(65, 10_000),
    stride=st.integers(1, 16),
    bytes_of_block=st.integers(1, 1 << 36),
    free=st.integers(0, 1 << 37),
)
def test_a_large_block_fits_the_memory_and_the_grid(chunk, stride, bytes_of_block, free):
    large = large_block(chunk, stride, bytes_of_block, free)
    assert large % stride == 0 and BLOCK_FRAMES - stride < large <= max(MOST_FRAMES, BLOCK_FRAMES)
    assert large <= chunk
    assert large <= BLOCK_FRAMES or large * bytes_of_block <= free * SHARE_OF_FREE * BLOCK_FRAMES


def _learned() -> list[tuple[str, dict]]:
    named = [(name, {}) for name, one in DETECTORS.items() if one.learns and not one.needs_labels]
    return named + [("stae", {"temporal": temporal}) for temporal in TEMPORAL]


@pytest.mark.parametrize("name, settings", _learned())
def test_in_half_precision_scores_are_nearly_the_same(name, settings, tmp_path):
    keras.utils.set_random_seed(0)
    made = detector_class(name)(height=64, width=64, **settings)
    made.build()
    bundle = write_bundle(str(tmp_path / "bundle"), made, None, {}, {})
    some = frames(made.context + 16, made)

    full, half = (
        Scorer(bundle.load_detector(precision)).score(some, made.context)[0]
        for precision in ("float32", "bfloat16")
    )
    assert (half != full).any()
    np.testing.assert_allclose(half, full, rtol=0.01)
    assert keras.config.dtype_policy().name == "float32"


def test_scores_in_half_precision_have_a_digest_of_their_own(detector, tmp_path):
    bundle = write_bundle(str(tmp_path / "bundle"), detector, None, {}, {})
    assert bundle.digest_in("float32") == bundle.scoring_digest
    other = open_bundle(bundle.uri).digest_in("bfloat16")
    assert other != bundle.scoring_digest and len(other) == 32
