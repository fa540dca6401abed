"""An executed notebook as one web page: what is on it, and how a browser shows it."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.report import redraw, show
from pose3d_lib.report.page import to_page, write_report
from tests.helpers.made_up_observations import everything
from tests.helpers.made_up_records import record_of

# One pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

FORMULAS = (
    r"\begin{aligned} U \Sigma V^\top &= \hat{X}^\top X, \qquad D = \operatorname{diag}(1, 1, \det(V U^\top)), \\"
    r" R &= V D U^\top, \qquad s = \frac{\operatorname{tr}(\Sigma D)}{\lVert \hat{X} \rVert_F^2}, \end{aligned}",
    r"\sum_{i \in \text{actions}} f(i) = f(a) \cdot t \qquad\Longleftrightarrow\qquad t = \frac{\sum_i f(i)}{f(a)} . \tag{1}",
    r"\lambda(n) = \lambda_0 \cdot \begin{cases} 0.95^{\lfloor n / f(a) \rfloor} & \text{own} \\ 1 & \text{else} \end{cases}",
    r"\begin{align} a &= b \tag{4} \\ c &= d \end{align}",
    r"\binom{8}{4}^{-1}, \quad \bar{x} \pm t_{0.975,\,n-1} \, s / \sqrt{n}, \quad \left( \frac{e^{\mathrm{own}}}{e} - 1 \right)",
)


def markdown(text: str) -> nbformat.NotebookNode:
    return new_markdown_cell(text)


def code(*outputs: nbformat.NotebookNode, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    return new_code_cell("secret_call()", execution_count=1, outputs=list(outputs), metadata={"tags": list(tags)})


def shown(metadata: dict | None = None, **data: str) -> nbformat.NotebookNode:
    kinds = {
        "html": "text/html", "md": "text/markdown", "png": "image/png", "svg": "image/svg+xml", "text": "text/plain",
    }  # fmt: skip
    return new_output("display_data", data={kinds[k]: v for k, v in data.items()}, metadata=metadata or {})


def printed(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return new_output("stream", name=name, text=text)


def make(*cells: nbformat.NotebookNode, title: str = "A title", synthetic: bool = False, **metadata: Any) -> Any:
    """The page of some cells, parsed."""
    notebook = new_notebook(cells=list(cells), metadata=metadata)
    return BeautifulSoup(to_page(notebook, title=title, synthetic=synthetic), "html.parser")


def save(folder: Path, *cells: nbformat.NotebookNode, **metadata: Any) -> Path:
    """A notebook on disk as papermill writes it; one executed cell is always in it."""
    path = folder / "04_results.ipynb"
    nbformat.write(new_notebook(cells=[code(), *cells], metadata=metadata), path)
    return path


def words(element: Any) -> str:
    return " ".join(element.get_text(" ").split())


# What is on the page


def test_text_and_outputs_keep_their_order_and_code_is_left_out() -> None:
    value = new_output("execute_result", data={"text/plain": "sixth"}, execution_count=1)
    failed = new_output("error", ename="ValueError", evalue="x", traceback=["\x1b[31mValueError\x1b[0m: seventh"])
    page = make(
        markdown("# First\n\nsecond"),
        code(shown(md="third"), printed("fourth < 5\n"), shown(html="<b>fifth</b>", text="never"), value, failed),
        code(printed("paths"), tags=("remove-cell",)),
        code(),
        markdown("eighth: `a < b`\n\n```python\nx = {'$a$': 1}\n```"),
    )
    expected = "First second third fourth < 5 fifth sixth ValueError : seventh eighth: a < b x = { '$a$' : 1 }"
    assert words(page.main).replace(" ", "") == expected.replace(" ", "")
    assert "secret_call" not in page.decode()
    assert "paths" not in page.decode()


def test_the_page_has_its_title_says_where_it_is_from_and_needs_no_script() -> None:
    title, papermill = 'One action <b>& "more"</b>', {"end_time": "2026-11-22T16:50:30.745912+00:00"}
    page = make(markdown("text"), title=title, synthetic=True, papermill=papermill)
    assert page.title.get_text() == page.h1.get_text() == title
    assert len(page.find_all("h1")) == 1
    assert page.html["lang"] == "en"
    assert not page.find_all(["script", "link", "iframe"])
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert {"default-src 'none'", "img-src data:"} <= {rule.strip() for rule in policy.split(";")}
    about = words(page.select_one("header .about"))
    assert about == "Synthetic data: made by a program, nobody was filmed · Executed on 2026-11-22 at 16:50 UTC"
    assert words(make(markdown("x"), papermill={"end_time": None}).select_one("header .about")) == ""


# Formulas


def test_formulas_become_mathml_displayed_ones_in_a_box_that_scrolls() -> None:
    page = make(*(markdown(f"before\n\n$$\n{tex}\n$$\n\nafter") for tex in FORMULAS))
    assert not page.select("code")
    assert [math["display"] for math in page.find_all("math")] == ["block"] * len(FORMULAS)
    assert all(math.parent["class"] == ["formula"] for math in page.find_all("math"))
    assert not re.search(r"[$\\]", page.main.get_text())


def test_a_tag_numbers_its_formula_and_nothing_else_does() -> None:
    page = make(
        markdown(r"$$ a = b \tag{1} $$"),
        markdown(r"\begin{align} c &= d \\ e &= f \tag{7} \end{align}"),
        markdown(r"\begin{equation} g = h \end{equation}"),
        markdown("# About $t$\n\n| a | b |\n|--|--|\n| $x$ | 1 |"),
        code(shown(md="with $y_1$")),
    )
    numbers = [re.findall(r"\(\w+\)", math.get_text()) for math in page.find_all("math")]
    assert numbers == [["(1)"], ["(7)"], [], [], [], []]
    assert [math.parent.name for math in page.find_all("math")[3:]] == ["h2", "td", "p"]


@pytest.mark.parametrize(
    "tex",
    [r"\foo{x}", "x_{", "a & b", r"\href{http://x.example}{y}", r"\newcommand{\x}{\x\x}\x"],
    ids=lambda tex: tex[:30],
)
def test_a_formula_that_cannot_be_converted_stays_tex(tex: str) -> None:
    page = make(markdown(f"before ${tex}$ after"))
    assert words(page.main) == f"before {tex} after"
    assert not page.math


def test_dollars_that_are_money_or_code_stay_dollars() -> None:
    texts = ["It costs $5 and $6.", "between $5/$6 a piece", "a $ alone", "$HOME and $PATH", "US$ 3, US$ 4", "$$", "5$"]
    page = make(*map(markdown, texts), markdown("`$a$` and `$HOME`"))
    assert words(page.main) == " ".join([*texts, "$a$ and $HOME"])
    assert not page.math


def texts_of_notebooks() -> list[str]:
    found = []
    for path in sorted(notebooks_dir().glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        found += [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return found


def test_every_formula_of_the_notebooks_is_converted() -> None:
    texts = texts_of_notebooks()
    page = make(*map(markdown, texts))
    plain = re.sub(r"```.*?```|`[^`]*`", "", "\n\n".join(texts), flags=re.DOTALL)
    displayed = re.findall(r"\$\$.+?\$\$", plain, re.DOTALL)
    inline = re.findall(r"\$[^$]+\$", re.sub(r"\$\$.+?\$\$", "", plain, flags=re.DOTALL))
    assert len(displayed) >= 3
    assert len(page.select("math[display=block]")) == len(displayed)
    assert len(page.select("math:not([display])")) == len(inline)


# Pictures, tables, headings, links


def test_a_picture_is_inside_the_page_with_its_description_and_its_caption_below() -> None:
    pasted = markdown("![a sketch](attachment:sketch.png)")
    pasted.attachments = {"sketch.png": {"image/png": PNG}}
    page = make(
        code(
            shown(png=PNG, text="<Figure>", metadata={"image/png": {"alt": "a curve"}}),
            shown(md="*Both arms, with `95 %` intervals.*"),
            shown(md="*So* it is."),
        ),
        pasted,
    )
    assert [img["alt"] for img in page.find_all("img")] == ["a curve", "a sketch"]
    assert [words(own) for own in page.select(".caption")] == ["Both arms, with 95 % intervals."]
    assert page.figure.img["src"] == page.find_all("img")[-1]["src"] == f"data:image/png;base64,{PNG}"
    assert "Figure" not in page.main.get_text()


def test_a_table_scrolls_in_its_own_box_with_numbers_on_the_right_and_its_caption_below() -> None:
    sentence = "the action-based model has the lower error after a unit epoch"
    table = f"| Action | MPJPE | says |\n|:--|--:|:--|\n| Eating | 12.5 (1 to 20) | {sentence} |"
    pandas = '<style scoped>td {color: red}</style><table class="dataframe"><tr><td>-1.5</td></tr></table>'
    cells = markdown("*Not* all of it."), code(shown(html=f"<div>{pandas}</div>", text="never"))
    page = make(code(shown(md=f"{table}\n\n*Three seeds.*")), *cells)
    assert page.select_one("div.scroll table.dataframe td").get_text() == "-1.5"
    assert "never" not in words(page.main)
    box = page.select_one("div.scroll[tabindex]")
    assert [child.name for child in box.find_all(recursive=False)] == ["table"]
    name, number, text = box.find_all("td")
    assert (words(name), words(number), words(text)) == ("Eating", "12.5 (1 to 20)", sentence)
    assert "right" in number["style"]
    assert text["class"] == ["long"]
    assert words(page.select_one("p.caption")) == "Three seeds."
    assert len(page.select("p.caption")) == 1


def test_headings_have_names_and_sections_are_listed_below_the_first() -> None:
    page = make(
        markdown("# 4 Results\n\n[to the second](#The-second)"),
        *map(markdown, ("## The first\n\n### A detail", "## The second", "## Größe $t$")),
    )
    headings = page.main.find_all(re.compile("^h[2-6]$"))
    assert [(heading.name, heading["id"]) for heading in headings[:4]] == [
        ("h2", "4-Results"), ("h3", "The-first"), ("h4", "A-detail"), ("h3", "The-second"),
    ]  # fmt: skip
    sections = headings[1], headings[3], headings[4]
    assert [link["href"] for link in page.nav.find_all("a")] == [f"#{section['id']}" for section in sections]
    assert [words(link) for link in page.nav.find_all("a")] == ["The first", "The second", "Größe t"]
    assert page.nav.find_next(re.compile("^h[2-6]$")) is headings[3]
    assert page.select_one('p a[href="#The-second"]')
    assert make(markdown("# Results\n\n## One section")).nav is None


def test_links_that_say_where_they_lead_stay_and_others_become_text() -> None:
    page = make(
        markdown(
            "[a](https://a.example) [b](../docs/data.md) [c](javascript:alert(1)) [d](file:///etc/passwd) <m@e.org>"
        )
    )
    assert [link["href"] for link in page.main.select("a[href]")] == ["https://a.example", "mailto:m@e.org"]
    assert page.main("a", href=False) == []
    assert words(page.main) == "a b c d m@e.org"


# Files


def write(notebook: Path, target: Path) -> Path:
    return write_report(notebook, target, title="t", synthetic=False)


def test_a_notebook_gives_the_same_bytes_and_a_page_is_kept_if_the_new_one_cannot_be_written(tmp_path, monkeypatch):
    cells = markdown("# One\n\n## Two $x$\n\n## Three"), code(shown(png=PNG), printed("p"))
    notebook = save(tmp_path, *cells)
    page = write(notebook, tmp_path / "pages" / "report.html")
    before = page.read_bytes()
    assert write(notebook, tmp_path / "again.html").read_bytes() == before

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"report\.html: cannot be written .*No space left on device"):
        write(save(tmp_path, markdown("newer")), page)
    assert page.read_bytes() == before
    assert list(page.parent.iterdir()) == [page]


# In a browser


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of some cells, without a network; nothing may be asked for, and nothing complained about."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    address = ""

    def open_page(*cells: nbformat.NotebookNode, width: int = 1440) -> Any:
        nonlocal address
        path = write(save(tmp_path, *cells), tmp_path / "report.html")
        address = path.as_uri()
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(address)
        return page

    yield open_page
    page.wait_for_timeout(200)
    assert [url for url in asked if url != address and not url.startswith("data:image/")] == []
    assert complaints == []
    context.close()


def rich_cells() -> list[nbformat.NotebookNode]:
    """Everything that a page may hold, some of it far wider than a telephone."""
    rows = "\n".join("| Sitting |" + " 12.34 (12.00 to 13.00) |" * 9 for _ in range(15))
    table = "| Action |" + " MPJPE [mm] |" * 9 + "\n|:--|" + "--:|" * 9 + f"\n{rows}\n\n*Caption.*"
    file = io.BytesIO()
    Figure(figsize=(20, 1)).savefig(file, format="png", dpi=72)
    wide = base64.b64encode(file.getvalue()).decode()
    return [
        *map(markdown, texts_of_notebooks()),
        *(markdown(f"$$ {tex} $$") for tex in FORMULAS),
        markdown("`" + "a_very_long_name" * 20 + "` and " + "Donaudampfschiff" * 30),
        code(
            shown(md=table), shown(png=wide), printed("x" * 500), shown(text="y" * 500),
            shown(html=f"<pre>{'z' * 500}</pre>"),
        ),
    ]  # fmt: skip


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1440])
def test_nothing_is_wider_than_the_screen(opened: Callable[..., Any], width: int) -> None:
    page = opened(*rich_cells(), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.evaluate(
        "[...document.querySelectorAll('.scroll, .formula, pre, figure, p')].map(e => e.getBoundingClientRect().right)"
    )
    assert max(boxes) <= width
    scrolls = "[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth)"
    assert page.evaluate(scrolls) or width > 400


@pytest.mark.browser
def test_text_stands_out_from_the_paper_in_light_and_dark(opened: Callable[..., Any]) -> None:
    page, found = opened(*rich_cells()), {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours = page.evaluate("['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name])")
        found[scheme] = [sum(map(int, re.findall(r"\d+", own))) / 3 for own in colours]
    for text, paper in (found["light"], found["dark"][::-1]):
        assert text < 60 < 195 < paper


@pytest.mark.browser
def test_the_tables_of_a_study_fit_a_wide_screen_folded_or_not(
    opened: Callable[..., Any], tmp_path, monkeypatch
) -> None:
    texts: list[str] = []
    monkeypatch.setattr(show, "display", lambda what: texts.append(getattr(what, "data", "")))
    monkeypatch.setattr(show, "save_figure", lambda *_: None)
    record = record_of(everything(-11, 5), tmp_path, lengths="1,16", schedules="epoch,unit_epoch", seeds="0,1,2,3")
    redraw.show_everything(record)
    page = opened(*(code(shown(md=text)) for text in texts if text), width=1400)
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert page.locator("details table").count() > 5
    wider = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
    assert page.evaluate(wider) == []


@pytest.mark.browser
def test_formulas_are_laid_out_and_contents_lead_to_their_sections(opened: Callable[..., Any]) -> None:
    page = opened(*rich_cells())
    sizes = page.evaluate(
        "[...document.querySelectorAll('math')].map(e => [e.getBoundingClientRect().width, e.getBoundingClientRect().height])"
    )
    assert len(sizes) > 20
    assert np.array(sizes).min() > 3
    above, below = page.evaluate(
        "[...document.querySelector('mfrac').children].map(e => e.getBoundingClientRect().top)"
    )
    assert below > above + 5, "the denominator stands below the numerator"
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    page.locator("nav a").last.click()
    top, bottom = page.evaluate(
        "[document.querySelector(':target').getBoundingClientRect().top, document.documentElement.clientHeight]"
    )
    assert 0 <= top < bottom


@pytest.mark.browser
def test_the_page_prints_all_but_the_contents(opened: Callable[..., Any]) -> None:
    page = opened(*map(markdown, texts_of_notebooks()), markdown("the end"), width=700)
    assert "the end" in page.inner_text("main")
    page.emulate_media(media="print")  # 700 pixels are about the width of A4's text
    assert not page.locator("nav").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.browser
def test_no_script_in_a_notebook_runs_and_no_network_is_asked(browser: Any, tmp_path: Path) -> None:
    address = "http://evil.example"
    hostile = (
        "<script>alert(1)</script>", f"<img src={address} onerror=alert(1)>", f"<iframe src={address}></iframe>",
        f"<style>@import url({address});</style>", "<svg onload=alert(1)></svg>", "</main><script>alert(1)</script>",
    )  # fmt: skip
    page, asked, refused = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    cells = *map(markdown, hostile), code(*(shown(html=text) for text in hostile)), markdown("the end")
    path = write(save(tmp_path, *cells), tmp_path / "report.html")
    page.goto(path.as_uri())
    page.wait_for_timeout(200)
    assert page.locator("main").inner_text().endswith("the end")
    page.close()
    assert asked == [path.as_uri(), *(url for url, _ in refused)]
    assert {reason for _, reason in refused} == {"csp"}
