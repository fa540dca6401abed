"""BVH folders to a `PoseDataset`: names, units, upward axis, frame rates, placing, and what is said of each."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources import bvh
from pose3d_lib.data.sources.bvh.joints import shipped_mappings
from pose3d_lib.data.sources.bvh.motion import leg_lengths, read_motion, resample
from pose3d_lib.data.sources.bvh.names import match, name_files
from pose3d_lib.data.sources.filming import NEAREST, nearest_depth
from pose3d_lib.data.spec import DataSpec
from tests.helpers.bvh_texts import ANKLE_HEIGHT, PERSON, ROOT_CHANNELS, TURNS, Joint, bvh_text, walk, write_person

INDEX = H36M_17.index
TAKES = ("walk_ann_1", "walk_ben_1", "sit_ann_1", "sit_ben_1", "sit_ben_2")
PATTERN = "{action}_{subject}_{take}.bvh"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(TAKES):
        write_person(tmp_path / f"{name}.bvh", 20 + seed, seed=seed)
    return tmp_path


def read(path: Path, **parameters) -> PoseDataset:
    spec = DataSpec(dataset=str(path), **{"pattern": PATTERN, **parameters})
    bvh.find(spec, path)
    return bvh.read(spec, path, lambda line: None)


def world(data: PoseDataset, take: int = 0) -> np.ndarray:
    return data.world(data.clips.iloc[4 * take])


def takes(data: PoseDataset) -> list[str]:
    return ["/".join(key) for key in data.clips[["subject", "action", "take"]].drop_duplicates().to_numpy()]


def notes(data: PoseDataset) -> str:
    return "\n".join(data.notes)


def resized(factor: float) -> list[Joint]:
    return [(name, parent, np.multiply(offset, factor), channels) for name, parent, offset, channels in PERSON]


def write_listing(path: Path, *rows: str, encoding: str = "utf-8", columns: str = "file,subject,action,take") -> None:
    path.write_text("\n".join([columns, *rows]), encoding=encoding)


# Finding and naming files


def test_a_folder_and_a_single_file_are_recognised(folder: Path) -> None:
    assert bvh.recognise(folder)
    assert bvh.recognise(folder.parent)
    assert bvh.recognise(folder / "walk_ann_1.bvh")
    (folder / "empty").mkdir()
    (folder / "empty" / "notes.txt").touch()
    assert not bvh.recognise(folder / "empty")
    assert not bvh.recognise(folder / "empty" / "notes.txt")


def write_zip(path: Path, folder: Path, *, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((*folder.rglob("*.bvh"), *folder.rglob("*.csv"))):
            archive.write(file, top + file.relative_to(folder).as_posix())
        archive.writestr(f"__MACOSX/{top}._x.bvh", b"no BVH")
    return path


@pytest.mark.parametrize("top", ["", "mine/"])
def test_a_zip_gives_the_same_dataset_as_the_folder_in_it(top: str, folder: Path, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "mine.ZIP", folder, top=top)
    assert bvh.recognise(path)
    assert bvh.find(DataSpec(pattern=PATTERN), path)[1] == [path]
    assert bvh.list_actions(DataSpec(pattern=PATTERN), path) == read(folder).actions
    np.testing.assert_array_equal(read(path).positions, read(folder).positions)
    assert takes(read(path)) == takes(read(folder))
    write_listing(folder / "takes.csv", *(f"{name}.bvh,{name[5:8]},go,{name}" for name in TAKES))
    data = read(write_zip(path, folder, top=top), pattern="")
    assert data.actions == ("go",)
    assert "Subjects, actions and takes are named by takes.csv." in data.notes


def test_a_zip_with_a_damaged_file_is_refused_by_its_name_and_a_bomb_at_once(folder: Path, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "mine.zip", folder)
    with zipfile.ZipFile(path) as archive:
        begin = archive.getinfo("walk_ben_1.bvh").header_offset + 300
    whole = path.read_bytes()
    path.write_bytes(whole[:begin] + bytes([whole[begin] ^ 255]) + whole[begin + 1 :])
    with pytest.raises(InputError, match=r"mine\.zip.*walk_ben_1\.bvh"):
        read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("walk_ann_1.bvh", bytes(120_000_000))
    with pytest.raises(InputError, match=r"mine\.zip: unpacks to more than"):
        read(path)


def test_files_that_are_not_used_are_named(folder: Path) -> None:
    (folder / "sit_ann_1.bvh").rename(folder / "sit_ann_1.BVH")
    (folder / "readme.txt").write_text("mine")
    data = read(folder, pattern="s{action}_{subject}_{take}.bvh")
    assert "ann/it/1" in takes(data)
    assert "Passed over, as they are no BVH files: readme.txt." in notes(data)
    assert "2 files are not used, as nothing names them: walk_ann_1.bvh, walk_ben_1.bvh." in notes(data)


@pytest.mark.parametrize(
    ("pattern", "name", "key"),
    [
        ("dataset-1_{action}_{subject}_{take}.bvh", "dataset-1_walk-back_old_001.bvh", ("old", "walk-back", "001")),
        ("{action}_{subject}", "sit_ben.BVH", ("ben", "sit", "sit_ben")),
        ("{subject}/{action}/{take}.bvh", "S1/Walk Dog/1.bvh", ("S1", "Walk Dog", "1")),
        ("**/{action}_{take}.bvh", "a/b/sit_2.bvh", ("subject", "sit", "2")),
        ("{action}_{take}.bvh", "a/sit_2.bvh", None),
        ("{_}/{action}-{_}.bvh", "x/sit-old.bvh", ("subject", "sit", "sit-old")),
        ("{action}{take}_{subject}.bvh", "walk12_s5.bvh", ("s5", "walk", "12")),
        ("{action}{take}_{subject}.bvh", "walk_s5.bvh", None),
        ("{action}_{subject}.bvh", "Gehen_Jürgen.bvh", ("Jürgen", "Gehen", "Gehen_Jürgen")),
        ("{action}_{subject}.bvh", "_ben.bvh", None),
    ],
)
def test_a_pattern_reads_a_path(pattern, name, key) -> None:
    assert match(pattern, name) == key


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{subject}_{take}.bvh", "expected {action} once"),
        ("{action}_{actor}.bvh", "unknown field"),
        ("{action}{subject}.bvh", "two ways"),
        ("{action}_{subject", "matches none of the 5 files"),
        ("none_{action}.bvh", r"matches none of the 5 files \(sit_ann_1.bvh, .*'{action}_{subject}_{take}.bvh'"),
        ("{action}_{subject}.bvh", r"two ways: .*'subject': 'ann_1'\}; or .*'subject': '1'\}"),
        ("", r"no known naming fits all of the 5 files \(sit_ann_1.bvh, .*or put a takes.csv"),
        ("**/{action}_{subject}_{take}.bvh", r"more/sit_ann_1\.bvh.*and .*sit_ann_1\.bvh are both ann/sit/1"),
    ],
)
def test_a_pattern_that_is_none_or_does_not_name_the_files_is_refused(pattern, said, folder: Path) -> None:
    if "**" in pattern:
        write_person(folder / "more" / "sit_ann_1.bvh")
    with pytest.raises(InputError, match=said):
        name_files(folder, pattern)


@pytest.mark.parametrize(
    ("names", "first", "pattern"),
    [
        (["dataset-2_bow_old_001.bvh", "a/dataset-2_bow_young_001.bvh"], ("young", "bow", "001"), "dataset-"),
        (["walk1_subject5.bvh", "fallAndGetUp2_subject2.bvh"], ("subject2", "fallAndGetUp", "2"), "{action}{take}"),
        (["Old/Old_FW.bvh", "Old/Old_TR1.bvh"], ("Old", "FW", "Old_FW"), "**/{subject}_{action}.bvh"),
        (["S1/Sit/1.bvh", "S2/Sit/1.bvh"], ("S1", "Sit", "1"), "{subject}/{action}/{take}"),
        (["01_05.bvh"], ("subject", "01_05", "1"), "01_05"),
    ],
)
def test_known_namings_and_a_single_file_need_no_pattern(names, first, pattern, tmp_path: Path) -> None:
    for name in names:
        write_person(tmp_path / name)
    named, notes = name_files(tmp_path if names[1:] else tmp_path / names[0])
    assert next(iter(named)) == first
    assert len(named) == len(names)
    assert pattern in notes[0]


@pytest.mark.parametrize(("encoding", "comma"), [("utf-8-sig", ","), ("utf-16", ";")])
def test_takes_csv_names_files_and_is_one_of_the_source_s_files(encoding, comma, folder: Path) -> None:
    lines = ("subject,file,take,action,mood", "Åsa,sit_ann_1.bvh,a,Sit,gay", "Bo,./walk_ben_1.bvh,b,Go,")
    head, *rows = (line.replace(",", comma) for line in lines)
    write_listing(folder / "takes.csv", *rows, columns=head, encoding=encoding)
    data = read(folder, pattern="")
    assert takes(data) == ["Åsa/Sit/a", "Bo/Go/b"]
    assert "3 files are not used" in notes(data)
    assert bvh.list_actions(DataSpec(), folder) == ("Sit", "Go")
    assert folder / "takes.csv" in bvh.find(DataSpec(), folder)[1]
    assert folder / "takes.csv" not in bvh.find(DataSpec(pattern=PATTERN), folder)[1]


HEAD = "file,subject,action,take"


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        ("file,subject,action", ("sit_ann_1.bvh,a,b",), "line 2: .*expected the columns file, subject, action, take"),
        (HEAD, (), "not a single row"),
        (HEAD, ("sit_ann_1.bvh,a,b,d", "none.bvh,a,b,c"), "line 3: .*'none.bvh'.*a file of this folder"),
        (HEAD, ("sit_ann_1.bvh,a,b,c", "sit_ann_1.bvh,a,b,d"), "line 3: .*not there twice"),
        (HEAD, ("sit_ann_1.bvh,a,b,c", "walk_ann_1.bvh,a,b,c"), "both a/b/c"),
        (HEAD, ("sit_ann_1.bvh,a,b",), "line 2: .*'take': None"),
        (HEAD, ("sit_ann_1.bvh,a/x,b,c",), "names without slashes"),
        (HEAD, (f"sit_ann_1.bvh,{'a' * 200_000},b,c",), "takes.csv: not a table"),
    ],
)
def test_a_takes_csv_that_cannot_be_used_is_refused(columns, rows, said, folder: Path) -> None:
    write_listing(folder / "takes.csv", *rows, columns=columns)
    with pytest.raises(InputError, match=said):
        name_files(folder)


# Motion in metres


def test_a_folder_becomes_clips_of_four_cameras_in_metres(folder: Path) -> None:
    data = read(folder)
    assert takes(data) == ["ann/sit/1", "ben/sit/1", "ben/sit/2", "ann/walk/1", "ben/walk/1"]
    assert len(data.clips) == 20
    assert (data.train_subjects, data.test_subjects) == (("ann",), ("ben",))
    assert not data.synthetic
    assert set(data.clips.fps) == {30.0}
    assert "by mapping '100style'" in notes(data)
    assert "0.01 m (cm, as the legs tell)" in notes(data)
    assert "0.80 to 0.80 m" in notes(data)
    assert "y points upwards" in notes(data)
    assert bvh.list_actions(DataSpec(pattern=PATTERN), folder) == data.actions
    np.testing.assert_allclose(leg_lengths(world(data)), 0.8, atol=1e-5)


def test_the_person_stands_upright_with_left_and_right_where_they_belong_and_faces_where_it_walks(folder: Path) -> None:
    person = world(read(write_person(folder / "one" / "go_x_1.bvh", 30), pattern="", joints="100style"))
    right = person[:, INDEX("RHip")] - person[:, INDEX("LHip")]
    forward = np.cross([0, 0, 1], right)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    steps = ((person[1:, 0] - person[:-1, 0]) * forward[1:]).sum(axis=1)
    np.testing.assert_allclose(steps, 0.02, atol=1e-3)
    assert (person[:, INDEX("Head"), 2] > person[:, INDEX("Thorax"), 2] + 0.2).all()
    assert (person[:, INDEX("Hip"), 2] > person[:, INDEX("LFoot"), 2] + 0.5).all()


@pytest.mark.parametrize("unit", ["m", "mm", "cmu", "0.37"])
def test_a_unit_is_told_by_the_legs_or_given_and_sizes_are_kept(unit, tmp_path: Path) -> None:
    metres = bvh.UNITS.get(unit) or float(unit)
    motion, size = walk(20), 0.01 / metres
    motion[:, :3] *= size
    (tmp_path / "walk_ann_1.bvh").write_text(bvh_text(resized(size), motion))
    given = read(tmp_path, units=unit)
    np.testing.assert_allclose(leg_lengths(world(given)), 0.8, atol=1e-4)
    if unit in bvh.UNITS:
        np.testing.assert_array_equal(read(tmp_path).positions, given.positions)
    else:
        with pytest.raises(InputError, match=r"legs are 2\.162 units.*`units`"):
            read(tmp_path)


@pytest.mark.parametrize(
    "parameters",
    [
        *({"units": units} for units in ("feet", "-1", "nan", "1e9", "0.1")),
        *({"recorded_fps": rate} for rate in (0.5, 2001)),
        *({"fps": rate} for rate in (0.01, 1e4)),
        {"up": "w"},
    ],
    ids=str,
)
def test_parameters_that_make_no_sense_are_refused_by_name(parameters, folder: Path) -> None:
    with pytest.raises(InputError, match=next(iter(parameters))):
        read(folder, **parameters)


def test_a_file_in_another_unit_than_the_others_is_refused_by_its_name(folder: Path) -> None:
    (folder / "walk_ann_1.bvh").write_text(bvh_text(resized(0.01), walk(20, speed=0)))
    with pytest.raises(InputError, match=r"1 files have legs.*walk_ann_1\.bvh \(0\.8 units\)"):
        read(folder)


def handedness(pose: np.ndarray) -> np.ndarray:
    """(frames,): whose sign a mirror changes."""
    side = np.cross(pose[:, INDEX("RHip")] - pose[:, INDEX("LHip")], pose[:, INDEX("Head")] - pose[:, 0])
    front = pose[:, INDEX("LKnee")] - (pose[:, INDEX("LHip")] + pose[:, INDEX("LFoot")]) / 2
    return (side * front).sum(axis=1)


@pytest.mark.parametrize(("up", "turn"), [("x", (0, 0, -90)), ("z", (0, 90, 0))])
def test_another_upward_axis_is_recognised_and_left_stays_left(up, turn, tmp_path: Path) -> None:
    """The person of y up, its root turned about y, x, z: about z so that y becomes x, or about x so that it becomes z."""
    motion = walk(20, speed=0)
    motion[:, 3:6], motion[:, :3] = turn, 0
    motion[:, "xyz".index(up)] = 80 + ANKLE_HEIGHT
    (tmp_path / "walk_ann_1.bvh").write_text(bvh_text(PERSON, motion))
    expected = world(read(write_person(tmp_path / "y" / "walk_ann_1.bvh", 20, speed=0).parent))
    data = read(tmp_path)
    assert f"{up} points upwards, as bodies stand" in notes(data)
    for measure in (lambda pose: pose[..., 2], lambda pose: np.linalg.norm(pose - pose[:, :1], axis=-1), handedness):
        np.testing.assert_allclose(measure(world(data)), measure(expected), atol=1e-5)


def test_an_axis_that_does_not_point_upwards_is_refused(folder: Path) -> None:
    for name in TAKES:
        write_person(folder / f"{name}.bvh", 20, turns={"Hips": (0, 0, 180)})
    with pytest.raises(InputError, match=r"best guess is y up.*upwards"):
        read(folder)
    with pytest.raises(InputError, match="with y up"):
        read(folder, up="y")


@pytest.mark.parametrize(
    ("frame_time", "fps", "found", "frames"),
    [
        ("0.0166667", None, 60, 61), (".0083333", None, 60, 31), ("0.01", None, 50, 31), (".0083333", 30, 30, 16),
        ("0.0166667", 50, 50, 51), ("0.0333333", 60, 60, 121),
    ],
)  # fmt: skip
def test_frame_rates_become_what_is_asked_for_or_at_most_60(frame_time, fps, found, frames, tmp_path: Path) -> None:
    write_person(tmp_path / "walk_ann_1.bvh", 61, frame_time, seed=3)
    data = read(tmp_path, fps=fps)
    assert data.clips.fps.iloc[0] == pytest.approx(found)
    assert len(world(data)) == frames
    native = read_motion(tmp_path / "walk_ann_1.bvh", shipped_mappings()["100style"], 1 / float(frame_time)).motion
    root = world(data)[:, 0, :2]
    way = np.linalg.norm(root[-1] - root[0])  # 2 cm per frame of the file
    assert way == pytest.approx(0.02 * (len(native) - 1), abs=0.021)


def test_recorded_fps_takes_the_place_of_the_rate_that_the_files_state(folder: Path) -> None:
    data = read(folder, recorded_fps=120)
    assert set(data.clips.fps) == {60.0}
    assert len(world(data)) == len(world(read(folder))) / 2
    assert "Taken for recorded at 120 frames per second, whatever the files say (`recorded_fps`)." in data.notes


def test_resampling_a_curve_recovers_it() -> None:
    def curve(times: np.ndarray) -> np.ndarray:
        return np.sin(2 * times)[:, None, None] * np.ones((17, 3))

    found = resample(curve(np.arange(61) / 30), 30.0, 50.0)
    assert len(found) == 101
    np.testing.assert_allclose(found, curve(np.arange(101) / 50), atol=1e-4)
    assert len(resample(curve(np.zeros(1)), 30.0, 50.0)) == 1


def test_files_are_brought_to_one_rate(folder: Path) -> None:
    write_person(folder / "sit_ben_1.bvh", 60, "0.0166667")
    mixed = read(folder)
    assert set(mixed.clips.fps) == {50.0}
    assert "Resampled to 50 frames per second, as files have 30, 60" in notes(mixed)


@pytest.mark.parametrize(
    ("speed", "frames", "columns", "value", "rest"),
    [
        (2.0, 0, slice(3, None), 0, True),  # where the motion begins
        (2.0, 0, slice(0, 3), -500, True),  # far from it, though something is turned
        (2.0, slice(None), slice(3, None), 0, False),  # a person who never moves a limb
        *((speed, 0, slice(0, 0), 0, False) for speed in (2.0, 30.0)),  # steady motion, however fast
    ],
)
def test_a_first_frame_that_is_not_of_the_motion_is_told(speed, frames, columns, value, rest, tmp_path: Path) -> None:
    motion = walk(20, seed=4, speed=speed)
    motion[frames, columns] = value
    path = tmp_path / "walk_ann_1.bvh"
    path.write_text(bvh_text(PERSON, motion))
    assert ("rest" in read_motion(path, shipped_mappings()["100style"], None).remarks) == rest


def test_what_is_read_otherwise_than_a_file_says_is_counted(folder: Path) -> None:
    expected = read(folder)
    six = [(*joint[:3], (*ROOT_CHANNELS[:3], *TURNS) if joint[3] and joint[1] else joint[3]) for joint in PERSON]
    for seed, name in enumerate(TAKES[:2]):
        motion = walk(20 + seed, seed=seed)
        turns = motion[:, 6:].reshape(len(motion), -1, 3)
        zeros = np.concatenate([np.zeros_like(turns), turns], axis=2).reshape(len(motion), -1)
        (folder / f"{name}.bvh").write_text(bvh_text(six, np.hstack([motion[:, :6], zeros])))
    file = folder / "sit_ann_1.bvh"
    file.write_text(file.read_text().replace("Frames: 22", "Frames: 21"))
    motion = walk(24, seed=4)
    (folder / "sit_ben_2.bvh").write_text(bvh_text(PERSON, np.vstack([np.zeros_like(motion[:1]), motion])))
    data = read(folder)
    np.testing.assert_allclose(data.positions, expected.positions, atol=1e-6)
    assert "1 files begin with a frame in rest pose" in notes(data)
    assert "2 of 5 files have joints whose positions are 0" in notes(data)
    assert "files have" not in notes(expected)


def test_a_walk_too_long_for_the_room_is_cut_into_pieces_that_fit(folder: Path) -> None:
    write_person(folder / "walk_ann_1.bvh", 300, speed=20)  # 60 m
    data = read(folder)
    pieces = [name for name in takes(data) if name.startswith("ann/walk/")]
    assert len(pieces) >= 4
    assert pieces == [f"ann/walk/1.{number}" for number in range(1, len(pieces) + 1)]
    assert "ann/walk/1" in notes(data)
    clips = data.clips[(data.clips.action == "walk") & (data.clips.subject == "ann")]
    lengths = (clips.stop - clips.start)[::4]
    assert lengths.sum() == 300
    assert lengths.min() >= 30
    for _, clip in clips.iterrows():
        assert nearest_depth(data.world(clip)) > NEAREST - 1e-5
    assert "ben/walk/1" in takes(data)
    with pytest.raises(InputError, match=r"unknown take to leave out of .* 'ann/walk/1.2'"):
        read(folder, leave_out=("ann/walk/1.2",))


def test_takes_that_fit_in_no_pieces_are_left_out_by_name_and_none_is_an_error(folder: Path) -> None:
    write_person(folder / "walk_ann_1.bvh", 90, speed=80)  # 24 m in each second
    data = read(folder)
    assert "ann/walk/1" not in " ".join(takes(data))
    assert "1 takes do not fit into the room even in pieces and are left out: ann/walk/1." in notes(data)
    with pytest.raises(InputError, match="no take fits"):
        read(folder, leave_out=("ann/sit/1", "ben/sit/1", "ben/sit/2", "ben/walk/1"))


def test_a_take_far_from_the_floor_is_put_onto_it(folder: Path) -> None:
    motion = walk(20, seed=1)
    motion[:, 1] += 120
    (folder / "sit_ann_1.bvh").write_text(bvh_text(PERSON, motion))
    data = read(folder)
    feet = world(data)[:, [INDEX("LFoot"), INDEX("RFoot")], 2]
    assert feet.min() == pytest.approx(0.08, abs=1e-5)
    assert "1 takes are moved" in notes(data)
    assert world(data, 1)[:, [INDEX("LFoot"), INDEX("RFoot")], 2].min() > 0.085  # the others stay where they are


def test_takes_left_out_and_subjects_chosen_are_not_even_read(folder: Path) -> None:
    (folder / "sit_ann_1.bvh").write_text("broken")
    data = read(folder, leave_out=("ann/sit/1",), train_subjects=("ben",))
    assert data.train_subjects == ("ben",)
    assert "ann/sit/1 is left out" in notes(data)


def test_every_bad_file_is_named_up_to_five_with_how_to_leave_it_out(folder: Path) -> None:
    for name in ("walk_ben_1", "sit_ann_1", *(f"zoo_zoe_{number}" for number in range(9))):
        (folder / f"{name}.bvh").write_text(bvh_text(PERSON, walk(3))[:-20])
    with pytest.raises(InputError, match="2 takes cannot be used") as refusal:
        read(folder, train_subjects=("ann",), test_subjects=("ben",))
    for text in ("walk_ben_1.bvh", "sit_ann_1.bvh", "take ben/walk/1", "leave_out = 'ann/sit/1,ben/walk/1'"):
        assert text in str(refusal.value)
    with pytest.raises(InputError, match="5 takes cannot be used, and maybe more"):
        read(folder)
