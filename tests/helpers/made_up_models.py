"""Models that nobody trained, with cards: for tests of what is done with a model, whatever it has learnt."""

import torch

from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.model.card import ActionErrors, Errors, Means, ModelCard, Network, TrainedModel, build_networks


def made_up_model(
    *widths: int,
    mirrored: bool = True,
    in_features: int = 2,
    causal: bool = False,
    dense: bool = False,
    labels: tuple[str, ...] = (),
    seed: int = 0,
    **changes,
) -> TrainedModel:
    """Random weights and batch norms that have seen something; its poses are of a person's size. `changes` are of its card."""
    shape = {"causal": causal, "dense": dense, "in_features": in_features, "labels": labels}
    network = Network(filter_widths=widths or (3, 3), channels=12, dropout=0.25, **shape)
    four = {"mpjpe": 12.34, "p_mpjpe": 11, "n_mpjpe": 12, "mpjve": 1}
    errors = Errors(
        dataset="elsewhere",
        subjects=("S9",),
        mirrored=mirrored,
        actions={"Walking": ActionErrors(frames=100, **four)},
        action_wise=Means(**four),
        frame_wise=Means(**four),
    )
    fields = {
        "name": "made-up", "network": network, "trajectory": False, "keypoints": "simulated", "layout": H36M_17,
        "skeleton": H36M_17, "fps": (50.0,), "errors": errors,
        "licence": "Anybody may have it.",
        "origin": "Made up for a test.",
    }  # fmt: skip
    card = ModelCard(**fields | changes)
    torch.manual_seed(seed)
    lifters = build_networks(card)
    for lifter in lifters.networks:
        told = [torch.arange(4) % len(labels)] if labels else []
        for _ in range(3):
            lifter(torch.randn(4, lifter.receptive_field + 3, card.layout.num_joints, in_features), *told)
    return TrainedModel(lifters.eval(), card)
