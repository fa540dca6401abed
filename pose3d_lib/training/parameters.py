"""From a notebook's or a command's parameters to a config, or to a message that names each parameter it refuses."""

import difflib
import re
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.open import complete_parameters, list_actions
from pose3d_lib.data.spec import GIVEN, DataSpec
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.settings import Settings

Config = TypeVar("Config", bound=BaseModel)


def make_config(kind: type[Config], parameters: Mapping[str, object]) -> Config:
    """A config of some kind from a notebook's or a command's parameters, or an InputError that names each that it refuses.

    Args:
        kind: the class of the config, such as `RunConfig`.
        parameters: name -> value; what is not given has its default.

    Those of `kind.BUNDLES`, such as `preset`, choose settings that other values override. None leaves a setting to them, but
    is refused where a name is expected. Numbers and booleans may be strings, as papermill passes some of them.
    """
    given = {name: value for name, value in parameters.items() if not _left_open(kind.model_fields.get(name), value)}
    bundles = getattr(kind, "BUNDLES", {})
    for name in parameters:
        check_name(name, [*bundles, *kind.model_fields], "parameter")
    chosen: dict[str, object] = {"device": "auto"} if issubclass(kind, Settings) else {}
    for name, values in bundles.items():
        value = given.pop(name, chosen.pop(name, next(iter(values))))
        chosen.update(values[check_name(str(value), values, name)])
    defaults = [own.model_fields["keypoints"].default for own in (kind, DataSpec)]
    try:  # a kind with a default of its own for the keypoints does not take what the dataset has first
        return kind(**{**chosen, **complete_parameters(given, keypoints=defaults[0] == defaults[1])})
    except ValidationError as error:
        raise InputError("\n".join(_refusal(problem) for problem in error.errors())) from error


def _left_open(field: FieldInfo | None, value: object) -> bool:
    """Whether a value stands for none; `field` is None for a bundle. As text, None may be a name."""
    if field is not None and GIVEN in field.metadata:
        return False
    return value is None or (value in ("None", "null") and (field is None or field.annotation is not str))


def _refusal(problem: dict) -> str:
    name = problem["loc"][0] if problem["loc"] else "parameters"
    message, found = problem["msg"].removeprefix("Value error, "), problem["input"]
    close = difflib.get_close_matches(str(found), re.findall("'(.*?)'", problem.get("ctx", {}).get("expected", "")))
    hint = f"; did you mean {close[0]!r}?" if close else ""
    if problem["type"] in ("string_type", "tuple_type"):
        return (
            f"parameter {name}: found {found!r}, expected text. papermill passes text as it is with -r in place of -p: "
            f"-r {name} {found}"
        )
    if message.startswith("unknown "):  # the message of `check_name` says what was found
        return f"parameter {name}: {message}"
    return f"parameter {name}: found {found!r}: {message}{hint}"


def check_data(config: DataSpec) -> None:
    """Refuses a dataset that is not there and actions that it does not have, before anything slow is done."""
    actions = list_actions(config.data)
    for action in config.named_actions if isinstance(config, Settings) else ():
        check_name(action, (ALL, *actions), "action")


def parameters_of(config: RunConfig) -> dict[str, object]:
    """The parameters that make 02_train this run: its action and seed, and the settings that differ from the defaults."""
    default, values = (own.model_dump(mode="json") for own in (make_config(RunConfig, {}), config))
    return {name: values[name] for name in values if name in ("action", "seed") or values[name] != default[name]}
