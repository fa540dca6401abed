"""Formats of 2D detections: each is recognised by its content and gives the joints that were written, or is refused."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.data.sources.detections import json_files as detection_json
from pose3d_lib.data.sources.detections import read_detections, records
from pose3d_lib.data.sources.detections import tables as detection_tables
from pose3d_lib.data.sources.detections.formats import list_sources, read_videos, recognise_detections
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.sources.detections.records import Video
from tests.helpers import detection_files as files

WALK = files.walk()
MEDIAPIPE_NAMES = [
    "NOSE", "LEFT_EYE_INNER", "LEFT_EYE", "LEFT_EYE_OUTER", "RIGHT_EYE_INNER", "RIGHT_EYE", "RIGHT_EYE_OUTER",
    "LEFT_EAR", "RIGHT_EAR", "MOUTH_LEFT", "MOUTH_RIGHT", "LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_ELBOW", "RIGHT_ELBOW",
    "LEFT_WRIST", "RIGHT_WRIST", "LEFT_PINKY", "RIGHT_PINKY", "LEFT_INDEX", "RIGHT_INDEX", "LEFT_THUMB", "RIGHT_THUMB",
    "LEFT_HIP", "RIGHT_HIP", "LEFT_KNEE", "RIGHT_KNEE", "LEFT_ANKLE", "RIGHT_ANKLE", "LEFT_HEEL", "RIGHT_HEEL",
    "LEFT_FOOT_INDEX", "RIGHT_FOOT_INDEX",
]  # fmt: skip
"""As MediaPipe's PoseLandmark has them."""


def flat_mediapipe_csv(path: Path) -> Path:
    shares = files.in_layout(WALK, "mediapipe_33") / files.SIZE
    header = ["frame", *(f"{axis}{joint}" for joint in range(1, 34) for axis in "xyzv")]
    rows = [
        [n, *(v for x, y, sure in joints for v in (x, y, 0.0, sure))] for n, joints in enumerate(files.scored(shares))
    ]
    return files.write_csv(path, header, rows)


def write_npy(path: Path) -> Path:
    np.save(path, files.scored(files.in_layout(WALK, "body_25")))
    return path


WRITERS: dict[str, tuple[Callable[[Path], Path], str, bool]] = {
    "openpose": (lambda at: files.write_openpose(at / "walk", WALK), "body_25", False),
    "openpose of 18": (lambda at: files.write_openpose(at / "walk", WALK, layout="openpose_18"), "openpose_18", False),
    "alphapose": (lambda at: files.write_json(at / "walk.json", files.alphapose(WALK)), "coco", False),
    "alphapose halpe": (
        lambda at: files.write_json(at / "walk.json", files.alphapose(WALK, layout="halpe_26")), "halpe_26", False,
    ),
    "coco results": (
        lambda at: files.write_json(
            at / "walk.json", [item | {"image_id": n} for n, item in enumerate(files.alphapose(WALK))]
        ), "coco", False,
    ),
    "coco annotations": (lambda at: files.write_json(at / "walk.json", files.coco_annotations(WALK)), "coco", True),
    "mmpose": (lambda at: files.write_json(at / "walk.json", files.mmpose(WALK)), "coco", False),
    "mmpose list": (
        lambda at: files.write_json(at / "walk.json", files.mmpose(WALK)["instance_info"]), "coco", False,
    ),
    "mediapipe": (lambda at: files.write_json(at / "walk.json", files.mediapipe(WALK)), "mediapipe_33", False),
    "mediapipe with header": (
        lambda at: files.write_json(
            at / "walk.json", {"width": 1000, "height": 800, "frames": files.mediapipe(WALK)}
        ), "mediapipe_33", True,
    ),
    "mediapipe csv": (
        lambda at: files.write_wide_csv(
            at / "walk.csv", files.in_layout(WALK, "mediapipe_33") / files.SIZE, MEDIAPIPE_NAMES
        ), "mediapipe_33", False,
    ),
    "mediapipe csv without names": (lambda at: flat_mediapipe_csv(at / "walk.csv"), "mediapipe_33", False),
    "wide csv": (lambda at: files.write_wide_csv(at / "walk.csv", WALK, list(COCO_17.joints)), "coco", False),
    "long csv": (lambda at: files.write_long_csv(at / "walk.csv", WALK, list(COCO_17.joints)), "coco", False),
    "detectron": (lambda at: files.write_detectron(at / "walk.npz", [[joints] for joints in WALK]), "coco", True),
    "custom": (lambda at: files.write_custom(at / "data_2d_custom_mine.npz", {"walk": WALK}), "coco", True),
    "custom with scores": (
        lambda at: files.write_custom(at / "data_2d_custom_mine.npz", {"walk": WALK}, with_scores=True), "coco", True,
    ),
    "npy": (lambda at: write_npy(at / "walk.npy"), "body_25", False),
    "openpose of numbers": (
        lambda at: files.write_images(at / "walk", list(files.alphapose_open(WALK).values()), name="{}.json"), "openpose_18",
        False,
    ),
    "alphapose open": (lambda at: files.write_json(at / "walk.json", files.alphapose_open(WALK)), "openpose_18", False),
    "mmpose images": (
        lambda at: files.write_images(at / "walk", [[files.mmpose_instance(joints, bbox_score=0.8)] for joints in WALK]),
        "coco", False,
    ),
    "yolo": (lambda at: files.write_json(at / "walk.json", files.yolo(WALK)), "coco", False),
    "yolo images": (lambda at: files.write_images(at / "walk", files.yolo(WALK), name="walk_{}.JSON"), "coco", False),
    "detectron without boxes": (
        lambda at: files.write_detectron(
            at / "walk.npz", [[joints] for joints in WALK], without=("boxes", "segments")
        ), "coco", True,
    ),
    "json with a mark": (
        lambda at: files.recode(files.write_json(at / "walk.json", files.alphapose(WALK)), "utf-8-sig"), "coco", False,
    ),
    "json in utf-16": (
        lambda at: files.recode(files.write_json(at / "walk.JSON", files.alphapose(WALK)), "utf-16"), "coco", False,
    ),
    "csv with semicolons": (
        lambda at: files.recode(
            files.write_wide_csv(at / "walk.csv", WALK, list(COCO_17.joints)), "utf-16", (",", ";"), (".", ",")
        ), "coco", False,
    ),
}  # fmt: skip
"""Name -> what writes the walk, its layout, and whether the file holds the image's size."""


