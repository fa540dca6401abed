"""Name the actions of CMU's takes from the database's own one-line descriptions, by fixed rules.

The index has a line per take, "02_01<tab>walk", below a heading per subject. A description is cut into words
("DrunkWalk" into drunk and walk) and in lower case; then

1. a take is left out if a word of `LEFT_OUT` is in it: two people, pantomimed animals, acts that have no name here;
2. if words of `NAMED` are in it, those of one action must be, and name it ("basketball - jump shot" is Basketball);
3. otherwise words of one action of `PLAIN` must be ("walk, turn around" is Walking; "walk, then run" is left out).
"""

import csv
import re
from pathlib import Path

from pose3d_lib.common.errors import InputError

LEFT_OUT = re.compile(
    r"\b(human subject|subject [ab]|vignettes?|pick\w*|carry\w*|crawl\w*|stretch\w*|punch\w*|(?<!soccer - )kick\w*|"
    r"jumping jacks?|squats?|lunges?|drag\w*|duck underneath|roll|dive|throw\w*|toss\w*|ball (walk|mount)|attack|"
    r"shake|flips?|backflips?|cartwheels?|handstands?)\b"
)
NAMED = {
    "BasketballSignals": r"basketball signals?",
    "Basketball": r"basketball(?! signal)",
    "Boxing": r"boxing",
    "Dancing": r"danc(e|es|ing)|breakdance|salsa|lambada|charleston|lindy hop\d*|pirouettes?|arabesque",
    "DirectingTraffic": r"direct(s|ing)? traffic",
    "Drinking": r"drink(s|ing)?|sip(s|ping)?|chug(s|ging)?",
    "Marching": r"march(es|ing)?",
    "Soccer": r"soccer",
    "Sweeping": r"sweep(s|ing)?|mop(s|ping)?|push(ing)? broom",
    "Swimming": r"swim(s|ming)?|(breast|break|back|fly) stroke|butterfly|free style(?! dribble)",
    "Washing": r"wash(es|ing)?|(clean|wip)(e|ing)? windows?",
}
PLAIN = {
    "Climbing": r"climb(s|ing)?|ladder",
    "Jumping": r"jump(s|ed|ing)?|hop(s|ping)?|hopscotch|leap(s|ing)?",
    "Running": r"run(s|ning)?|jog(s|ging)?",
    "Sitting": r"sit(s|ting)?",
    "Walking": r"walk(s|ing)?|wander|stride",
}
COLUMNS = ("file", "subject", "action", "take", "description")
TAKES = "takes.csv"

_LINE = re.compile(r"(\d{1,3})_(\d{1,3})\s+(\S.*)")


def name_action(description: str) -> str | None:
    """The action of a description; None if it has none of these, or several."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|_", " ", description)  # "Punch_Sequence001" in words
    text = " ".join(spaced.lower().split())
    if LEFT_OUT.search(text):
        return None
    for table in (NAMED, PLAIN):
        found = [action for action, words in table.items() if re.search(rf"\b({words})\b", text)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def write_takes(folder: Path, index: Path) -> str:
    """Write `takes.csv` into a folder of CMU's BVH files, such as 014/14_07.bvh, and say how many have an action.

    Files have none without a line in the index, or if its description is of no action or of several.
    """
    lines = map(str.strip, index.read_text(encoding="utf-8", errors="replace").splitlines())
    described = {(int(m[1]), int(m[2])): " ".join(m[3].split()) for m in map(_LINE.fullmatch, lines) if m}
    files = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.suffix.lower() == ".bvh"]
    rows = []
    for file in sorted(files):
        numbers = tuple(int(number) for number in re.findall(r"\d+", file.rpartition("/")[2]))
        description = described.get(numbers, "")
        if action := name_action(description):
            rows.append((file, f"{numbers[0]:03d}", action, f"{numbers[1]:02d}", description))
    if not rows:
        raise InputError(f"{index}: none of the BVH files in {folder} gets an action from it; expected '02_01 walk'")
    with (folder / TAKES).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return f"{len(rows):,} takes have an action; {len(files) - len(rows):,} without a description of one action are left out"
