"""Which bundle scores which object: the first route that fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from vadray import storage
from vadray.archive.objects import ArchiveObject


@dataclass(frozen=True, slots=True)
class Route:
    """Objects of one kind, camera and place go to one bundle.

    Args:
        bundle_index: Which bundle, as an index into the sweep's list of bundles.
        kind: `"image"` or `"video"`; clips go where videos go.
        camera: Glob on the camera's name; an object without a camera does not fit. None fits all.
        pattern: Glob on the path below the archive's root; `*` crosses slashes. None fits all.
    """

    bundle_index: int
    kind: Literal["image", "video"]
    camera: str | None = None
    pattern: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("image", "video"):
            raise ValueError(f'`kind` must be "image" or "video". Received: {self.kind!r}')

    def fits(self, found: ArchiveObject, relative_path: str) -> bool:
        if self.kind != ("image" if found.kind == "image" else "video"):
            return False
        if self.camera is not None and (found.camera is None or not fnmatchcase(found.camera, self.camera)):
            return False
        return self.pattern is None or fnmatchcase(relative_path, self.pattern)


def route_of(found: ArchiveObject, routes: Sequence[Route], root: str) -> int | None:
    """Index of the bundle that scores an object of the archive at `root`; None where no route fits."""
    relative_path = storage.relative(found.uri, root)
    return next((route.bundle_index for route in routes if route.fits(found, relative_path)), None)
