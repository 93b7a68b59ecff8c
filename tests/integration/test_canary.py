"""Another bundle beside the one in use: what it finds in the same objects, and who is told."""

import dataclasses
import http.server
import json
import threading

import pytest

from tests.running import run
from vadray.bundle import open_bundle, recalibrate
from vadray.report.tables import read_table


@pytest.fixture
def receiver():
    """An HTTP server that keeps what is posted; the first answer is 503."""
    posts: list[dict] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.asked += 1
            if self.server.asked > 1:
                posts.append({"path": self.path, **json.loads(body)})
            self.send_response(503 if self.server.asked == 1 else 204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/secret-token", posts
        server.shutdown()


@pytest.fixture
def strict(bundles, tmp_path) -> str:
    """The video bundle with a threshold that nothing reaches."""
    bundle = open_bundle(str(bundles["video"]))
    never = dataclasses.replace(bundle.calibration.default, threshold=1e9, release=1e9)
    recalibrate(
        bundle, dataclasses.replace(bundle.calibration, default=never), str(tmp_path / "strict"), {}, False
    )
    return str(tmp_path / "strict")


def test_a_canary_is_compared_and_the_night_is_told_of(
    archive, bundles, strict, receiver, tmp_path, capsys, monkeypatch
):
    url, posts = receiver
    monkeypatch.setenv("VADRAY_NOTIFY", url)
    report = tmp_path / "report"
    night = (
        "sweep",
        archive.test,
        "--bundle",
        bundles["video"],
        f"out={report}",
        "sweep_id=night",
        "notify_p=0.9",
    )
    status, result, said = run(capsys, *night, "--canary", strict)
    assert status == 0 and "secret-token" not in said
    mine = read_table(str(report), "events", "night").to_pylist()
    assert len(mine) == result["events"] > 0
    found = result["canary"]
    assert (found["in_use"], found["canary"], found["only_in_use"]) == (len(mine), 0, len(mine))
    page = (report / "_canary" / "report-night.html").read_text()
    assert "Against the bundle in use" in page and mine[0]["event_id"] in page
    assert run(capsys, "verify", report / "_canary")[0] == 0
    objects = read_table(str(report / "_canary"), "objects", "night").to_pylist()
    scored = {
        row["object_uri"]
        for row in read_table(str(report), "objects", "night").to_pylist()
        if row["frames_scored"]
    }
    assert {row["object_uri"] for row in objects if row["frames_scored"]} == scored

    assert [post["happened"] for post in posts] == ["event", "committed"], (
        "each once, the first after a try again"
    )
    first, committed = posts
    assert first["path"] == "/secret-token" and first["object_uri"] in scored and first["p_value"] <= 0.9
    assert committed["counts"]["events"] == len(mine) and committed["sweep_id"] == "night"
    assert committed["page"] == str(report / "report-night.html") and "events in" in committed["text"]

    status, again, _ = run(capsys, *night, "--canary", strict, "canary_share=1")
    assert status == 0 and again["already"] and again["canary"] == found and len(posts) == 2


def test_a_share_of_the_objects_is_enough_for_a_canary(archive, bundles, tmp_path, capsys):
    report = tmp_path / "report"
    night = ("sweep", archive.test, "--bundle", bundles["image"], f"out={report}", "sweep_id=night")
    status, result, _ = run(capsys, *night, "--canary", bundles["image"], "canary_share=0.5")
    objects = read_table(str(report / "_canary"), "objects", "night").to_pylist()
    shared = sum(row["frames_scored"] > 0 for row in objects)
    assert status == 0 and 0 < shared < result["scored"]
    assert result["canary"]["only_in_use"] == result["canary"]["only_canary"] == 0, (
        "the same bundle finds the same"
    )


def test_a_failure_is_told_and_an_answer_is_not_needed(archive, bundles, receiver, tmp_path, capsys):
    url, posts = receiver
    night = ("sweep", archive.test, "--bundle", bundles["video"], f"out={tmp_path / 'report'}", "sweep_id=n")
    status, _, _ = run(capsys, *night, "gpus=3", f"notify={url}")
    assert status != 0
    assert [post["happened"] for post in posts] == ["failed"] and "gpus" in posts[0]["error"]
    status, _, _ = run(capsys, *night, "--canary", tmp_path / "nowhere", f"notify={url}")
    assert status == 2 and posts[1]["happened"] == "failed" and "nowhere" in posts[1]["error"]
    assert posts[1]["sweep_id"] == "n" and len(posts) == 2
    status, _, said = run(capsys, *night, "notify=http://127.0.0.1:1/x")
    assert status == 0 and "notify: 127.0.0.1 was not reached to tell it 'committed'" in said
    status, _, said = run(
        capsys, *night[:-1], "sweep_id=m", "--dry-run", "notify=ftp://somebody:secret@host/x"
    )
    assert status == 2 and "notify: expected an http:// or https:// address" in said and "secret" not in said


def test_a_moment_that_rules_drop_is_not_told_of(archive, bundles, receiver, tmp_path, capsys):
    url, posts = receiver
    (tmp_path / "rules.yaml").write_text(
        "rules: [{name: all, then: drop, cameras: '*'}, {name: b, then: keep, cameras: gaet}]"
    )
    night = ("sweep", archive.test, "--bundle", bundles["video"], f"out={tmp_path / 'report'}", "sweep_id=n")
    told = ("notify_p=0.9", f"rules={tmp_path / 'rules.yaml'}", f"notify={url}")
    status, result, said = run(capsys, *night, *told)
    assert status == 0 and result["events"] == 0 and sum(result["dropped"].values()) > 0
    assert (
        "left out (all " in said and "rule b is for no camera of what is swept: its cameras are gaet" in said
    )
    assert [post["happened"] for post in posts] == ["committed"]
    status, _, said = run(capsys, *night, *told, "--dry-run")
    assert status == 0 and "rule b is for no camera" in said
