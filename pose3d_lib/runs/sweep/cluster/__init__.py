"""A sweep on more than one machine: Dask, SLURM, LSF."""
