"""Every kind of data, by parameters alone: opened, shown by 01_data_prep, checked, and given on."""

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset, arrays_of, header_of
from pose3d_lib.data.doctor import check_dataset
from pose3d_lib.data.open import PREPARED_FORMAT, open_dataset, prepared_path
from pose3d_lib.data.sources.videopose3d.write import export_videopose3d
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.card import licence_of
from pose3d_lib.report.figures import skeletons
from pose3d_lib.report.parameters import PredictConfig
from pose3d_lib.report.predict import plan_task
from pose3d_lib.runs.models import save_model
from pose3d_lib.study.config import StudyConfig, plan_study
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config, parameters_of
from tests.helpers.made_up_models import made_up_model
from tests.helpers.notebooks import Cells
from tests.helpers.source_files import WRITERS, Parameters

RECORDED = Path(__file__).with_name("prepared_sets.json")

EVERY_KIND = pytest.mark.parametrize("kind", WRITERS)
EVERY_FILE = pytest.mark.parametrize("kind", [kind for kind in WRITERS if not kind.startswith("synthetic")])


Written = Callable[[str], tuple[Path, Parameters]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, tiny_data, h36m_data, tiny_outputs) -> Written:
    """The folder of a dataset of some kind, with its outputs, and the parameters that open it; made once."""

    @cache
    def write(kind: str) -> tuple[Path, Parameters]:
        folder = tmp_path_factory.mktemp("source")
        (folder / "files").mkdir()
        if kind.startswith("synthetic"):
            shutil.copytree(tiny_outputs / "data", folder / "outputs" / "data")
        return folder, WRITERS[kind](folder / "files", h36m_data)

    return write


@pytest.fixture
def parameters(kind: str, written: Written, monkeypatch: pytest.MonkeyPatch) -> Parameters:
    """Of a dataset of that kind."""
    folder, parameters = written(kind)
    monkeypatch.setenv("POSE3D_OUTPUTS", str(folder / "outputs"))
    monkeypatch.setenv("POSE3D_DATA", str(folder / "nowhere"))
    return parameters


@pytest.fixture
def spec(parameters: Parameters) -> DataSpec:
    spec = make_config(DataSpec, parameters)
    check_data(spec)
    return spec


@pytest.fixture
def data(spec: DataSpec) -> PoseDataset:
    return open_dataset(spec)


@EVERY_KIND
def test_the_dataset_opens_with_its_keypoints_and_terms_and_again_as_the_same(kind: str, spec: DataSpec, data) -> None:
    assert spec.keypoints in data.keypoints
    assert (len(data.positions) == 0) == (kind == "detections")
    made = ("synthetic", "synthetic_h36m", "VideoPose3D's files")
    assert data.synthetic == (kind in made)  # an export says what it was made of
    terms = {
        "synthetic": "Trained on synthetic data",
        "synthetic_h36m": "Trained on synthetic data",
        "VideoPose3D's files": "Trained on synthetic data",
        "Human3.6M originals": "for academic use too",
        "HumanEva": "HumanEva-I is given out by agreement",
    }
    assert terms.get(kind, f"Trained on {data.name}. Its terms are not known here") in licence_of(data)
    said: list[str] = []
    assert open_dataset(spec, progress=said.append).fingerprint == data.fingerprint
    assert said == []


def content(data: PoseDataset, folder: Path) -> dict[str, object]:
    """A digest of a dataset's text; of every array, its shape, a weighted mean of the amounts, and the mean square."""
    plain = json.loads(json.dumps([header_of(data), data.terms]), parse_float=lambda number: f"{float(number):.6g}")
    text = json.dumps(plain).replace(str(folder), "")
    found: dict[str, object] = {"text": hashlib.sha256(text.encode()).hexdigest()[:16]}
    for key, array in arrays_of(data).items():
        values = np.abs(array.astype(np.float64).ravel())
        means = (
            [((1 + np.cos(np.arange(values.size))) * values).mean(), np.square(values).mean()] if values.size else []
        )
        found[key] = [*array.shape, *(float(f"{mean:.7g}") for mean in means)]
    return found


@EVERY_KIND
def test_other_content_of_prepared_sets_has_another_format(kind: str, data: PoseDataset, written: Written) -> None:
    folder, _ = written(kind)
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    expected, found = recorded["sets"].get(kind, {}), content(data, folder)
    same = found.keys() == expected.keys() and found.pop("text") == expected.pop("text")
    same = same and all(found[key] == pytest.approx(expected[key], rel=1e-5) for key in found)
    assert same, (
        "the content changed: raise PREPARED_FORMAT in pose3d_lib/data/open.py, and record the number and this content in "
        f"{RECORDED.name}: {json.dumps({kind: content(data, folder)})}"
    )
    assert recorded["format"] == PREPARED_FORMAT