def test_a_decimal_comma_may_come_in_any_row(tmp_path: Path) -> None:
    rows = ["frame;" + ";".join(f"{joint}_{axis}" for joint in COCO_17.joints for axis in "xy")]
    rows += [f"{frame};" + ";".join([value] * 34) for frame, value in enumerate(("100", "100,5"))]
    (tmp_path / "walk.csv").write_text("\n".join(rows))
    assert read_one(tmp_path / "walk.csv").points[:, 3].tolist() == [[100.0, 100.0], [100.5, 100.5]]


WITHOUT_SCORES = ("coco annotations", "custom")
"""Of these, those that hold no scores of joints; of the others, they are 0.9."""


def read_one(path: Path, joints: str = "") -> Video:
    (source,), _ = list_sources(path)
    (video,) = read_videos(source, joints)
    return video


def write(folder: Path, content: object) -> Path:
    return files.write_json(folder / "walk.json", content)


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_recognised_and_gives_the_joints_that_were_written(name, tmp_path: Path) -> None:
    writer, layout, has_size = WRITERS[name]
    path = writer(tmp_path)
    assert recognise_detections(path)
    video = read_one(path)
    assert (video.name, video.layout, video.size) == ("walk", layout, files.SIZE if has_size else None)
    written = files.in_layout(WALK, layout) / (files.SIZE if layout == "mediapipe_33" else 1)
    np.testing.assert_allclose(video.points, written, atol=1e-3)
    assert video.normalised == (layout == "mediapipe_33")
    assert np.diff(video.frames).tolist() == [1] * 7
    assert np.array_equal(video.listed, video.frames)


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_17_joints(name, tmp_path: Path) -> None:
    data = read_detections(WRITERS[name][0](tmp_path), image_size=None if WRITERS[name][2] else files.SIZE)
    np.testing.assert_allclose(data.keypoints["h36m"], files.expected_h36m(WALK), atol=1e-3)
    np.testing.assert_allclose(data.keypoints["coco"], WALK, atol=1e-3)
    assert data.clips.subject.tolist() == ["walk"]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_its_scores_or_none(name, tmp_path: Path) -> None:
    video = read_one(WRITERS[name][0](tmp_path))
    if name in WITHOUT_SCORES:
        assert video.joint_scores is None
    else:
        assert video.joint_scores.shape == video.points.shape[:2]
        np.testing.assert_allclose(video.joint_scores, 0.9)


LOST = {
    "no number": (np.nan, np.nan, 0.9),
    "(0, 0)": (0, 0, 0.9),
    "(-1, -1)": (-1, -1, 0.9),
    "score 0": (0.3, 0.4, 0),
    "score below 0": (0.3, 0.4, -0.02),
}


