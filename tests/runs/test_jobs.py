"""SLURM and LSF: what jobs ask for, and what is said when they are refused or never arrive."""

import gc
import itertools
import os
import shlex
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pose3d_lib.common import paths
from pose3d_lib.common.errors import InputError
from pose3d_lib.runs.sweep import cluster as clusters
from pose3d_lib.runs.sweep import jobs
from tests.helpers.dask_cluster import configured
from tests.helpers.sweep_processes import wait_until

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the files of keys that dask-jobqueue leaves


@pytest.fixture(autouse=True)
def outputs(outputs: Path) -> Path:
    return outputs


@pytest.fixture(autouse=True, scope="module")
def collected() -> Iterator[None]:
    """No later test meets those files."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def make_script(scheduler: str, threads: int = 2, device: str = "cpu") -> str:
    return jobs.job_script(scheduler, threads=threads, device=device)


def test_a_slurm_job_is_one_worker_for_one_run_at_a_time(outputs: Path) -> None:
    with configured("slurm", queue="gpu", account="vision", walltime="04:00:00", memory="16GB", interface="ib0"):
        lines = make_script("slurm", threads=4, device="cuda").splitlines()
    directives = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    logs = f"{outputs}/jobs/dask-worker-%J"
    asked = ["-J dask-worker", f"-e {logs}.err", f"-o {logs}.out", "-p gpu", "-A vision", "-n 1", "--cpus-per-task=4"]
    assert directives == [*asked, "--mem=15G", "-t 04:00:00", "--gres=gpu:1"]
    assert lines[-2] == f"cd {paths.project_root()}"
    worker = lines[-1].split()
    assert worker[:3] == [sys.executable, "-m", "distributed.cli.dask_worker"]
    given = dict(itertools.pairwise(worker))
    expected = {"--nthreads": "1", "--resources": "GPU=1", "--lifetime": "14280s", "--protocol": "tls://"}
    assert {name: given[name] for name in expected} == expected


def test_a_slurm_job_on_the_cpu_asks_for_no_gpu_and_has_defaults() -> None:
    with configured("slurm"):
        script = make_script("slurm")
    assert "gpu" not in script.lower()
    for asked in ("#SBATCH --mem=8G\n#SBATCH -t 00:30:00\n", "#SBATCH --cpus-per-task=2\n", "--lifetime 1680s"):
        assert asked in script


def test_an_lsf_job_asks_for_the_same_in_its_own_words(outputs: Path) -> None:
    with configured("lsf", queue="gpu", project="vision", walltime="4:00", memory="16GB", lsf_units="mb"):
        lines = make_script("lsf", threads=4, device="cuda").splitlines()
    directives = [line.removeprefix("#BSUB ") for line in lines if line.startswith("#BSUB")]
    asked = ["-q gpu", '-P "vision"', "-n 4", '-R "span[hosts=1]"', "-M 16000", "-W 4:00", '-gpu "num=1"']
    assert directives[-7:] == asked
    assert all(f"{outputs}/jobs/" in directive for directive in directives[1:3])
    for part in (" --nthreads 1 ", "--resources GPU=1", "--lifetime 14280s"):
        assert part in lines[-1]


def test_the_user_s_own_configuration_comes_first() -> None:
    own = {"job_extra_directives": ["--gres=gpu:a100:1", "--exclude=node7"], "worker_extra_args": ["--lifetime", "1h"]}
    where = {"job_script_prologue": ["module load cuda"], "log_directory": "/tmp"}
    with configured("slurm", name="mine", job_cpu=8, **where, **own):
        script = make_script("slurm", device="cuda")
    for line in ("-J mine", "--cpus-per-task=8", "--gres=gpu:a100:1", "--exclude=node7", "-o /tmp/mine-%J.out"):
        assert f"#SBATCH {line}\n" in script
    assert "module load cuda\ncd " in script
    assert "--gres=gpu:1" not in script
    assert script.count("--lifetime") == script.count("--lifetime 1h") == 1


@pytest.mark.parametrize("name", ["my outputs", "90%"])
def test_files_of_jobs_need_a_plain_folder(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / name))
    with pytest.raises(InputError, match="POSE3D_OUTPUTS"):
        make_script("slurm")
    with pytest.raises(InputError, match="'tcp://host:8786': only slurm and lsf have job scripts"):
        make_script("tcp://host:8786")


@pytest.mark.parametrize("scheduler", ["slurm", "lsf"])
def test_a_shell_reads_the_paths_of_a_script_as_they_are(scheduler: str, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "a & b; $(touch bad) 'c' `touch bad` $HOME > bad"
    interpreter = put_command(folder, "python", f"printf '%s\\n' \"$@\" > {shlex.quote(str(tmp_path / 'words'))}")
    monkeypatch.setattr(sys, "executable", str(interpreter))
    monkeypatch.setattr(jobs, "project_root", lambda: folder)
    with configured(scheduler, lsf_units="mb"):
        script = make_script(scheduler)
    script = script.replace("<", "").replace(">:", ":")  # dask-jobqueue's placeholder of the address
    subprocess.run(["sh"], input=script, cwd=tmp_path, text=True, check=True)
    assert (tmp_path / "words").read_text().split()[:2] == ["-m", "distributed.cli.dask_worker"]
    assert not list(tmp_path.rglob("bad"))


@pytest.mark.parametrize(
    ("scheduler", "walltime", "seconds"),
    [
        ("slurm", "00:30:00", 1800), ("slurm", "1-12:30:00", 131400), ("slurm", "UNLIMITED", None),
        ("lsf", "4:00/hostA", 14400), ("lsf", None, None),
    ],
)  # fmt: skip
def test_a_time_limit_is_read_as_the_batch_system_reads_it(scheduler: str, walltime: object, seconds: object) -> None:
    assert jobs.seconds_of_walltime(scheduler, walltime) == seconds


def put_command(folder: Path, name: str, *lines: str) -> Path:
    """A command of a made-up batch system."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    (folder / name).chmod(0o755)
    return folder / name


