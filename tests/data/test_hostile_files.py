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
from tests.helpers.hostile_files import CASES, motion, write_npz, write_takes, zeros

PACKAGE = Path(pose3d_lib.__file__).parent

SECONDS = 6  # of the processor, for a file that is to be refused in one or two: the machine may be slow or watch itself
MEGABYTES = 300
LETTERS = 3000

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")


def test_every_hostile_file_is_refused_by_name_in_little_memory_and_does_nothing(tmp_path: Path) -> None:
    """In one process of its own, which goes through them all."""
    command = [sys.executable, "-m", "tests.helpers.hostile_files", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [outcome["case"] for outcome in outcomes] == list(CASES)
    for outcome in outcomes:
        message = outcome["message"].replace("\n", " ")
        assert outcome["error"] == "InputError", outcome
        assert [name for name in outcome["expected"] if name not in message] == [], outcome
        assert outcome["harm"] == [], outcome
        assert outcome["seconds"] < SECONDS, outcome
        assert outcome["megabytes"] < outcomes[0]["megabytes"] + MEGABYTES, outcome
        assert printable(message) == message
        assert len(message) < LETTERS


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
    stem = "歩" * 80
    write_npz(data_folder / f"{stem}.npz", {name: motion() for name in names})
    data = opened(dataset=f"{stem}.npz")
    clips = data.clips.drop_duplicates(["subject", "action", "take"])[["subject", "action", "take"]]
    assert ["/".join(key) for key in clips.to_numpy()] == [*names[:3], "éve/marché/🕺", "a b/c d/e f"]
    assert data.name == stem


def test_folders_of_any_script_work_for_videopose3d_files(data_folder: Path) -> None:
    write_takes(data_folder)
    assert opened(dataset="h36m").actions == ("Walking",)


def test_names_of_any_script_work_in_bvh_and_detections(data_folder: Path) -> None:
    for seed, name in enumerate(("歩く_花子_一", "Gå_Ørjan_1")):
        write_person(data_folder / "捕捉" / f"{name}.bvh", seed=seed)
    data = opened(dataset="捕捉", pattern="{action}_{subject}_{take}.bvh")
    assert set(data.clips.subject) == {"花子", "Ørjan"}
    assert set(data.actions) == {"歩く", "Gå"}
    write_openpose(data_folder / "видео", walk(5), video="танец")
    assert set(opened(dataset="видео", image_size="1000x800").clips.subject) == {"танец"}
    write_custom(data_folder / "data_2d_custom_é.npz", {"δρόμος": walk(5)})
    assert set(opened(dataset="data_2d_custom_é.npz").clips.subject) == {"δρόμος"}


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f2", "<f8"])
def test_numbers_of_any_width_and_byte_order_are_the_same_motion(dtype: str, data_folder: Path) -> None:
    for name, kind in (("expected.npz", "<f4"), ("mine.npz", dtype)):
        clips = {f"{subject}/Walking/1": motion().astype("<f2").astype(kind) for subject in "ab"}
        write_npz(data_folder / name, clips)
    expected, found = opened(dataset="expected.npz"), opened(dataset="mine.npz")
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-6)


def test_arrays_of_zeros_in_a_small_file_are_read_up_to_a_limit(tmp_path: Path) -> None:
    path, more = tmp_path / "zeros.npz", tmp_path / "more.npz"
    np.savez_compressed(path, plain=np.zeros((100_000, 17, 3), np.float32), pickled={"S1": np.zeros(4_000_000)})
    assert path.stat().st_size < 10**6
    assert not read_npz_key(path, "plain").any()
    assert len(read_npz_key(path, "pickled")["S1"]) == 4_000_000
    np.savez_compressed(more, constant=np.zeros(14_000_000))
    with pytest.raises(InputError, match=r"unpacks to more than .*'constant'"):
        read_npz_key(more, "constant")


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


def test_no_code_of_the_project_can_run_what_a_file_holds() -> None:
    found = sources()
    assert os.path.join("pose3d_lib", "data", "dataset.py") in found
    assert sum(name.endswith(".ipynb") for name in found) >= 3
    faults = {name: faults_in(text) for name, text in found.items()}
    assert {name: own for name, own in faults.items() if own} == {RESTRICTED: ["uses pickle.Unpickler"]}


def test_the_scan_finds_what_it_looks_for_and_nothing_else() -> None:
    for text in (
        "np.load(x, allow_pickle=True)", "np.load(x)", "torch.load(x, weights_only=False)", "torch.load(x)", "eval(x)",
        "pickle.Unpickler", "from pickle import load", "yaml.load(x)", "tar.extractall(x)", "import dill", "exec(x)",
        "tar.extract(x, filter='fully_trusted')", "os.system(x)", "subprocess.run(x, shell=True)",
        "np.load(x, allow_pickle=flag)",
    ):  # fmt: skip
        assert faults_in(text), text
    for text in ("np.load(x, allow_pickle=False)", "torch.load(x, weights_only=True)", "re.compile(x)"):
        assert not faults_in(text), text
