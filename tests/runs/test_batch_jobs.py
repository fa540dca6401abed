"""SLURM and LSF: what jobs ask for, and what is done when they are refused, end at once or never arrive."""

import asyncio
import itertools
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pose3d_lib.common import paths
from pose3d_lib.common.errors import InputError
from pose3d_lib.runs.sweep.cluster import jobs as batch_cluster
from pose3d_lib.runs.sweep.cluster import open as clusters
from pose3d_lib.runs.sweep.cluster import scripts as batch_jobs
from tests.helpers.dask_cluster import configured, until


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


def test_a_slurm_job_is_one_worker_for_one_run_at_a_time(outputs: Path) -> None:
    with configured("slurm", queue="gpu", account="vision", walltime="04:00:00", memory="16GB"):
        lines = clusters.job_script("slurm", threads=4, device="cuda").splitlines()
    directives = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    logs = f"{outputs}/jobs/pose3d-%J"
    asked = ["-J pose3d", f"-e {logs}.err", f"-o {logs}.out", "-p gpu", "-A vision", "-n 1", "--cpus-per-task=4"]
    assert directives == [*asked, "--mem=15G", "-t 04:00:00", "--gres=gpu:1"]
    assert lines[-2] == f"cd {paths.project_root()}"
    worker = lines[-1].split()
    assert worker[:3] == [sys.executable, "-m", "distributed.cli.dask_worker"]
    given = dict(itertools.pairwise(worker))
    expected = {
        "--nthreads": "1",
        "--resources": "GPU=1",
        "--lifetime": "14280s",
        "--death-timeout": "60",
        "--protocol": "tls://",
    }
    assert {name: given[name] for name in expected} == expected
    assert "--nanny" in worker


def test_a_slurm_job_on_the_cpu_asks_for_no_gpu_and_has_defaults() -> None:
    with configured("slurm"):
        script = clusters.job_script("slurm", threads=2)
    assert "gpu" not in script.lower()
    assert "#SBATCH --mem=8G\n#SBATCH -t 00:30:00\n" in script
    assert "#SBATCH --cpus-per-task=2\n" in script
    assert "--lifetime 1680s" in script


def test_an_lsf_job_asks_for_the_same_in_its_own_words(outputs: Path) -> None:
    with configured("lsf", queue="gpu", project="vision", walltime="4:00", memory="16GB", lsf_units="mb"):
        lines = clusters.job_script("lsf", threads=4, device="cuda").splitlines()
    directives = [line.removeprefix("#BSUB ") for line in lines if line.startswith("#BSUB")]
    asked = ["-q gpu", '-P "vision"', "-n 4", '-R "span[hosts=1]"', "-M 16000", "-W 4:00", '-gpu "num=1"']
    assert directives[0] == "-J pose3d"
    assert directives[-7:] == asked
    assert all(f"{outputs}/jobs/" in directive for directive in directives[1:3])
    assert " --nthreads 1 " in lines[-1]
    assert "--resources GPU=1" in lines[-1]
    assert "--lifetime 14280s" in lines[-1]


def test_the_user_s_own_configuration_comes_first() -> None:
    own = {"job_extra_directives": ["--gres=gpu:a100:1", "--exclude=node7"], "worker_extra_args": ["--lifetime", "1h"]}
    with configured(
        "slurm", name="mine", job_cpu=8, job_script_prologue=["module load cuda"], log_directory="/tmp", **own
    ):
        script = clusters.job_script("slurm", threads=2, device="cuda")
    for line in ("-J mine", "--cpus-per-task=8", "--gres=gpu:a100:1", "--exclude=node7", "-o /tmp/mine-%J.out"):
        assert f"#SBATCH {line}\n" in script
    assert "module load cuda\ncd " in script
    assert "--gres=gpu:1" not in script
    assert script.count("--lifetime") == 1
    assert "--lifetime 1h" in script


