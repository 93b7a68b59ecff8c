"""Density of normal features of a pre-trained network, for images."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from vadray.detectors.backbones.backbone import EFFICIENTNET_LITE0, IMAGENET, Backbone
from vadray.detectors.backbones.filter_bank import FILTER_BANK, FilterBank
from vadray.detectors.base import Detector
from vadray.detectors.layers.dark_lines import LEAST_ROWS, DarkLines
from vadray.detectors.layers.patch_gaussian import PatchGaussian
from vadray.detectors.layers.patch_memory import FAR, PatchMemory
from vadray.errors import RequestError

DENSITIES = ("nearest", "gaussian")
MOST_PICTURES = 1000  # that are fitted, drawn evenly
MOST_PATCHES = 120_000  # among which the memory is chosen
FRAMES_AT_ONCE = 8
DIMENSIONS = {"nearest": 256, "gaussian": 128}  # a Gaussian is a matrix of them in each place
GREY = 110 / 255  # the mean to which every picture is brought
SPREADS = 3  # of the distances in one place, above their mean, are usual there
LEAST_SHARE = 0.25  # of the mean over all places, for what is usual in one
TINY = 1e-6


@keras.saving.register_keras_serializable("vadray")
class FeatureDensity(Detector):
    """Says how far each patch's features are from those of normal patches. Nothing is learned by gradients.

    A network trained on a million photographs describes each patch; patches of normal pictures are remembered, and
    a patch near to none of them is anomalous. With `density` "nearest" the memory is common to all places
    (PatchCore); with "gaussian" each place has mean and covariance of its own (PaDiM), for pictures whose parts
    are always in the same place. Backbone and memory are in the saved file: a bundle needs no package.

    The papers state: Wide ResNet-50, 256 pixels cropped to 224, features of its second and third stage averaged
    over 3 x 3; PatchCore remembers 1 to 25 % of the patches, chosen greedily, and scores by the largest distance,
    weighted by how dense the memory is there; PaDiM takes 100 (ResNet-18) or 550 dimensions at random and adds
    0.01 to the covariance's diagonal.
    We had to choose: EfficientNet-Lite0, whose weights a package carries; memories of fixed size, several of them, each
    of other patches, whose distances are averaged, since a single one is a draw; and principal components in place of
    dimensions at random, which are a lottery. Further, measured on magnetic tiles of six exposures:
    - Every picture is brought to the same mean brightness: exposure says nothing of a surface.
    - Distances are relative to what is usual in their place, since borders are always far from everything. What is
      usual comes from the fitted pictures, each against the memory without its own patches: with them, it would be
      zero where a patch was remembered.
    - Distances are divided by the square root of their picture's median: a rough surface is far from the memory
      everywhere, and a crack is where it is farther than around it; but a surface may be the rougher for a defect.
    - The score is the mean of the largest 5 % of the map.
    - 320 x 320 and two stages. See the README for the figure.

    Args:
        height: Rows, a multiple of 8.
        width: Columns, a multiple of 8.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        backbone: "efficientnet_lite0", a network of `keras.applications`, or "filter_bank", see `FilterBank`, which has
            learned nothing and needs no package. Defaults to "efficientnet_lite0".
        weights: "imagenet" (efficientnet_lite0, from the extra `backbone`), a path to a weights file (others), or
            None for random ones; filter_bank has none. Defaults to "imagenet".
        reductions: How much smaller than the picture the maps of features are, ascending; the first gives the
            grid of patches, and is all that filter_bank uses. Defaults to (8, 16).
        density: "nearest" or "gaussian". Defaults to "nearest".
        dimensions: Principal components of the features that are compared, at least 1. Defaults to 256 for
            "nearest", 128 for "gaussian".
        memory_size: Patches in a memory ("nearest"), at least 1. Defaults to 4096.
        memories: How many ("nearest"), at least 1. Defaults to 3.
        equalise: Bring every picture to the same mean brightness. Defaults to True.
        by_picture: Power of their picture's median that distances are divided by, from 0 (as they are) to 1 (relative to
            the picture). Defaults to 0.5.
        mirror: Fit each picture's mirror image (left to right) too, and score both, at twice the cost: for surfaces
            and whatever else may as well be seen in a mirror. Defaults to False.
        lines: Add dark lines that run down the picture, see `DarkLines`, in deviations of normal pictures' scores: for
            surfaces that are ground from top to bottom, and crack that way. Needs `density` "nearest". Defaults to
            False.
        top_share: Of the cells whose mean is the score, above 0 and at most 1. Defaults to 0.05.
        seed: Of all that is drawn at random. Defaults to 0.

    Input shape: float `[n, height, width, channels]` in 0 to 1.
    Output shape: float `[n, height / cell, width / cell]`, at least 0: distances without unit, 0.7 to 0.9 where all is as usual.
        `mse` is 0, as nothing is reconstructed.

    Raises:
        RequestError: An argument is out of its range; weights are missing.

    Example:
        >>> detector = FeatureDensity(height=256, width=256)
        >>> detector.build()
        >>> detector.fit_normal([normal_pictures])
        >>> score, error_map, _ = detector.score(pictures)

    Reference: Roth et al., "Towards Total Recall in Industrial Anomaly Detection" (PatchCore), CVPR 2022, sections
        3.1 to 3.3; Defard et al., "PaDiM", ICPR 2021, section III.
    """

    name_of_detector = "feature_density"
    kind = "image"
    paper = "Roth et al., CVPR 2022; Defard et al., ICPR 2021"
    learns = False
    default_size = (320, 320)

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        backbone: str = EFFICIENTNET_LITE0,
        weights: str | None = IMAGENET,
        reductions: Sequence[int] = (8, 16),
        density: str = "nearest",
        dimensions: int | None = None,
        memory_size: int = 4096,
        memories: int = 3,
        equalise: bool = True,
        by_picture: float = 0.5,
        mirror: bool = False,
        lines: bool = False,
        top_share: float = 0.05,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(height, width, channels, **kwargs)
        if self.window != 1 or self.flow or self.relative:
            raise RequestError(
                "Arguments `window`, `flow` and `relative`: feature_density scores single images without flow, "
                f"relative to their place in any case. Received: window={self.window}, flow={self.flow}, "
                f"relative={self.relative}"
            )
        if density not in DENSITIES:
            raise RequestError(
                f"Argument `density` must be one of {', '.join(DENSITIES)}. Received: density={density!r}"
            )
        if backbone == FILTER_BANK and weights not in (IMAGENET, None):
            raise RequestError(
                f"Argument `weights` must be left out: {FILTER_BANK} has none. Received: weights={weights!r}"
            )
        if not reductions:
            raise RequestError(
                f"Argument `reductions` must name at least one. Received: reductions={reductions}"
            )
        dimensions = DIMENSIONS[density] if dimensions is None else dimensions
        if dimensions < 1:
            raise RequestError(f"Argument `dimensions` must be at least 1. Received: dimensions={dimensions}")
        if memories < 1:
            raise RequestError(f"Argument `memories` must be at least 1. Received: memories={memories}")
        if not 0 <= by_picture <= 1:
            raise RequestError(
                f"Argument `by_picture` must be from 0 to 1. Received: by_picture={by_picture}"
            )
        if not 0 < top_share <= 1:
            raise RequestError(
                f"Argument `top_share` must be above 0 and at most 1. Received: top_share={top_share}"
            )
        self.reductions, self.density, self.dimensions = tuple(reductions), density, dimensions
        self.memory_size, self.memories, self.seed = memory_size, memories, seed
        self.equalise, self.by_picture, self.mirror, self.top_share = (
            equalise,
            float(by_picture),
            mirror,
            top_share,
        )
        if lines and height < LEAST_ROWS * self.reductions[0]:
            raise RequestError(
                f"Argument `lines` needs at least {LEAST_ROWS} rows of patches, a `height` of "
                f"{LEAST_ROWS * self.reductions[0]}. Received: height={height}"
            )
        if lines and density != "nearest":
            raise RequestError(
                'Argument `lines` needs `density` "nearest": how far normal scores differ is learned from the fitted '
                f"pictures, which a Gaussian fits too well to tell. Received: density={density!r}"
            )
        self.lines = DarkLines(self.reductions[0], name="lines") if lines else None
        self.kinds_of_error = ("patches", "lines") if lines else ("patches",)
        self.backbone: Backbone | FilterBank = (
            FilterBank(self.reductions[0], name="backbone")
            if backbone == FILTER_BANK
            else Backbone(backbone, height, width, self.reductions, weights, name="backbone")
        )
        self.densities: list[PatchMemory | PatchGaussian] = (
            [PatchMemory(memory_size, name=f"memory_{number}") for number in range(memories)]
            if density == "nearest"
            else [PatchGaussian(name="gaussian")]
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return -(-self.height // self.reductions[0]), -(-self.width // self.reductions[0])

    def build_layers(self) -> None:
        features = sum(self.backbone.features)
        self.centre = self.add_weight(shape=(features,), initializer="zeros", trainable=False, name="centre")
        self.projection = self.add_weight(
            shape=(features, self.dimensions), initializer="zeros", trainable=False, name="projection"
        )
        self.usual = self.add_weight(
            shape=(len(self.densities), *self.grid), initializer="ones", trainable=False, name="usual"
        )
        for density in self.densities:
            density.build((None, *self.grid, self.dimensions))
        if self.lines is not None:
            self.lines.build((None, self.height, self.width, self.channels))
            # of normal pictures: of their scores, and of the cells of their maps
            self.deviations = self.add_weight(
                shape=(2,), initializer="ones", trainable=False, name="deviations"
            )

    def equalised(self, pictures: Any) -> Any:
        """Pictures brought to the same mean brightness, where that is asked for."""
        if not self.equalise:
            return pictures
        mean = ops.mean(pictures, axis=(1, 2, 3), keepdims=True)
        return ops.minimum(pictures * (GREY / ops.maximum(mean, TINY)), 1.0)

    def describe(self, pictures: Any) -> Any:
        """Features of each patch.

        Args:
            pictures: float32 `[n, height, width, channels]`, prepared.

        Returns:
            float32 `[n, *grid, features]`.
        """
        maps = [
            ops.average_pool(features, 3, strides=1, padding="same")
            for features in self.backbone(self.equalised(pictures))
        ]
        maps[1:] = [ops.image.resize(features, self.grid, interpolation="bilinear") for features in maps[1:]]
        return ops.concatenate(maps, axis=-1)

    def encode(self, pictures: Any) -> Any:
        """Codes of each patch, float32 `[n, *grid, dimensions]`: centred, weighed and projected features."""
        centred = self.describe(pictures) - ops.convert_to_tensor(self.centre)
        return ops.matmul(centred, ops.convert_to_tensor(self.projection))

    def distances(self, pictures: Any) -> Any:
        """Distance of each patch to what is normal, relative to its place and picture: float32 `[n, *grid]`."""
        distance = self._distances_as_seen(pictures)
        if self.mirror:
            mirrored = self._distances_as_seen(ops.flip(pictures, axis=2))
            distance = (distance + ops.flip(mirrored, axis=2)) / 2
        return distance

    def _distances_as_seen(self, pictures: Any) -> Any:
        codes = self.encode(pictures)
        total: Any = 0.0
        for density, usual in zip(
            self.densities, ops.unstack(ops.convert_to_tensor(self.usual)), strict=True
        ):
            total = total + self._relative(density(codes), usual)
        return total / len(self.densities)

    def _relative(self, distance: Any, usual: Any) -> Any:
        """Distances `[n, *grid]` beside what is usual in their place, and in their picture."""
        distance = distance / usual
        return distance / ops.maximum(_median(distance), TINY) ** self.by_picture

    def parts(self, frames: Any) -> tuple[list[Any], Any]:
        """As `Detector.parts`: distances of patches and, where they are wanted, dark lines."""
        distance, *lines = self._maps(frames)
        return [distance, *(line * self.deviations[1] for line in lines)], ops.zeros((frames.shape[0],))

    def cell_errors(self, frames: Any) -> tuple[Any, Any]:
        maps, mse = self.parts(frames)
        return sum(maps[1:], maps[0]), mse

    def _maps(self, frames: Any) -> list[Any]:
        """Distances, and how unusual lines are where they are wanted, each `[n, height / cell, width / cell]`."""
        count = frames.shape[0]
        # a few pictures at a time: the widest maps and the distances of a block of 64 would need gigabytes
        at_once = next(size for size in range(min(FRAMES_AT_ONCE, count), 0, -1) if count % size == 0)
        blocks = ops.reshape(frames, (count // at_once, at_once, *frames.shape[1:]))

        def of_block(block: Any) -> Any:
            distance = self.distances(block)
            lines = [] if self.lines is None else [self.lines(self.equalised(block))]
            return ops.stack([distance, *lines], axis=-1)

        found = ops.reshape(ops.map(of_block, blocks), (count, *self.grid, len(self.kinds_of_error)))
        rows, columns = self.height // self.cell, self.width // self.cell
        if (rows, columns) != self.grid:
            found = ops.image.resize(found, (rows, columns), interpolation="bilinear")
        return ops.unstack(found, axis=-1)

    def score(self, frames: Any) -> tuple[Any, Any, Any]:
        """As `Detector.score`, but the score is the mean of the map's largest cells, and the most unusual line beside it."""
        distance, *lines = self._maps(self.prepare(frames))
        score, error_map = self._mean_of_largest(distance), distance
        for line in lines:
            of_scores, of_cells = ops.unstack(ops.convert_to_tensor(self.deviations))
            score, error_map = score + of_scores * ops.max(line, axis=(1, 2)), error_map + of_cells * line
        return score, error_map, ops.zeros((frames.shape[0],))

    def _mean_of_largest(self, maps: Any) -> Any:
        """Mean of the `top_share` of each map's cells, `[n]`."""
        flat = ops.reshape(maps, (maps.shape[0], -1))
        largest, _ = ops.top_k(flat, max(1, round(self.top_share * flat.shape[1])))
        return ops.mean(largest, axis=1)

    def fit_normal(self, runs: Iterable[np.ndarray]) -> None:
        """Fits the projection, the density and what is usual in each place.

        Args:
            runs: uint8 `[n, height, width, channels]` each.

        Raises:
            RequestError: There is no picture.
        """
        random = np.random.default_rng([self.seed, 0xFD])
        pictures = _drawn(runs, random)
        count = len(pictures)
        if self.mirror:
            pictures = np.concatenate([pictures, pictures[:, :, ::-1]])
        self._fit_projection(pictures)
        distances = [
            self._fit_gaussian(density, pictures)
            if isinstance(density, PatchGaussian)
            else self._fit_memory(density, pictures, np.arange(len(pictures)) % count, random)
            for density in self.densities
        ]
        self.usual.assign([_usual(of_one) for of_one in distances])
        if self.lines is not None:
            self.lines.fit(self._each(self.equalised, pictures[:count]))
            maps = [self._relative(*pair) for pair in zip(distances, np.asarray(self.usual), strict=True)]
            self.deviations.assign(self._deviations(np.mean(maps, axis=0), count))

    def _deviations(self, maps: np.ndarray, count: int) -> list[float]:
        """Standard deviation of scores, and of cells, from maps of `count` normal pictures, and of their mirror images."""
        if self.mirror:
            maps = (maps[:count] + maps[count:, :, ::-1]) / 2
        return [float(np.std(self._mean_of_largest(maps))), float(maps.std())]

    def _fit_projection(self, pictures: np.ndarray) -> None:
        """Principal components of the features, those of each stage weighed by their variance."""
        count, total, products = 0, 0.0, 0.0
        for described in self._each(self.describe, pictures):
            flat = np.asarray(described).reshape(-1, described.shape[-1])
            count, total = count + len(flat), total + flat.sum(axis=0, dtype=np.float64)
            products = products + (flat.T @ flat).astype(np.float64)
        mean = np.asarray(total) / count
        covariance = np.asarray(products) / count - np.outer(mean, mean)
        # maps of different stages, or filters, count alike, however large their values
        parts = np.split(np.diag(covariance), np.cumsum(self.backbone.groups)[:-1])
        scale = np.concatenate([np.full(len(part), max(part.sum(), TINY) ** -0.5) for part in parts])
        _, components = np.linalg.eigh(scale[:, None] * covariance * scale)
        largest = components[:, ::-1][:, : self.dimensions]
        projection = np.zeros((len(mean), self.dimensions))
        projection[:, : largest.shape[1]] = scale[:, None] * largest
        self.centre.assign(mean.astype(np.float32))
        self.projection.assign(projection.astype(np.float32))

    def _fit_gaussian(self, gaussian: PatchGaussian, pictures: np.ndarray) -> np.ndarray:
        """Fits each place's Gaussian; returns distances of each picture."""
        gaussian.fit(np.asarray(codes) for codes in self._each(self.encode, pictures))
        return np.concatenate([np.asarray(gaussian(codes)) for codes in self._each(self.encode, pictures)])

    def _fit_memory(
        self, memory: PatchMemory, pictures: np.ndarray, of: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Fills the memory; returns distances of each picture to the patches of the others.

        `of [len(pictures)]` numbers what each is a picture of: its mirror image is no other picture.
        """
        places = self.grid[0] * self.grid[1]
        candidates, owners, drawn = [], [], min(places, max(1, MOST_PATCHES // len(pictures)))
        for number, codes in enumerate(
            code for block in self._each(self.encode, pictures) for code in np.asarray(block)
        ):
            chosen = random.permutation(places)[:drawn]
            candidates.append(codes.reshape(places, -1)[chosen])
            owners.append(np.full(drawn, of[number]))
        owner = np.concatenate(owners)[memory.fit(np.concatenate(candidates), random)]
        distances = []
        all_codes = (codes for block in self._each(self.encode, pictures) for codes in np.asarray(block))
        for number, codes in enumerate(all_codes):
            own = owner == of[number] if of.max() > 0 else np.zeros(len(owner), bool)
            distances.append(np.asarray(memory(codes[None], np.where(own, FAR, 0.0).astype(np.float32))))
        return np.concatenate(distances)

    def _each(self, function: Any, pictures: np.ndarray) -> Iterator[Any]:
        for start in range(0, len(pictures), FRAMES_AT_ONCE):
            yield function(self.prepare(pictures[start : start + FRAMES_AT_ONCE]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "backbone": self.backbone.network_name,
            "weights": self.backbone.weights_from,
            "reductions": list(self.reductions),
            "density": self.density,
            "dimensions": self.dimensions,
            "memory_size": self.memory_size,
            "memories": self.memories,
            "equalise": self.equalise,
            "by_picture": self.by_picture,
            "mirror": self.mirror,
            "lines": self.lines is not None,
            "top_share": self.top_share,
            "seed": self.seed,
        }


def _usual(maps: np.ndarray) -> np.ndarray:
    """What is usual in each place, `[rows, columns]`, from distances of normal pictures `[n, rows, columns]`."""
    usual = maps.mean(axis=0) + SPREADS * maps.std(axis=0)
    return np.maximum(usual, max(LEAST_SHARE * usual.mean(), TINY))


def _median(maps: Any) -> Any:
    """Median of each map, `[n, 1, 1]`; the lower of two for an even number of cells."""
    flat = ops.reshape(maps, (maps.shape[0], -1))
    return ops.sort(flat, axis=1)[:, (flat.shape[1] - 1) // 2][:, None, None]


def _drawn(runs: Iterable[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """At most `MOST_PICTURES` of all pictures, evenly: those with the smallest of random numbers."""
    kept: list[tuple[float, np.ndarray]] = []
    for run in runs:
        kept += [(random.random(), picture) for picture in run]
        if len(kept) > 2 * MOST_PICTURES:
            kept = sorted(kept, key=lambda pair: pair[0])[:MOST_PICTURES]
    if not kept:
        raise RequestError("runs: expected at least one normal picture, received none")
    return np.stack([picture for _, picture in sorted(kept, key=lambda pair: pair[0])[:MOST_PICTURES]])
