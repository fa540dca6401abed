"""What 01_data_prep shows: of any dataset, also of one without 3D, without calibration, or with another skeleton."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from IPython.display import Markdown

from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17, Skeleton
from pose3d_lib.model.predict import Lifted
from pose3d_lib.report import data_prep as data_report
from pose3d_lib.report import show as report
from pose3d_lib.report.show import Picture


@pytest.fixture
def shown(monkeypatch) -> Callable[..., list]:
    """Calls a function and returns what it shows: Markdown texts and figures."""

    def call(show: Callable, *arguments) -> list:
        outputs: list = []
        monkeypatch.setattr(report, "display", outputs.append)
        show(*arguments)
        return outputs

    return call


def texts(outputs: list) -> str:
    return "\n".join(output.data for output in outputs if isinstance(output, Markdown))


def pictures(outputs: list) -> int:
    return sum(isinstance(output, Picture) for output in outputs)


@pytest.fixture
def unlabelled() -> PoseDataset:
    """One video's detections: no 3D, no calibration."""
    pixels = np.random.default_rng(0).uniform(0, 500, (9, 17, 2)).astype(np.float32)
    return PoseDataset(
        name="video", synthetic=False, skeleton=H36M_17, cameras=(Camera("video", 640, 480),),
        clips=pd.DataFrame([("video", "custom", "0", 0, 25.0, 0, 9, False)], columns=list(CLIP_COLUMNS)),
        keypoints={"coco": pixels}, layouts={"coco": COCO_17}, positions=np.empty((0, 17, 3), np.float32),
        trajectory=np.empty((0, 3), np.float32), train_subjects=(), test_subjects=(),
    )  # fmt: skip


def test_a_take_is_drawn_in_its_cameras_and_in_3d_where_that_is_known(h36m_data, tiny_data, unlabelled, shown) -> None:
    for data, keypoints, axes in (
        (h36m_data, "gt", ["rectilinear"] * 4 + ["3d"]),
        (tiny_data, "gt", ["rectilinear", "3d"]),
        (unlabelled, "coco", ["rectilinear"]),
    ):
        figure = data_report.drawings.draw_cameras(data, data.clips.iloc[0], 3, keypoints)
        assert [own.name for own in figure.axes] == axes
        assert pictures(shown(data_report.show_cameras, data, keypoints)) == 1


def test_a_take_moves_before_every_camera_of_its_subject_as_the_dataset_has_it(
    h36m_data, tiny_data, monkeypatch
) -> None:
    lifted: list[Lifted] = []
    monkeypatch.setattr(data_report, "show_player", lifted.append)
    for data, cameras in ((h36m_data, 4), (tiny_data, 1)):  # that filmed each take
        data_report.show_take(data)
        seen = {clip.camera.name: clip for clip in lifted[-1].clips}
        assert len(seen) == 4
        first = lifted[-1].clips[0]
        take = data.select([first.subject], [first.action])
        take = take[take["take"] == first.take]
        assert len(take) == cameras
        for row in take.itertuples():
            clip = seen[data.cameras[row.camera].name]
            np.testing.assert_allclose(clip.positions, data.positions[row.start : row.stop], atol=1e-5)
            np.testing.assert_allclose(clip.pixels, data.keypoints["gt"][row.start : row.stop], atol=0.02)


@pytest.mark.parametrize(
    ("show", "said"),
    [
        (data_report.show_take, "needs 3D poses"),
        (data_report.show_actions, "no 3D poses"),
        (data_report.show_motion, "need the 17 joints"),
        (data_report.show_shares, "Nothing can be trained"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_a_dataset_without_3d_cannot_show_is_said(unlabelled, show, said: str, shown) -> None:
    outputs = shown(show, unlabelled)
    assert said in texts(outputs)
    assert pictures(outputs) == 0


def test_the_motion_table_is_not_made_of_another_skeleton(tiny_data, shown) -> None:
    other = Skeleton("other", H36M_17.joints, H36M_17.parents, H36M_17.left, H36M_17.right)
    assert "need the 17 joints" in texts(shown(data_report.show_motion, replace(tiny_data, skeleton=other)))


def test_the_motion_table_measures_every_action_even_of_very_many_takes(tiny_data, monkeypatch) -> None:
    table = data_report.motion_table(tiny_data)
    monkeypatch.setattr(data_report, "MOST_TAKES", 30)
    fewer = data_report.motion_table(tiny_data)
    assert list(fewer.Action) == list(table.Action) == list(tiny_data.actions)


def test_keypoints_are_compared_with_exact_ones_of_the_same_joints_only(tiny_data, shown) -> None:
    assert "Median" in texts(shown(data_report.show_keypoint_errors, tiny_data, "simulated"))
    assert "nothing to be compared" in texts(shown(data_report.show_keypoint_errors, tiny_data, "gt"))
    other = replace(tiny_data, layouts={"gt": H36M_17, "simulated": COCO_17})
    assert "nothing to be compared" in texts(shown(data_report.show_keypoint_errors, other, "simulated"))


def test_the_error_of_keypoints_is_their_distance_in_pixels(tiny_data) -> None:
    exact = tiny_data.keypoints["gt"]
    moved = {"gt": exact, "off": exact + np.float32([3, 4])}
    data = replace(tiny_data, keypoints=moved, layouts=dict.fromkeys(moved, H36M_17))
    table = data_report.keypoint_errors(data, "off")
    np.testing.assert_allclose(table.iloc[:, 1:].to_numpy(), 5, rtol=1e-4)


def test_shares_and_trainings_are_drawn(tiny_data, shown) -> None:
    assert pictures(shown(data_report.show_shares, tiny_data)) == 1
    assert pictures(shown(data_report.show_training, tiny_data)) == 1
