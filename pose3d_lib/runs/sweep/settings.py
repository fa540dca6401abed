"""Settings of runs that are executed together, and how they are."""

import re

from pydantic import Field, field_validator

from pose3d_lib.training.settings import Settings

SCHEDULERS = ("local", "slurm", "lsf")  # where runs are executed, besides a Dask cluster by its address


class SweepSettings(Settings):
    """Settings of runs that are executed together, and how they are.

    Attributes:
        jobs: runs at a time; 0 stands for as many as the cores allow with `threads` each, or one on a GPU.
        scheduler: where runs are executed: "local", "slurm", "lsf", or the address of a Dask scheduler, tcp://host:8786.
    """

    jobs: int = Field(0, ge=0, le=1024)
    scheduler: str = "local"

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, scheduler: str) -> str:
        if scheduler not in SCHEDULERS and not re.fullmatch(r"(tcp|tls)://.+:\d+", scheduler):
            raise ValueError(
                f"expected {', '.join(SCHEDULERS)}, or the address of a Dask scheduler, such as tcp://host:8786"
            )
        return scheduler
