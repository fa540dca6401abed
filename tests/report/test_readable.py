"""Tables for reading: a cell says as much as is known, and no more."""

import pandas as pd

from pose3d_lib.report.readable import fill, show_change, show_p, show_value, tell_change, tell_interval, widen_arms

NAN = float("nan")


def test_cells_show_as_much_as_is_known_with_signs_and_digits() -> None:
    for numbers, text in (
        ((66.61, 2.27), "66.6 ± 2.3"),
        ((66.614, NAN), "66.61"),
        ((3.1449, 0.0226), "3.14 ± 0.02"),
        ((NAN, NAN), ""),
    ):
        assert show_value(*numbers) == text
    assert show_change(2.46, -15.14, 23.4) == "+2.5 [-15.1, +23.4]"
    assert show_change(-0.04, -7.0, 0.0) == "+0.0 [-7.0, +0.0]"
    assert show_change(-7.58) == show_change(-7.58, NAN, NAN) == "-7.6"
    cases = {1.0: "1.000", 0.0079: "0.008", 0.001: "0.001", 0.00099: "< 0.001", 0.0: "< 0.001", NAN: ""}
    assert [show_p(p) for p in cases] == list(cases.values())
    assert (tell_change(-11.21), tell_change(3)) == ("11.2 % better", "3.0 % worse")
    assert tell_interval(-15.14, 23.4) == "95 % interval -15.1 to +23.4 %"
    assert tell_interval(NAN, NAN) == "one replicate, so no interval"


def test_arms_stand_side_by_side_in_the_order_of_the_actions() -> None:
    rows = [("b", "Original", 1.0), ("b", "Action-based", 2.0), ("a", "Original", 3.0)]
    wide = widen_arms(pd.DataFrame(rows, columns=["action", "arm", "mean"]))
    assert wide.action.tolist() == ["b", "a"]
    assert wide["Original, mean"].tolist() == [1, 3]
    assert wide["Action-based, mean"].isna().tolist() == [False, True]
    shown = fill(wide, {"Action": "action", "Both": ("{:.0f}/{:.0f}".format, ["Original, mean", "Action-based, mean"])})
    assert shown.to_dict("list") == {"Action": ["b", "a"], "Both": ["1/2", "3/nan"]}
