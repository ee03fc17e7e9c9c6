"""The result of retraining, typed: what metrics/retrain.json holds and the report shows."""

from pydantic import ConfigDict

from cairn.metrics.evaluation import Frozen
from cairn.metrics.paired import Decision
from cairn.studies.compare.comparison import Comparison
from cairn.studies.retrain.windows import Parts, Window


class Retrained(Frozen):
    """A challenger against the champion, on the newest rows, which neither was fitted on.

    Attributes:
        verdict: promote the challenger, keep the champion, or undecided.
        experiment: DVC's name of the challenger; the same champion, inputs and windows have the same name.
        model: data.name.
        overrides: of conf/, with which the challenger was trained.
        champion, challenger: the parts of each; test of the challenger are the held-out rows.
        models: hash of the folder of the champion's and of the challenger's model, as dvc.lock has it.
        already_tested: how many of these rows the champion was tested on.
        min_gain: in the deciding quantity, which the whole interval must exceed.
        comparison: the champion is its reference, the challenger its only candidate.
    """

    # As JSON the record is read again, and an undefined number is NaN in a comparison.
    model_config = ConfigDict(ser_json_inf_nan="constants")

    verdict: Decision
    experiment: str
    model: str
    window: Window
    overrides: list[str]
    champion: Parts
    challenger: Parts
    models: tuple[str, str]
    already_tested: int
    min_gain: float
    comparison: Comparison
