"""Options: typed, validated, and refused with words that help."""

import pytest

from vadray import cli
from vadray.config import SweepOptions, TrainOptions
from vadray.errors import RequestError
from vadray.parsing import parse, parse_pair


def test_yaml_then_key_value(tmp_path):
    file = tmp_path / "train.yaml"
    file.write_text("archive: /a\ndetector: stae\nout: /b\nepochs: 3\nsize: [64, 96]\n")
    options = parse(TrainOptions, str(file), dict([parse_pair("epochs=5"), parse_pair("size=32,48")]))
    assert (options.epochs, options.size, options.batch_size) == (5, (32, 48), 32)


def test_the_papers_values_are_the_defaults():
    options = TrainOptions(archive="a", detector="stae", out="b")
    assert (options.epochs, options.batch_size, options.learning_rate) == (50, 32, 0.001)


def test_unknown_key_names_the_nearest():
    with pytest.raises(RequestError, match=r"unknown key 'epoch'.*did you mean epochs"):
        parse(TrainOptions, None, {"archive": "a", "detector": "stae", "out": "b", "epoch": "3"})


def test_ill_typed_value_names_key_type_and_value():
    with pytest.raises(RequestError, match=r"epochs: expected a whole number, received 'many'$"):
        parse(TrainOptions, None, {"archive": "a", "detector": "stae", "out": "b", "epochs": "many"})


def test_missing_key_is_named():
    with pytest.raises(RequestError, match=r"bundle: missing"):
        parse(SweepOptions, None, {"archive": "a", "out": "b"})


def test_bundles_are_routed_in_yaml(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("archive: /a\nout: /r\nbundle:\n  - {path: /b1, camera: 'gate*'}\n  - /b2\n")
    options = parse(SweepOptions, str(file), {})
    assert [(route.path, route.camera) for route in options.bundle] == [("/b1", "gate*"), ("/b2", None)]


def test_dates_stay_text():
    assert parse_pair("since=2026-11-22") == ("since", "2026-11-22")


@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep", "/nowhere", "--bundle", "/no-bundle", "--out", "/tmp/never"],
        ["sweep", "/nowhere", "--bundel", "/b"],
        ["train", "a", "epochs=0", "detector=stae", "out=b"],
        ["verify", "/nowhere"],
        ["train", "--config", "/nowhere.yaml"],
    ],
)
def test_wrong_requests_exit_with_2(arguments, capsys):
    assert cli.main(arguments) == 2
    assert capsys.readouterr().out == ""


def test_models_prints_one_json_line(capsys):
    import json

    assert cli.main(["models"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert {"conv_ae", "stae"} <= {model["name"] for model in models}
    for kind in ("image", "video"):
        assert sum(model["recommended"] for model in models if model["kind"] == kind) == 1


def test_braces_are_a_mapping_only_where_one_is_expected():
    pattern = "{camera}/{captured_at:%Y-%m-%d}/{...}"
    given = dict(
        parse_pair(text) for text in (f"pattern={pattern}", "settings={code_channels: 4}", "size=[32, 48]")
    )
    options = parse(TrainOptions, None, {"archive": "a", "out": "b", "detector": "stae", **given})
    assert options.pattern == pattern
    assert options.settings == {"code_channels": 4}
    assert options.size == (32, 48)


def test_a_broken_mapping_is_refused_with_its_name():
    given = {"archive": "a", "out": "b", "detector": "stae", "settings": "{code_channels: [4}"}
    with pytest.raises(RequestError, match="settings"):
        parse(TrainOptions, None, given)
