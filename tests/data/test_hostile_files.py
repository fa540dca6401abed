"""Files from strangers: refused by name at once, in little memory, with nothing run and nothing left; odd names are no reason."""

import ast
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import pose3d_lib
from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import list_actions, open_dataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.data.untrusted.client import read_npz_key
from pose3d_lib.training.parameters import make_config
from tests.helpers.bvh_texts import write_person
from tests.helpers.detection_files import walk, write_custom, write_openpose
from tests.helpers.hostile_files import CASES, motion, write_npz, zeros

PACKAGE = Path(pose3d_lib.__file__).parent

SECONDS = 6  # of the processor, for a file that is to be refused in one or two: the machine may be slow or watch itself
MEGABYTES = 300
LETTERS = 3000

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What became of every case, in one process of its own that goes through them all."""
    command = [sys.executable, "-m", "tests.helpers.hostile_files", str(tmp_path_factory.mktemp("hostile"))]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {outcome["case"]: outcome for outcome in found}


def test_there_are_some_hundred_hostile_files() -> None:
    assert len(CASES) > 300


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_is_refused_by_name_and_does_nothing(case: str, outcomes: dict[str, dict]) -> None:
    outcome = outcomes[case]
    assert outcome["error"] == "InputError", outcome
    assert [name for name in outcome["named"] if name not in outcome["message"]] == [], outcome["message"]
    assert outcome["harm"] == []
    assert outcome["cpu"] < SECONDS
    assert outcome["megabytes"] < MEGABYTES
    assert len(outcome["message"]) < LETTERS
    assert printable(outcome["message"].replace("\n", " ")) == outcome["message"].replace("\n", " ")


# What is not hostile


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "Données, 数据 и данные 🕺"
    folder.mkdir()
    monkeypatch.setenv("POSE3D_DATA", str(folder))
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "résultats"))
    return folder


def opened(**parameters: object) -> PoseDataset:
    spec = make_config(DataSpec, parameters)
    list_actions(spec)
    return open_dataset(spec)


def test_names_of_any_script_work_in_plain_motion(data_folder: Path) -> None:
    names = ["Ørjan/Gå/første", "明/歩く/一", "שרה/ריצה/א", "e\u0301ve/marché/🕺", "a b/c d/e\u00a0f"]
    write_npz(data_folder / "движение.npz", {name: motion() for name in names})
    data = opened(dataset="движение.npz")
    clips = data.clips.drop_duplicates(["subject", "action", "take"])[["subject", "action", "take"]]
    assert ["/".join(key) for key in clips.to_numpy()] == [*names[:3], "éve/marché/🕺", "a b/c d/e f"]
    assert data.name == "движение"


def test_folders_of_any_script_work_for_videopose3d_files(data_folder: Path) -> None:
    rng = np.random.default_rng(0)
    takes = {
        subject: {
            name: rng.uniform([-0.8, -0.8, 0], [0.8, 0.8, 1.8], (4, 32, 3)).astype(np.float32)
            for name in ("Walking 1", "Sitting")
        }
        for subject in ("S1", "S9")
    }
    np.savez_compressed(data_folder / "data_3d_h36m.npz", positions_3d=takes)
    assert opened(dataset="h36m").actions == ("Walking", "Sitting")


def test_names_of_any_script_work_in_bvh(data_folder: Path) -> None:
    for seed, name in enumerate(("歩く_花子_一", "Gå_Ørjan_1")):
        write_person(data_folder / "捕捉" / f"{name}.bvh", seed=seed)
    data = opened(dataset="捕捉", pattern="{action}_{subject}_{take}.bvh")
    assert set(data.clips.subject) == {"花子", "Ørjan"}
    assert set(data.actions) == {"歩く", "Gå"}


def test_names_of_any_script_work_in_detections(data_folder: Path) -> None:
    write_openpose(data_folder / "видео", walk(5), video="танец")
    assert set(opened(dataset="видео", image_size="1000x800").clips.subject) == {"танец"}
    write_custom(data_folder / "data_2d_custom_é.npz", {"δρόμος": walk(5)})
    assert set(opened(dataset="data_2d_custom_é.npz").clips.subject) == {"δρόμος"}


def test_a_long_name_of_any_script_works(data_folder: Path) -> None:
    name = "歩" * 80 + ".npz"
    write_npz(data_folder / name, {"a/Walking/1": motion(), "b/Walking/1": motion()})
    assert opened(dataset=name).name == "歩" * 80


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f2", "<f8"])
def test_numbers_of_any_width_and_byte_order_are_the_same_motion(dtype: str, data_folder: Path) -> None:
    for name, kind in (("expected.npz", "<f4"), ("mine.npz", dtype)):
        clips = {f"{subject}/Walking/1": motion().astype("<f2").astype(kind) for subject in "ab"}
        write_npz(data_folder / name, clips)
    expected, found = opened(dataset="expected.npz"), opened(dataset="mine.npz")
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-6)


def test_arrays_of_zeros_in_a_small_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, plain=np.zeros((100_000, 17, 3), np.float32), pickled={"S1": np.zeros(4_000_000)})
    assert path.stat().st_size < 10**6
    assert not read_npz_key(path, "plain").any()
    assert len(read_npz_key(path, "pickled")["S1"]) == 4_000_000


def test_a_large_array_that_does_not_compress_is_read_whatever_its_size(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=9_000_000)
    np.savez(tmp_path / "noise.npz", noise=numbers)
    np.savez_compressed(tmp_path / "zeros.npz", constant=np.zeros(14_000_000))
    np.testing.assert_array_equal(read_npz_key(tmp_path / "noise.npz", "noise"), numbers)
    with pytest.raises(InputError, match=r"unpacks to more than .*'constant'"):
        read_npz_key(tmp_path / "zeros.npz", "constant")


def test_the_zeros_of_the_bombs_are_as_many_as_they_say() -> None:
    assert len(zlib.decompress(zeros(40_000_000), -15)) == 40_000_000


# The whole of the project's code

FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler",
    "marshal.load", "marshal.loads", "shelve.open", "dill.load", "dill.loads", "joblib.load", "cloudpickle.load",
    "cloudpickle.loads", "pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load",
    "yaml.load_all", "torch.hub.load", "tempfile.mktemp", "shutil.unpack_archive",
}  # fmt: skip
FORBIDDEN_IMPORTS = {"marshal", "shelve", "dill", "joblib", "cloudpickle", "_pickle"}
HARMLESS = ("dump", "dumps", "Pickler", "UnpicklingError")
"""Of the module pickle: what makes a file for others, and what its readers raise."""

OWN_PROCESSES = "pose3d_lib/runs/sweep/processes.py".replace("/", os.sep)
RESTRICTED = "pose3d_lib/data/untrusted/pickles.py".replace("/", os.sep)
"""The one module that unpickles, and knows no function of a file's."""


