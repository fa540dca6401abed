"""How often the intervals and decisions of `study.two_way` are right: simulated studies whose truth is known.

Writes docs/statistics/simulation.csv, and the tables of docs/statistics.md: `make simulation`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from reference import put_table
from statsmodels.stats.power import TTestPower

from pose3d_lib.common.paths import make_folder, project_root
from pose3d_lib.common.tables import to_markdown
from pose3d_lib.study.two_way import (
    LEVEL,
    Effect,
    TakeErrors,
    Takes,
    actions_in_general,
    mean_of_set,
    single_actions,
    spread_of_takes,
)

FILE = project_root() / "docs" / "statistics" / "simulation.csv"
STUDIES = 2_000
REPLICATES = (4, 6, 8)
POWER = 0.9
ACTIONS = 15
PAIR = [2, 8]  # a named set of two, as the paper's Eating and Sitting
TYPICAL, LARGE = np.log(0.89), 0.2  # the paper's -11 %; a single action's change that should be found
UNEVEN = 0.3  # how much the noise of actions may differ, against what (c) assumes: standard deviation of its logarithm


@dataclass(frozen=True)
class World:
    """Standard deviations of log errors. Those of seeds are measured (MPJPE, one unit epoch, one dataset, 3 to 5 seeds).

    What a take or a person adds to the ratio of the arms is half in either arm's error, so that no arm is favoured.
    """

    name: str = "new data"
    people: int = 8
    takes: int = 4  # of each person and action
    same_takes: bool = False  # whether replicates share people and takes, and differ in the seed of training alone
    between: float = 0.15  # true effects of actions
    take: float = 0.15  # ratio on a take
    difficulty: float = 0.3  # a take's error in both arms
    person: float = 0.05  # ratio on a person, in all actions
    dataset: float = 0.02  # ratio on everything made from one dataset: its training people
    original: float = 0.016  # one run of the original, in all actions: measured
    original_action: float = 0.027  # the same run, in one action: measured, 0.031 in all
    action_based: float = 0.031  # one run of an action-based model: measured


NOISY = {
    name: 2 * getattr(World, name)
    for name in ("take", "person", "dataset", "original", "original_action", "action_based")
}
WORLDS = (
    World(),
    World("noisy new data", **NOISY),
    World("fixed data", people=2, takes=2, same_takes=True, person=0.0, dataset=0.0),  # these people, so not by chance
)


def draw_noise(world: World, replicates: int, rng: np.random.Generator) -> tuple[np.ndarray, Takes | None]:
    """(ACTIONS, replicates): log ratios of a study in which all true effects are 0; and the takes, where they are shared."""
    datasets = 1 if world.same_takes else replicates
    takes = (ACTIONS, datasets, world.people, world.takes)
    ratio = (
        rng.normal(0, world.take, takes)
        + rng.normal(0, world.person, (1, datasets, world.people, 1))
        + rng.normal(0, world.dataset, (1, datasets, 1, 1))
    )
    common = rng.normal(0, world.difficulty, takes)
    original, action_based = np.exp(common - ratio / 2), np.exp(common + ratio / 2)
    seeds = (
        rng.normal(0, world.action_based, (ACTIONS, replicates))
        - rng.normal(0, world.original_action, (ACTIONS, replicates))
        - rng.normal(0, world.original, (1, replicates))
    )
    y = np.log(action_based.mean(axis=(2, 3)) / original.mean(axis=(2, 3))) + seeds
    if not world.same_takes:
        return y, None
    frames, subjects = np.ones(world.people * world.takes), np.repeat(np.arange(world.people), world.takes)
    pairs = zip(original.reshape(ACTIONS, -1), action_based.reshape(ACTIONS, -1), strict=True)
    return y, spread_of_takes([TakeErrors(*pair, frames, subjects) for pair in pairs], draws=200)


def covers(interval: Effect, truth: float) -> bool:
    """Whether an interval in per cent holds a true log ratio."""
    return interval.low <= 100 * np.expm1(truth) <= interval.high


def one_study(world: World, replicates: int, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """What is counted of one study: name in COUNTED, value; its mean over all studies is the result."""
    noise, takes = draw_noise(world, replicates, rng)
    effects = rng.normal(TYPICAL, world.between, ACTIONS)
    unseen = rng.normal(TYPICAL, world.between)
    centred = (effects - effects.mean())[:, None]
    y = noise + effects[:, None]

    every = mean_of_set(y, takes=takes)
    yield "deviation", every.deviation
    yield "a_coverage", covers(every, effects.mean())
    of_pair = takes and replace(takes, variance=takes.variance[PAIR], df=takes.df[PAIR])
    yield "a_pair_coverage", covers(mean_of_set(y[PAIR], takes=of_pair), effects[PAIR].mean())
    yield "a_false", mean_of_set(noise + centred, takes=takes).p <= LEVEL
    yield "a_power", mean_of_set(noise + centred + TYPICAL, takes=takes).p <= LEVEL

    general = actions_in_general(y, takes=takes)
    yield "b_coverage", covers(general.mean, TYPICAL)
    yield "b_unseen_coverage", general.unseen[0] <= 100 * np.expm1(unseen) <= general.unseen[1]
    yield "b_power", general.mean.p <= LEVEL
    yield "b_false_heterogeneity", actions_in_general(noise, takes=takes).p_heterogeneity <= LEVEL

    singles, p = single_actions(y, takes=takes)
    for effect, truth, own in zip(singles, effects, p, strict=True):
        yield "c_coverage", covers(effect, truth)
        if abs(np.expm1(truth)) >= LARGE:
            yield "c_power", own <= LEVEL and (effect.value > 0) == (truth > 0)
    yield "c_false", single_actions(noise, takes=takes)[1].min() <= LEVEL
    scale = np.exp(rng.normal(0, UNEVEN, (ACTIONS, 1)))
    scale /= np.sqrt(np.mean(scale**2))
    uneven = scale * (noise - noise.mean(axis=0)) + noise.mean(axis=0)
    yield "c_false_uneven", single_actions(uneven, takes=takes)[1].min() <= LEVEL
    noise[0] += np.log(1 - LARGE)  # one action of just that size, and no other
    yield "c_power_just", single_actions(noise, takes=takes)[1][0] <= LEVEL


COUNTED = {
    "a_coverage": ("(a) all actions: the interval holds the truth", "0.93 to 0.98"),
    "a_pair_coverage": ("(a) two named actions: the interval holds the truth", "0.93 to 0.98"),
    "a_false": ("(a) all actions, no change on average: decided", "at most 0.06"),
    "a_power": ("(a) all actions, -11 % on average: decided", "above 0.90"),
    "b_coverage": ("(b) actions in general: the interval holds the truth", "0.93 to 0.98"),
    "b_unseen_coverage": ("(b) the prediction interval holds an action not seen", ""),
    "b_power": ("(b) actions in general, -11 %: decided", ""),
    "b_false_heterogeneity": ("(b) no differences between actions: F finds some", ""),
    "c_coverage": ("(c) single actions: the interval holds the truth", ""),
    "c_false": ("(c) no change in any action: any decided (Holm)", "at most 0.06"),
    "c_false_uneven": ("(c) the same, with noise that differs by 30 % between actions", ""),
    "c_power": ("(c) an action of 20 % or more: decided (Holm)", "above 0.50"),
    "c_power_just": ("(c) an action of just -20 %, the others 0: decided (Holm)", ""),
    "deviation": ("standard deviation of a replicate's mean", ""),
}
"""Name -> what it is the share of, or the mean; what is required."""


def simulate(world: World, replicates: int, studies: int = STUDIES) -> dict[str, float]:
    """Name in COUNTED -> its mean over the studies."""
    found: dict[str, list[float]] = {name: [] for name in COUNTED}
    rng = np.random.default_rng([replicates, len(world.name)])
    for _ in range(studies):
        for name, value in one_study(world, replicates, rng):
            found[name].append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the CSV as a person reads them: a cell has the results for each number of replicates."""
    cells = table.groupby(["quantity", "world"], sort=False).value.agg(lambda own: " / ".join(f"{x:.3f}" for x in own))
    wide = cells.unstack("world", sort=False)
    words = pd.DataFrame.from_dict(COUNTED, orient="index", columns=["Share of the studies", "Required"])
    return words.join(wide.rename(columns=str.capitalize))


