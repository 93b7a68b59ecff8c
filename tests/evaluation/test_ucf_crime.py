import pytest

from tests.evaluation.conftest import touch
from vadray.errors import RequestError
from vadray.evaluation import read_labels

LINES = """Abuse028_x264.mp4  Abuse  165  240  -1  -1
Arrest007_x264.mp4  Arrest  10  20  30  30

Burglary005_x264.mp4  Burglary  1  5  -1  -1
Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1
"""


@pytest.fixture
def videos(tmp_path):
    touch(
        tmp_path,
        "Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4",
        "Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4",
        "Anomaly-Videos-Part-1/Arrest/Arrest007_x264.mp4",
        "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4",
        "Training-Normal-Videos-Part-1/Normal_Videos001_x264.mp4",
        "readme.txt",
    )
    return tmp_path


@pytest.mark.parametrize(
    "place",
    [
        "Temporal_Anomaly_Annotation_for_Testing_Videos.txt",
        "Anomaly_Detection_splits/Temporal_Anomaly_Annotation.txt",
        "Temporal_Anomaly_Annotation_For_Testing_Videos/Txt_formate/Temporal_Anomaly_Annotation.txt",
    ],
)
def test_annotated_frames_count_from_1_and_videos_are_found_by_name(videos, place):
    (videos / place).parent.mkdir(parents=True, exist_ok=True)
    (videos / place).write_text(LINES)
    labelled = read_labels(str(videos))
    assert {path: (own.ranges, own.name) for path, own in labelled.labels.items()} == {
        "Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4": (((164, 239),), "Abuse"),
        "Anomaly-Videos-Part-1/Arrest/Arrest007_x264.mp4": (((9, 19), (29, 29)), "Arrest"),
        "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4": ((), None),
    }
    assert not labelled.video_level
    assert labelled.archive == str(videos)
    assert labelled.train == str(videos / "Training-Normal-Videos-Part-1")


def test_without_an_annotation_whole_videos_are_labelled_by_folder(videos):
    labelled = read_labels(str(videos))
    assert labelled.video_level
    anomalous = {path: own.name for path, own in labelled.labels.items() if own.ranges}
    assert anomalous == {
        "Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4": "Abuse",
        "Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4": "Abuse",
        "Anomaly-Videos-Part-1/Arrest/Arrest007_x264.mp4": "Arrest",
    }
    for own in labelled.labels.values():
        assert own.flags(7).tolist() == [bool(own.ranges)] * 7
    # what is trained on is not scored
    normal = [path for path, own in labelled.labels.items() if not own.ranges]
    assert normal == ["Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4"]
    assert labelled.train == str(videos / "Training-Normal-Videos-Part-1")


def test_training_videos_are_scored_where_they_are_the_only_normal_ones(tmp_path):
    touch(tmp_path, "Abuse/Abuse001_x264.mp4", "Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4")
    labelled = read_labels(str(tmp_path))
    assert {path: bool(own.ranges) for path, own in labelled.labels.items()} == {
        "Abuse/Abuse001_x264.mp4": True,
        "Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4": False,
    }
    assert labelled.train is None


def test_a_normal_half_in_several_parts_is_not_guessed(videos):
    touch(videos, "Training-Normal-Videos-Part-2/Normal_Videos002_x264.mp4")
    labelled = read_labels(str(videos))
    assert labelled.train is None
    assert not any(path.startswith("Training") for path in labelled.labels)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Abuse028_x264.mp4 Abuse 165 240", "line 1: expected a video, its class and four frame numbers"),
        ("Abuse028_x264.mp4 Abuse 165 x -1 -1", "line 1: expected a video, its class and four"),
        ("Abuse028_x264.mp4 Abuse 240 165 -1 -1", r"line 1: expected first and last .*\(240, 165\)"),
        ("Abuse028_x264.mp4 Abuse 0 5 -1 -1", r"line 1: expected first and last .*\(0, 5\)"),
        ("Abuse028_x264.mp4 Normal 1 5 -1 -1", "line 1: expected no anomalous frames in a normal video"),
        ("Other.mp4 Abuse 1 5 -1 -1", "expected videos of UCF-Crime"),
    ],
)
def test_annotations_that_are_wrong_are_refused_with_the_line(videos, line, message):
    (videos / "Temporal_Anomaly_Annotation.txt").write_text(line + "\n")
    with pytest.raises(RequestError, match=rf"Temporal_Anomaly_Annotation\.txt: {message}"):
        read_labels(str(videos))