def sources() -> dict[str, str]:
    """All Python that is run: of the package, the notebooks' cells, and what is packaged or run beside them."""
    found = {str(path.relative_to(PACKAGE.parent)): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    for path in sorted(notebooks_dir().glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        lines = "\n".join(code).splitlines()
        found[path.name] = "\n".join("pass" if line.startswith(("%", "!")) else line for line in lines)
    return found


SOURCES = sources()


def faults_in(text: str) -> list[str]:
    """What in the code could run what a file holds, or write where an archive says."""
    faults = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            faults += [f"imports {name}" for name in names if name.split(".")[0] in FORBIDDEN_IMPORTS]
        if isinstance(node, ast.ImportFrom) and node.module == "pickle":
            faults.append("imports from pickle")
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle" and node.attr not in HARMLESS:
            faults.append(f"uses pickle.{node.attr}")
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called in FORBIDDEN_CALLS:
            faults.append(f"calls {called}")
        if given.get("allow_pickle", "False") != "False" or given.get("weights_only", "True") != "True":
            faults.append(f"{called} may unpickle")
        if called in ("np.load", "numpy.load") and "allow_pickle" not in given:
            faults.append(f"{called} does not say allow_pickle=False")
        if called == "torch.load" and "weights_only" not in given:
            faults.append(f"{called} does not say weights_only=True")
        if called.endswith((".extractall", ".extract")) and given.get("filter") != "'data'":
            faults.append(f"{called} without filter='data'")
        if given.get("shell", "False") != "False":
            faults.append(f"{called} with a shell")
        if None in given and called in ("np.load", "torch.load"):
            faults.append(f"{called} with settings that cannot be seen")
    return faults


@pytest.mark.parametrize("name", SOURCES)
def test_no_code_of_the_project_can_run_what_a_file_holds(name: str) -> None:
    if name == OWN_PROCESSES:  # which only this code writes to
        assert set(faults_in(SOURCES[name])) == {
            f"{how} pickle.{call}" for how in ("calls", "uses") for call in ("load", "loads")
        }
    else:
        assert faults_in(SOURCES[name]) == (["uses pickle.Unpickler"] if name == RESTRICTED else [])


def test_the_scan_sees_the_package_and_the_notebooks() -> None:
    assert "pose3d_lib/data/dataset.py".replace("/", os.sep) in SOURCES
    assert sum(name.endswith(".ipynb") for name in SOURCES) >= 3


@pytest.mark.parametrize(
    "text",
    [
        "np.load(x, allow_pickle=True)", "np.load(x)", "torch.load(x, weights_only=False)", "torch.load(x)", "eval(x)",
        "pickle.Unpickler", "from pickle import load", "yaml.load(x)", "tar.extractall(x)",
        "tar.extract(x, filter='fully_trusted')",
        "os.system(x)", "subprocess.run(x, shell=True)", "np.load(x, allow_pickle=flag)", "exec(x)",
    ],
)  # fmt: skip
def test_the_scan_finds_what_it_looks_for(text: str) -> None:
    assert faults_in(text)


@pytest.mark.parametrize(
    "text", ["np.load(x, allow_pickle=False)", "torch.load(x, weights_only=True)", "re.compile(x)"]
)
def test_the_scan_lets_pass_what_is_safe(text: str) -> None:
    assert not faults_in(text)
