"""What is no data that is read: it is named for what it is, with what to do, and by no other origin's reader."""

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.open import list_actions
from pose3d_lib.data.spec import DataSpec


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


EMPTY = np.zeros(3)
FOUND = {
    "several/clip.mp4": (b"\0\0\0\x18ftypmp42", "a video", "one video"),
    "frame_1.JPG": (b"\xff\xd8\xff\xe0", "an image", "keypoints"),
    "labels/clip_1.txt": (b"0 0.4 0.5 0.2 0.4 0.44 0.27 0.9\n", "YOLO", "tojson"),
    "mine.pkl": (pickle.dumps([1]), "a pickle", "numpy.save"),
    "walk.fbx": (b"Kaydara FBX Binary  \0", "another program", "BVH"),
    "walk.c3d": (b"\2P\0", "markers", "plain motion"),
    "model.bin": (b"\0\0", "a trained model", "06_predict"),
    "a.json": (json.dumps({"betas": [1], "thetas": [2]}).encode(), "JSON of no known form", "docs/data.md"),
    "a.csv": (b"time;price\n1;2\n", "time, price", "<joint>_x"),
    "a.zip": (npz(walk=EMPTY), "an archive", "unpack"),
    "cut.zip": (npz(walk=EMPTY)[:-9], "something that cannot be read", "again"),
    "several/b.npz": (npz(walk=EMPTY)[:-9], "something that cannot be read", "again"),
    "empty.json": (b"", "an empty file", "again"),
    "other.xyz": (b"?", "nothing that is known", "docs/data.md"),
    "amass.npz": (npz(poses=EMPTY, trans=EMPTY), "AMASS", "docs/data.md"),
    "data_3d_mine.npz": (npz(positions_3d=EMPTY), "3D positions", "folder"),
    "data_2d_mine_cpn.npz": (npz(positions_2d=EMPTY, metadata=EMPTY), "2D keypoints", "data_2d_custom_"),
    "poses.npz": (npz(positions=EMPTY, keypoints=EMPTY, clip=EMPTY, joints=EMPTY), "pose3d predict", "keypoints"),
    "several/one.npz": (npz(**{"S1/Walking/0": EMPTY}), "plain motion", "one file"),
    "walk.NPZ": (npz(walk=EMPTY), "the keys walk", "subject/Action/take"),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_is_not_read_is_named_with_what_to_do(name: str, tmp_path: Path) -> None:
    content, looks_like, advice = FOUND[name]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    for given in [path] * (path.parent.name != "several") + [path.parent] * ("/" in name):
        with pytest.raises(InputError) as refused:
            list_actions(DataSpec(dataset=str(given)))
        said = str(refused.value)
        assert said.startswith(f"{given}: looks like ")
        assert looks_like in said
        assert advice in said
