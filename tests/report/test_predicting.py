"""From parameters to files: which model, which keypoints, which clips; what does not fit is refused before anything is lifted."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib.image as mpimg
import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.skeleton import COCO_17, HUMANEVA_15
from pose3d_lib.model.predict import lift
from pose3d_lib.report import predict as predicting
from pose3d_lib.report.figures import skeletons
from pose3d_lib.report.parameters import PredictConfig
from pose3d_lib.report.predict import choose_clips, find_model, own_keypoints, plan_task, write_all
from pose3d_lib.report.what_if import specialists_table
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.models import open_model, save_model
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers import detection_files
from tests.helpers.made_up_models import made_up_model
from tests.model.test_upright import filmed, lifted_of, motion

SETTINGS = {"scale": "tiny", "preset": "tiny", "channels": 8, "unit_epochs": 0.02, "evaluate_at": "", "device": "cpu"}
PHONE = {"image_size": "1000x800", "fps": 30, "max_gap": 3}

LABELLED = {"labelled_subjects": "S1", "unlabelled_subjects": "S5,S6", "without_terms": "bones", "warmup_epochs": 0}

# In the order in which they were finished: old, new, of one action, of other keypoints, of a share, and that without a term.
FINISHED = (
    *({"seed": 0}, {"seed": 1}, {"action": "Sitting"}, {"seed": 2, "keypoints": "gt"}),
    *({"train_share": 0.5}, {"train_share": 0.5, **LABELLED}),
)
OLD, NEW, SITTING, OTHER_KEYPOINTS, SHARE, ABLATION = range(6)


@pytest.fixture(autouse=True)
def _small_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicting, "SHEET_CLIPS", 1)
    monkeypatch.setattr(skeletons, "SHEET_COLUMNS", 2)


@pytest.fixture(scope="module")
def runs(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of FINISHED, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        return [
            execute_run(plan_run(make_config(RunConfig, {**SETTINGS, **own}), tiny_data)).folder for own in FINISHED
        ]


@pytest.fixture
def outputs(tmp_path: Path, tiny_outputs: Path, tiny_data: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of outputs with the prepared tiny dataset, and no run."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "nowhere"))
    (tmp_path / "outputs" / "runs").mkdir(parents=True)
    shutil.copytree(tiny_outputs / "data", tmp_path / "outputs" / "data")
    return tmp_path / "outputs"


@pytest.fixture
def all_runs(runs: list[Path], outputs: Path) -> list[Path]:
    folders = [Path(shutil.copytree(run, outputs / "runs" / run.name)) for run in runs]
    for minute, folder in enumerate(folders):
        finished = folder / "finished.json"
        finished.write_text(
            finished.read_text().replace('"at": "20', f'"at": "20{minute:02d}-01-01T00:00:00+00:00", "was": "20')
        )
    return folders


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """A phone video of 40 frames in MediaPipe's landmarks, in which nobody is seen in frames 10 to 19."""
    content = detection_files.mediapipe(detection_files.walk(40))
    for frame in content[10:20]:
        frame["landmarks"] = []
    return detection_files.write_json(tmp_path / "phone.json", content)


@pytest.fixture
def model_file(tmp_path: Path) -> Callable[..., str]:
    """Writes a made-up model's file and returns its path."""

    def write(*widths: int, **changes) -> str:
        save_model(made_up_model(*widths, **changes), tmp_path / "model.safetensors")
        return str(tmp_path / "model.safetensors")

    return write


def config_of(**parameters) -> PredictConfig:
    own = {"model": "newest"} | ({} if "dataset" in parameters else {"scale": "tiny"})
    config = make_config(PredictConfig, own | parameters)
    check_data(config)
    return config


def test_the_newest_whole_run_of_all_actions_on_the_same_data_is_taken(all_runs: list[Path], phone: Path) -> None:
    """Not one of a part of the data or of the loss, as a study of scarce labels leaves many."""

    def found(**given) -> str:
        return find_model(config_of(**given)).card.name

    assert found() == all_runs[OTHER_KEYPOINTS].name
    assert found(keypoints="simulated") == all_runs[NEW].name
    with pytest.raises(InputError, match=r"no finished run of action All on synthetic that "):
        find_model(config_of(data_seed=3))
    shutil.rmtree(all_runs[NEW])
    assert found(keypoints="simulated") == all_runs[OLD].name
    for number in (OLD, OTHER_KEYPOINTS):
        shutil.rmtree(all_runs[number])
    for config in (config_of(), config_of(dataset=str(phone), **PHONE)):
        with pytest.raises(
            InputError, match=r"trained on all subjects and frames with its whole loss\. `pose3d run 02_train"
        ):
            find_model(config)
    with pytest.raises(InputError, match=r"-p scale tiny -p action All -p seed 0` makes one, .*'train' as model"):
        find_model(config_of())
    for number in (SHARE, ABLATION, SITTING):
        assert found(model=all_runs[number].name) == all_runs[number].name


