"""A memory of normal prototypes."""

from typing import Any

import keras
from keras import ops

from vadray.errors import RequestError

LEAST_NORM = 1e-6


@keras.saving.register_keras_serializable("vadray")
class Memory(keras.layers.Layer):
    """Answers each query with a mixture of the items nearest to it.

    Queries and items are brought to length 1; an item's share is the softmax of its cosine to the query. The
    items are trained weights: `compactness` draws them to the queries, so that they settle on what is frequent,
    and the gradient is added up over data-parallel replicas like any other (MNAD's running update is not).

    Args:
        items: Prototypes, at least 2.
        sharpness: Factor on the cosine before the softmax, above 0. Defaults to 10.

    Input shape: float `[n, rows, columns, depth]`.
    Output shape: `(read [n, rows, columns, depth], nearest [n, rows, columns, 2])`: what the memory holds for each
        place, and the squared distances (0 to 4) to the nearest and the next item.

    Raises:
        RequestError: An argument is out of its range.

    Reference: Gong et al., "Memorizing Normality to Detect Anomaly", ICCV 2019, equations 3 to 5; Park et al.,
        "Learning Memory-guided Normality for Anomaly Detection", CVPR 2020, section 3.1.2.
    """

    def __init__(self, items: int, sharpness: float = 10.0, **kwargs: Any):
        super().__init__(**kwargs)
        if items < 2:
            raise RequestError(f"Argument `items` must be at least 2. Received: items={items}")
        if sharpness <= 0:
            raise RequestError(f"Argument `sharpness` must be above 0. Received: sharpness={sharpness}")
        self.item_count, self.sharpness = items, sharpness

    def build(self, input_shape: Any) -> None:
        self.items = self.add_weight(
            shape=(self.item_count, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="items",
        )
        self.built = True

    def call(self, queries: Any) -> tuple[Any, Any]:
        items = _of_length_one(ops.convert_to_tensor(self.items))
        cosine = ops.matmul(_of_length_one(queries), ops.transpose(items))
        read = ops.matmul(ops.softmax(self.sharpness * cosine, axis=-1), items)
        # top_k of the cosine, 2 - 2 cosine: the squared distance of two vectors of length 1
        nearest = ops.maximum(2.0 - 2.0 * ops.top_k(cosine, 2)[0], 0.0)
        return read, nearest

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "items": self.item_count, "sharpness": self.sharpness}


def compactness(nearest: Any) -> Any:
    """How far queries are from their item, `[n]`; `nearest` as from `Memory`."""
    return ops.mean(nearest[..., 0], axis=(1, 2))


def separateness(nearest: Any, margin: float) -> Any:
    """By how much the next item fails to be `margin` farther than the nearest, `[n]`; `nearest` as from `Memory`."""
    return ops.mean(ops.maximum(nearest[..., 0] - nearest[..., 1] + margin, 0.0), axis=(1, 2))


def _of_length_one(vectors: Any) -> Any:
    return vectors / ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True) + LEAST_NORM)