@EVERY_FILE
def test_of_every_kind_every_second_frame_may_be_kept(kind: str, spec: DataSpec, data: PoseDataset) -> None:
    half = spec.model_copy(update={"downsample": 2})
    assert "-every2-" in prepared_path(half).name
    slow = open_dataset(half)
    assert slow.clips.fps.tolist() == (data.clips.fps / 2).tolist()
    assert (slow.clips.stop - slow.clips.start).tolist() == (-(-(data.clips.stop - data.clips.start) // 2)).tolist()
    for source, pixels in slow.keypoints.items():
        np.testing.assert_array_equal(pixels[0], data.keypoints[source][0])
        np.testing.assert_array_equal(pixels[1], data.keypoints[source][2])
    assert any("One frame of every 2 is kept" in note for note in slow.notes)


@EVERY_KIND
def test_of_every_kind_one_camera_may_see_each_take(kind: str, spec: DataSpec, data: PoseDataset) -> None:
    take = ["subject", "action", "take"]
    one = open_dataset(spec.model_copy(update={"one_camera": True}))
    assert not one.clips.duplicated(take).any()
    assert one.clips[take].to_numpy().tolist() == data.clips[take].drop_duplicates().to_numpy().tolist()
    assert one.fingerprint != data.fingerprint


@EVERY_KIND
def test_of_every_kind_a_subject_may_be_held_out(kind: str, spec: DataSpec, data: PoseDataset) -> None:
    subjects = (*data.train_subjects, *data.test_subjects)
    if len(subjects) == 1 or kind == "detections":
        return
    for number, own in enumerate(subjects):
        held = open_dataset(spec.model_copy(update={"held_out": number}))
        assert (held.test_subjects, {*held.train_subjects, own}) == ((own,), {*subjects})
        assert held.fingerprint != data.fingerprint
    with pytest.raises(InputError, match=rf"held_out {len(subjects)}: .* has {len(subjects)} subjects"):
        open_dataset(spec.model_copy(update={"held_out": len(subjects)}))


@EVERY_FILE
def test_of_every_kind_scores_may_be_kept_or_the_reason_is_said(kind: str, spec: DataSpec, data: PoseDataset) -> None:
    scored = spec.model_copy(update={"scores": True})
    if kind == "VideoPose3D's files":
        with pytest.raises(InputError, match=r"data_2d_h36m_simulated\.npz: its keypoints have no third column"):
            open_dataset(scored)
        return
    assert "-scores-" in prepared_path(scored).name
    found = open_dataset(scored)
    assert found.scores.keys() == found.keypoints.keys() == data.keypoints.keys()
    assert found.fingerprint != data.fingerprint
    for source, scores in found.scores.items():
        assert ((scores >= 0) & (scores <= 1)).all()
        assert (source == "simulated") == (scores.std() > 0.05)  # OpenPose's are made to be 0.9
        np.testing.assert_array_equal(found.keypoints[source], data.keypoints[source])
    assert any("scores" in note for note in found.notes)
    half = open_dataset(scored.model_copy(update={"downsample": 2}))
    assert half.scores[spec.keypoints].shape == half.keypoints[spec.keypoints].shape[:2]


@EVERY_FILE
def test_the_doctor_looks_at_it(kind: str, data: PoseDataset) -> None:
    checkup = check_dataset(data)
    wrong = {finding.check for finding in checkup.findings if finding.level == "error"}
    assert (wrong == set()) == (kind != "HumanEva"), wrong  # whose motion is made of random numbers here


@pytest.mark.parametrize(
    "kind", [kind for kind in WRITERS if not kind.startswith("synthetic") and kind != "detections"]
)
def test_given_on_as_videopose3d_s_files_it_comes_back(kind: str, data: PoseDataset, tmp_path: Path) -> None:
    name = "humaneva15" if kind == "HumanEva" else "given"
    export_videopose3d(data, tmp_path / "export", name=name)
    source = next(iter(data.keypoints))
    back = open_dataset(make_config(DataSpec, {"dataset": str(tmp_path / "export"), "keypoints": source}))
    key = ["subject", "action", "take", "camera"]
    both = data.clips.merge(back.clips, on=key, suffixes=("", "_back"), how="outer")
    assert len(both) == len(data.clips) == len(back.clips)
    for clip in both.itertuples():
        here, there = slice(clip.start, clip.stop), slice(clip.start_back, clip.stop_back)
        assert (clip.fps, clip.labelled) == (clip.fps_back, clip.labelled_back)
        np.testing.assert_array_equal(back.keypoints[source][there], data.keypoints[source][here])
        np.testing.assert_allclose(back.positions[there], data.positions[here], atol=2e-6)
        np.testing.assert_allclose(back.trajectory[there], data.trajectory[here], atol=2e-6)


@pytest.mark.parametrize("kind", ["detections"])
def test_detections_are_given_on_as_videos_and_nothing_is_trained_on_them(data: PoseDataset, tmp_path: Path) -> None:
    files = export_videopose3d(data, tmp_path / "export", name="given")
    (coco,) = [file for file in files if "coco" in file.stem]
    back = open_dataset(make_config(DataSpec, {"dataset": str(coco)}))
    np.testing.assert_array_equal(back.keypoints["coco"], data.keypoints["coco"])
    for ask in (data.train_clips, lambda: plan_study(make_config(StudyConfig, {}), data)):
        with pytest.raises(InputError, match="video holds no 3D poses, only keypoints: nothing can be trained"):
            ask()


def test_what_notebooks_leave_empty_is_left_to_the_description(tmp_path: Path) -> None:
    parameters = WRITERS["a description"](tmp_path, None)
    empty = {"keypoints": None, "train_subjects": "", "test_subjects": "", "pattern": "", "units": "", "fps": None}
    spec = make_config(DataSpec, {**parameters, **empty})
    assert (spec.test_subjects, spec.pattern, spec.units) == (("calm",), "{action}_{subject}_{take}.bvh", "")
    assert make_config(DataSpec, {**parameters, "test_subjects": "proud"}).test_subjects == ("proud",)
    config = make_config(RunConfig, {**parameters, **empty})
    assert make_config(RunConfig, parameters_of(config)).data == spec  # as 03_action_based hands it to 02_train


def test_a_mapping_that_a_description_names_lies_beside_it(tmp_path: Path) -> None:
    parameters = WRITERS["a description"](tmp_path, None)
    shipped = (files("pose3d_lib.data.sources.bvh") / "joints.toml").read_text(encoding="utf-8")
    own = shipped.partition("[100style]")[2].partition("\n[")[0]
    (tmp_path / "joints.toml").write_text(own, encoding="utf-8")
    with (tmp_path / "mine.toml").open("a", encoding="utf-8") as file:
        file.write('joints = "joints.toml"\n')
    data = open_dataset(make_config(DataSpec, parameters))
    assert any("by mapping 'joints'" in note for note in data.notes)


@pytest.fixture
def model(spec: DataSpec, data: PoseDataset, tmp_path: Path) -> str:
    """A model's file, for the joints of the dataset."""
    joints = {"layout": data.layouts[spec.keypoints], "skeleton": data.skeleton}
    save_model(made_up_model(3, 3, 3, keypoints=spec.keypoints, **joints), tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


@EVERY_FILE
def test_a_model_lifts_it(kind: str, parameters: Parameters, model: str, data: PoseDataset) -> None:
    task = plan_task(make_config(PredictConfig, {"model": model, **parameters, "formats": "npz"}))
    lifted = task.lifted
    assert {clip.subject for clip in lifted.clips} == set(data.test_subjects or data.clips.subject)
    assert (lifted.clips[0].truth is None) == (kind == "detections")
    for clip in lifted.clips:
        assert clip.positions.shape == (len(clip.frames), data.skeleton.num_joints, 3)
        assert abs(np.linalg.norm(clip.up) - 1) < 1e-5


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What cells show within this process, where figures are made, but not drawn."""
    shown: list[str] = []
    for name in ("IPython.display", "pose3d_lib.report.show", "pose3d_lib.report.notebook"):
        monkeypatch.setattr(f"{name}.display", lambda what: shown.append(type(what).__name__))
    monkeypatch.setattr("builtins.print", lambda *parts, sep=" ", **_: shown.append(sep.join(map(str, parts))))
    for name in ("draw_2d", "draw_3d"):
        monkeypatch.setattr(skeletons, name, lambda *_, **__: None)
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
    return shown


@pytest.mark.slow
@EVERY_FILE
def test_notebooks_run_by_parameters_alone(kind: str, parameters: Parameters, model: str, displayed: list[str]) -> None:
    shown = Cells("01_data_prep", displayed, parameters).show()
    assert shown.count("Picture") >= (2 if kind == "detections" else 5)
    assert "tested on calm" in "\n".join(shown) or kind != "a description"
    shown = Cells("06_predict", displayed, {"model": model, **parameters}).show()
    assert (shown.count("Picture"), shown.count("HTML")) == (2, 1)
    plt.close("all")
