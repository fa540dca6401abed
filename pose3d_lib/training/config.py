"""`RunConfig`: everything a run depends on, in one frozen and validated object; what a parameters cell becomes."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from pose3d_lib.common.paths import RUN_NAME
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.spec import Name
from pose3d_lib.training.losses import PROJECTION, TERMS, TRAJECTORY
from pose3d_lib.training.settings import NameSet, Seed, Settings, UnitEpochs

# Settings younger than RESULT_FORMAT, whose default is what runs did before them. They are part of a run's name only where they
# differ from it, so that finished runs keep their names. Add new settings here; empty it when RESULT_FORMAT is raised.
ADDED: tuple[str, ...] = ("timed", "one_camera", "held_out", "action_input")


class RunConfig(Settings):
    """One training run.

    Attributes:
        action: one action, exactly as the dataset spells it, or "All" for the baseline.
        with_actions: further actions to train on; tests during training are of `action` alone.
        labelled_subjects: train subjects whose 3D poses are used; by default all. The unit epoch stays that of all.
        train_share: share of the frames of every training clip that is used, one stretch. Test clips and the unit epoch stay
            whole.
        share_at: where that stretch is: at the clip's beginning, or at a place drawn for each take.
        start_from: folder name of a finished run; training starts with its weights and recomputed batch-norm statistics.
        seed: of the initial weights, the order of the windows and the dropout masks.
        timed: number of a run that is made to be timed; 0 for one that is not. The baseline is trained beside it, some steps of
            one and some of the other in turn, and nothing of it but its time is kept.
        unit_epochs: length of a run in epochs of the baseline.
        budget: formula (1), or t = 15 as in the authors' scripts.
        lr_decay_per: what the learning rate counts.
        bn_decay_per: what the batch-norm momentum counts.
        test_every: also test after each of this number of the run's own epochs; 0 for none.
        unlabelled_subjects: whose clips are seen without 3D poses, in a semi-supervised run; by default of the labelled
            subjects. Labelled frames are left out.
        unlabelled_actions: of which actions; by default all.
        action_input: tell the network the action, in training and when it is used: it shifts the first layer by a learnt amount.
        trajectory: learn the root's place in camera space with a second network; semi-supervised runs always do.
        warmup_epochs: the run's own epochs before the unlabelled windows enter.
        without_terms: terms of the semi-supervised loss to leave out: trajectory, projection, bones.
        projection: the lens through which predictions are projected in the loss.
    """

    action: Name = ALL
    with_actions: NameSet = ()
    labelled_subjects: NameSet = ()
    train_share: float = Field(1.0, gt=0, le=1)
    share_at: Literal["beginning", "anywhere"] = "beginning"
    start_from: str = ""
    seed: Seed = 0
    timed: int = Field(0, ge=0, le=1_000_000)
    unit_epochs: UnitEpochs = 1.0
    budget: Literal["equal_frames", "fifteen"] = "equal_frames"
    lr_decay_per: Literal["epoch", "unit_epoch"] = "epoch"
    bn_decay_per: Literal["epoch", "unit_epoch"] = "epoch"
    test_every: int = Field(0, ge=0, le=1_000_000)
    unlabelled_subjects: NameSet = ()
    unlabelled_actions: NameSet = ()
    action_input: bool = False
    trajectory: bool = False
    warmup_epochs: float = Field(1.0, ge=0, le=1_000_000)
    without_terms: NameSet = ()
    projection: Literal["distorted", "linear"] = "distorted"

    @property
    def named_actions(self) -> tuple[str, ...]:
        return (*self.trained_actions, *self.unlabelled_actions)

    @property
    def semi_supervised(self) -> bool:
        return bool(self.unlabelled_subjects or self.unlabelled_actions)

    @property
    def has_trajectory(self) -> bool:
        """Whether there is a second network, of the trajectory."""
        return self.trajectory or self.semi_supervised

    @property
    def trained_actions(self) -> tuple[str, ...]:
        """`action` and `with_actions`; ("All",) for the baseline."""
        return (self.action, *self.with_actions)

    @property
    def is_baseline(self) -> bool:
        return self.action == ALL

    @field_validator(
        "unlabelled_actions", "action_input", "trajectory", "share_at", "budget", "lr_decay_per", "bn_decay_per"
    )
    @classmethod
    def _one_run(cls, value: object, info: ValidationInfo) -> object:
        """The default where another value would change nothing: one run instead of several."""
        given, subjects = info.data, info.data.get("unlabelled_subjects")
        whole, baseline = given.get("train_share") == 1, given.get("action") == ALL
        every_frame = baseline and whole and not given.get("labelled_subjects")
        changes_nothing = {
            "unlabelled_actions": subjects and value == (ALL,),  # of some subjects, which is all of theirs
            # a batch norm takes out what shifts all windows alike
            "action_input": not baseline and not given.get("with_actions"),
            "trajectory": subjects or given.get("unlabelled_actions"),  # a semi-supervised run always has one
            "share_at": whole,  # a whole clip is at its beginning
            "budget": baseline,  # a unit epoch is the baseline's, and its own epoch too while it has all frames
            "lr_decay_per": every_frame,
            "bn_decay_per": every_frame,
        }
        return cls.model_fields[info.field_name].default if changes_nothing[info.field_name] else value

    @field_validator("action_input")
    @classmethod
    def _from_the_beginning(cls, value: bool, info: ValidationInfo) -> bool:
        if value and any(info.data.get(name) for name in ("start_from", "unlabelled_subjects", "unlabelled_actions")):
            raise ValueError(
                "a network that is told the action is trained from random weights, on clips with poses; leave out start_from, "
                "unlabelled_subjects and unlabelled_actions, or this"
            )
        return value

    @field_validator("without_terms")
    @classmethod
    def _trained_trajectory(cls, terms: tuple[str, ...]) -> tuple[str, ...]:
        for term in terms:
            check_name(term, TERMS[1:], "term of the loss that can be left out")
        if {TRAJECTORY, PROJECTION} <= set(terms):
            raise ValueError(
                f"without {TRAJECTORY} and without {PROJECTION} nothing would train the network of the trajectory; leave out "
                "one of them"
            )
        return terms

    @field_validator("warmup_epochs", "without_terms", "projection")
    @classmethod
    def _only_with_unlabelled(cls, value: object, info: ValidationInfo) -> object:
        whose = ("unlabelled_subjects", "unlabelled_actions")
        semi_supervised = any(info.data.get(name, "refused") for name in whose)  # what is refused was meant
        if value != cls.model_fields[info.field_name].default and not semi_supervised:
            raise ValueError(
                "this is a setting of semi-supervised training, and no clip is unlabelled; "
                "give unlabelled_subjects or unlabelled_actions too"
            )
        return value

    @field_validator("with_actions")
    @classmethod
    def _set_of_others(cls, actions: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        action = info.data.get("action")
        if actions and (action == ALL or {action, ALL} & set(actions)):
            raise ValueError(
                f"expected actions other than {action!r}, and none beside {ALL!r}, which stands for every action"
            )
        return actions

    @field_validator("start_from")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if name and not RUN_NAME.fullmatch(name):
            raise ValueError("expected a run folder's name without its path, such as All-27f-1ue-seed0-06b751cf2e")
        return name