def test_of_what_part_a_model_learnt_is_told(all_runs: list[Path]) -> None:
    def told(number: int) -> str:
        return "\n".join(plan_task(config_of(model=all_runs[number].name, clips=2)).describe())

    assert "train_share" not in told(OLD)
    assert "It was trained on Sitting of synthetic-tiny, keypoints 'simulated'." in told(SITTING)
    text = told(ABLATION)
    for setting in ("train_share: 0.5", "labelled_subjects: S1", "unlabelled_subjects: S5,S6", "without_terms: bones"):
        assert f"; {setting}; " in text


def test_whoever_was_trained_on_is_a_warning_where_errors_are_shown(all_runs: list[Path]) -> None:
    def warnings(number: int, **given) -> list[str]:
        return list(plan_task(config_of(model=all_runs[number].name, clips=2, **given)).warnings)

    assert warnings(OLD) == []
    every = "The model was trained on S1: errors there say nothing about other people."
    assert warnings(OLD, subjects="S1") == [every]
    *_, half = warnings(OLD, subjects="S1", downsample=2)
    assert half.startswith("The model was trained on S1 of a dataset by the same name, synthetic-tiny: errors there")
    (video,) = warnings(ABLATION, subjects="S5")
    assert video.startswith("The model saw video of S5 in its training, without poses: errors there are not those")


def test_specialists_are_compared_with_the_model_of_all_actions_that_was_trained_like_them(all_runs) -> None:
    config = config_of(keypoints="simulated", actions="Sitting", clips=1)
    task = plan_task(config)
    assert specialists_table(config, task).empty, "the newest has another seed than the model of Sitting"
    shutil.rmtree(all_runs[NEW])
    table, clip = specialists_table(config, task), task.clips
    assert table["Trained on"].tolist() == ["All", "Sitting, the clip's action"]
    all_actions, own = (lift(open_model(all_runs[n]), task.data, clip, "simulated").clips[0] for n in (OLD, SITTING))
    assert table["MPJPE [mm]"].tolist() == pytest.approx([all_actions.errors.mean(), own.errors.mean()])
    apart = 1000 * np.linalg.norm(own.positions - all_actions.positions, axis=-1).mean()
    assert table["Joints differ by [mm]"].tolist() == pytest.approx([0, apart])
    assert specialists_table(config_of(clips=1), replace(task, keypoints="gt")).empty, (
        "no pair has learnt these keypoints"
    )
    for folder in all_runs[:2]:
        shutil.rmtree(folder, ignore_errors=True)
    assert specialists_table(config, task).empty


def test_detections_take_the_newest_run_that_sees_their_joints(all_runs: list[Path], phone: Path) -> None:
    config = config_of(dataset=str(phone), **PHONE)
    assert find_model(config).card.name == all_runs[OTHER_KEYPOINTS].name
    with pytest.raises(InputError, match=r"with the joints of these detections that "):
        find_model(config_of(dataset=str(phone), keypoints="coco", **PHONE))


def test_asked_to_train_it_trains_the_run_that_02_train_would_and_only_once(outputs, monkeypatch, tiny_data) -> None:
    small = {name: value for name, value in SETTINGS.items() if name != "scale"}
    made = predicting.make_config
    monkeypatch.setattr(predicting, "make_config", lambda kind, given: made(kind, small | given))
    said: list[str] = []
    model = find_model(config_of(model="train"), say=said.append)
    assert model.card.statistics == "recomputed"
    (folder,) = (outputs / "runs").iterdir()
    assert model.card.name == folder.name
    assert model.card.training.actions == tiny_data.train_actions
    assert model.card.training.config["scale"] == "tiny"
    assert find_model(config_of(model="train")).card == model.card
    assert find_model(config_of()).card == model.card


def test_either_statistics_of_a_run_are_lifted_with_into_folders_of_their_own(all_runs: list[Path]) -> None:
    plain, published = (plan_task(config_of(clips=1, **given)) for given in ({}, {"statistics": "published"}))
    assert [task.model.card.statistics for task in (plain, published)] == ["recomputed", "published"]
    assert plain.model.card.name == published.model.card.name
    assert plain.folder != published.folder
    assert not np.array_equal(*(task.lifted.clips[0].positions for task in (plain, published)))
    assert "recomputed after the training" in " ".join(plain.describe())
    assert "as published" in " ".join(published.describe())


