"""The sheet of a retraining: promote, keep or undecided, the windows of both models, every difference."""

from cairn.data.records import rounded
from cairn.report.studies.comparison import sheet_of as sheet_of_comparison
from cairn.report.studies.sheet import Section, Sheet
from cairn.report.table import Table
from cairn.studies.retrain.record import Retrained
from cairn.studies.retrain.retraining import TRIED, Plan
from cairn.studies.retrain.windows import Period

TONES = {"promote": "better", "keep": "worse", "undecided": "unclear"}
NEXT = {
    "promote": "Next: `cairn promote {name} --stage prod`; or the same command with --apply, which brings it"
    " into the workspace.",
    "keep": "Next: nothing, the champion stays.",
    "undecided": "Next: wait for newer rows; until then the champion stays.",
}

APPLIED = (
    "Applied to the workspace, its windows to conf/. Next: `git commit`, then"
    " `cairn promote HEAD --stage prod`."
)


def plan_lines(plan: Plan) -> list[str]:
    """Say what the challenger is trained and tested on, before it is."""
    windows = plan.windows.settings()
    begins = windows["train_from"] or "the first row"
    overrides = " ".join(plan.job.overrides) or "without overrides"
    return [
        f"champion    {plan.champion.name} ({plan.champion.short}), fitted on rows up to"
        f" {plan.seen.fitted_until}",
        f"challenger  {plan.job.name}: conf/ of commit {plan.revision[:7]}, {overrides}",
        f"            train from {begins}, validation from {windows['validation_from']}",
        f"held out    {windows['test_from']} to {plan.windows.last}",
    ]


def tried_line(found: Retrained) -> str:
    """Say that the same was tried before."""
    return (
        f"tried already: {found.experiment}, by {found.comparison.decides}: {found.verdict}; to forget it:"
        f" git update-ref -d {TRIED}/{found.experiment}"
    )


def next_line(found: Retrained, *, applied: bool) -> str:
    """Say what to do now; `applied` is whether the challenger is in the workspace."""
    return APPLIED if applied else NEXT[found.verdict].format(name=found.experiment)


def sheet_of(found: Retrained) -> Sheet:
    """Return the result ready to be shown; A is the champion, B the challenger."""
    compared = sheet_of_comparison(found.comparison)
    text = compared.verdicts[0][0].removeprefix("B: ")
    return Sheet(
        kind="Retraining",
        title=f"{found.model}: {found.experiment} against {found.comparison.reference}",
        verdicts=[(f"{found.verdict.capitalize()}: {text}", TONES[found.verdict])],
        sections=[Section("Windows", _windows(found)), *compared.sections],
        notes=[_held_out(found), *compared.notes],
        record=rounded(found.model_dump()),
    )


def _windows(found: Retrained) -> Table:
    rows = [
        [part, _period(getattr(found.champion, part)), _period(getattr(found.challenger, part))]
        for part in ("train", "validation", "test")
    ]
    return Table(["", "A, champion", "B, challenger"], rows, words=True)


def _period(period: Period) -> str:
    return f"{period.first[:16]} to {period.last[:16]}, {period.rows:,} rows"


def _held_out(found: Retrained) -> str:
    tested = ""
    if found.already_tested:
        tested = (
            f" The champion was tested on {found.already_tested:,} of them; if it was chosen for that, they"
            " favour it."
        )
    margin = f" The whole interval must show a gain above {found.min_gain:g}." if found.min_gain else ""
    return f"Both predict the test rows of B, on which neither was fitted.{tested}{margin}"