def replicates_needed(deviation: float, change: float) -> int:
    """How many replicates, at least four, show a change (per cent) with POWER; `deviation`: of a replicate's mean, logs."""
    size, test = abs(np.log1p(change / 100)) / deviation, TTestPower()
    if test.power(size, REPLICATES[0], LEVEL) >= POWER:
        return REPLICATES[0]
    return int(np.ceil(test.solve_power(effect_size=size, power=POWER, alpha=LEVEL)))


def replicates_table() -> pd.DataFrame:
    """How many replicates find a change, by the deviation of a replicate's mean."""
    deviations = np.array([0.02, 0.03, 0.05, 0.08, 0.12])
    needed = {f"R for {change:+g} %": [replicates_needed(own, change) for own in deviations] for change in (-11, 5)}
    return pd.DataFrame({"Deviation": [f"{own:.2f}" for own in deviations], **needed})


def put_all(text: str, table: pd.DataFrame) -> str:
    """docs/statistics.md with its two tables."""
    text = put_table(text, "simulation", to_markdown(shown(table)))
    return put_table(text, "replicates", to_markdown(replicates_table()))


def main() -> None:
    rows = []
    for world in WORLDS:
        for replicates in REPLICATES:
            found = simulate(world, replicates)
            rows += [(world.name, replicates, STUDIES, name, value) for name, value in found.items()]
            print(f"{world.name}, {replicates} replicates: {found}", flush=True)
    table = pd.DataFrame(rows, columns=["world", "replicates", "studies", "quantity", "value"])
    table.to_csv(make_folder(FILE.parent) / FILE.name, index=False)
    path = project_root() / "docs" / "statistics.md"
    path.write_text(put_all(path.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