@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for name in WRITERS for way in LOST if name != "custom" or "score" not in way]
)
def test_a_joint_that_was_not_detected_is_missing_in_every_format(
    name, way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = WALK.copy()
    written[3:5, COCO_17.index("LWrist")] = np.nan
    monkeypatch.setattr(files, "LOST", LOST[way])
    monkeypatch.setitem(globals(), "WALK", written)
    video = read_one(WRITERS[name][0](tmp_path))
    lost = np.isnan(video.points).any(axis=-1)[:, LAYOUTS[video.layout].index("LWrist")]
    assert np.flatnonzero(lost).tolist() == [3, 4]
    others = [LAYOUTS[video.layout].index(joint) for joint in COCO_17.joints if joint != "LWrist"]
    assert np.isfinite(video.points[:, others]).all()


def test_logits_at_or_below_0_and_places_out_of_the_picture_are_joints(tmp_path: Path) -> None:
    logits = np.linspace(-8, 12, WALK[..., 0].size).reshape(*WALK.shape[:2], 1)
    out = WALK - 320
    assert ((out < 0) & (out > -300)).any()
    np.save(tmp_path / "a.npy", np.concatenate([out, logits], axis=-1))
    np.testing.assert_allclose(read_one(tmp_path / "a.npy", "coco").points, out, atol=1e-3)


def test_each_joint_has_its_own_score_and_a_missing_one_none(tmp_path: Path) -> None:
    joints = np.concatenate([WALK, np.linspace(0.01, 1, 8 * 17).reshape(8, 17, 1)], axis=2).astype(np.float32)
    joints[2, 5] = 0
    np.save(tmp_path / "a.npy", joints)
    np.savez(
        tmp_path / "data_2d_custom_mine.npz",
        positions_2d={"walk": {"custom": [joints]}},
        metadata={"layout_name": "coco", "video_metadata": {"walk": {"w": 1000, "h": 800}}},
    )
    content = [
        {"image_id": n, "keypoints": files.flat(row), "score": 3.5} for n, row in enumerate(joints.astype(float))
    ]
    expected = joints[..., 2].copy()
    expected[2, 5] = np.nan
    for path in (tmp_path / "a.npy", tmp_path / "data_2d_custom_mine.npz", write(tmp_path, content)):
        np.testing.assert_array_equal(read_one(path, "coco").joint_scores, expected)
    np.save(tmp_path / "b.npy", joints[..., :2])
    assert read_one(tmp_path / "b.npy", "coco").joint_scores is None


def test_a_score_that_is_no_number_counts_as_0(tmp_path: Path) -> None:
    content = files.mmpose(WALK)
    content["instance_info"][3]["instances"][0]["keypoint_scores"][4] = None
    scores = read_one(write(tmp_path, content)).joint_scores
    assert np.argwhere(scores != np.float32(0.9)).tolist() == [[3, 4]]
    assert scores[3, 4] == 0


def test_files_in_which_some_joints_have_no_score_have_none(tmp_path: Path) -> None:
    header = ["frame", *(f"{joint}_{value}" for joint in COCO_17.joints for value in ("x", "y", "score"))][:-1]
    rows = [[n, *files.flat(joints)[:-1]] for n, joints in enumerate(files.scored(WALK))]
    assert read_one(files.write_csv(tmp_path / "a.csv", header, rows)).joint_scores is None
    long = [
        [n, name, *point] for n, joints in enumerate(WALK) for name, point in zip(COCO_17.joints, joints, strict=True)
    ]
    assert read_one(files.write_csv(tmp_path / "b.csv", ["frame", "joint", "x", "y"], long)).joint_scores is None
    content = files.mediapipe(WALK)
    del content[3]["landmarks"][7]["visibility"]
    assert read_one(write(tmp_path, content)).joint_scores is None


def test_yolo_s_results_without_visible_have_no_scores(tmp_path: Path) -> None:
    content = files.yolo(WALK, track_id=4)
    for frame in content:
        del frame[0]["keypoints"]["visible"]
    video = read_one(write(tmp_path, [[], *content]))
    assert video.joint_scores is None
    assert (video.listed.tolist(), set(video.tracks)) == (list(range(9)), {"4"})
    np.testing.assert_allclose(video.points, WALK, atol=1e-3)
    assert set(video.scores.tolist()) == {np.float32(0.8)}


@pytest.mark.parametrize("scores", [False, True])
def test_reconstruction_holds_people_in_the_joints_of_human36m(scores: bool, tmp_path: Path) -> None:
    people = np.stack([files.expected_h36m(WALK), files.expected_h36m(files.walk(at=(600, 100)))])
    np.savez(tmp_path / "keypoints.npz", reconstruction=files.scored(people) if scores else people)
    assert recognise_detections(tmp_path / "keypoints.npz")
    video = read_one(tmp_path / "keypoints.npz")
    assert (video.layout, video.joint_scores is None) == ("h36m", not scores)
    for number, track in enumerate("12"):
        mine = [one == track for one in video.tracks]
        np.testing.assert_allclose(video.points[mine], people[number], atol=1e-3)
    np.savez(tmp_path / "keypoints.npz", reconstruction=people[0])
    np.testing.assert_allclose(read_one(tmp_path / "keypoints.npz").points, people[0], atol=1e-3)
    metres = files.scored(people) / 500 - 1
    for wrong, said in ((people[0, 0], "expected"), (metres, "3D poses"), (1000 * metres, "3D poses")):
        np.savez(tmp_path / "keypoints.npz", reconstruction=wrong)
        with pytest.raises(InputError, match=rf"keypoints\.npz, key 'reconstruction': .*{said}"):
            read_one(tmp_path / "keypoints.npz")


def test_custom_videos_without_their_sizes_need_image_size(tmp_path: Path) -> None:
    path = tmp_path / "data_2d_custom_mine.npz"
    np.savez(path, positions_2d={"walk": {"custom": [WALK]}}, metadata={"layout_name": "coco", "num_joints": 17})
    assert recognise_detections(path)
    with pytest.raises(InputError, match="image_size"):
        read_detections(path)
    np.testing.assert_allclose(read_detections(path, image_size=files.SIZE).keypoints["coco"], WALK, atol=1e-3)


def test_images_of_several_videos_in_a_folder_are_told_apart_by_their_names(tmp_path: Path) -> None:
    other = files.walk(at=(600, 100))
    files.write_images(tmp_path, [*files.yolo(WALK), []], name="anna_{}.json")
    files.write_images(tmp_path, files.yolo(other), name="ben{:03d}.json")
    files.write_images(tmp_path, files.yolo(other)[:1], name="cover.json")
    sources, passed = list_sources(tmp_path)
    assert [(source.name, len(source.files)) for source in sources] == [("anna", 9), ("ben", 8)]
    assert [entry.name for entry in passed] == ["cover.json"]
    (video,) = read_videos(sources[0], "")
    assert (video.listed.tolist(), video.frames.tolist()) == (list(range(9)), list(range(8)))
    with pytest.raises(InputError, match="give the folder"):
        list_sources(tmp_path / "cover.json")


@pytest.mark.parametrize(("joints", "names"), [("coco", COCO_17.joints), ("h36m", H36M_17.joints)])
def test_a_plain_npy_says_by_a_parameter_whose_joints_it_has(joints, names, tmp_path: Path) -> None:
    points = WALK if joints == "coco" else files.expected_h36m(WALK)
    for number, array in enumerate((points, files.scored(points), points.astype(np.float32))):
        np.save(tmp_path / f"{number}.npy", array)
        video = read_one(tmp_path / f"{number}.npy", joints)
        assert LAYOUTS[video.layout].joints == names
        np.testing.assert_allclose(video.points, points, atol=1e-3)
    with pytest.raises(InputError, match=r'0\.npy: 17 joints.*"coco" or "h36m"'):
        read_one(tmp_path / "0.npy")


def test_h36m_joints_in_a_csv_and_in_mmpose_are_told_by_names(tmp_path: Path) -> None:
    joints = files.expected_h36m(WALK)
    assert read_one(files.write_wide_csv(tmp_path / "a.csv", joints, list(H36M_17.joints))).layout == "h36m"
    content = files.mmpose(joints) | {"meta_info": {"dataset_name": "h36m"}}
    assert read_one(write(tmp_path, content)).layout == "h36m"


def test_names_of_joints_may_be_spelt_in_many_ways(tmp_path: Path) -> None:
    spelt = {"LShoulder": "left_shoulder", "RShoulder": "Shoulder Right", "LHip": "leftHip", "RHip": "R_HIP"}
    video = read_one(files.write_wide_csv(tmp_path / "a.csv", WALK, [spelt.get(j, j) for j in COCO_17.joints]))
    np.testing.assert_allclose(video.points, WALK, atol=1e-3)


def test_the_order_of_a_csv_s_columns_does_not_matter(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(17)
    for write_csv in (files.write_wide_csv, files.write_long_csv):
        video = read_one(write_csv(tmp_path / "a.csv", WALK[:, order], [COCO_17.joints[n] for n in order]))
        np.testing.assert_allclose(video.points, WALK, atol=1e-3)


def test_several_people_of_a_csv_have_a_column(tmp_path: Path) -> None:
    other = files.walk(at=(700, 300))
    for style in ("wide", "long"):
        names, rows = list(COCO_17.joints), []
        for track, points in (("3", WALK), ("7", other)):
            for frame, joints in enumerate(points):
                if style == "wide":
                    rows.append([frame, track, *files.flat(joints)])
                else:
                    rows += [[frame, track, name, *point] for name, point in zip(names, joints, strict=True)]
        tail = [f"{name}_{axis}" for name in names for axis in "xy"] if style == "wide" else ["joint", "x", "y"]
        path = files.write_csv(tmp_path / f"{style}.csv", ["frame", "track", *tail], rows)
        video = read_one(path)
        mine = [track == "7" for track in video.tracks]
        np.testing.assert_allclose(video.points[mine], other, atol=1e-3)
        without = [[row[0], *row[2:]] for row in rows]
        with pytest.raises(InputError, match="column `person`"):
            read_one(files.write_csv(tmp_path / "without.csv", ["frame", *tail], without))


def test_joints_that_openpose_did_not_find_are_missing(tmp_path: Path) -> None:
    folder = files.write_openpose(tmp_path / "walk", WALK)
    path = folder / "walk_000000000003_keypoints.json"
    content = json.loads(path.read_text())
    content["people"][0]["pose_keypoints_2d"][9:12] = [0, 0, 0]
    files.write_json(path, content)
    missing = np.isnan(read_one(folder).points).any(axis=-1)
    assert np.argwhere(missing).tolist() == [[3, LAYOUTS["body_25"].index("RElbow")]]


def write_with(value: str, folder: Path) -> Path:
    """AlphaPose's file, in which one coordinate is this text."""
    path = write(folder, files.alphapose(WALK))
    path.write_text(path.read_text().replace(str(WALK[2, 0, 0]), value, 1))
    return path


@pytest.mark.parametrize("value", ["NaN", "null"])
def test_a_coordinate_that_is_no_number_is_a_missing_joint(value, tmp_path: Path) -> None:
    missing = np.isnan(read_one(write_with(value, tmp_path)).points).any(axis=-1)
    assert np.argwhere(missing).tolist() == [[2, 0]]


@pytest.mark.parametrize("value", ["Infinity", "-Infinity", "1e999"])
def test_an_infinite_coordinate_is_refused(value, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pixels from the corner of the image; expected pixels"):
        read_one(write_with(value, tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_among_openpose_s_files_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    folder = files.write_openpose(tmp_path / "walk", WALK)
    os.mkfifo(folder / f"walk_{len(WALK):012d}_keypoints.json")
    with pytest.raises(InputError, match="not a file"):
        read_one(folder)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    names = [f"{joint}_{value}" for joint in COCO_17.joints for value in "xy"]
    rows = [[frame, *files.flat(row), 1] for frame, row in enumerate(WALK)]
    path = files.write_csv(tmp_path / "walk.csv", ["frame", *names, names[0]], rows)
    with pytest.raises(InputError, match="two columns have the same name"):
        read_one(path)


def test_frames_are_sorted_as_numbers_and_those_without_people_are_known(tmp_path: Path) -> None:
    items = files.alphapose(files.walk(12))
    video = read_one(write(tmp_path, items[::-1]))
    assert video.frames.tolist() == list(range(12))
    np.testing.assert_allclose(video.points, files.walk(12), atol=1e-3)
    folder = files.write_openpose(tmp_path / "walk", WALK)
    for frame in (0, 4, 7):
        files.write_json(folder / f"walk_{frame:012d}_keypoints.json", {"people": []})
    video = read_one(folder)
    assert video.frames.tolist() == [1, 2, 3, 5, 6]
    assert video.listed.tolist() == list(range(8))


def test_tracks_and_scores_are_read(tmp_path: Path) -> None:
    for idx, track in ((3, "3"), ([[4], 1], "4"), (5.0, "5"), ([[6.0, 2.0]], "6"), ("left", "left")):
        video = read_one(write(tmp_path, files.alphapose(WALK, idx=idx, score=1.5)))
        assert set(video.tracks) == {track}
        assert set(video.scores.tolist()) == {1.5}
    assert read_one(write(tmp_path, files.alphapose(WALK))).tracks is None
    content = files.mmpose(WALK)
    for item in content["instance_info"]:
        item["instances"][0]["track_id"] = 8
    assert set(read_one(write(tmp_path, content)).tracks) == {"8"}


def test_detections_of_other_things_than_people_are_passed_over(tmp_path: Path) -> None:
    others = [item | {"category_id": 18} for item in files.alphapose(files.walk(at=(500, 100)))]
    video = read_one(write(tmp_path, files.alphapose(WALK) + others))
    assert len(video.frames) == 8
    np.testing.assert_allclose(video.points, WALK, atol=1e-3)


def test_coco_s_annotations_of_other_categories_are_passed_over(tmp_path: Path) -> None:
    content = files.coco_annotations(WALK)
    content["annotations"] += [{**item, "category_id": 8} for item in content["annotations"]]
    assert len(read_one(write(tmp_path, content)).frames) == 8


def test_openpose_s_person_minus_one_is_no_track(tmp_path: Path) -> None:
    assert read_one(files.write_openpose(tmp_path / "walk", WALK)).tracks is None


@pytest.mark.parametrize("name", ["cam2_{}.jpg", "2024-05/v1.{}.png", "{}", "clip.{}", "frame{}a.jpeg"])
def test_the_last_number_of_an_image_s_name_is_its_frame(name, tmp_path: Path) -> None:
    items = [item | {"image_id": name.format(f"{n:04d}")} for n, item in enumerate(files.alphapose(WALK))]
    assert read_one(write(tmp_path, items)).frames.tolist() == list(range(8))


def test_whole_bodies_give_their_first_joints(tmp_path: Path) -> None:
    for count, layout in ((133, "coco"), (136, "halpe_26")):
        body = files.in_layout(WALK, layout)
        whole = np.concatenate([body, np.ones((8, count - body.shape[1], 2))], axis=1)
        content = [{"frame_id": n, "instances": [files.mmpose_instance(joints)]} for n, joints in enumerate(whole)]
        video = read_one(write(tmp_path, content))
        assert video.layout == layout
        np.testing.assert_allclose(video.points, body, atol=1e-3)


def test_a_frame_without_a_box_in_detectron_s_file_has_nobody(tmp_path: Path) -> None:
    people = [[], *([joints] for joints in WALK[1:6]), [], [WALK[7], files.walk(at=(600, 100))[7]]]
    video = read_one(files.write_detectron(tmp_path / "walk.npz", people, scores=[[0.9]] * 7 + [[0.8, 0.7]]))
    assert video.frames.tolist() == [1, 2, 3, 4, 5, 7, 7]
    assert video.listed.tolist() == list(range(8))
    assert video.scores[-2:].tolist() == pytest.approx([0.8, 0.7])


def test_mediapipe_may_give_a_list_of_people_or_nobody(tmp_path: Path) -> None:
    content = files.mediapipe(WALK)
    other = files.mediapipe(files.walk(at=(600, 100)))
    for item, more in zip(content, other, strict=True):
        item["landmarks"] = [item["landmarks"], more["landmarks"]]
    content[2]["landmarks"], content[3]["landmarks"] = None, []
    video = read_one(write(tmp_path, content))
    assert video.frames.tolist() == [0, 0, 1, 1, *[n for n in (4, 5, 6, 7) for _ in "ab"]]
    plain = [item["landmarks"] for item in files.mediapipe(WALK)]
    np.testing.assert_allclose(
        read_one(write(tmp_path, plain)).points * files.SIZE, files.in_layout(WALK, "mediapipe_33"), atol=1e-3
    )


def test_mediapipe_s_landmarks_may_be_nested_as_protobuf_writes_them(tmp_path: Path) -> None:
    frames = [{"pose_landmarks": {"landmark": item["landmarks"]}} for item in files.mediapipe(WALK)]
    video = read_one(write(tmp_path, frames))
    np.testing.assert_allclose(video.points * files.SIZE, files.in_layout(WALK, "mediapipe_33"), atol=1e-3)
    frames[2]["pose_landmarks"]["landmark"] = 7
    with pytest.raises(InputError, match=r"\[2\]\.pose_landmarks\.landmark: expected a list of landmarks, found 7"):
        read_one(write(tmp_path, frames))


def test_the_score_of_a_person_is_the_detector_s_where_it_gives_one(tmp_path: Path) -> None:
    video = read_one(write(tmp_path, files.mmpose(WALK)))
    np.testing.assert_allclose(video.scores, 0.8)  # bbox_score, not the 0.9 of the joints
    content = files.mmpose(WALK)
    for item in content["instance_info"]:
        del item["instances"][0]["bbox_score"]
    np.testing.assert_allclose(read_one(write(tmp_path, content)).scores, 0.9)


@pytest.mark.parametrize("layout", ["h36m", "coco"])
def test_a_custom_file_says_whose_joints_it_has(layout, tmp_path: Path) -> None:
    path = files.write_custom(tmp_path / "data_2d_custom_mine.npz", {"walk": WALK}, layout=layout)
    assert read_one(path).layout == layout
    other = "coco" if layout == "h36m" else "h36m"
    assert read_one(path, other).layout == other


@pytest.mark.parametrize("first", [0, 1])
def test_joints_with_numbers_are_in_the_order_of_their_numbers(first, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(17)
    header = ["frame", *(f"{axis}{first + joint}" for joint in order for axis in "xy")]
    wide = files.write_csv(
        tmp_path / "wide.csv", header, [[n, *files.flat(joints[order])] for n, joints in enumerate(WALK)]
    )
    long = files.write_long_csv(tmp_path / "long.csv", WALK[:, order], [str(first + joint) for joint in order])
    for path in (wide, long):
        np.testing.assert_allclose(read_one(path, "coco").points, WALK, atol=1e-3)
        with pytest.raises(InputError, match="17 joints without names"):
            read_one(path)


def test_a_folder_may_hold_many_videos_of_many_kinds(tmp_path: Path) -> None:
    files.write_openpose(tmp_path / "opened", WALK)
    files.write_openpose(tmp_path, WALK, video="beside")
    files.write_openpose(tmp_path, WALK, video="beside_too")
    files.write_json(tmp_path / "alpha.json", files.alphapose(WALK))
    files.write_json(tmp_path / "settings.json", {"colour": "blue"})
    files.write_detectron(tmp_path / "video.mp4.npz", [[joints] for joints in WALK])
    (tmp_path / "readme.txt").write_text("mine")
    assert recognise_detections(tmp_path)
    sources, passed = list_sources(tmp_path)
    assert [source.name for source in sources] == ["alpha", "beside", "beside_too", "opened", "video.mp4"]
    assert [len(source.files) for source in sources] == [1, 8, 8, 8, 1]
    assert [entry.name for entry in passed] == ["readme.txt", "settings.json"]
    files.write_wide_csv(tmp_path / "alpha.csv", WALK, list(COCO_17.joints))
    with pytest.raises(InputError, match="two videos are called 'alpha'"):
        read_detections(tmp_path, image_size=files.SIZE)


def other_data(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".npz"):
        key = {"data_3d_h36m.npz": "positions_3d", "data_2d_h36m_gt.npz": "positions_2d"}.get(name, "a/b/c")
        np.savez(path, **{key: np.array({"S1": {}}, object), "metadata": np.array({"num_joints": 17}, object)})
    else:
        path.write_text({"x.bvh": "HIERARCHY", "x.json": '{"a": [1, 2]}', "x.csv": "time,price\n1,2\n"}.get(name, ""))
    return path


@pytest.mark.parametrize(
    "name",
    ["x.bvh", "data_3d_h36m.npz", "data_2d_h36m_gt.npz", "mine.npz", "x.json", "x.csv", "x.npz.txt", "empty.json"],
)
def test_other_data_are_not_taken_for_detections(name, tmp_path: Path) -> None:
    path = other_data(tmp_path, name)
    assert not recognise_detections(path)
    assert not recognise_detections(tmp_path)
    assert not recognise_detections(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["x.bvh", "data_3d_h36m.npz"])
def test_a_folder_of_motion_is_not_taken_although_detections_are_in_it(name, tmp_path: Path) -> None:
    write(tmp_path, files.alphapose(WALK))
    assert recognise_detections(tmp_path)
    other_data(tmp_path, name)
    assert not recognise_detections(tmp_path)


def broken(change: Callable[[list[dict]], object]) -> object:
    items = files.alphapose(WALK)
    return change(items) or items


BROKEN = {
    r"\[3\]\.keypoints\[7\]: expected a number, found 'x'": lambda i: i[3]["keypoints"].__setitem__(7, "x"),
    r"\[3\]\.keypoints\[7\]: expected a number, found True": lambda i: i[3]["keypoints"].__setitem__(7, True),
    r"\[3\]\.keypoints: expected .* found a list of 50": lambda i: i[3]["keypoints"].pop() and None,
    r"\[3\]\.keypoints: expected .* found a dict": lambda i: i[3].update(keypoints={}),
    r"\[3\]\.keypoints: holds an integer too large": lambda i: i[3]["keypoints"].__setitem__(7, 10**400),
    r"\[3\]\.image_id: expected the number of a frame.*'nine\.jpg'": lambda i: i[3].update(image_id="nine.jpg"),
    r"\[3\]\.image_id: .*found -1": lambda i: i[3].update(image_id=-1),
    r"\[3\]\.image_id: .*found a very large integer": lambda i: i[3].update(image_id=10**30),
    r"\[3\]\.image_id: frame 2 is there twice: '2\.jpg' and 'b/2\.jpg'": lambda i: i[3].update(image_id="b/2.jpg"),
    r"\[3\]\.score: expected a number": lambda i: i[3].update(score="good"),
    r"\[3\]\.idx: expected the number or name of a track": lambda i: i[3].update(idx={}),
    r"\[3\]: expected an object, found 5": lambda i: i.__setitem__(3, 5),
    r"people with 3 and with 17 joints": lambda i: i[3].update(keypoints=[1, 2, 3] * 3),
    r"16 joints per person; known are 17": lambda i: [item.update(keypoints=[1, 2, 3] * 16) for item in i] and None,
    r"lies 2e\+06 pixels": lambda i: i[3]["keypoints"].__setitem__(7, 2e6),
    r"every joint of everybody is missing": lambda i: [item.update(keypoints=[0] * 51) for item in i] and None,
    r"none of the known formats": lambda i: [{"keypoints": [1]}],
    r"nobody is detected": lambda i: [item.update(category_id=2) for item in i] and None,
    r"101 people in frame 0; at most 100": lambda i: i * 0 + [i[0]] * 101,
}


@pytest.mark.parametrize("message", BROKEN)
def test_wrong_json_is_refused_by_file_and_place(message, tmp_path: Path) -> None:
    path = write(tmp_path, broken(BROKEN[message]))
    with pytest.raises(InputError, match=rf"walk\.json.*{message}"):
        read_one(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"keypoints":' + "[" * 200_000, "nested too deep"),
        ('[{"keypoints":' + "[" * 500 + "]" * 500 + ', "image_id": 1}]', "found a list of 1"),
        ('[{"keypoints": [1, 2', "not whole JSON"),
        ('[{"keypoints": [1' + "0" * 5000 + "]}]", "not whole JSON"),
        ('[{"keypoints": "\xff', "not whole JSON"),
        ("", "not whole JSON"),
    ],
    ids=["deep", "nested", "cut", "many digits", "bytes", "empty"],
)
def test_text_that_is_no_sound_json_is_refused(text, message, tmp_path: Path) -> None:
    path = tmp_path / "walk.json"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(InputError, match=rf"walk\.json.*{message}"):
        detection_json.read_json(path, "")


def test_json_that_would_fill_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, files.alphapose(WALK))
    monkeypatch.setattr(records, "MAX_VALUES", 300)
    with pytest.raises(InputError, match="more than 300 values"):
        read_one(path)
    monkeypatch.setattr(records, "MAX_BYTES", 2**10)
    with pytest.raises(InputError, match="larger than"):
        read_one(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["instance_info"][2].update(frame_id=1), r"instance_info\[2\]\.frame_id: frame 1 is there twice"),
        (
            lambda c: c["instance_info"][2].pop("instances"),
            r"instance_info\[2\]\.instances: expected a list, found None",
        ),
        (
            lambda c: c["instance_info"][2]["instances"][0]["keypoint_scores"].pop(),
            r"\[0\]\.keypoint_scores: lists of 17 and 16 joints",
        ),
        (
            lambda c: c["instance_info"][2]["instances"][0]["keypoints"][1].pop(),
            r"\.keypoints: expected a list of \[x, y\]",
        ),
    ],
)
def test_wrong_mmpose_is_refused_by_place(change, message, tmp_path: Path) -> None:
    content = files.mmpose(WALK)
    change(content)
    with pytest.raises(InputError, match=message):
        read_one(write(tmp_path, content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["images"][1].update(width=999),
            "expected one size of the video's images, found 999x800, 1000x800",
        ),
        (lambda c: c["images"][1].update(width=0), r"images\[1\]: expected the image's width and height"),
        (lambda c: c["images"][1].update(id=100), r"images\[1\]\.id: expected an id of its own"),
        (lambda c: c["images"][1].update(file_name="img_0.png"), r"frame 0 is there twice"),
        (lambda c: c["annotations"][1].update(image_id=5), r"annotations\[1\]\.image_id: 5 is none of the images"),
        (lambda c: c.pop("images"), r"images: expected a list"),
    ],
)
def test_wrong_coco_is_refused_by_place(change, message, tmp_path: Path) -> None:
    content = files.coco_annotations(WALK)
    change(content)
    with pytest.raises(InputError, match=message):
        read_one(write(tmp_path, content))


def test_joints_that_coco_does_not_label_are_missing(tmp_path: Path) -> None:
    content = files.coco_annotations(WALK)
    content["annotations"][2]["keypoints"][17] = 0
    assert np.argwhere(np.isnan(read_one(write(tmp_path, content)).points[..., 0])).tolist() == [[2, 5]]


def test_two_openpose_files_of_one_frame_are_refused(tmp_path: Path) -> None:
    folder = files.write_openpose(tmp_path / "walk", WALK)
    files.write_json(folder / "walk_3_keypoints.json", {"people": []})
    with pytest.raises(InputError, match="frame 3 is there twice"):
        read_one(folder)


def test_a_single_openpose_file_asks_for_the_folder(tmp_path: Path) -> None:
    folder = files.write_openpose(tmp_path / "walk", WALK)
    with pytest.raises(InputError, match="give the folder"):
        read_one(folder / "walk_000000000003_keypoints.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame,joint,x,y\n0,Nose,1,zz\n", "column 'y', row 2: expected a number, found 'zz'"),
        ("frame,joint,x,y\n-1,Nose,1,2\n", "those of no known layout"),
        ("frame,joint,x\n0,Nose,1\n", "expected a column 'y'"),
        ("frame,joint,x,y\n", "not a single row"),
        ("frame,frame\n1,2\n", "two columns have the same name"),
        ('frame,joint,x,y\n"', "not a table in CSV"),
        ("frame,joint,x,y\n0,Nose,1,2,3\n", "not a table in CSV"),
    ],
)
def test_a_wrong_csv_is_refused_by_name(text, message, tmp_path: Path) -> None:
    if "zz" in text:
        text = "frame,joint,x,y\n" + "".join(f"0,{joint},1,zz\n" for joint in COCO_17.joints)
    path = tmp_path / "walk.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"walk\.csv.*{message}"):
        detection_tables.read_csv(path, "")


