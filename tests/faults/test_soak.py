"""A short form of the soak: one sweep from and to S3, struck at every phase, equals an undisturbed one row for row."""

import random

import pytest

from tests.faults.inject import schedule
from tests.faults.material import material
from tests.faults.soak import Place, soak, undisturbed
from tests.ray_head import WorkerNode, running_ray_head
from vadray import storage


@pytest.mark.soak
def test_a_sweep_that_is_struck_at_every_phase_equals_an_undisturbed_one(s3_server, tmp_path):
    archive, bundles = material(tmp_path / "material")
    remote = f"{s3_server.uri}/soak/archive"
    for entry in storage.list_objects(str(archive)):
        storage.upload(entry.uri, storage.join(remote, storage.relative(entry.uri, str(archive))))
    place = Place(remote, f"{s3_server.uri}/soak/reports", tmp_path / "log", s3_server)
    with running_ray_head(cpus=1) as head, WorkerNode(head) as node:
        reference = undisturbed(place, bundles, head, "undisturbed")
        faults = schedule(random.Random(4), 2, store=True)
        outcome = soak(place, bundles, head, node, faults, "struck", reference)
    assert len(outcome.injected) >= 4, outcome
    assert outcome.lost == outcome.repeated == outcome.changed == outcome.verify_faults == 0, outcome
    assert outcome.attempts > 1
