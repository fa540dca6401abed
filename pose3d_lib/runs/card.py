"""The card of a run's model: made from the run's folder and its dataset when it is finished, and kept in the folder."""

from pathlib import Path

import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import write_json
from pose3d_lib.model.card import Errors, ModelCard, Training, licence_of, network_of, parse_card
from pose3d_lib.runs.inventory import State, look_at
from pose3d_lib.runs.layout import CARD
from pose3d_lib.runs.run import Run
from pose3d_lib.training.budget import learning_rate
from pose3d_lib.training.plan import RunPlan, build_lifters


def make_card(run: Run, plan: RunPlan) -> ModelCard:
    """The card of a run whose errors are written."""
    config, data, provenance = plan.config, plan.data, run.provenance
    clips, unlabelled, budget = plan.train, plan.unlabelled, plan.budget
    metrics, timing = run.metrics, run.timing
    with torch.device("meta"):  # no memory is taken, and no random number
        network = network_of(build_lifters(config, data).pose)
    return ModelCard(
        name=run.folder.name,
        network=network,
        trajectory=config.has_trajectory,
        keypoints=config.keypoints,
        layout=data.layouts[config.keypoints],
        skeleton=data.skeleton,
        fps=tuple(sorted(set(clips.fps))),
        epochs=timing["epochs"],
        lr=learning_rate(
            config.lr, config.lr_decay, seen=timing["windows"], budget=budget, decay_per=config.lr_decay_per
        ),
        training=Training(
            run=run.folder.name,
            dataset=data.name,
            fingerprint=data.fingerprint,
            synthetic=data.synthetic,
            subjects=tuple(dict.fromkeys(clips.subject)),
            actions=tuple(dict.fromkeys(clips.action)),
            clips=len(clips),
            frames=int((clips.stop - clips.start).sum()),
            windows=timing["windows"],
            unlabelled_clips=unlabelled.index.nunique(),
            unlabelled_subjects=tuple(dict.fromkeys(unlabelled.sort_index().subject)),
            notes=tuple(data.declarations()),
            config=config.model_dump(mode="json"),
            commit=provenance["commit"],
            packages=provenance["packages"],
        ),
        errors=Errors(
            dataset=data.name,
            subjects=tuple(dict.fromkeys(plan.test.subject)),
            mirrored=config.mirror_testing,
            actions=metrics["actions"],
            action_wise=metrics["action_wise"],
            frame_wise=metrics["frame_wise"],
            trajectory=run.root_errors,
        ),
        licence=licence_of(data),
        origin=f"Trained by pose3d-lib {provenance['packages']['pose3d-lib']}, in the run {run.folder.name}.",
    )


def write_card(run: Run, plan: RunPlan) -> None:
    """Writes a run's card into its folder."""
    write_json(run.folder / CARD, make_card(run, plan).model_dump(mode="json"))


def read_run_card(folder: Path) -> ModelCard:
    """The card of a finished run; an InputError where it is unfinished, damaged or of another version."""
    if (entry := look_at(folder)) is None or entry.state != State.FINISHED:
        found = ", ".join(filter(None, (entry.state, entry.note))) if entry else "no such folder"
        raise InputError(f"{folder}: no finished run ({found}); `pose3d runs list` shows which are finished")
    try:
        return parse_card((folder / CARD).read_bytes())
    except (InputError, OSError) as error:
        raise InputError(f"{folder}: {error}; `pose3d runs verify` looks for what is wrong with it") from error
