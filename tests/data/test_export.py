"""What is written as VideoPose3D's files comes back as it was, is what those programs expect, and is whole or not there."""

import io
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import Camera, h36m_cameras, humaneva_cameras, world_to_camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17, H36M_17_OF_32, MPII_16, Skeleton
from pose3d_lib.data.sources.videopose3d import write as export
from pose3d_lib.data.sources.videopose3d.sets import DESCRIPTION
from pose3d_lib.data.sources.videopose3d.write import describe_export, export_videopose3d
from pose3d_lib.data.untrusted.client import list_keys, read_npz_key
from tests.helpers.detection_files import read_detections
from tests.helpers.source_files import read_set


def filmed(
    takes: list[tuple],
    cameras: dict[str, tuple[Camera, ...]],
    *,
    skeleton: Skeleton = H36M_17,
    layouts: dict[str, Skeleton] | None = None,
    **changes: object,
) -> PoseDataset:
    """Random motion and random keypoints; a take is subject, action, take, frames and whether there are 3D joints."""
    rng = np.random.default_rng(7)
    layouts = layouts or {"gt": H36M_17}
    used = tuple(dict.fromkeys(camera for take in takes for camera in cameras[take[0]]))
    rows, positions, trajectory, start = [], [], [], 0
    for subject, action, take, frames, labelled in sorted(takes, key=lambda take: not take[4]):
        world = rng.uniform([-0.8, -0.8, 0], [0.8, 0.8, 1.8], (frames, skeleton.num_joints, 3))
        for camera in cameras[subject]:
            rows.append((subject, action, take, used.index(camera), 50.0, start, start + frames, labelled))
            start += frames
            if labelled:
                points = world_to_camera(torch.from_numpy(world), camera).numpy()
                positions.append(points - points[:, :1])
                trajectory.append(points[:, 0])
    empty = np.empty((0, skeleton.num_joints, 3))
    fields = {
        "name": "filmed", "synthetic": False, "skeleton": skeleton, "cameras": used,
        "clips": pd.DataFrame(rows, columns=list(CLIP_COLUMNS)),
        "keypoints": {
            name: rng.uniform(0, 1000, (start, layout.num_joints, 2)).astype(np.float32)
            for name, layout in layouts.items()
        },
        "layouts": layouts,
        "positions": np.concatenate([empty, *positions]).astype(np.float32),
        "trajectory": np.concatenate([empty[:, 0], *trajectory]).astype(np.float32),
        "train_subjects": ("S1",),
        "test_subjects": ("S9",),
    }  # fmt: skip
    return PoseDataset(**{**fields, **changes})


TWO = [("S1", "Eating", "0", 4, True), ("S9", "Eating", "1", 3, True)]


def check_round_trip(data: PoseDataset, folder: Path, name: str) -> None:
    """Every 2D source in turn comes back with the same table, cameras, skeleton, splits and numbers."""
    export_videopose3d(data, folder, name=name)
    for source, pixels in data.keypoints.items():
        back = read_set(folder, name, keypoints=source)
        pd.testing.assert_frame_equal(back.clips, data.clips)
        np.testing.assert_array_equal(back.keypoints[source], pixels)
        np.testing.assert_allclose(back.positions, data.positions, atol=2e-6, rtol=0)
        np.testing.assert_allclose(back.trajectory, data.trajectory, atol=2e-6, rtol=0)
        assert back.layouts[source] == data.layouts[source]
        for field in ("name", "synthetic", "skeleton", "cameras", "train_subjects", "test_subjects", "notes", "terms"):
            assert getattr(back, field) == getattr(data, field), field


def test_the_built_in_dataset_comes_back(h36m_data: PoseDataset, tmp_path: Path) -> None:
    check_round_trip(h36m_data, tmp_path, "h36m")


