"""The live page in a real browser: it shows each pose as it comes, says when it is over, and asks nothing else of anybody."""

from typing import Any

import numpy as np

from pose3d_lib.report.live_page import LivePage
from tests.helpers.chromium import NEEDS_BROWSER
from tests.report.test_live import ROWS, causal, lifted, scored

pytestmark = NEEDS_BROWSER
ODD = "<img src=x onerror=alert(1)> & co"


def test_poses_are_shown_as_they_come_and_the_end_is_told(browser: Any, hand_made) -> None:
    model = causal()
    frames = lifted(model, list(scored(hand_made(ROWS).keypoints["simulated"])[:, None]))
    context = browser.new_context()
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: asked.append(request.url.split("?")[0]))
    asked: list[str] = []
    with LivePage(ODD, model.card) as live:
        page.goto(live.address)
        live.opened.wait(20)
        assert page.locator("h1").inner_text() == f"{ODD}, live"
        page.keyboard.press("Space")
        for number, frame in enumerate(frames[:3], start=1):
            live.show(frame, f"{number} & more")
            page.get_by_text(f"{number} & more").wait_for()
            pose = np.array(page.evaluate("Array.from(state.clip.pose)")).reshape(-1, 17, 3)
            assert len(pose) == number == page.evaluate("state.at") + 1
            np.testing.assert_allclose(pose[-1], frame.pose * [1, -1, 1], atol=1e-3)
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.locator("#clock").inner_text() == "frame 2 · 0.04 s"
        assert not page.locator("#play").is_visible()
    page.get_by_text("This has ended.").wait_for()
    root = live.address.split("?")[0]
    context.close()
    assert problems == []
    assert set(asked) <= {root, f"{root}events", f"{root}favicon.ico"}
