"""Names of the data: each is itself however it is typed, stored or passed, or it is refused."""

import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import check_free, in_file_name
from pose3d_lib.data.catalogue import find_path
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.parameters import PredictConfig
from pose3d_lib.runs.run import run_name
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.study.results import folder_of
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config
from tests.helpers.bvh_texts import write_person
from tests.helpers.detection_files import coco_annotations, walk, write_json
from tests.helpers.source_files import walker

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


pytestmark = pytest.mark.usefixtures("outputs")


def write(folder: Path, *actions: str) -> str:
    """The path of plain motion with these actions, each done by ann and by bob."""
    folder.mkdir(exist_ok=True)
    path = folder / "mine.npz"
    takes = [f"{subject}/{action}/1" for action in actions for subject in ("ann", "bob")]
    np.savez(path, **{take: walker(3, seed=number) for number, take in enumerate(takes)})
    return str(path)


def opened(path: str, **parameters) -> PoseDataset:
    return open_dataset(make_config(DataSpec, {"dataset": path, **parameters}))


@pytest.mark.parametrize("name", ["None", "1e3", "05", "Wave (left)"])
def test_a_text_is_a_name_whatever_else_it_may_mean(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, "Walking", name)
    config = make_config(RunConfig, {"dataset": path, "action": name})
    check_data(config)
    assert config.action == name
    assert set(open_dataset(config.data).train_clips(config.action).action) == {name}
    study = make_config(StudyConfig, {"dataset": path, "actions": f"Walking, {name}", "train_subjects": name})
    assert (study.actions, study.train_subjects) == (("Walking", name), (name,))


@pytest.mark.parametrize("kind", [RunConfig, StudyConfig, PredictConfig])
@pytest.mark.parametrize("value", [None, True, [1.5]])
def test_what_papermill_made_of_a_name_is_refused_with_how_to_pass_it(kind: type, value: object) -> None:
    for name in ("action" if kind is RunConfig else "actions", "test_subjects"):
        with pytest.raises(InputError, match=rf"parameter {name}.*-r {name}"):
            make_config(kind, {name: value})


def test_a_number_is_the_name_that_is_written_so_and_no_other(tmp_path: Path) -> None:
    path = write(tmp_path, "1", "05")
    config = make_config(RunConfig, {"dataset": path, "action": 1, "test_subjects": 2, "labelled_subjects": [3, 4]})
    assert (config.action, config.test_subjects, config.labelled_subjects) == ("1", ("2",), ("3", "4"))
    check_data(config)
    with pytest.raises(InputError, match="-r"):
        check_data(make_config(RunConfig, {"dataset": path, "action": 5}))


def test_a_name_typed_composed_is_found_where_it_is_stored_decomposed(tmp_path: Path) -> None:
    path = write(tmp_path, DECOMPOSED, "Tea\u00a0time")
    for typed in (COMPOSED, DECOMPOSED):
        config = make_config(RunConfig, {"dataset": path, "action": typed, "leave_out": f"ann/{typed}/1"})
        assert config.action == COMPOSED
    with pytest.raises(InputError, match="twice"):
        opened(write(tmp_path / "twice", COMPOSED, DECOMPOSED))
    data = opened(path)
    assert data.actions == (COMPOSED, "Tea time")
    assert data.clips.action.value_counts().tolist() == [8, 8]
    assert opened(path, leave_out=f"ann/{DECOMPOSED}/1").clips.action.value_counts().tolist() == [8, 4]


def test_bvh_files_whose_names_differ_in_their_composition_only_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "motion"
    folder.mkdir()
    for name in ("ann_walk_1", f"ben_{DECOMPOSED}_1"):
        write_person(folder / f"{name}.bvh", 20)
    pattern = "{subject}_{action}_{take}.bvh"
    assert opened(str(folder), pattern=pattern).actions == ("walk", COMPOSED)
    write_person(folder / f"ben_{COMPOSED}_1.bvh", 20)
    if len(list(folder.iterdir())) == 3:  # some file systems know one name only
        with pytest.raises(InputError, match=f"both ben/{COMPOSED}/1"):
            opened(str(folder), pattern=pattern)


def test_a_video_s_name_is_composed(tmp_path: Path) -> None:
    path = write_json(tmp_path / f"{DECOMPOSED}.json", coco_annotations(walk()))
    data = opened(str(path))
    assert (data.name, data.clips.subject[0]) == (COMPOSED, COMPOSED)


@pytest.mark.parametrize("hidden", ["\u200b", "\x7f"], ids=ascii)
def test_a_name_with_an_invisible_character_is_refused_and_shown(hidden: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="invisible") as refusal:
        opened(write(tmp_path, f"Wal{hidden}king"))
    assert ascii(hidden)[1:-1] in str(refusal.value)
    assert hidden not in str(refusal.value)


@pytest.mark.parametrize("hidden", ["\u202e", "\u00a0", "\udc80", "\x1b"], ids=ascii)
def test_a_message_shows_every_invisible_character(hidden: str) -> None:
    error = pickle.loads(pickle.dumps(InputError(f"a{hidden}b: wrong\nCafé: too")))
    assert str(error) == f"a{ascii(hidden)[1:-1]}b: wrong\nCafé: too"


def test_names_as_long_as_may_be_fit_into_names_of_files(tmp_path: Path) -> None:
    actions = [letter * 300 for letter in ("x", "é")]
    actions.append(f"{actions[0]}y")
    path = Path(write(tmp_path, *actions)).rename(tmp_path / f"{'d' * 250}.npz")
    data = opened(str(path))
    configs = [make_config(RunConfig, {"dataset": str(path), "action": action}) for action in actions]
    configs.append(make_config(RunConfig, {"dataset": str(path), "labelled_subjects": "s" * 300}))
    names = [run_name(config, data.fingerprint) for config in configs]
    names.append(folder_of(data, make_config(StudyConfig, {}), {"quick": {}}).name)
    for name in names:
        (tmp_path / f"{name}").mkdir()


def test_what_fits_into_a_file_s_name_stays_as_it_is() -> None:
    assert in_file_name("Walking") == "Walking"
    assert in_file_name("a/b\\c") == "a_b_c"
    assert len(in_file_name("é" * 51).encode()) <= 100
    assert in_file_name("x" * 101) != in_file_name("x" * 102)


def test_a_path_whose_name_is_too_long_is_not_there() -> None:
    path = Path("n" * 300)
    check_free([path, path / "poses.npz"], overwrite=False)
    with pytest.raises(InputError, match="no such file"):
        find_path(f"{path}")
