"""The runs of the published scarcity study: a share of one subject's poses is known, of the others only video.

VideoPose3D (Pavllo et al. 2019, section 6.3) labels a contiguous part of every clip of one subject, sees the other train
subjects without their poses, and compares that with training on the labelled part alone. This paper's question is asked
in addition: does video of other actions, without poses, help a model that knows the poses of a single action?
"""

from itertools import product
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import Name
from pose3d_lib.runs.sweep.jobs import SweepSettings
from pose3d_lib.study.config import Actions, compared_actions, paper_actions
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.losses import BONES, PROJECTION
from pose3d_lib.training.plan import plan_run
from pose3d_lib.training.settings import PRESETS, OneOrMore, Points, Seed, Settings, UnitEpochs

# Of the published study. Here every run sees equally many windows, whatever its share; what counts epochs keeps these
# proportions.
PUBLISHED_EPOCHS, PUBLISHED_WARMUP = 200, 5

ABLATIONS = (PROJECTION, BONES)  # terms to leave out of the loss, one at a time
BATCH_SIZE = 64  # the published study's, whatever the preset
CHANNELS, DROPOUT = 1024, 0.25  # of the published networks

Share = Annotated[float, Field(gt=0, le=1)]


class ScarcityConfig(SweepSettings):
    """Which runs a scarcity study has.

    Attributes:
        labelled_subject: whose poses are known; default the first train subject. The other train subjects are seen without
            poses, or, where there is no other, the rest of this one's clips.
        shares: labelled share of every clip of that subject, somewhere in the clip.
        ablation_share: the one of `shares` at which terms of the loss are left out; 0 for none.
        actions: of the question of this paper: their poses are known, by all train subjects, and the other actions are seen
            without; default those that the paper shows, or the first two where the data lacks these.
        seeds: of every model.
        unit_epochs: length of every run, in passes over all clips of all train subjects.
        keypoints, batch_size: as the published study has them.
        dropout: below the published 0.25, which is for 1024 channels; that for presets with so many.
        evaluate_at: no tests during training unless this asks for them.
        recompute_at: nor with recomputed statistics.
        lr_decay: factor of the learning rate after every 200th part of a run.
    """

    BUNDLES: ClassVar[dict[str, dict]] = {
        "preset": {
            name: settings
            | {"batch_size": BATCH_SIZE}
            | ({"dropout": DROPOUT} if settings.get("channels", 0) >= CHANNELS else {})
            for name, settings in PRESETS.items()
        }
    }

    labelled_subject: Name = ""
    shares: Annotated[OneOrMore[Share], AfterValidator(lambda shares: tuple(sorted(shares)))] = (0.02, 0.1, 0.5)
    ablation_share: float = Field(0.1, ge=0, le=1, validate_default=True)  # which `shares` may not have
    actions: Actions = ()
    seeds: OneOrMore[Seed] = (0, 1, 2)
    unit_epochs: UnitEpochs = 4.0
    keypoints: str = "gt"
    batch_size: int = Field(BATCH_SIZE, ge=2, le=100_000, validate_default=True)
    dropout: float = Field(0.1, ge=0, lt=1)
    lr_decay: float = Field(0.98, gt=0, le=1)
    evaluate_at: Points = ()
    recompute_at: Points = ()

    @property
    def named_actions(self) -> tuple[str, ...]:
        return self.actions

    @field_validator("ablation_share")
    @classmethod
    def _one_of_the_shares(cls, share: float, info: ValidationInfo) -> float:
        shares = info.data.get("shares", (share,))
        if share and share not in shares:
            raise ValueError(
                f"it is none of shares, {', '.join(f'{own:g}' for own in shares)}; give one of these, or 0 for no ablation"
            )
        return share


def plan_scarcity(config: ScarcityConfig, data: PoseDataset) -> list[RunConfig]:
    """Every run of the study, each once: both arms at every share, then the ablations, then the question of this paper.

    Raises:
        InputError: the data cannot carry a run.
    """
    own, others = subjects(config, data)

    def arms(seed: int, share: float) -> list[dict[str, object]]:
        first = {"seed": seed, "labelled_subjects": (own,), "train_share": share, "share_at": "anywhere"}
        left = share < 1 or own not in others  # to be seen without poses
        return [first, {**first, "unlabelled_subjects": others}] if left else [first]

    runs = [arm for seed in config.seeds for share in config.shares for arm in arms(seed, share)]
    for seed, term in product(config.seeds, ABLATIONS if config.ablation_share else ()):
        runs += [{**arm, "without_terms": (term,)} for arm in arms(seed, config.ablation_share)[1:]]
    for seed, action in product(config.seeds, question_actions(config, data)):
        rest = tuple(other for other in data.train_actions if other != action)
        runs += [{"seed": seed, "action": action}, {"seed": seed, "action": action, "unlabelled_actions": rest}]
    return list(dict.fromkeys(_make_run(config, data, settings) for settings in runs))


def subjects(config: ScarcityConfig, data: PoseDataset) -> tuple[str, tuple[str, ...]]:
    """Whose poses are known, and who is seen without: the other train subjects, or where there are none the same one."""
    data.train_clips()  # refuses data that has nothing to train on
    wanted = config.labelled_subject or data.train_subjects[0]
    own = check_name(wanted, data.train_subjects, f"train subject of {data.name}")
    return own, tuple(name for name in data.train_subjects if name != own) or (own,)


def question_actions(config: ScarcityConfig, data: PoseDataset) -> list[str]:
    """The actions of this paper's question; none where there is only one action to train on."""
    actions = compared_actions(data, config.actions)
    if len(data.train_actions) > 1:
        return actions if config.actions else paper_actions(actions)
    if config.actions:
        raise InputError(
            f"parameter actions: {data.name} has only {actions[0]}, and no other to see without poses; leave it out"
        )
    return []


def _make_run(config: ScarcityConfig, data: PoseDataset, settings: dict[str, object]) -> RunConfig:
    """A run of the study's length: its warm-up takes the same share as the published one's, and its rate falls as far.

    The learning rate falls after every epoch, and a run has more or fewer of them than 200: in finer or coarser steps.
    """
    common = {name: getattr(config, name) for name in Settings.model_fields}
    chosen = RunConfig(**{**common, "unit_epochs": config.unit_epochs, **settings})
    epochs = plan_run(chosen.model_copy(update={"warmup_epochs": 0.0}), data).budget.epochs
    # A run of less than an epoch does not reach the least decay.
    decay = max(round(config.lr_decay ** (PUBLISHED_EPOCHS / epochs), 6), 1e-6)
    warmup = round(epochs * PUBLISHED_WARMUP / PUBLISHED_EPOCHS, 3) if chosen.semi_supervised else chosen.warmup_epochs
    return RunConfig(**{**chosen.model_dump(), "lr_decay": decay, "warmup_epochs": warmup})