@pytest.mark.parametrize(
    ("module", "limit", "most", "message"),
    [
        (records, "MAX_VALUES", 300, "more than 300 values"),
        (detection_tables, "MAX_COLUMNS", 50, "52 columns; at most 50"),
        (records, "MAX_BYTES", 1000, "larger than"),
    ],
)
def test_a_csv_that_would_fill_memory_is_refused(
    module, limit, most, message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files.write_wide_csv(tmp_path / "walk.csv", WALK, list(COCO_17.joints))
    monkeypatch.setattr(module, limit, most)
    with pytest.raises(InputError, match=rf"^[^ ]*walk\.csv: {message}"):
        read_one(path)


@pytest.mark.parametrize("column", ["joint", "track"])
def test_a_csv_of_too_many_names_is_refused(column, tmp_path: Path) -> None:
    rows = [[n // 17, COCO_17.joints[n % 17], "a", 1, 2] for n in range(10_100)]
    for number, row in enumerate(rows):
        row[1 if column == "joint" else 2] = f"p{number}"
    path = files.write_csv(tmp_path / "walk.csv", ["frame", "joint", "track", "x", "y"], rows)
    with pytest.raises(InputError, match=rf"walk\.csv: column '{column}' holds 10,100 different names; at most 10,000"):
        read_one(path)


def test_a_csv_of_people_who_lack_nearly_all_joints_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[n, joint, 1, 2] for n, joint in enumerate(COCO_17.joints * 3)]
    path = files.write_csv(tmp_path / "walk.csv", ["frame", "joint", "x", "y"], rows)
    assert len(read_one(path).frames) == 51
    monkeypatch.setattr(detection_tables, "MAX_VALUES", 51 * 17 - 1)
    with pytest.raises(InputError, match=r"walk\.csv: 51 people in all frames, most of whose 17 joints have no row"):
        read_one(path)


@pytest.mark.parametrize("frame", ["-1", "1.5", "1e12", ""])
def test_a_wrong_frame_number_in_a_csv_is_refused(frame, tmp_path: Path) -> None:
    path = files.write_wide_csv(tmp_path / "walk.csv", WALK, list(COCO_17.joints))
    lines = path.read_text().splitlines()
    lines[3] = frame + lines[3][lines[3].index(",") :]
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="column 'frame', row 4: expected the number of a frame"):
        read_one(path)


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("name", ["alphapose", "detectron", "custom", "coco annotations"])
def test_a_truncated_file_is_refused_with_its_path(name, kept, tmp_path: Path) -> None:
    path = WRITERS[name][0](tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    if recognise_detections(path):
        with pytest.raises(InputError, match=path.name):
            read_one(path)


def test_an_npy_that_promises_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "walk.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 17, 2)})
    with pytest.raises(InputError, match=r"walk\.npy"):
        read_one(path, "coco")


@pytest.mark.parametrize(
    "array", [np.zeros((0, 17, 2)), np.zeros((3, 17)), np.zeros((3, 17, 2), complex), np.zeros((3, 17, 4))]
)
def test_an_npy_of_another_shape_or_type_is_refused(array, tmp_path: Path) -> None:
    np.save(tmp_path / "walk.npy", array)
    with pytest.raises(InputError, match=r"walk\.npy"):
        read_one(tmp_path / "walk.npy", "coco")


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


def test_a_pickle_in_any_numpy_file_is_not_unpickled(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(sprung))).close()
    sprung.unlink()
    trap = np.array([Trap(sprung)], object)
    np.save(tmp_path / "a.npy", trap)
    np.savez(tmp_path / "b.npz", boxes=trap, keypoints=trap, metadata=trap)
    np.savez(tmp_path / "data_2d_custom_c.npz", positions_2d=trap, metadata=np.array({"video_metadata": {}}, object))
    for name in ("a.npy", "b.npz", "data_2d_custom_c.npz"):
        assert recognise_detections(tmp_path / name)
        with pytest.raises(InputError, match=name):
            read_one(tmp_path / name, "coco")
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("boxes", "keypoints", "message"),
    [
        ([[[], np.ones((1, 5))]], [[[], np.ones((2, 4, 17))]], r"frame 0: 2 people, but 1 boxes"),
        ([[[], np.ones((1, 5))]], [[[], np.ones((1, 3, 17))]], r"\(4, joints\)"),
        ([[[], np.ones((1, 4))]], [[[], np.ones((1, 4, 17))]], r"x1, y1, x2, y2, score"),
        ([[[]]], [[[], np.ones((1, 4, 17))]], r"'boxes', frame 0: expected a list with one entry per class"),
        ([[[], 5]], [[[], [np.ones((4, 17))]]], r"expected the persons' arrays, found 5"),
        ([[[], []]], [[[], []], [[], []]], "as many frames as `boxes`"),
    ],
)
def test_wrong_detectron_arrays_are_refused_by_key_and_frame(boxes, keypoints, message, tmp_path: Path) -> None:
    arrays = {}
    for key, rows in (("boxes", boxes), ("keypoints", keypoints)):
        arrays[key] = np.empty(len(rows), object)
        for place, row in enumerate(rows):
            arrays[key][place] = row
    np.savez(tmp_path / "walk.npz", **arrays, metadata=np.array({"w": 1000, "h": 800}, object))
    with pytest.raises(InputError, match=message):
        read_one(tmp_path / "walk.npz")


