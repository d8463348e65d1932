"""The sections on the values of one run: how they are spread, whose they are, what they find."""

from __future__ import annotations

from dvr_ray.reports import value_figures
from dvr_ray.reports.findings import RunFindings
from dvr_ray.reports.parts import Panel, Section, Table
from dvr_ray.reports.sides import LISTED, Member, Side
from dvr_ray.reports.summary import short, significant
from dvr_ray.reports.values import QUANTILES

__all__ = ["value_sections"]

ENDS = 8
EVENLY = 3
ROWS_WORD = {"user": "activity", "item": "popularity"}


def value_sections(found: RunFindings, of: str) -> list[Section]:
    """Return distribution, users, items, and the ROC where noise was planted.

    Parameters
    ----------
    found : RunFindings
        What was measured; without values there are no sections.
    of : str
        Which run it is, for the reader: ``"trial 3"``.

    Returns
    -------
    list of Section
        In the order of the page.
    """
    if found.run.values is None:
        return []
    return [
        _distribution(found, of),
        *(_side(side, of) for side in found.sides),
        *(_roc(found, of) if found.separations else []),
    ]


def _distribution(found: RunFindings, of: str) -> Section:
    good = (
        "Good: planted rows lie further left than real ones."
        if found.run.planted
        else "Good: two humps or a long left tail; rows on the left are the ones to look at first."
    )
    names = {0.0: "lowest", 0.5: "median", 1.0: "highest"}
    columns = [names.get(q, f"{100 * q:g}%") for q in QUANTILES]
    rows = tuple(
        (
            spread.score,
            spread.group,
            str(spread.rows),
            significant(spread.mean),
            significant(spread.sd),
            *(significant(quantile) for quantile in spread.quantiles),
        )
        for spread in found.spreads
    )
    return Section(
        "Distribution of values",
        f"A training row's value says how much keeping it helped (batch size times its Shapley "
        f"value); its probability is how likely the policy keeps it. All training rows of {of}. "
        f"{good} The outermost thousandths are drawn in the end bins.",
        tuple(
            Panel(figure, name)
            for name, figure in value_figures.distributions(found.run.values).items()
        ),
        Table(("score", "rows of", "rows", "mean", "sd", *columns), rows, left=2),
        small=True,
    )


def _side(side: Side, of: str) -> Section:
    word = ROWS_WORD[side.kind]
    return Section(
        f"Values by {side.kind}",
        f"Mean value of the training rows of each {side.kind}, from {of}, by {word}: how many rows "
        f"it has. Good: a level line; values that rise or fall with {word} may be no more than a "
        f"stand-in for it. Look first at {side.kind}s far below the line. {_listed(side)}",
        (Panel(value_figures.means_by_rows(side)),),
        _table(side),
    )


def _listed(side: Side) -> str:
    """Say who is drawn and who is listed."""
    total, kinds = len(side.means), f"{side.kind}s"
    drawn = min(total, value_figures.POINTS)
    all_drawn = f"All {total} {kinds} are drawn" if drawn == total else (
        f"{drawn} of {total} {kinds} are drawn"
    )  # fmt: skip
    few = f" with at least {side.least} rows" if side.least > 1 else ""
    if len(side.listed) == side.able:
        listed = f"all {side.able}{few} are listed"
    else:
        listed = f"of {side.able}{few} the {LISTED} lowest and the {LISTED} highest are listed"
    return f"{all_drawn}; {listed}, from the lowest mean value to the highest."


def _table(side: Side) -> Table:
    first = side.listed[0]
    columns = [side.kind, *side.attributes, "rows", "mean value"]
    columns += ["mean probability"] if first.probability is not None else []
    columns += ["share planted"] if first.planted is not None else []
    return Table(
        tuple(columns),
        tuple(_cells(member, len(side.attributes)) for member in side.listed),
        left=1 + len(side.attributes),
        find=f"Find a {side.kind}" if side.kind == "user" else f"Find an {side.kind}",
        ends=ENDS,
    )


def _cells(member: Member, attributes: int) -> tuple[str, ...]:
    cells = [member.name, *(member.attributes or ("",) * attributes)]
    cells += [str(member.rows), significant(member.value)]
    cells += [] if member.probability is None else [short(member.probability, EVENLY)]
    cells += [] if member.planted is None else [short(member.planted)]
    return tuple(cells)


def _roc(found: RunFindings, of: str) -> list[Section]:
    width = found.separations[0].half_width
    return [
        Section(
            "Planted rows found",
            f"How well each score ranks real rows above planted ones, in {of} (ROC). Good: the "
            "thick line of the value near the upper left corner and above all others, which are "
            "plain scores: minus the mean loss, and every input alone. AUC is the area under a "
            f"line: 1 is perfect, within {short(width, 3)} of .5 is what random scores reach (95%) "
            "and is called chance, and below that the order is the wrong way round.",
            (Panel(value_figures.roc(found.separations)),),
            Table(
                ("score", "AUC", "chance"),
                tuple(
                    (s.name, short(s.auc), f"{short(0.5)} ± {short(s.half_width)}")
                    for s in found.separations
                ),
            ),
        )
    ]
