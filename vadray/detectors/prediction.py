"""What detectors that predict frames have in common."""

from vadray.errors import RequestError


def check_prediction(window: int, stride: int) -> None:
    """Refuses windows without a frame to predict from.

    Raises:
        RequestError: `stride` is not less than `window`.
    """
    if stride >= window:
        raise RequestError(
            "Arguments `window` and `stride` must fulfil stride < window: the last `stride` frames are predicted "
            f"from those before them. Received: window={window}, stride={stride}"
        )


def check_no_flow(name: str, flow: int) -> None:
    """Refuses optical flow that would be computed for nothing.

    Raises:
        RequestError: `flow` is not 0.
    """
    if flow:
        raise RequestError(f"Argument `flow` must be 0: {name} takes no optical flow. Received: flow={flow}")
