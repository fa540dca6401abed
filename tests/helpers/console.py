"""The console script within a test's own process."""

import sys
from collections.abc import Callable

import pytest

from pose3d_lib.cli import main as cli

Called = Callable[..., tuple[object, str, str]]
"""Arguments of `pose3d` -> exit code, what it printed, what it printed as errors."""


def make_console(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Called:
    def called(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["pose3d", *arguments])
        code: object = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code
        out, err = capsys.readouterr()
        return code, out, err

    return called
