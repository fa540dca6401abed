"""Formats of 2D detections: each is recognised by its content and gives the joints that were written, or is refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.data.sources.detections import list_sources, read_videos, recognise, records, tables
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.sources.detections.records import Video
from tests.helpers import detection_files as files
from tests.helpers.detection_files import read_detections
from tests.helpers.fuzzing import fuzzed

WALK = files.walk()
OTHER = files.walk(at=(600, 100))
NAMES = list(COCO_17.joints)
# LEFT_EyeInner and the like, as MediaPipe's PoseLandmark has them
MEDIAPIPE_NAMES = [
    {"L": "LEFT_", "R": "RIGHT_"}.get(name[0], name[0]) + name[1:] for name in LAYOUTS["mediapipe_33"].joints
]


def write(folder: Path, content: object) -> Path:
    return files.write_json(folder / "walk.json", content)


def write_npy(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def flat_mediapipe_csv(path: Path, walk: np.ndarray) -> Path:
    shares = files.in_layout(walk, "mediapipe_33") / files.SIZE
    header = ["frame", *(f"{axis}{joint}" for joint in range(1, 34) for axis in "xyzv")]
    rows = [
        [n, *(v for x, y, sure in joints for v in (x, y, 0.0, sure))] for n, joints in enumerate(files.scored(shares))
    ]
    return files.write_csv(path, header, rows)


def images(at: Path, contents: list, name: str = "{:06d}.json") -> Path:
    return files.write_images(at / "walk", contents, name=name)


# Format -> what it makes of a walk for one file of JSON, and the layout that is read.
JSON = {
    "alphapose": (files.alphapose, "coco"),
    "alphapose halpe": (lambda walk: files.alphapose(walk, layout="halpe_26"), "halpe_26"),
    "alphapose open": (files.alphapose_open, "openpose_18"),
    "coco results": (lambda walk: [one | {"image_id": n} for n, one in enumerate(files.alphapose(walk))], "coco"),
    "coco annotations": (files.coco_annotations, "coco"),
    "mmpose": (files.mmpose, "coco"),
    "mmpose list": (lambda walk: files.mmpose(walk)["instance_info"], "coco"),
    "yolo": (files.yolo, "coco"),
    "mediapipe": (files.mediapipe, "mediapipe_33"),
    "mediapipe with header": (lambda walk: {"width": 1000, "height": 800, "frames": files.mediapipe(walk)}, "mediapipe_33"),
    "mediapipe without frames": (lambda walk: [one["landmarks"] for one in files.mediapipe(walk)], "mediapipe_33"),
    "mediapipe by protobuf": (
        lambda walk: [{"pose_landmarks": {"landmark": one["landmarks"]}} for one in files.mediapipe(walk)], "mediapipe_33",
    ),
}  # fmt: skip
# Format -> what writes a walk in it into a folder, and the layout that is read.
FORMATS: dict[str, tuple[Callable[[Path, np.ndarray], Path], str]] = {
    **{name: (lambda at, walk, make=make: write(at, make(walk)), layout) for name, (make, layout) in JSON.items()},
    "openpose": (lambda at, walk: files.write_openpose(at / "walk", walk), "body_25"),
    "openpose of 18": (lambda at, walk: files.write_openpose(at / "walk", walk, layout="openpose_18"), "openpose_18"),
    "openpose of numbers": (lambda at, walk: images(at, list(files.alphapose_open(walk).values()), "{}.json"), "openpose_18"),
    "mmpose images": (lambda at, walk: images(at, [[files.mmpose_instance(joints)] for joints in walk]), "coco"),
    "yolo images": (lambda at, walk: images(at, files.yolo(walk), "walk_{}.JSON"), "coco"),
    "mediapipe csv": (
        lambda at, walk: files.write_wide_csv(
            at / "walk.csv", files.in_layout(walk, "mediapipe_33") / files.SIZE, MEDIAPIPE_NAMES
        ), "mediapipe_33",
    ),
    "mediapipe csv without names": (lambda at, walk: flat_mediapipe_csv(at / "walk.csv", walk), "mediapipe_33"),
    "wide csv": (lambda at, walk: files.write_wide_csv(at / "walk.csv", walk, NAMES), "coco"),
    "long csv": (lambda at, walk: files.write_long_csv(at / "walk.csv", walk, NAMES), "coco"),
    "detectron": (lambda at, walk: files.write_detectron(at / "walk.npz", [[joints] for joints in walk]), "coco"),
    "detectron without boxes": (
        lambda at, walk: files.write_detectron(at / "walk.npz", [[one] for one in walk], without=("boxes", "segments")), "coco",
    ),
    "custom": (lambda at, walk: files.write_custom(at / "data_2d_custom_mine.npz", {"walk": walk}), "coco"),
    "custom with scores": (
        lambda at, walk: files.write_custom(at / "data_2d_custom_mine.npz", {"walk": walk}, with_scores=True), "coco",
    ),
    "npy": (lambda at, walk: write_npy(at / "walk.npy", files.scored(files.in_layout(walk, "body_25"))), "body_25"),
    "json with a mark": (lambda at, walk: files.recode(write(at, files.alphapose(walk)), "utf-8-sig"), "coco"),
    "json in utf-16": (
        lambda at, walk: files.recode(files.write_json(at / "walk.JSON", files.alphapose(walk)), "utf-16"), "coco",
    ),
    "csv with semicolons": (
        lambda at, walk: files.recode(
            files.write_wide_csv(at / "walk.csv", walk, NAMES), "utf-16", (",", ";"), (".", ",")
        ), "coco",
    ),
}  # fmt: skip
SIZED = (
    "coco annotations",
    "mediapipe with header",
    "detectron",
    "detectron without boxes",
    "custom",
    "custom with scores",
)
UNSCORED = ("coco annotations", "custom")  # those without scores of joints; in the others they are 0.9


def read_one(path: Path, joints: str = "") -> Video:
    (source,), _ = list_sources(path)
    (video,) = read_videos(source, joints)
    return video


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_and_gives_the_joints_and_scores_that_were_written(name, tmp_path: Path) -> None:
    (writer, layout), has_size = FORMATS[name], name in SIZED
    path = writer(tmp_path, WALK)
    assert recognise(path)
    video = read_one(path)
    assert (video.name, video.layout, video.size) == ("walk", layout, files.SIZE if has_size else None)
    assert video.normalised == (layout == "mediapipe_33")
    written = files.in_layout(WALK, layout) / (files.SIZE if video.normalised else 1)
    np.testing.assert_allclose(video.points, written, atol=1e-3)
    assert np.diff(video.frames).tolist() == [1] * 7
    assert np.array_equal(video.listed, video.frames)
    if name in UNSCORED:
        assert video.joint_scores is None
    else:
        np.testing.assert_allclose(video.joint_scores, np.full(video.points.shape[:2], 0.9), atol=1e-6)
    data = read_detections(path, image_size=None if has_size else files.SIZE)
    np.testing.assert_allclose(data.keypoints["h36m"], files.expected_h36m(WALK), atol=1e-3)
    np.testing.assert_allclose(data.keypoints["coco"], WALK, atol=1e-3)


def test_a_decimal_comma_may_come_in_any_row(tmp_path: Path) -> None:
    rows = ["frame;" + ";".join(f"{joint}_{axis}" for joint in NAMES for axis in "xy")]
    rows += [f"{frame};" + ";".join([value] * 34) for frame, value in enumerate(("100", "100,5"))]
    (tmp_path / "walk.csv").write_text("\n".join(rows))
    assert read_one(tmp_path / "walk.csv").points[:, 3].tolist() == [[100.0, 100.0], [100.5, 100.5]]


LOST = {
    "no number": (np.nan, np.nan, 0.9), "(0, 0)": (0, 0, 0.9), "(-1, -1)": (-1, -1, 0.9), "score 0": (0.3, 0.4, 0),
    "score below 0": (0.3, 0.4, -0.02),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_joint_that_was_not_detected_is_missing_in_every_format(name, tmp_path: Path, monkeypatch) -> None:
    writer, layout = FORMATS[name]
    written = WALK.copy()
    written[3:5, NAMES.index("LWrist")] = np.nan
    others = [LAYOUTS[layout].index(joint) for joint in NAMES if joint != "LWrist"]
    ways = LOST if name in ("alphapose", "mmpose", "long csv", "detectron", "npy") else ["(0, 0)", "score 0"]
    for way in ways:
        if name == "custom" and "score" in way:
            continue
        monkeypatch.setattr(files, "LOST", LOST[way])
        video = read_one(writer(tmp_path, written))
        lost = np.isnan(video.points).any(axis=-1)[:, LAYOUTS[layout].index("LWrist")]
        assert np.flatnonzero(lost).tolist() == [3, 4], way
        assert np.isfinite(video.points[:, others]).all()


def test_logits_at_or_below_0_and_places_out_of_the_picture_are_joints(tmp_path: Path) -> None:
    logits = np.linspace(-8, 12, WALK[..., 0].size).reshape(*WALK.shape[:2], 1)
    out = WALK - 320
    assert ((out < 0) & (out > -300)).any()
    path = write_npy(tmp_path / "a.npy", np.concatenate([out, logits], axis=-1))
    np.testing.assert_allclose(read_one(path, "coco").points, out, atol=1e-3)


def test_each_joint_has_its_own_score_and_a_missing_one_none(tmp_path: Path) -> None:
    joints = np.concatenate([WALK, np.linspace(0.01, 1, 8 * 17).reshape(8, 17, 1)], axis=2).astype(np.float32)
    joints[2, 5] = 0
    expected = joints[..., 2].copy()
    expected[2, 5] = np.nan
    content = [
        {"image_id": n, "keypoints": files.flat(row), "score": 3.5} for n, row in enumerate(joints.astype(float))
    ]
    for path in (write_npy(tmp_path / "a.npy", joints), write(tmp_path, content)):
        np.testing.assert_array_equal(read_one(path, "coco").joint_scores, expected)
    content = files.mmpose(WALK)
    content["instance_info"][3]["instances"][0]["keypoint_scores"][4] = None  # no number: counts as 0
    scores = read_one(write(tmp_path, content)).joint_scores
    assert np.argwhere(scores != np.float32(0.9)).tolist() == [[3, 4]]
    assert scores[3, 4] == 0


def test_files_in_which_some_joints_have_no_score_have_none(tmp_path: Path) -> None:
    assert read_one(write_npy(tmp_path / "a.npy", WALK), "coco").joint_scores is None
    header = ["frame", *(f"{joint}_{value}" for joint in NAMES for value in ("x", "y", "score"))][:-1]
    rows = [[n, *files.flat(joints)[:-1]] for n, joints in enumerate(files.scored(WALK))]
    assert read_one(files.write_csv(tmp_path / "a.csv", header, rows)).joint_scores is None
    long = [[n, name, *point] for n, joints in enumerate(WALK) for name, point in zip(NAMES, joints, strict=True)]
    assert read_one(files.write_csv(tmp_path / "b.csv", ["frame", "joint", "x", "y"], long)).joint_scores is None
    content = files.mediapipe(WALK)
    del content[3]["landmarks"][7]["visibility"]
    assert read_one(write(tmp_path, content)).joint_scores is None
    content = files.yolo(WALK, track_id=4)
    for frame in content:
        del frame[0]["keypoints"]["visible"]
    video = read_one(write(tmp_path, [[], *content]))
    assert (video.joint_scores, video.listed.tolist(), set(video.tracks)) == (None, list(range(9)), {"4"})
    assert set(video.scores.tolist()) == {np.float32(0.8)}


@pytest.mark.parametrize("scores", [False, True])
def test_reconstruction_holds_people_in_the_joints_of_human36m(scores: bool, tmp_path: Path) -> None:
    people = np.stack([files.expected_h36m(WALK), files.expected_h36m(OTHER)])
    np.savez(tmp_path / "keypoints.npz", reconstruction=files.scored(people) if scores else people)
    assert recognise(tmp_path / "keypoints.npz")
    video = read_one(tmp_path / "keypoints.npz")
    assert (video.layout, video.joint_scores is None) == ("h36m", not scores)
    for number, track in enumerate("12"):
        mine = [one == track for one in video.tracks]
        np.testing.assert_allclose(video.points[mine], people[number], atol=1e-3)
    np.savez(tmp_path / "keypoints.npz", reconstruction=people[0])
    np.testing.assert_allclose(read_one(tmp_path / "keypoints.npz").points, people[0], atol=1e-3)
    metres = files.scored(people) / 500 - 1
    for wrong, said in (
        (people[0, 0], "key 'reconstruction': .*expected"),
        (metres, "3D poses"),
        (1000 * metres, "outside"),
    ):
        np.savez(tmp_path / "keypoints.npz", reconstruction=wrong)
        with pytest.raises(InputError, match=rf"keypoints\.npz.*{said}"):
            read_detections(tmp_path / "keypoints.npz", image_size=files.SIZE)


def test_a_custom_file_says_whose_joints_it_has_and_perhaps_the_sizes_of_its_images(tmp_path: Path) -> None:
    path = files.write_custom(tmp_path / "data_2d_custom_mine.npz", {"walk": WALK}, layout="h36m")
    assert read_one(path).layout == "h36m"
    assert read_one(path, "coco").layout == "coco"
    np.savez(path, positions_2d={"walk": {"custom": [WALK]}}, metadata={"layout_name": "coco", "num_joints": 17})
    assert recognise(path)
    with pytest.raises(InputError, match="image_size"):
        read_detections(path)
    np.testing.assert_allclose(read_detections(path, image_size=files.SIZE).keypoints["coco"], WALK, atol=1e-3)


@pytest.mark.parametrize(("joints", "points"), [("coco", WALK), ("h36m", files.expected_h36m(WALK))])
def test_a_plain_npy_says_by_a_parameter_whose_joints_it_has(joints, points, tmp_path: Path) -> None:
    for array in (files.scored(points), points.astype(np.float32), points):
        video = read_one(write_npy(tmp_path / "0.npy", array), joints)
        assert video.layout == joints
        np.testing.assert_allclose(video.points, points, atol=1e-3)
    with pytest.raises(InputError, match=r'0\.npy: 17 joints.*"coco" or "h36m"'):
        read_one(tmp_path / "0.npy")


def test_joints_are_told_by_their_names_however_they_are_spelt_and_ordered(tmp_path: Path) -> None:
    joints = files.expected_h36m(WALK)
    assert read_one(files.write_wide_csv(tmp_path / "a.csv", joints, list(H36M_17.joints))).layout == "h36m"
    content = files.mmpose(joints) | {"meta_info": {"dataset_name": "h36m"}}
    assert read_one(write(tmp_path, content)).layout == "h36m"
    spelt = {"LShoulder": "left_shoulder", "RShoulder": "Shoulder Right", "LHip": "leftHip", "RHip": "R_HIP"}
    order = np.random.default_rng(0).permutation(17)
    names = [spelt.get(NAMES[n], NAMES[n]) for n in order]
    for write_csv in (files.write_wide_csv, files.write_long_csv):
        found = read_one(write_csv(tmp_path / "a.csv", WALK[:, order], names))
        np.testing.assert_allclose(found.points, WALK, atol=1e-3)


@pytest.mark.parametrize("first", [0, 1])
def test_joints_with_numbers_are_in_the_order_of_their_numbers(first, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(17)
    header = ["frame", *(f"{axis}{first + joint}" for joint in order for axis in "xy")]
    table = [[n, *files.flat(joints[order])] for n, joints in enumerate(WALK)]
    wide = files.write_csv(tmp_path / "wide.csv", header, table)
    long = files.write_long_csv(tmp_path / "long.csv", WALK[:, order], [str(first + joint) for joint in order])
    for path in (wide, long):
        np.testing.assert_allclose(read_one(path, "coco").points, WALK, atol=1e-3)
        with pytest.raises(InputError, match="17 joints, in the order of COCO"):
            read_one(path)
    whole = files.write_long_csv(tmp_path / "whole.csv", np.tile(WALK, (1, 8, 1)), [str(n) for n in range(136)])
    assert read_one(whole).layout == "halpe_26"


@pytest.mark.parametrize("style", ["wide", "long"])
def test_several_people_of_a_csv_have_a_column(style, tmp_path: Path) -> None:
    rows = []
    for track, points in (("3", WALK), ("7", OTHER)):
        for frame, joints in enumerate(points):
            if style == "wide":
                rows.append([frame, track, *files.flat(joints)])
            else:
                rows += [[frame, track, name, *point] for name, point in zip(NAMES, joints, strict=True)]
    tail = [f"{name}_{axis}" for name in NAMES for axis in "xy"] if style == "wide" else ["joint", "x", "y"]
    video = read_one(files.write_csv(tmp_path / "a.csv", ["frame", "track", *tail], rows))
    np.testing.assert_allclose(video.points[[track == "7" for track in video.tracks]], OTHER, atol=1e-3)
    with pytest.raises(InputError, match="column `person`"):
        read_one(files.write_csv(tmp_path / "a.csv", ["frame", *tail], [[row[0], *row[2:]] for row in rows]))


def test_a_coordinate_that_is_no_number_is_a_missing_joint_and_an_infinite_one_is_refused(tmp_path) -> None:
    text = json.dumps(files.alphapose(WALK))
    path = tmp_path / "walk.json"
    for value in ("NaN", "null"):
        path.write_text(text.replace(str(WALK[2, 0, 0]), value, 1))
        assert np.argwhere(np.isnan(read_one(path).points).any(axis=-1)).tolist() == [[2, 0]]
    for value in ("Infinity", "-Infinity", "1e999"):
        path.write_text(text.replace(str(WALK[2, 0, 0]), value, 1))
        with pytest.raises(InputError, match="pixels from the corner of the image; expected pixels"):
            read_one(path)


def test_frames_are_sorted_as_numbers_and_those_without_people_are_known(tmp_path: Path) -> None:
    video = read_one(write(tmp_path, files.alphapose(files.walk(12))[::-1]))
    assert video.frames.tolist() == list(range(12))
    np.testing.assert_allclose(video.points, files.walk(12), atol=1e-3)
    folder = files.write_openpose(tmp_path / "walk", WALK)
    for frame in (0, 4, 7):
        files.write_json(folder / f"walk_{frame:012d}_keypoints.json", {"people": []})
    video = read_one(folder)
    assert video.frames.tolist() == [1, 2, 3, 5, 6]
    assert video.listed.tolist() == list(range(8))
    assert video.tracks is None  # person_id -1 is none
    people = [[], *([joints] for joints in WALK[1:6]), [], [WALK[7], OTHER[7]]]
    video = read_one(files.write_detectron(tmp_path / "walk.npz", people, scores=[[0.9]] * 7 + [[0.8, 0.7]]))
    assert video.frames.tolist() == [1, 2, 3, 4, 5, 7, 7]
    assert video.listed.tolist() == list(range(8))
    assert video.scores[-2:].tolist() == pytest.approx([0.8, 0.7])


def test_mediapipe_may_give_a_list_of_people_or_nobody(tmp_path: Path) -> None:
    content = files.mediapipe(WALK)
    for item, more in zip(content, files.mediapipe(OTHER), strict=True):
        item["landmarks"] = [item["landmarks"], more["landmarks"]]
    content[2]["landmarks"], content[3]["landmarks"] = None, []
    video = read_one(write(tmp_path, content))
    assert video.frames.tolist() == [0, 0, 1, 1, *[n for n in (4, 5, 6, 7) for _ in "ab"]]


def test_tracks_and_scores_of_people_are_read(tmp_path: Path) -> None:
    for idx, track in ((3, "3"), ([[4], 1], "4"), (5.0, "5"), ([[6.0, 2.0]], "6"), ("left", "left")):
        video = read_one(write(tmp_path, files.alphapose(WALK, idx=idx, score=1.5)))
        assert set(video.tracks) == {track}
        assert set(video.scores.tolist()) == {1.5}
    assert read_one(write(tmp_path, files.alphapose(WALK))).tracks is None
    content = files.mmpose(WALK)
    for item in content["instance_info"]:
        item["instances"][0]["track_id"] = 8
    video = read_one(write(tmp_path, content))
    assert set(video.tracks) == {"8"}
    np.testing.assert_allclose(video.scores, 0.8)  # bbox_score, not the 0.9 of the joints
    for item in content["instance_info"]:
        del item["instances"][0]["bbox_score"]
    np.testing.assert_allclose(read_one(write(tmp_path, content)).scores, 0.9)


def test_detections_of_other_things_than_people_are_passed_over(tmp_path: Path) -> None:
    others = [item | {"category_id": 18} for item in files.alphapose(OTHER)]
    np.testing.assert_allclose(read_one(write(tmp_path, files.alphapose(WALK) + others)).points, WALK, atol=1e-3)
    content = files.coco_annotations(WALK)
    content["annotations"] += [{**item, "category_id": 8} for item in content["annotations"]]
    content["annotations"][2]["keypoints"][17] = 0  # a joint that is not labelled
    assert np.argwhere(np.isnan(read_one(write(tmp_path, content)).points[..., 0])).tolist() == [[2, 5]]


@pytest.mark.parametrize("name", ["cam2_{}.jpg", "2024-05/v1.{}.png", "{}", "clip.{}", "frame{}a.jpeg"])
def test_the_last_number_of_an_image_s_name_is_its_frame(name, tmp_path: Path) -> None:
    items = [item | {"image_id": name.format(f"{n:04d}")} for n, item in enumerate(files.alphapose(WALK))]
    assert read_one(write(tmp_path, items)).frames.tolist() == list(range(8))


@pytest.mark.parametrize(("count", "layout"), [(133, "coco"), (136, "halpe_26")])
def test_whole_bodies_give_their_first_joints(count, layout, tmp_path: Path) -> None:
    body = files.in_layout(WALK, layout)
    whole = np.concatenate([body, np.ones((8, count - body.shape[1], 2))], axis=1)
    content = [{"frame_id": n, "instances": [files.mmpose_instance(joints)]} for n, joints in enumerate(whole)]
    video = read_one(write(tmp_path, content))
    assert video.layout == layout
    np.testing.assert_allclose(video.points, body, atol=1e-3)


def test_a_folder_may_hold_many_videos_of_many_kinds(tmp_path: Path) -> None:
    files.write_openpose(tmp_path / "opened", WALK)
    files.write_openpose(tmp_path, WALK, video="beside")
    files.write_images(tmp_path, [*files.yolo(WALK), []], name="anna_{}.json")
    files.write_images(tmp_path, files.yolo(OTHER)[:1], name="cover.json")
    files.write_json(tmp_path / "alpha.json", files.alphapose(WALK))
    files.write_json(tmp_path / "settings.json", {"colour": "blue"})
    files.write_detectron(tmp_path / "video.mp4.npz", [[joints] for joints in WALK])
    assert recognise(tmp_path)
    sources, passed = list_sources(tmp_path)
    assert [source.name for source in sources] == ["alpha", "anna", "beside", "opened", "video.mp4"]
    assert [len(source.files) for source in sources] == [1, 9, 8, 8, 1]
    assert [entry.name for entry in passed] == ["cover.json", "settings.json"]
    (video,) = read_videos(sources[1], "")
    assert (video.listed.tolist(), video.frames.tolist()) == (list(range(9)), list(range(8)))
    for single in (tmp_path / "cover.json", tmp_path / "opened" / "walk_000000000003_keypoints.json"):
        with pytest.raises(InputError, match="give the folder"):
            list_sources(single)
    files.write_wide_csv(tmp_path / "alpha.csv", WALK, NAMES)
    with pytest.raises(InputError, match="two videos are called 'alpha'"):
        read_detections(tmp_path, image_size=files.SIZE)


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.bvh", "HIERARCHY"), ("x.json", '{"a": [1, 2]}'), ("x.csv", "time,price\n1,2\n"), ("empty.json", ""),
     ("data_3d_h36m.npz", "positions_3d"), ("data_2d_h36m_gt.npz", "positions_2d"), ("mine.npz", "a/b/c")],
)  # fmt: skip
def test_other_data_are_not_taken_for_detections(name, content, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith(".npz"):
        np.savez(path, **{content: np.array({"S1": {}}, object), "metadata": np.array({"num_joints": 17}, object)})
    else:
        path.write_text(content)
    assert not recognise(path)
    assert not recognise(tmp_path)
    write(tmp_path, files.alphapose(WALK))
    assert recognise(tmp_path) == (name not in ("x.bvh", "data_3d_h36m.npz"))  # a folder of motion


# What is refused

ALPHAPOSE = {
    r"\[3\]\.keypoints: expected numbers, 3 for each joint: .*'x'": lambda i: i[3]["keypoints"].__setitem__(7, "x"),
    r"\[3\]\.keypoints: .*int too large": lambda i: i[3]["keypoints"].__setitem__(7, 10**400),
    r"\[3\]\.image_id: expected the number of a frame.*'nine\.jpg'": lambda i: i[3].update(image_id="nine.jpg"),
    r"\[3\]: frame 2 is there twice: '2\.jpg' and 'b/2\.jpg'": lambda i: i[3].update(image_id="b/2.jpg"),
    r"\[3\]\.score: expected a number": lambda i: i[3].update(score="good"),
    r"\[3\]\.idx: expected the number or name of a track": lambda i: i[3].update(idx={}),
    r"\[3\]: expected a list of people or landmarks, found 5": lambda i: i.__setitem__(3, 5),
    r"people with 3 and with 17 joints": lambda i: i[3].update(keypoints=[1, 2, 3] * 3),
    r"16 joints per person; known are 17": lambda i: [item.update(keypoints=[1, 2, 3] * 16) for item in i],
    r"lies 2e\+06 pixels": lambda i: i[3]["keypoints"].__setitem__(7, 2e6),
    r"every joint of everybody is missing": lambda i: [item.update(keypoints=[0] * 51) for item in i],
    r"\[3\]: a person without image_id": lambda i: i[3].pop("image_id"),
    r"nobody is detected": lambda i: [item.update(category_id=2) for item in i],
}
MMPOSE = {
    r"instance_info\[2\]: frame 1 is there twice": lambda i: i[2].update(frame_id=1),
    r"instance_info\[2\]: expected a person's keypoints, .* none of the known formats": lambda i: i[2].pop("instances"),
    r"\[0\]\.keypoints: lists of 17 and 16 joints": lambda i: i[2]["instances"][0]["keypoint_scores"].pop(),
    r"\.keypoints: expected numbers, 2 for each joint": lambda i: i[2]["instances"][0]["keypoints"][1].pop(),
}
COCO = {
    "expected one size of the video's images, found 999x800, 1000x800": lambda c: c["images"][1].update(width=999),
    r"images\[1\]: expected the image's width and height": lambda c: c["images"][1].update(width=0),
    r"images\[1\]\.id: expected an id of its own": lambda c: c["images"][1].update(id=100),
    r"frame 0 is there twice": lambda c: c["images"][1].update(file_name="img_0.png"),
    r"annotations\[1\]\.image_id: 5 is none of the images": lambda c: c["annotations"][1].update(image_id=5),
    "annotations without images; add": lambda c: c.pop("images"),
    r"images: expected a list of objects, found 5": lambda c: c.update(images=5),
}
MEDIAPIPE = {
    r"\[2\]\.landmarks\.landmark: .* found 7": lambda i: i[2].update(landmarks={"landmark": 7}),
    r"\[2\]: frame 1 is there twice": lambda i: i[2].update(frame=1),
}
TABLES = {files.alphapose: ALPHAPOSE, files.mmpose: MMPOSE, files.coco_annotations: COCO, files.mediapipe: MEDIAPIPE}
BROKEN = [(make, message, change) for make, table in TABLES.items() for message, change in table.items()]


@pytest.mark.parametrize(("make", "message", "change"), BROKEN, ids=[message for _, message, _ in BROKEN])
def test_wrong_json_is_refused_by_file_and_place(make, message, change, tmp_path: Path) -> None:
    content = make(WALK)
    change(content["instance_info"] if make is files.mmpose else content)
    with pytest.raises(InputError, match=rf"walk\.json.*{message}"):
        read_one(write(tmp_path, content))


def test_two_openpose_files_of_one_frame_and_a_pipe_among_them_are_refused(tmp_path: Path) -> None:
    folder = files.write_openpose(tmp_path / "walk", WALK)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / f"walk_{len(WALK):012d}_keypoints.json")
        with pytest.raises(InputError, match="not a file"):
            read_one(folder)
    files.write_json(folder / "walk_3_keypoints.json", {"people": []})
    with pytest.raises(InputError, match="frame 3 is there twice"):
        read_one(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "frame,joint,x,y\n" + "".join(f"0,{joint},1,zz\n" for joint in NAMES),
            "column 'y', row 2: expected a number, found 'zz'",
        ),
        ("frame,joint,x,y\n0,Nose,1,2\n", "those of no known layout"),
        ("frame,joint,x,y,Y\n0,Nose,1,2,2\n", "two columns have the same name"),
        ("frame,joint,x,y\n0,Nose,1,2,3\n", "not a table in CSV"),
        ("joint,x,y\nNose,1,2\n", "expected columns frame, joint, x and y, found joint, x, y"),
    ],
)
def test_a_wrong_csv_is_refused_by_name(text, message, tmp_path: Path) -> None:
    (tmp_path / "walk.csv").write_text(text)
    with pytest.raises(InputError, match=rf"walk\.csv.*{message}"):
        read_one(tmp_path / "walk.csv")


def test_a_wrong_frame_number_in_a_csv_is_refused(tmp_path: Path) -> None:
    lines = files.write_wide_csv(tmp_path / "walk.csv", WALK, NAMES).read_text().splitlines()
    for frame in ("-1", "1.5", "1e12", ""):
        lines[3] = frame + lines[3][lines[3].index(",") :]
        (tmp_path / "walk.csv").write_text("\n".join(lines))
        with pytest.raises(InputError, match="column 'frame', row 4: expected the number of a frame"):
            read_one(tmp_path / "walk.csv")


@pytest.mark.parametrize("suffix", ["json", "csv"])
@pytest.mark.parametrize(
    ("limit", "most", "message"), [("MAX_VALUES", 300, "more than 300 values"), ("MAX_BYTES", 1000, "larger")]
)
def test_a_file_that_would_fill_memory_is_refused(suffix, limit, most, message, tmp_path, monkeypatch) -> None:
    path = write(tmp_path, files.alphapose(WALK))
    if suffix == "csv":
        path = files.write_wide_csv(tmp_path / "walk.csv", WALK, NAMES)
    monkeypatch.setattr(records, limit, most)
    with pytest.raises(InputError, match=rf"^[^ ]*walk\.{suffix}: {message}"):
        read_one(path)


def test_a_csv_of_people_who_lack_nearly_all_joints_is_refused(tmp_path, monkeypatch) -> None:
    rows = [[n, joint, f"p{n}", 1, 2] for n, joint in enumerate(NAMES * 3)]
    path = files.write_csv(tmp_path / "walk.csv", ["frame", "joint", "track", "x", "y"], rows)
    assert len(read_one(path).frames) == 51
    monkeypatch.setattr(tables, "MAX_VALUES", 51 * 17 - 1)
    with pytest.raises(InputError, match=r"walk\.csv: 867 joints in all frames, of which most have no row"):
        read_one(path)


def test_an_npy_of_another_shape_or_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "walk.npy"
    for array in (np.zeros((0, 17, 2)), np.zeros((3, 17)), np.zeros((3, 17, 2), complex), np.zeros((3, 17, 4))):
        with pytest.raises(InputError, match=r"walk\.npy"):
            read_one(write_npy(path, array), "coco")


@pytest.mark.parametrize(
    ("boxes", "keypoints"),
    [
        ([[[], np.ones((1, 5))]], [[[], np.ones((2, 4, 17))]]),
        ([[[], np.ones((1, 5))]], [[[], np.ones((1, 3, 17))]]),
        ([[[], np.ones((1, 4))]], [[[], np.ones((1, 4, 17))]]),
        ([[[]]], [[[], np.ones((1, 4, 17))]]),
        ([[[], 5]], [[[], [np.ones((4, 17))]]]),
        ([[[], []]], [[[], []], [[], []]]),
    ],
)
def test_wrong_detectron_arrays_are_refused_by_key_and_frame(boxes, keypoints, tmp_path: Path) -> None:
    arrays = {}
    for key, rows in (("boxes", boxes), ("keypoints", keypoints)):
        arrays[key] = np.empty(len(rows), object)
        for place, row in enumerate(rows):
            arrays[key][place] = row
    np.savez(tmp_path / "walk.npz", **arrays, metadata=np.array({"w": 1000, "h": 800}, object))
    with pytest.raises(
        InputError, match=r"walk\.npz, keys 'boxes' and 'keypoints', frame [01]: expected .* \(4, joints\)"
    ):
        read_one(tmp_path / "walk.npz")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**25) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


def values_of(content: object) -> list[tuple]:
    """(container, key) of everything in a JSON document."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [pair for key, value in items for pair in ((content, key), *values_of(value))]


@settings(fuzzed, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(JSON)),
    changes=st.lists(st.tuples(st.integers(0, 10**6), VALUES), min_size=1, max_size=3),
)
def test_json_with_other_values_gives_a_dataset_or_an_input_error(name, changes, tmp_path) -> None:
    content = json.loads(json.dumps(JSON[name][0](files.walk(2))))
    for number, value in changes:
        if places := values_of(content):
            container, key = places[number % len(places)]
            container[key] = value
    path = write(tmp_path, content)
    try:
        data = read_detections(path, image_size=files.SIZE)
    except InputError as error:
        if path.name not in str(error):
            raise
    else:
        assert all(np.isfinite(array).all() for array in data.keypoints.values())