@pytest.mark.parametrize("name", ["my outputs", "90%", "it's"])
def test_a_batch_system_s_directives_need_a_plain_folder(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / name))
    with pytest.raises(InputError, match=rf"{name}.*POSE3D_OUTPUTS"):
        clusters.job_script("slurm")
    with pytest.raises(InputError, match="'tcp://host:8786': only slurm and lsf have job scripts"):
        clusters.job_script("tcp://host:8786")


@pytest.mark.parametrize("scheduler", ["slurm", "lsf"])
def test_a_shell_reads_every_path_of_a_script_as_it_is(scheduler: str, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "a & b; $(touch bad) 'c' `touch bad` $HOME > bad"
    interpreter = put_command(folder, "python", f"printf '%s\\n' \"$@\" > {shlex.quote(str(tmp_path / 'words'))}")
    monkeypatch.setenv("POSE3D_OUTPUTS", str(folder))
    monkeypatch.setattr(sys, "executable", str(interpreter))
    monkeypatch.setattr(batch_jobs, "project_root", lambda: folder)
    with configured(scheduler, log_directory=str(tmp_path), lsf_units="mb"):
        script = clusters.job_script(scheduler)
    subprocess.run(["sh"], input=script, cwd=tmp_path, text=True, check=True)
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:5] == ["-m", "distributed.cli.dask_worker", "tls://<scheduler>", "--name", "<worker>"]
    given = dict(itertools.pairwise(words))
    assert given["--tls-ca-file"] == given["--tls-cert"] == f"{folder}/jobs/<certificate>"
    assert given["--tls-key"] == f"{folder}/jobs/<key>"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([folder.name, "words"])


@pytest.mark.parametrize(
    ("scheduler", "walltime", "seconds"),
    [
        ("slurm", "00:30:00", 1800),
        ("slurm", "90", 5400),
        ("slurm", "90:30", 5430),
        ("slurm", "1-0", 86400),
        ("slurm", "1-12:30", 131400),
        ("slurm", "2-00:00:01", 172801),
        ("slurm", "UNLIMITED", None),
        ("slurm", None, None),
        ("lsf", "00:30", 1800),
        ("lsf", "90", 5400),
        ("lsf", "4:00/hostA", 14400),
        ("lsf", "", None),
    ],
)
def test_a_time_limit_is_read_as_the_batch_system_reads_it(
    scheduler: str, walltime: str | None, seconds: int | None
) -> None:
    assert batch_jobs.seconds_of_walltime(scheduler, walltime) == seconds


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
    return folder


def test_without_the_batch_system_s_commands_one_is_told_where_to_start(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="no command bsub on this machine; start the sweep where jobs of LSF"):
        open_batch("lsf")


def open_batch(scheduler: str) -> None:
    with configured(scheduler, scheduler_options={"host": "127.0.0.1"}), clusters.open_executor(scheduler):
        pass


def test_what_sbatch_complains_of_is_quoted(commands: Path) -> None:
    put_command(commands, "sbatch", "echo 'sbatch: error: Invalid account' >&2", "exit 1")
    with pytest.raises(InputError, match=r"SLURM took no job: sbatch: error: Invalid account$"):
        open_batch("slurm")


def test_jobs_that_end_at_once_are_noticed_and_their_last_words_quoted(commands: Path, outputs: Path) -> None:
    log = outputs / "jobs" / "pose3d-17.err"
    put_command(commands, "sbatch", f"echo 'python: not found' > {log}", "echo Submitted batch job 17")
    put_command(commands, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2", "exit 1")
    put_command(commands, "scancel", f"echo $1 >> {outputs}/cancelled")
    with pytest.raises(
        InputError, match=rf"SLURM: the jobs ended before .*{log} ends with:\npython: not found\n.*--print-job"
    ):
        open_batch("slurm")
    assert (outputs / "cancelled").read_text() == "17\n"


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        ("echo '17 PENDING'; echo '18 RUNNING'", set()),
        ("echo '17 RUNNING'; echo '18 FAILED'", {"18"}),
        ("echo '17 RUNNING'", {"18"}),
        ("exit 0", {"17", "18"}),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", {"17", "18"}),
        ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", set()),
    ],
)
def test_a_job_has_ended_only_if_the_batch_system_says_so(answer: str, ended: set[str], commands: Path) -> None:
    put_command(commands, "squeue", f'[ "$3" = --jobs=17,18 ] || exit 1; {answer}')
    assert batch_cluster.ended_jobs("slurm", ["17", "18"]) == ended