def test_clips_are_those_of_the_subjects_and_actions_that_are_named(tiny_data) -> None:
    for given, subjects, actions, clips in (
        ({}, {"S9", "S11"}, set(tiny_data.actions), 120),
        ({"subjects": "S9,S1", "actions": "Sitting"}, {"S1", "S9"}, {"Sitting"}, 8),
        ({"clips": 7, "actions": "Sitting,Eating"}, {"S9", "S11"}, {"Sitting", "Eating"}, 7),
    ):
        chosen = choose_clips(PredictConfig(scale="tiny", **given), tiny_data)
        assert (set(chosen.subject), set(chosen.action), len(chosen)) == (subjects, actions, clips)
        assert chosen.index.is_monotonic_increasing


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"actions": "Sit"}, "unknown action"),
        ({"actions": "Walking"}, "hand-made: no clip of S9 doing Walking; give other subjects or actions"),
        ({"clips": -1}, "parameter clips"),
    ],
)
def test_wrong_parameters_names_and_choices_that_leave_nothing_are_refused(given, said, outputs, hand_made) -> None:
    data = hand_made([("S1", "Walking", "0", 0, 3), ("S9", "Sitting", "0", 0, 3)])
    with pytest.raises(InputError, match=said):
        choose_clips(config_of(**given), data)


def test_a_model_of_other_joints_is_refused_before_anything_is_lifted(outputs: Path, model_file) -> None:
    with pytest.raises(InputError, match="model made-up: sees the 15 joints of humaneva_15"):
        plan_task(config_of(model=model_file(layout=HUMANEVA_15)))
    assert not (outputs / "predictions").exists()


def test_keypoints_that_the_data_lack_are_refused_with_where_they_come_from(outputs: Path, model_file) -> None:
    path = model_file(keypoints="cpn")
    with pytest.raises(
        InputError, match=r"'cpn': Valid: gt, simulated \(the keypoints 'cpn' are those of model made-up"
    ):
        plan_task(config_of(model=path))
    task = plan_task(config_of(model=model_file(keypoints="cpn", name="a/b"), keypoints="simulated", clips=1))
    assert any("trained on 'cpn'" in warning for warning in task.warnings)
    assert task.folder.parent == outputs / "predictions"
    assert os.sep not in task.folder.name


def test_files_in_the_way_are_refused_before_anything_is_lifted(outputs: Path, model_file, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "poses-1-S9-Directions-1.bvh").touch()
    own = {"subjects": "S9", "actions": "Directions", "formats": "bvh", "output": str(tmp_path / "mine")}
    config = config_of(model=model_file(), overwrite=False, **own)
    with pytest.raises(InputError, match=r"mine/poses-1-S9-Directions-1\.bvh: is already there"):
        plan_task(config)
    assert plan_task(config.model_copy(update={"overwrite": True})).folder == tmp_path / "mine"


def test_a_phone_video_shorter_than_the_receptive_field_becomes_files(phone, outputs, model_file, tmp_path) -> None:
    model = model_file(3, 3, 3, 3, 3)
    frame = detection_files.write_json(tmp_path / "short.json", detection_files.alphapose(detection_files.walk(1)))
    task = plan_task(config_of(model=model, dataset=str(frame), image_size="1000x800"))
    assert task.lifted.clips[0].positions.shape == (1, 17, 3)
    task = plan_task(config_of(model=model, dataset=str(phone), formats="npz,csv,json,bvh,gif", **PHONE))
    assert any("30 frames per second" in warning for warning in task.warnings)
    assert any("trained on 'simulated'" in warning for warning in task.warnings)
    files = write_all(task)
    names = "poses.npz poses.csv poses.json poses-0-phone-custom-0.bvh poses-1-phone-custom-1.bvh poses.gif sheet.png player.html"
    assert [file.name for file in files] == names.split()
    assert sorted(files) == sorted(task.folder.iterdir())
    assert task.folder == outputs / "predictions" / "phone-h36m-by-made-up"
    with np.load(files[0], allow_pickle=False) as poses:
        assert poses["frame"].tolist() == [*range(10), *range(20, 40)]
        assert poses["positions"].shape == (30, 17, 3)
        assert np.isfinite(poses["positions"]).all()
        own = detection_files.expected_h36m(detection_files.walk(40))[poses["frame"]]
        np.testing.assert_allclose(poses["keypoints"], own, atol=0.01)
        assert (poses["subject"].tolist(), poses["take"].tolist()) == (["phone", "phone"], ["0", "1"])
    with Image.open(files[5]) as moving:  # every other of 10 frames, 30 a second
        assert (moving.n_frames, moving.info["duration"]) == (5, 70)
    assert mpimg.imread(files[6]).shape[1] >= 600


