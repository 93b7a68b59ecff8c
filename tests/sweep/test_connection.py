"""Where RAY_ADDRESS leads nowhere, a command says so."""

import re
import socket
import threading

import pytest

from vadray.errors import RequestError
from vadray.sweep import cluster


@pytest.fixture
def unused():
    """A port that is held, at which nothing listens."""
    with socket.socket() as holder:
        holder.bind((cluster.LOOPBACK, 0))
        yield holder


def test_an_address_where_nothing_listens_is_named(unused, monkeypatch):
    address = f"{cluster.LOOPBACK}:{unused.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(cluster, "HEAD_STARTS_S", 0.2)
    expected = f"RAY_ADDRESS: expected a running Ray at {address}, but nothing answers there"
    with pytest.raises(RequestError, match=re.escape(expected)), cluster.connected():
        pass


def test_a_host_without_a_name_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "HEAD_STARTS_S", 0.2)
    with pytest.raises(RequestError, match=r"no-such-head\.invalid:6379"):
        cluster.expect_answer("no-such-head.invalid:6379")


def test_a_head_that_starts_meanwhile_is_waited_for(unused):
    starts = threading.Timer(0.7, unused.listen)
    starts.start()
    cluster.expect_answer(f"ray://{cluster.LOOPBACK}:{unused.getsockname()[1]}")
    assert starts.finished.is_set()


@pytest.mark.parametrize("address", ["auto", "local", "ray://head"])
def test_what_names_no_port_is_left_to_ray(address):
    cluster.expect_answer(address)