@pytest.fixture
def commands(tmp_path: Path, monkeypatch) -> Path:
    folder = tmp_path / "commands"
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(clusters, "LONGEST_WAIT", 0.5)
    monkeypatch.setattr(clusters, "SECONDS_BETWEEN_LOOKS", 0.1)
    return folder


def open_batch(scheduler: str, say: Callable[[str], None] = print) -> None:
    with (
        configured(scheduler, scheduler_options={"host": "127.0.0.1"}),
        clusters.open_cluster(scheduler, jobs=2, threads=1, device="cpu", say=say),
    ):
        pass


def test_without_the_batch_system_s_commands_an_error_says_where_to_start(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="no command bsub on this machine; start the sweep where jobs of LSF"):
        open_batch("lsf")


def test_what_sbatch_complains_of_is_quoted(commands: Path) -> None:
    put_command(commands, "sbatch", "echo 'sbatch: error: Invalid account' >&2", "exit 1")
    with pytest.raises(InputError, match=r"SLURM took no job: sbatch: error: Invalid account$"):
        open_batch("slurm")


def test_jobs_are_named_with_where_they_print_and_cancelled(commands: Path, outputs: Path) -> None:
    put_command(commands, "sbatch", "echo Submitted batch job 17")
    put_command(commands, "scancel", f"echo $1 >> {outputs}/cancelled")
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_batch("slurm", say)
    assert said[0].startswith("SLURM took 2 of 2 jobs: 17, 17; ")
    assert said[0].endswith(f"Ctrl-C cancels them. What they print goes to {outputs}/jobs")
    assert (outputs / "cancelled").read_text() == "17\n17\n"


@pytest.mark.slow
def test_a_sweep_on_lsf_submits_jobs_and_ends_them(commands: Path, outputs: Path, tmp_path: Path, monkeypatch) -> None:
    """With a made-up LSF, which starts jobs at once, here."""
    script = f"{tmp_path}/script"
    started = f"setsid bash {script} > {tmp_path}/job.log 2>&1 &"
    listed = f"echo $! >> {tmp_path}/jobs"
    put_command(commands, "bsub", f"cat > {script}", started, listed, 'echo "Job <$!> is submitted"')
    put_command(commands, "bkill", "kill -TERM -- -$1")
    said: list[str] = []
    with (
        configured("lsf", scheduler_options={"host": "127.0.0.1"}),
        clusters.open_cluster("lsf", jobs=1, threads=1, device="cuda", say=said.append) as (start, room),
    ):
        (job,) = (tmp_path / "jobs").read_text().split()
        assert said[0].startswith(f"LSF took 1 of 1 jobs: {job}; ")
        assert room(5) == 1
        error = start(outputs / "run", {"action": "Nonsense"}).exception(120)
        assert "unknown action 'Nonsense'" in str(error)
    assert '#BSUB -gpu "num=1"' in Path(script).read_text()

    def left() -> list[int]:
        return [pid for pid in psutil.pids() if psutil.pid_exists(pid) and os.getpgid(pid) == int(job)]

    assert wait_until(lambda: not left(), 30)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pose3d")]
