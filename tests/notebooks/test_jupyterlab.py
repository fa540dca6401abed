"""Every notebook in a real JupyterLab and a real browser, as a person opens it; some of them run from top to bottom."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.serverapp import list_running_servers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.report.parameters import NOTEBOOKS as CONFIGS
from tests.helpers.chromium import NEEDS_BROWSER, sync_api

pytestmark = NEEDS_BROWSER

PLAYERS = ("01_data_prep.ipynb", "06_predict.ipynb")
STOPPED = "02_train.ipynb"
RUN = ("00_how_it_works.ipynb", "03_action_based.ipynb", "04_results.ipynb", *PLAYERS)  # 04 shows the runs of 03
NOTEBOOKS = sorted({path.name for path in notebooks_dir().glob("*.ipynb")}.difference(RUN))  # only opened
TINY = {"scale": "tiny", "preset": "tiny", "actions": "Sitting", "seeds": "0", "timed": 0, "model": "train", "clips": 3}
LONG = {"unit_epochs": 40.0, "evaluate_at": "end"}  # to be stopped within
START_S, OPEN_S, RUN_S = 60, 60, 300

# The notebook in front; JupyterLab keeps others in the page, hidden.
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab server: its folder, its address and the token that opens it."""

    root: Path
    url: str
    token: str

    def address(self, notebook: str) -> str:
        """Where the browser finds a notebook, given relative to `root`, in a fresh workspace."""
        return f"{self.url}/lab/tree/{notebook}?token={self.token}&reset"

    def get(self, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def write_tiny_copy(source: Path, target: Path) -> None:
    """A copy of a notebook with its own parameters set to the tiny scale, and no others: a notebook refuses those."""
    kind = CONFIGS[source.stem]
    values = {name: TINY[name] for name in TINY if name in kind.model_fields or name in getattr(kind, "BUNDLES", {})}
    values |= LONG if source.name == STOPPED else {}
    nbformat.write(parameterize_notebook(load_notebook_node(str(source)), values), target)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on copies of the notebooks (`notebooks/`, and `tiny/` to run), settings and outputs of its own."""
    root, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("home")
    shutil.copytree(notebooks_dir(), root / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    (root / "tiny").mkdir()
    for name in (STOPPED, *RUN):
        write_tiny_copy(root / "notebooks" / name, root / "tiny" / name)

    # Otherwise JupyterLab asks the world for updates, and the reader whether it may ask for news.
    settings = home / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    notification = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(notification))

    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"),
        f"--ServerApp.root_dir={root}",
    ]
    own = {f"JUPYTER_{kind.upper()}_DIR": str(home / kind) for kind in ("config", "data", "runtime")}
    own |= {"IPYTHONDIR": str(home / "ipython"), "POSE3D_OUTPUTS": str(home / "outputs")}
    log, deadline = home / "server.log", time.monotonic() + START_S
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=os.environ | own
        ) as server,
    ):
        try:
            while not (running := [*list_running_servers(home / "runtime")]):
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
                time.sleep(0.3)
            yield Lab(root, running[0]["url"].rstrip("/"), running[0]["token"])
        finally:
            server.terminate()  # it ends its kernels, then itself


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    # Tall enough that JupyterLab, which leaves out cells far from the screen, shows a good part of a notebook.
    page = browser.new_page(viewport={"width": 1400, "height": 2400})
    yield page
    page.close()


def open_notebook(page: Any, lab: Lab, notebook: str) -> None:
    """Open a notebook and wait until its kernel is there; a dialog, such as one about a missing kernel, fails."""
    page.goto(lab.address(notebook))
    page.wait_for_selector(f"{PANEL} .jp-Notebook .jp-Cell", timeout=OPEN_S * 1000)
    dialog_or_kernel = """panel => {
        const name = document.querySelector(panel + ' .jp-Toolbar-kernelName')?.innerText.trim();
        return document.querySelector('.jp-Dialog') !== null || !['', 'No Kernel'].includes(name ?? '');
    }"""
    page.wait_for_function(dialog_or_kernel, arg=PANEL, timeout=OPEN_S * 1000)
    assert page.locator(".jp-Dialog").all_inner_texts() == []
    wait_until_idle(page, lab, notebook, OPEN_S)


def wait_until_idle(page: Any, lab: Lab, notebook: str, timeout_s: float) -> None:
    """Wait until the notebook's kernel has nothing to do."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        sessions = {session["path"]: session["kernel"] for session in lab.get("/api/sessions")}
        if notebook in sessions and sessions[notebook]["execution_state"] == "idle":
            return
        page.wait_for_timeout(300)
    pytest.fail(f"{notebook}: the kernel was still busy after {timeout_s} s")


def save_and_read(page: Any, path: Path) -> nbformat.NotebookNode:
    """Press Ctrl+S and read the file once the server has written it."""

    def saved(response: Any) -> bool:
        return response.request.method == "PUT" and response.url.split("?")[0].endswith(f"/{path.name}")

    with page.expect_response(saved, timeout=OPEN_S * 1000) as response:
        page.keyboard.press("Control+s")
    assert response.value.ok, f"{path.name} was not saved"
    return nbformat.read(path, as_version=4)


def run_all(page: Any) -> None:
    """The menu's "Run All Cells"."""
    page.locator(".lm-MenuBar-item", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()


def wait_until_done(page: Any) -> None:
    """Wait until no cell is marked as running or queued: [*] becomes [n], or [ ] after an error.

    An idle kernel is not enough: JupyterLab numbers a cell, and can save its number, a moment later.
    """
    queued = page.locator(f"{PANEL} .jp-InputPrompt", has_text="[*]")
    sync_api.expect(queued).to_have_count(0, timeout=RUN_S * 1000)


def check_player(page: Any) -> None:
    """It plays where the notebook shows it, in the notebook's colours."""
    player = page.frame_locator(f"{PANEL} iframe[title=player]")
    player.locator(":root[data-theme=light]").wait_for(state="attached", timeout=30_000)
    player.locator("#seek").evaluate("seek => { seek.value = 0; seek.oninput(); }")
    player.locator("#play").click()
    for _ in range(200):
        if player.locator("#seek").input_value() != "0":
            return
        page.wait_for_timeout(50)
    pytest.fail("the player stands still")


def check_rendered(page: Any, written: nbformat.NotebookNode) -> None:
    """Its title, all its cells, and no formula that failed."""
    title = re.search(r"^# +(.+)$", written.cells[0].source, re.MULTILINE)[1]
    heading = page.locator(f"{PANEL} .jp-RenderedMarkdown h1").first
    assert heading.inner_text().rstrip("¶").strip() == title
    cells = page.locator(f"{PANEL} .jp-Notebook .jp-Cell")
    sync_api.expect(cells).to_have_count(len(written.cells))
    assert page.locator(f"{PANEL} .jp-RenderedMarkdown .MathJax_Error, {PANEL} merror").count() == 0


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_opens_with_a_kernel_and_rendered_text(page: Any, lab: Lab, name: str) -> None:
    open_notebook(page, lab, f"notebooks/{name}")
    check_rendered(page, nbformat.read(lab.root / "notebooks" / name, as_version=4))


@pytest.mark.parametrize("name", RUN)
def test_notebook_runs_from_top_to_bottom(page: Any, lab: Lab, name: str) -> None:
    notebook = f"tiny/{name}"
    open_notebook(page, lab, notebook)
    check_rendered(page, nbformat.read(lab.root / notebook, as_version=4))
    run_all(page)
    page.wait_for_selector(f"{PANEL} .jp-InputPrompt >> text=/\\[\\d+\\]/", timeout=RUN_S * 1000)
    wait_until_done(page)

    saved = save_and_read(page, lab.root / notebook)
    errors = [o for cell in saved.cells for o in cell.get("outputs", []) if o.output_type == "error"]
    assert [f"{e.ename}: {e.evalue}" for e in errors] == []
    assert page.locator(f"{PANEL} [data-mime-type='application/vnd.jupyter.error']").count() == 0
    code = [cell for cell in saved.cells if cell.cell_type == "code" and cell.source.strip()]
    assert [cell.source for cell in code if cell.execution_count is None] == [], "not run"
    assert page.locator(".jp-Dialog").all_inner_texts() == []
    if name in PLAYERS:  # which takes the keyboard
        check_player(page)


def test_stop_ends_a_training_with_one_line_and_the_cell_run_again_resumes_it(page: Any, lab: Lab) -> None:
    notebook = f"tiny/{STOPPED}"
    open_notebook(page, lab, notebook)
    run_all(page)
    cells = page.locator(f"{PANEL} .jp-CodeCell")
    training = cells.filter(has_text="execute_run(plan")
    log = training.locator("[data-mime-type='application/vnd.jupyter.stdout']")
    sync_api.expect(log).to_contain_text("epoch 1.00 of", timeout=RUN_S * 1000)
    training.locator(".jp-InputPrompt").click()
    page.locator(f"{PANEL} .jp-Toolbar-item[data-jp-item-name=interrupt]").click()
    error = training.locator("[data-mime-type='application/vnd.jupyter.stderr']")
    sync_api.expect(error).to_have_text(
        re.compile(r"^Stopped at \d+ %\. Run this cell again to continue\.$"), timeout=30_000
    )
    wait_until_done(page)
    sync_api.expect(training.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\d+\]:$"))
    code = [cell for cell in save_and_read(page, lab.root / notebook).cells if cell.cell_type == "code"]
    at = next(number for number, cell in enumerate(code) if "execute_run(plan" in cell.source)
    assert code[at].execution_count is not None
    assert {cell.execution_count for cell in code[at + 1 :]} == {None}, "the cells below are not executed"

    page.keyboard.press("Control+Enter")
    sync_api.expect(log).to_contain_text(re.compile(r"resumes after .* windows\s+epoch \d+\.00 of"), timeout=60_000)
    sync_api.expect(log).to_have_count(1)  # in one place
    sync_api.expect(error).to_have_count(0)