def test_poses_of_a_video_are_turned_upright_unless_they_are_asked_for_raw(
    phone, outputs, model_file, monkeypatch
) -> None:
    def tilted(model, data, clips, keypoints):
        """Nobody in the video; somebody who walks, by a camera that is tilted by 20 degrees."""
        return replace(lifted_of(filmed(motion("Walking"), 20, 0)), notes=())

    monkeypatch.setattr(predicting, "lift", tilted)
    config = {"model": model_file(), "dataset": str(phone), "formats": "json", **PHONE}
    said: list[str] = []
    for given, space, notes in (({}, "upright", 1), ({"upright": False}, "camera", 0)):
        (file, *_) = write_all(plan_task(config_of(**config | given)), say=said.append)
        content = json.loads(file.read_text(encoding="utf-8"))
        assert content["clips"][0]["space"] == space
        assert len(said) == notes == len([note for note in content["notes"] if "Turned upright" in note])
        said.clear()


def test_what_is_told_of_a_task_is_what_a_reader_has_to_know(outputs: Path, model_file) -> None:
    task = plan_task(config_of(model=model_file(3, 3, 3), actions="Sitting", keypoints="gt"))
    told = "\n".join(task.describe())
    for part in (
        "Model made-up: Made up for a test. It sees 27 frames to lift one.",
        "Its MPJPE on S9 of elsewhere: 12.3 mm",
        "Anybody may have it.",
        "nobody was filmed",
        " frames in 8 clips of synthetic-tiny, keypoints 'gt'",
        "Warning: The keypoints are 'gt', and the model was trained on 'simulated'",
    ):
        assert part in told


def test_the_notebook_s_sample_reads_what_is_written_by_default(outputs: Path, model_file) -> None:
    notebook = nbformat.read(notebooks_dir() / "06_predict.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    (sample,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    task = plan_task(config_of(model=model_file(), clips=2))
    lifted = task.lifted
    write_all(task)
    found = {"task": task}
    exec(sample, found)
    np.testing.assert_array_equal(found["first"], lifted.clips[0].positions)
    assert found["wrist"].shape == (len(lifted.clips[0].frames), 3)
    assert found["about"]["model"] == "made-up"


def test_a_model_that_sees_scores_is_given_them_and_a_downsampled_video_keeps_its_times(
    phone: Path, outputs: Path, model_file
) -> None:
    task = plan_task(config_of(model=model_file(in_features=3), dataset=str(phone), **PHONE))
    assert task.data.scores.keys() >= {"h36m"}
    assert task.lifted.clips[0].positions.shape == (10, 17, 3)
    every_third = plan_task(config_of(model=model_file(), dataset=str(phone), formats="csv", downsample=3, **PHONE))
    assert not every_third.data.scores
    table = pd.read_csv(write_all(every_third)[0])
    assert table.frame.tolist() == [0, 3, 6, 9, *range(20, 40, 3)]
    np.testing.assert_allclose(table.time, table.frame / 30, atol=1e-5)
    assert set(table.fps) == {10}


@pytest.mark.parametrize("turned", [False, True])
def test_a_warning_says_that_a_video_is_upside_down(turned: bool, outputs: Path, model_file, tmp_path: Path) -> None:
    walk = detection_files.walk(40)
    content = detection_files.mediapipe(np.array([1000, 800]) - walk if turned else walk)
    video = detection_files.write_json(tmp_path / "turned.json", content)
    task = plan_task(config_of(model=model_file(), dataset=str(video), **PHONE))
    assert sum("upside down" in warning for warning in task.warnings) == turned


def test_the_keypoints_of_detections_are_those_with_the_joints_that_the_model_sees(phone, outputs, model_file) -> None:
    config = config_of(dataset=str(phone), **PHONE)
    assert own_keypoints(config, made_up_model(keypoints="cpn_ft_h36m_dbb").card) == "h36m"
    assert own_keypoints(config_of(), made_up_model(keypoints="gt").card) == "gt"
    task = plan_task(config_of(model=model_file(layout=COCO_17), dataset=str(phone), **PHONE))
    assert task.keypoints == "coco"
    assert task.data.fingerprint == open_dataset(config.data.model_copy(update={"keypoints": "coco"})).fingerprint