@pytest.mark.parametrize("name", ["my-set_2", "Größe"])
def test_sets_of_any_name_come_back(tmp_path: Path, name: str) -> None:
    takes = [("Ann", "Tango", "0", 3, True), ("Bob", "Walz", "left 1", 2, True)]
    cameras = {"Ann": h36m_cameras()["S1"][:2], "Bob": humaneva_cameras()["S2"]}
    check_round_trip(filmed(takes, cameras, train_subjects=("Ann",), test_subjects=("Bob",)), tmp_path, name)


def test_every_layout_and_unlabelled_clips_come_back(tmp_path: Path) -> None:
    unplaced = tuple(replace(camera, orientation=None, position=None) for camera in h36m_cameras()["S1"])
    takes = [("S1", "Posing", "0", 1, True), *TWO, ("S2", "Übung", "2 chunk0", 5, False)]
    own = Skeleton("dots", ("a", "b", "c"), (), (0,), (2,))
    layouts = {"gt": H36M_17, "detectron_pt_coco": COCO_17, "sh_pt_mpii": MPII_16, "dots": own}
    notes = ("One note.", 'A "second", with more.')
    check_round_trip(
        filmed(takes, {**h36m_cameras(), "S2": unplaced}, layouts=layouts, notes=notes, terms="Ask."), tmp_path, "h36m"
    )


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    names=st.lists(
        st.tuples(st.sampled_from(["S1", "S9", "S 11"]), st.text(max_size=6), st.text(max_size=6)),
        min_size=1,
        max_size=5,
    ),
    pixels=hnp.arrays(np.float32, (2, 17, 2), elements=st.floats(-1000, 1000, width=32)),
)
def test_whatever_is_written_comes_back_or_is_refused(tmp_path_factory, names: list, pixels: np.ndarray) -> None:
    cameras = dict.fromkeys(("S1", "S9", "S 11"), h36m_cameras()["S1"][:1])
    takes = [(*name, 2, True) for name in dict.fromkeys(names)]
    takes.sort(key=lambda take: [name[0] for name in names].index(take[0]))
    splits = {"train_subjects": (takes[0][0],), "test_subjects": ()}
    keypoints = {"gt": np.concatenate([pixels] * len(takes))}
    folder = tmp_path_factory.mktemp("export")
    try:
        data = filmed(takes, cameras, keypoints=keypoints, **splits)
        export_videopose3d(data, folder, name="any")
    except InputError:
        assert not list(folder.iterdir())
        return
    back = read_set(folder, "any", keypoints="gt")
    pd.testing.assert_frame_equal(back.clips, data.clips)
    np.testing.assert_array_equal(back.keypoints["gt"], data.keypoints["gt"])


def test_the_files_are_laid_out_as_videopose3d_lays_them_out(tmp_path: Path) -> None:
    data = filmed(TWO, h36m_cameras(), layouts={"gt": H36M_17, "cpn": COCO_17})
    files = export_videopose3d(data, tmp_path / "new", name="h36m")
    assert [file.name for file in files] == ["data_3d_h36m.npz", "data_2d_h36m_gt.npz", "data_2d_h36m_cpn.npz"]
    assert sorted(files) == sorted((tmp_path / "new").iterdir())
    assert list(list_keys(files[0], "npz")) == ["positions_3d", DESCRIPTION]
    assert list(list_keys(files[1], "npz")) == ["positions_2d", "metadata"]
    world = read_npz_key(files[0], "positions_3d")
    assert {subject: list(takes) for subject, takes in world.items()} == {"S1": ["Eating"], "S9": ["Eating 1"]}
    assert (world["S1"]["Eating"].dtype, world["S1"]["Eating"].shape) == (np.float32, (4, 32, 3))
    np.testing.assert_allclose(world["S1"]["Eating"][:, list(H36M_17_OF_32)], data.world(data.clips.iloc[2]), atol=2e-6)
    for joint, above in {4: 3, 5: 3, 9: 8, 10: 8, 11: 0, 16: 13, 20: 19, 21: 19, 24: 13, 28: 27, 31: 27}.items():
        np.testing.assert_array_equal(world["S9"]["Eating 1"][:, joint], world["S9"]["Eating 1"][:, above])
    pixels = read_npz_key(files[2], "positions_2d")
    assert [seen.shape for seen in pixels["S9"]["Eating 1"]] == [(3, 17, 2)] * 4
    for number, seen in enumerate(pixels["S9"]["Eating 1"]):
        clip = data.clips.iloc[4 + number]
        np.testing.assert_array_equal(seen, data.keypoints["cpn"][clip.start : clip.stop])
    assert read_npz_key(files[2], "metadata") == {
        "layout_name": "coco",
        "num_joints": 17,
        "keypoints_symmetry": [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]],
    }
    assert read_npz_key(files[1], "metadata")["layout_name"] == "h36m"


