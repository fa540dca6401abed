"""Mappings: how the joints of a BVH skeleton become the 17 of Human3.6M, each a weighted mean of them."""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.catalogue import find_path
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.text_files import read_toml

RECOGNISED_BY = "recognised_by"
PREFIX = re.compile(r"^(?:.*:|mixamorig\d*_?)")  # that some programs put before names: "mixamorig1:", "mixamorig_"
ADVICE = "`joints` takes the name of a mapping or the path of a .toml with your own"


@dataclass(frozen=True)
class JointMapping:
    """A mapping of joints."""

    name: str
    weights: tuple[Mapping[str, float], ...]  # of each of the 17 joints, BVH joint -> weight; they add up to 1
    recognised_by: tuple[str, ...] = ()  # BVH joints that tell that a skeleton is of this kind

    @property
    def needed(self) -> tuple[str, ...]:
        """Every BVH joint that it uses."""
        return tuple(dict.fromkeys(joint for weights in self.weights for joint in weights))


@cache
def shipped_mappings() -> dict[str, JointMapping]:
    """Name -> mapping, those that come with this package; one is of files with the 17 joints themselves, such as ours."""
    same = JointMapping(H36M_17.name, tuple({joint: 1.0} for joint in H36M_17.joints))
    text = resources.files(__package__).joinpath("joints.toml").read_text(encoding="utf-8")
    found = {name: parse_mapping(name, table, "joints.toml") for name, table in tomllib.loads(text).items()}
    return found | {same.name: same}


def find_mapping(joints: str, names: Sequence[str], where: object) -> JointMapping:
    """The mapping that `joints` names, by name or by path of a `.toml`, or that the names in the file `where` tell."""
    shipped = shipped_mappings()
    if joints:
        mapping = read_mapping(joints) if joints.endswith(".toml") else shipped[check_name(joints, shipped, "joints")]
        weight_matrix(mapping, names, where)  # so that missing joints are told at once
        return mapping
    there = {plain_name(name) for name in names}
    recognised = [m for m in shipped.values() if there.issuperset((*m.recognised_by, *m.needed))]
    if len(recognised) == 1:
        return recognised[0]
    fitting = [m.name for m in shipped.values() if there.issuperset(m.needed)]
    hint = f"These mappings could be given: {', '.join(fitting)}. " if fitting else ""
    raise InputError(
        f"{where}: its joints are of no kind that is known here: {some(names, 80)}. {hint}{ADVICE}; shipped are "
        f"{', '.join(shipped)}"
    )


def read_mapping(path: str) -> JointMapping:
    """The mapping of a `.toml` with the 17 joints, called as the file."""
    file = find_path(path)
    return parse_mapping(file.stem, read_toml(file, "a mapping of joints"), file)


def parse_mapping(name: str, table: Mapping[str, object], where: object) -> JointMapping:
    """A table of a TOML file, checked: all 17 joints, and weights that add up to 1."""
    for key in table:
        check_name(key, (*H36M_17.joints, RECOGNISED_BY), f"joint in mapping {name!r} of {where}")
    if missing := [joint for joint in H36M_17.joints if joint not in table]:
        raise InputError(f"{where}: mapping {name!r} lacks {', '.join(missing)}; a mapping gives all 17 joints")
    weights = tuple(_weights(table[joint], f"{where}: {joint} of mapping {name!r}") for joint in H36M_17.joints)
    recognised = table.get(RECOGNISED_BY)  # of a mapping that is given by its path, not looked at
    return JointMapping(name, weights, tuple(recognised) if isinstance(recognised, list) else ())


def plain_name(joint: str) -> str:
    """A joint's name without the prefix that some programs put before it."""
    return PREFIX.sub("", joint) or joint


def weight_matrix(mapping: JointMapping, names: Sequence[str], where: object) -> tuple[list[int], np.ndarray]:
    """The indices of a file's joints that the mapping uses, and their weights (17, those joints) that make the 17."""
    index: dict[str, int] = {}
    for number, name in enumerate(names):
        plain = plain_name(name)
        if plain in index and plain in mapping.needed:
            raise InputError(f"{where}: {names[index[plain]]!r} and {name!r} are both joint {plain!r} of the mapping")
        index.setdefault(plain, number)
    if missing := [joint for joint in mapping.needed if joint not in index]:
        raise InputError(
            f"{where}: the joints {', '.join(missing)} of mapping {mapping.name!r} are missing. There are: "
            f"{some(names, 80)}. {ADVICE}"
        )
    matrix = np.array([[weights.get(joint, 0.0) for joint in mapping.needed] for weights in mapping.weights])
    return [index[joint] for joint in mapping.needed], matrix


def _weights(value: object, where: str) -> dict[str, float]:
    names = [value] if isinstance(value, str) else value
    weights = dict.fromkeys(map(str, names), 1 / len(names)) if isinstance(names, list) and names else value
    numbers = list(weights.values()) if isinstance(weights, dict) else []
    sound = all(type(number) in (int, float) and abs(number) <= 100 for number in numbers)
    if not sound or not math.isclose(math.fsum(numbers), 1, abs_tol=1e-6):
        raise InputError(
            f'{where} is {value!r:.200}; expected "Joint", ["Joint", "Other"] for their mean, or '
            "{ Joint = 0.5, Other = 0.5 } with weights that add up to 1"
        )
    return {joint: float(number) for joint, number in weights.items()}
