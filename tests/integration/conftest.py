"""A sweep that several files look at."""

import pytest
from rich.console import Console

from vadray.config import SweepOptions
from vadray.sweep import driver, request
from vadray.sweep.progress import Progress


@pytest.fixture(scope="session")
def swept(archive, bundles, tmp_path_factory):
    """A committed sweep over the archive's test half."""
    report = tmp_path_factory.mktemp("swept") / "report"
    options = SweepOptions(
        archive=str(archive.test),
        out=str(report),
        sweep_id="night",
        bundle=[{"path": str(bundle)} for bundle in bundles.values()],
    )
    console = Console(stderr=True)
    return report, driver.sweep(request.prepare(options), driver.Voice(console.print, Progress(console)))
