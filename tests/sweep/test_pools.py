"""How many actors there are, on the two CPUs of the tests' Ray: those that fit, or those that may come."""

import pytest
import ray

from vadray.config import ClusterOptions
from vadray.errors import RequestError
from vadray.sweep.cluster import fit, pools


@pytest.fixture
def cpus(cluster) -> int:
    return int(ray.cluster_resources()["CPU"])


def test_what_fits_is_used_and_more_is_refused(cpus):
    size = pools(ClusterOptions())
    assert (size.decode, size.score, size.fused, size.gpus) == (cpus, 0, True, 0)
    with pytest.raises(RequestError, match=f"actors: expected from 1 to {cpus}.*max_actors"):
        pools(ClusterOptions(actors=cpus + 1))
    with pytest.raises(RequestError, match="gpus: expected at most the cluster's 0, received 1"):
        pools(ClusterOptions(gpus=1))


def test_where_machines_may_come_the_pools_begin_with_what_is_there(cpus):
    size = pools(ClusterOptions(max_actors=50, max_gpus=4, scorers_per_gpu=2))
    assert (size.decode, size.most_decode, size.score, size.most_score) == (cpus - 1, 50, 1, 8)
    assert size.gpu and not size.fused and size.device["num_gpus"] == 0.5
    assert str(size).startswith(f"{size.decode} to 50 decode actors")
    assert fit(size) is not None


def test_without_gpus_on_purpose_none_are_asked_for(cpus):
    size = pools(ClusterOptions(max_actors=50, gpus=0))
    assert (size.decode, size.most_decode, size.fused, size.gpu) == (cpus, 50, True, False)


def test_one_actor_may_be_the_most(cpus):
    assert pools(ClusterOptions(max_actors=1)).decode == 1
    with pytest.raises(RequestError, match="actors: expected at most max_actors=1, received 2"):
        pools(ClusterOptions(actors=2, max_actors=1))