def test_cameras_stand_in_the_order_of_the_dataset_s_cameras(tmp_path: Path) -> None:
    data = filmed([("S1", "Eating", "0", 2, True)], h36m_cameras(), test_subjects=())
    order = [2, 0, 3, 1]
    clips = data.clips.assign(camera=order)
    cameras = tuple(data.cameras[order.index(number)] for number in range(4))
    files = export_videopose3d(replace(data, clips=clips, cameras=cameras), tmp_path, name="turned")
    pixels = read_npz_key(files[1], "positions_2d")["S1"]["Eating"]
    for number, seen in enumerate(pixels):
        start = 2 * order.index(number)
        np.testing.assert_array_equal(seen, data.keypoints["gt"][start : start + 2])


def test_an_old_numpy_finds_what_the_pickles_name(tmp_path: Path) -> None:
    for file in export_videopose3d(filmed(TWO, h36m_cameras()), tmp_path, name="h36m"):
        with zipfile.ZipFile(file) as archive:
            for key in ("positions_3d", "positions_2d", "metadata"):
                if f"{key}.npy" not in archive.namelist():
                    continue
                member = io.BytesIO(archive.read(f"{key}.npy"))
                assert np.lib.format.read_magic(member) == (1, 0)
                assert np.lib.format.read_array_header_1_0(member) == ((), False, np.dtype(object))
                operations = list(pickletools.genops(member))
                assert operations[0][1] == 3
                named = {argument for operation, argument, _ in operations if operation.name == "GLOBAL"}
                assert named <= {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    data = filmed(TWO, h36m_cameras(), layouts={"gt": H36M_17, "cpn": H36M_17})
    (tmp_path / "data_2d_h36m_cpn.npz").write_text("precious")
    with pytest.raises(InputError, match=r"data_2d_h36m_cpn.npz: is already there"):
        export_videopose3d(data, tmp_path, name="h36m")
    assert [file.name for file in tmp_path.iterdir()] == ["data_2d_h36m_cpn.npz"]
    assert len(export_videopose3d(data, tmp_path, name="h36m", overwrite=True)) == 3
    assert read_set(tmp_path, "h36m", keypoints="cpn").clips.equals(data.clips)


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = np.lib.format.write_array_header_1_0
    calls = []

    def fail_at_last(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        write(*arguments)

    monkeypatch.setattr(export.np.lib.format, "write_array_header_1_0", fail_at_last)
    with pytest.raises(InputError, match=r"data_2d_h36m_gt\.npz: cannot be written .*No space left on device"):
        export_videopose3d(filmed(TWO, h36m_cameras()), tmp_path, name="h36m")
    assert [file.name for file in tmp_path.iterdir()] == ["data_3d_h36m.npz"]


@pytest.mark.parametrize(
    ("takes", "said"),
    [
        ([("S1", "Eating", "1", 2, True), ("S1", "Eating 1", "0", 2, True)], "'Eating 1', which reads as Eating/1"),
        ([("S1", "Jump high", "0", 2, True)], "'Jump high', which reads as Jump/high"),
        ([("S1", "TakingPhoto", "0", 2, True)], "'TakingPhoto', which reads as Photo/0"),
        ([("S1", "Eating", "", 2, True)], "'Eating ', which reads as Eating/0"),
        ([("S1", "", "2", 2, True)], "' 2', which reads as /2"),
    ],
)
def test_names_that_would_come_back_as_others(tmp_path: Path, takes: list, said: str) -> None:
    data = filmed(takes, h36m_cameras(), test_subjects=())
    with pytest.raises(InputError, match=said):
        export_videopose3d(data, tmp_path, name="h36m")
    assert not list(tmp_path.iterdir())


def changed(data: PoseDataset, row: int, **values: object) -> PoseDataset:
    clips = data.clips.copy()
    for column, value in values.items():
        clips.loc[row, column] = value
    return replace(data, clips=clips)


def test_what_the_format_cannot_hold(tmp_path: Path, hand_made: Callable[..., PoseDataset]) -> None:
    data = filmed([*TWO, ("S9", "Posing", "0", 2, True)], h36m_cameras())
    refused = {
        "several frame rates": changed(data, 0, fps=25.0),
        r"S9/.* in the cameras \[.*\]; a take needs all \[.*\] of S9": changed(data, 11, camera=0),
        r"hand-made: S1/A/0: where camera 'wide' stood is not known": hand_made([("S1", "A", "0", 0, 3)]),
        "S1/A/0 is 2, 3 frames in the cameras": hand_made([("S1", "A", "0", 0, 3), ("S1", "A", "0", 1, 2)]),
    }
    for said, bad in refused.items():
        with pytest.raises(InputError, match=said):
            export_videopose3d(bad, tmp_path / "out", name="mine")
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a b", "x" * 101, "a\n"])
def test_names_that_are_no_part_of_a_file_s_name(tmp_path: Path, name: str) -> None:
    data = filmed(TWO, h36m_cameras())
    with pytest.raises(InputError, match="a part of a file's name"):
        export_videopose3d(data, tmp_path, name=name)
    keypoints = {name: data.keypoints["gt"]}
    with pytest.raises(InputError, match=r"a part of a file's name|break a line"):
        export_videopose3d(replace(data, keypoints=keypoints, layouts={name: H36M_17}), tmp_path, name="h36m")


def video(subjects: list[tuple], **changes: object) -> PoseDataset:
    cameras = {"a": (Camera("a", 1920, 1080),), "b": (Camera("b", 640, 480), Camera("c", 320, 240))}
    takes = [(*subject, 5, False) for subject in subjects]
    return filmed(takes, cameras, layouts={"coco": COCO_17}, train_subjects=(), test_subjects=(), **changes)


def test_detections_of_videos_become_a_custom_set(tmp_path: Path) -> None:
    data = video([("a", "video", "0"), ("b", "video", "1")])
    (file,) = export_videopose3d(data, tmp_path, name="walks")
    assert file == tmp_path / "data_2d_custom_walks_coco.npz"
    pixels, metadata = read_npz_key(file, "positions_2d"), read_npz_key(file, "metadata")
    assert {name: list(actions) for name, actions in pixels.items()} == {
        "a": ["custom"], "b_video_1_b": ["custom"], "b_video_1_c": ["custom"],
    }  # fmt: skip
    assert metadata["video_metadata"] == {
        "a": {"w": 1920, "h": 1080}, "b_video_1_b": {"w": 640, "h": 480}, "b_video_1_c": {"w": 320, "h": 240},
    }  # fmt: skip
    assert (metadata["layout_name"], metadata["num_joints"]) == ("coco", 17)
    for number, actions in enumerate(pixels.values()):
        (seen,) = actions["custom"]
        np.testing.assert_array_equal(seen, data.keypoints["coco"][5 * number : 5 * number + 5])
    assert describe_export(data, "walks") == ["VideoPose3D reads these files with `-d custom` and `-k walks_coco`."]


def test_several_2d_sources_of_videos_become_several_files(tmp_path: Path) -> None:
    data = video([("a", "video", "0")])
    both = {"coco": data.keypoints["coco"], "h36m": data.keypoints["coco"] + 1}
    data = replace(data, keypoints=both, layouts={"coco": COCO_17, "h36m": H36M_17})
    files = export_videopose3d(data, tmp_path, name="walks")
    assert [file.name for file in files] == ["data_2d_custom_walks_coco.npz", "data_2d_custom_walks_h36m.npz"]
    assert read_npz_key(files[1], "metadata")["layout_name"] == "h36m"
    assert "`-k walks_coco` or `-k walks_h36m`" in describe_export(data, "walks")[0]
    with pytest.raises(InputError, match="two clips would be called 'b_x_1_2_b'"):
        export_videopose3d(video([("b", "x_1", "2"), ("b", "x", "1_2")]), tmp_path, name="other")


@pytest.mark.parametrize(
    ("name", "said"),
    [("h36m", "VideoPose3D reads these files with `-d h36m` and `-k gt`."), ("mine", "this is mine of 50")],
)
def test_what_videopose3d_itself_can_read_is_said(name: str, said: str) -> None:
    data = filmed(TWO, h36m_cameras())
    assert said in describe_export(data, name)[0]
    assert any("15 of the 32 joints are fillings" in line for line in describe_export(data, name))
    assert not any("nobody was filmed" in line for line in describe_export(data, name))
    assert "nobody was filmed" in describe_export(replace(data, synthetic=True), name)[-1]
    slow = replace(data, clips=data.clips.assign(fps=25.0))
    assert (
        "h36m of 50, humaneva15 of 60, humaneva20 of 60 frames per second only, and this is h36m of 25"
        in describe_export(slow, "h36m")[0]
    )


@pytest.mark.parametrize(
    ("name", "takes", "cameras", "said"),
    [
        ("humaneva15", TWO, h36m_cameras(), "knows a set humaneva15 .* are others"),
        ("h36m", [("Ann", *TWO[0][1:])], {"Ann": h36m_cameras()["S1"]}, "the cameras of Ann are others"),
        ("h36m", TWO, {"S1": h36m_cameras()["S1"][:3], "S9": h36m_cameras()["S9"]}, "the cameras of S1 are others"),
    ],
)
def test_a_set_that_videopose3d_would_take_for_its_own_needs_another_name(name, takes, cameras, said, tmp_path) -> None:
    data = filmed(takes, cameras)
    with pytest.raises(InputError, match=said):
        export_videopose3d(data, tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()
    export_videopose3d(data, tmp_path / "out", name="mine")


def test_scores_are_a_third_column_and_come_back(tmp_path: Path) -> None:
    data = filmed([*TWO, ("S7", "Posing", "0", 2, False)], h36m_cameras(), layouts={"gt": H36M_17, "cpn": COCO_17})
    rng = np.random.default_rng(3)
    scores = {name: rng.uniform(size=pixels.shape[:2]).astype(np.float32) for name, pixels in data.keypoints.items()}
    data = replace(data, scores=scores)
    export_videopose3d(data, tmp_path, name="h36m")
    first = read_npz_key(tmp_path / "data_2d_h36m_cpn.npz", "positions_2d")["S1"]["Eating"][0]
    assert (first.dtype, first.shape) == (np.float32, (4, 17, 3))
    np.testing.assert_array_equal(first[..., 2], scores["cpn"][:4])
    for source, pixels in data.keypoints.items():
        back = read_set(tmp_path, "h36m", keypoints=source, scores=True)
        pd.testing.assert_frame_equal(back.clips, data.clips)
        np.testing.assert_array_equal(back.keypoints[source], pixels)
        np.testing.assert_array_equal(back.scores[source], scores[source])
        assert back.notes == data.notes
    assert any("scores as a third column" in line for line in describe_export(data, "h36m"))
    assert not any("scores" in line for line in describe_export(replace(data, scores={}), "h36m"))


def test_scores_of_videos_come_back(tmp_path: Path) -> None:
    data = video([("a", "video", "0")])
    sure = np.random.default_rng(3).uniform(size=(5, 17)).astype(np.float32)
    (file,) = export_videopose3d(replace(data, scores={"coco": sure}), tmp_path, name="walks")
    back = read_detections(file, keypoints="coco", scores=True)
    np.testing.assert_array_equal(back.scores["coco"], sure)
    np.testing.assert_array_equal(back.keypoints["coco"], data.keypoints["coco"])