def test_a_zip_that_is_no_npz_is_not_taken(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "walk.npz", "w") as archive:
        archive.writestr("boxes.npy", "no")
    assert not recognise_detections(tmp_path / "walk.npz")


TEXTS = {
    name: json.dumps(content)
    for name, content in {
        "alphapose": files.alphapose(files.walk(2), idx=[1]),
        "coco": files.coco_annotations(files.walk(2)),
        "mmpose": files.mmpose(files.walk(2)),
        "mediapipe": files.mediapipe(files.walk(2)),
    }.items()
}
PIECES = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "NaN",
    '"x"',
    "[]",
    "{}",
    "9" * 30,
    "1e30",
    '"',
]


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(sorted(TEXTS)),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(PIECES)), min_size=1, max_size=4),
)
def test_changed_json_gives_a_dataset_or_an_input_error(name, cuts, tmp_path: Path) -> None:
    text = TEXTS[name]
    for where, dropped, piece in cuts:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + dropped :]
    check_refused_or_finite(tmp_path / "walk.json", text)


def values_of(content: object) -> list[tuple]:
    """(container, key) of everything in a JSON document."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [pair for key, value in items for pair in ((content, key), *values_of(value))]


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(sorted(TEXTS)),
    changes=st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.recursive(
                st.none() | st.booleans() | st.integers(-5, 10**25) | st.floats() | st.text(max_size=4),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
                max_leaves=5,
            ),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_json_with_other_values_gives_a_dataset_or_an_input_error(name, changes, tmp_path: Path) -> None:
    content = json.loads(TEXTS[name])
    for number, value in changes:
        places = values_of(content)
        if places:
            container, key = places[number % len(places)]
            container[key] = value
    check_refused_or_finite(tmp_path / "walk.json", json.dumps(content))


def check_refused_or_finite(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    try:
        data = read_detections(path, image_size=files.SIZE)
    except InputError as error:
        if path.name not in str(error):
            raise
    else:
        assert all(np.isfinite(array).all() for array in data.keypoints.values())
