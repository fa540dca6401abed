"""Action-based training of VideoPose3D: data, model, training, metrics, and the study that compares the two.

The names below are the public interface. Each is imported on first use, so that `import pose3d_lib` costs nothing.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data.dataset": ["PoseDataset"],
        "data.open": ["open_dataset"],
        "data.spec": ["DataSpec"],
        "metrics": ["mpjpe", "mpjve", "mrpe", "n_mpjpe", "p_mpjpe"],
        "model.lifter": ["TemporalLifter"],
        "model.predict": ["lift", "predict"],
        "runs.execute": ["execute_run"],
        "runs.models": ["open_model"],
        "runs.run": ["Run"],
        "training.config": ["RunConfig"],
        "training.parameters": ["make_config"],
        "training.plan": ["plan_run"],
    },
)
