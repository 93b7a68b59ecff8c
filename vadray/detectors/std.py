"""Spatio-temporal dissociation for video."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vadray.detectors.fused import FusedDetector
from vadray.detectors.layers.clustering import SoftClusters
from vadray.detectors.layers.unet import Contraction, Expansion, checked_filters
from vadray.detectors.layers.variance_attention import VarianceAttention
from vadray.detectors.layers.windows import flat, stacked, windows_of
from vadray.detectors.prediction import check_no_flow, check_prediction
from vadray.errors import RequestError


@keras.saving.register_keras_serializable("vadray")
class SpatioTemporalDissociation(FusedDetector):
    """Appearance by one autoencoder, motion by another, and clusters of what is normal in both.

    The spatial autoencoder reconstructs the last frame of a window. The motion autoencoder sees the frames before
    it and gives their differences to it, a cheap likeness of optical flow. Both codes are weighted by their variance
    attention, joined place by place, and drawn towards the centres of clusters while training. A frame is scored
    by the errors of both and the distance to the clusters, added cell by cell.

    The papers state: a spatial autoencoder that reconstructs the last individual frame; a motion autoencoder that
    takes consecutive frames and gives the RGB difference between the others and the last; variance-based attention;
    deep k-means on the joined code; a score fused pixel by pixel from the errors and the cluster distance.
    The authors' code (github.com/ChangYunPeng/VideoAnomalyDetection) adds: RGB at 256 pixels, residual networks of three
    halvings, 32 clusters that begin with k-means, 105,000 batches of 4, an attention by softmax over the picture, and
    as the score the mean over the picture of (squared error of reconstruction plus difference) times cluster distance.
    We had to choose: half the resolution for motion, and thin layers, for two CPU cores; that the motion
    autoencoder does not see the last frame, so that its differences have to be predicted (fast motion cannot be);
    a sigmoid for the attention (`VarianceAttention`); distances relative to the length of the codes
    (`SoftClusters`); each error relative to what is usual of it, and then a sum, since a product of maps is large only
    where both are.

    Args:
        height: Rows, a multiple of 16 or more: of `2 ** len(filters)` and, halved, of `2 ** len(motion_filters)`.
        width: Columns, likewise.
        channels: 1 (grey) or 3 (RGB). Defaults to 1.
        window: Frames of a window. Defaults to 5.
        stride: Frames scored by a window, less than `window`; each is the last frame of its own. Defaults to 1.
        filters: Filters of each halving convolution of the spatial autoencoder. Defaults to (8, 16, 24).
        motion_filters: Filters of those of the motion autoencoder, which works at half resolution; one less, so
            that the codes meet. Defaults to (16, 32).
        code_channels: Channels of each code. Defaults to 16.
        clusters: Clusters of the joined codes, at least 2. Defaults to 32.
        motion_weight: Weight of the squared error of differences beside that of the frame, at least 0. Defaults to 1.
        cluster_weight: Weight of the distance to the clusters, at least 0. Defaults to 0.001.
        error_norm: Error of a pixel, "absolute" or "squared". Defaults to "absolute".
        shares: Weights of frame, motion and cluster distance in the score. Defaults to (0.2, 0.6, 0.2).

    Input shape: float `[n, window, height, width, channels]` in 0 to 1.
    Output shape: `[n, stride, height, width, channels]`.

    Raises:
        RequestError: An argument is out of its range.

    Example:
        >>> detector = SpatioTemporalDissociation(height=64, width=96, window=5)
        >>> score, error_map, mse = detector.score(np.zeros([4 + 16, 64, 96, 1], "uint8"))
        >>> score.shape
        (16,)

    Reference: Chang et al., "Video anomaly detection with spatio-temporal dissociation", Pattern Recognition 122,
        2022; Chang et al., "Clustering Driven Deep Autoencoder for Video Anomaly Detection", ECCV 2020.
    """

    name_of_detector = "std"
    kind = "video"
    paper = "Chang et al., Pattern Recognition 122, 2022"
    takes_backbone = True
    default_size = (192, 288)
    default_window = 5
    default_error_norm = "absolute"
    kinds_of_error = ("picture", "motion", "cluster")

    def __init__(
        self,
        height: int,
        width: int,
        channels: int = 1,
        window: int = 5,
        stride: int = 1,
        filters: Sequence[int] = (8, 16, 24),
        motion_filters: Sequence[int] = (16, 32),
        code_channels: int = 16,
        clusters: int = 32,
        motion_weight: float = 1.0,
        cluster_weight: float = 0.001,
        shares: Sequence[float] = (0.2, 0.6, 0.2),
        **kwargs: Any,
    ):
        super().__init__(
            height, width, channels=channels, window=window, stride=stride, shares=shares, **kwargs
        )
        check_prediction(window, stride)
        check_no_flow("std", self.flow)
        if code_channels < 1:
            raise RequestError(
                f"Argument `code_channels` must be at least 1. Received: code_channels={code_channels}"
            )
        for argument, value in (("motion_weight", motion_weight), ("cluster_weight", cluster_weight)):
            if value < 0:
                raise RequestError(f"Argument `{argument}` must be at least 0. Received: {argument}={value}")
        self.filters = checked_filters(filters, height, width)
        self.motion_filters = tuple(motion_filters)
        if len(self.motion_filters) != len(self.filters) - 1 or min(self.motion_filters, default=0) < 1:
            raise RequestError(
                "Argument `motion_filters` must hold positive numbers, one fewer than `filters`. "
                f"Received: motion_filters={list(motion_filters)}, filters={list(filters)}"
            )
        self.code_channels, self.clusters = code_channels, clusters
        self.motion_weight, self.cluster_weight = motion_weight, cluster_weight
        self.attention = VarianceAttention(name="attention")
        self.soft_clusters = SoftClusters(clusters, name="clusters")
        self.spatial_encoder = self.contraction_of_pictures(self.filters, "spatial_encoder")
        self.spatial_code = keras.layers.Conv2D(code_channels, 1, name="spatial_code")
        self.spatial_decoder = Expansion(self.filters, channels, "sigmoid", name="spatial_decoder")
        self.motion_encoder = Contraction(self.motion_filters, name="motion_encoder")
        self.motion_code = keras.layers.Conv2D(code_channels, 1, name="motion_code")
        self.motion_decoder = Expansion(
            self.motion_filters, self.context * stride * channels, name="motion_decoder"
        )

    def build_layers(self) -> None:
        halved = 2 ** len(self.filters)
        place = (None, self.height // halved, self.width // halved)
        self.spatial_encoder.build((None, self.height, self.width, self.channels))
        self.spatial_code.build((*place, self.filters[-1]))
        self.spatial_decoder.build((*place, self.code_channels))
        self.motion_encoder.build((None, self.height // 2, self.width // 2, self.context * self.channels))
        self.motion_code.build((*place, self.motion_filters[-1]))
        self.motion_decoder.build((*place, self.code_channels))
        self.attention.build((*place, self.code_channels))
        self.soft_clusters.build((*place, 2 * self.code_channels))

    def dissociate(self, last: Any, halves: Any) -> tuple[Any, Any, Any]:
        """What the three parts say of windows.

        Args:
            last: `[n * stride, height, width, channels]`: the last `stride` frames of each.
            halves: `[n, window, height / 2, width / 2, channels]`: all its frames at half resolution.

        Returns:
            `(frames, missed, distance)`: the last `stride` frames of each window reconstructed,
            `[n * stride, height, width, channels]`; by how much their differences to the frames before are missed,
            `[n * stride, height / 2, width / 2, context * channels]`; the distance to the clusters,
            `[n * stride, rows, columns]`.
        """
        spatial = self.attention(self.spatial_code(self.spatial_encoder(last)[-1]))
        frames = self.spatial_decoder(spatial)

        before, after = stacked(halves[:, : self.context]), halves[:, self.context :]
        motion = self.attention(self.motion_code(self.motion_encoder(before)[-1]))
        differences = self.motion_decoder(motion)
        # [n, rows, columns, stride, context * channels]: how each last frame differs from each one before it
        rows, columns, depth = before.shape[1:]
        differences = ops.reshape(differences, (-1, rows, columns, self.stride, depth))
        actual = ops.concatenate([after] * self.context, axis=-1)
        actual = ops.transpose(actual, (0, 2, 3, 1, 4)) - before[:, :, :, None, :]
        missed = flat(ops.transpose(actual - differences, (0, 3, 1, 2, 4)))

        joined = ops.concatenate([spatial, ops.repeat(motion, self.stride, axis=0)], axis=-1)
        return frames, missed, self.soft_clusters(joined)

    def dissociate_windows(self, windows: Any) -> tuple[Any, Any, Any]:
        """As `dissociate`, of windows at full resolution."""
        halves = _half(flat(windows))
        halves = ops.reshape(halves, (-1, self.window, *halves.shape[1:]))
        return self.dissociate(flat(windows[:, self.context :]), halves)

    def call(self, windows: Any) -> Any:
        frames = self.dissociate_windows(windows)[0]
        return ops.reshape(frames, (-1, self.stride, *frames.shape[1:]))

    def error_maps(self, frames: Any) -> tuple[list[Any], Any]:
        last = frames[self.context :]
        halves = windows_of(_half(frames), self.window, self.stride)
        reconstructed, missed, distance = self.dissociate(last, halves)
        picture_error, mse = self.picture_errors(last - reconstructed)
        return [picture_error, self.picture_errors(missed)[0], distance], mse

    def sample_loss(self, windows: Any) -> Any:
        frames, missed, distance = self.dissociate_windows(windows)
        loss = self.picture_loss(flat(windows[:, self.context :]), frames)
        loss += self.motion_weight * ops.mean(ops.square(missed), axis=(1, 2, 3))
        loss += self.cluster_weight * ops.mean(distance, axis=(1, 2))
        return ops.mean(ops.reshape(loss, (-1, self.stride)), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "motion_filters": list(self.motion_filters),
            "code_channels": self.code_channels,
            "clusters": self.clusters,
            "motion_weight": self.motion_weight,
            "cluster_weight": self.cluster_weight,
        }


def _half(frames: Any) -> Any:
    return ops.average_pool(frames, 2, strides=2, padding="valid")
