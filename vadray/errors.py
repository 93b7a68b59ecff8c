"""Errors that a user can act on. Each message names the argument or file, what was expected and what came."""


class VadrayError(Exception):
    """Base of every error that vadray raises on purpose."""


class RequestError(VadrayError):
    """The request was wrong: an argument, a configuration key, a bundle or a path. Exit status 2."""


class AccessRefused(RequestError, PermissionError):
    """The object store refuses access: of one object a row of the report, of more than that a wrong request."""


class ObjectChanged(OSError):
    """An object is no longer the version that was listed."""


class HeldElsewhere(VadrayError):
    """Another driver holds this sweep, or took it over. Exit status 4."""


class DamagedSweep(VadrayError):
    """A file that a sweep wrote and goes on from is not what it wrote.

    Args:
        uri: The file.
        expected: What it should be.
        received: What it is.
        remedy: What a person can do.
    """

    def __init__(
        self,
        uri: str,
        expected: str,
        received: str,
        remedy: str = "a sweep under another sweep_id begins anew",
    ):
        super().__init__(
            f"{uri}: expected {expected} as the sweep wrote it, received: {received}; it was changed or damaged since; "
            f"{remedy}"
        )
        self._arguments = uri, expected, received, remedy

    def __reduce__(self):
        return (type(self), self._arguments)


class Stalled(VadrayError):
    """Nothing goes on, for want of what the cluster no longer has; resumable. Exit status 5."""


class ClusterShrunk(Stalled):
    """The cluster lost what some of the actors need; fewer can go on.

    Args:
        message: What is missing, for a person.
        actors: Decode actors that there is room for.
        gpus: GPUs that are left for them, 0 where none are used.
    """

    def __init__(self, message: str, actors: int, gpus: int):
        super().__init__(message)
        self.actors, self.gpus = actors, gpus


class UnreadableMedia(VadrayError):
    """A picture or video cannot be decoded.

    Args:
        error_type: Short stable name of the reason, such as `"InvalidData"` or `"DecoderTimeout"`;
            it becomes `objects.error_type` in the report.
        message: What happened, for a person.
    """

    def __init__(self, error_type: str, message: str):
        super().__init__(message)
        self.error_type = error_type
        self.message = message

    def __reduce__(self):
        return (type(self), (self.error_type, self.message))