class MadeUpJob:
    """A job that was or was not taken; started again, it is."""

    def __init__(self, job_id: str | None, status: str = "running"):
        self.job_id, self.status = job_id, SimpleNamespace(name=status)

    async def start(self) -> None:
        self.job_id = "99"


def test_jobs_that_were_not_taken_or_never_arrived_are_replaced_and_no_others(monkeypatch) -> None:
    ended: set[str] = set()
    monkeypatch.setattr(batch_cluster, "ended_jobs", lambda scheduler, numbers: ended & set(numbers))
    jobs = {"taken": MadeUpJob("1"), "refused": MadeUpJob(None), "being submitted": MadeUpJob(None, "created")}
    cluster = SimpleNamespace(workers=jobs, scheduler_info={"workers": {"tcp://x": {"name": "arrived"}}})
    jobs["arrived"] = MadeUpJob("2")
    look_after = batch_cluster.make_keeper("slurm", cluster)
    asyncio.run(look_after())
    assert {name: job.job_id for name, job in jobs.items()} == {
        "taken": "1",
        "refused": "99",
        "being submitted": None,
        "arrived": "2",
    }
    cluster.scheduler_info["workers"].clear()
    ended.update("12")
    asyncio.run(look_after())
    assert list(jobs) == ["refused", "being submitted", "arrived"], (
        "Dask itself sees to one whose worker has been there"
    )


def test_jobs_that_never_arrive_are_not_replaced_for_ever(monkeypatch) -> None:
    monkeypatch.setattr(batch_cluster, "ended_jobs", lambda scheduler, numbers: set(numbers))
    cluster = SimpleNamespace(workers={}, scheduler_info={"workers": {}})
    look_after = batch_cluster.make_keeper("slurm", cluster)
    for number in range(batch_cluster.MOST_LOST_JOBS + 1):
        assert not cluster.workers
        cluster.workers["one"] = MadeUpJob(str(number))
        asyncio.run(look_after())
    assert cluster.workers


@pytest.mark.slow
def test_a_sweep_on_lsf_submits_jobs_and_ends_them(commands: Path, outputs: Path, tmp_path: Path) -> None:
    """With a made-up LSF, which starts jobs at once, here."""
    script = f"{tmp_path}/script"
    started = f"setsid bash {script} > {tmp_path}/job.log 2>&1 &"
    put_command(
        commands, "bsub", f"cat > {script}", started, "echo $! >> " + f"{tmp_path}/jobs", 'echo "Job <$!> is submitted"'
    )
    put_command(commands, "bkill", "kill -TERM -- -$1")
    said: list[str] = []
    with (
        configured("lsf", scheduler_options={"host": "127.0.0.1"}),
        clusters.open_executor("lsf", jobs=1, device="cuda", say=said.append) as executor,
    ):
        (job,) = (tmp_path / "jobs").read_text().split()
        assert said[0] == f"LSF took job: {job}. What they print goes to {outputs}/jobs"
        assert executor.submit(paths.outputs_dir).result(60) == outputs
        assert executor.submit(os.getpgrp).result(60) == int(job)
    assert '#BSUB -gpu "num=1"' in Path(script).read_text()
    until(lambda: not any(os.getpgid(pid) == int(job) for pid in psutil.pids() if psutil.pid_exists(pid)), 30)
