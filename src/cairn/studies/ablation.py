"""The importance of each part of the features: the model with it and without it, on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cairn.data.parts import Prepared
from cairn.errors import UserError, did_you_mean
from cairn.features.select import select_features
from cairn.metrics.paired import (
    Difference,
    MeanScore,
    corrected,
    difference_of,
    gain,
    judged,
    mean_score,
    seed_spread,
)
from cairn.settings.config import Config
from cairn.settings.contract import Contract
from cairn.studies.protocol import Protocol, evaluation_set, fit_and_score, protocol_of

Verdict = Literal["keep", "drop", "unclear"]
VERDICTS: dict[str, Verdict] = {"better": "keep", "worse": "drop", "unclear": "unclear"}

Parts = dict[str, list[str]]
"""By name of a group or column, the columns that go with it."""
Left = frozenset[str]
"""The columns that a fit leaves out."""
FULL: Left = frozenset()


@dataclass(frozen=True)
class Importance:
    """The importance of one part, a group or a column.

    Attributes:
        columns: how many columns it has.
        differences: by quantity, the model with it compared with the model without it; `corrected` over all
            parts.
        alone: score of the model that has nothing else; None where that was not fitted.
    """

    part: str
    columns: int
    without: MeanScore
    differences: dict[str, Difference]
    alone: MeanScore | None
    verdict: Verdict


@dataclass(frozen=True)
class Ablation:
    """The importance of the parts of a model's features, the largest first.

    Attributes:
        noise: standard deviation of the deciding quantity between seeds; None for one seed.
        full: the model with everything, by quantity.
    """

    protocol: Protocol
    noise: float | None
    full: dict[str, MeanScore]
    parts: list[Importance]


def ablate(
    config: Config,
    prepared: Prepared,
    groups: Parts,
    parts: Parts,
    *,
    seeds: int,
    alone: bool,
    decides: str | None = None,
) -> Ablation:
    """Fit the model with and without each part, and `alone`: with nothing else, under several seeds.

    `groups` has every feature in use; see parts_of and protocol_of for the other arguments.
    """
    rows = evaluation_set(config, prepared)
    protocol = protocol_of(config, rows, seeds=seeds, decides=decides)
    every = frozenset(name for names in groups.values() for name in names)
    fits = [FULL, *map(frozenset, parts.values())]
    if alone:
        fits += [every - set(names) for names in parts.values()]
    scores = fit_and_score(
        dict.fromkeys(fits),
        lambda left, seed: (_without(config, left, seed), prepared),
        rows,
        protocol,
        progress="ablate",
    )

    found = {
        part: {
            name: difference_of(rows, scores[frozenset(names)], scores[FULL], name)
            for name in protocol.quantities
        }
        for part, names in parts.items()
    }
    deciding = corrected([found[part][protocol.decides] for part in parts])
    importances = []
    for (part, names), difference in zip(parts.items(), deciding, strict=True):
        others = every - set(names)
        importances.append(
            Importance(
                part=part,
                columns=len(names),
                without=mean_score(rows, scores[frozenset(names)], protocol.decides),
                differences=found[part] | {protocol.decides: difference},
                alone=mean_score(rows, scores[others], protocol.decides) if others in scores else None,
                verdict=VERDICTS[judged(difference, protocol.decides, protocol.level)],
            )
        )
    return Ablation(
        protocol=protocol,
        noise=seed_spread(scores.values(), protocol.decides),
        full={name: mean_score(rows, scores[FULL], name) for name in protocol.quantities},
        parts=sorted(
            importances, key=lambda one: -gain(one.differences[protocol.decides], protocol.decides).value
        ),
    )


def _without(config: Config, left: Left, seed: int) -> Config:
    features = config.features.model_copy(update={"exclude": [*config.features.exclude, *sorted(left)]})
    return config.model_copy(update={"features": features, "seed": seed})


def groups_in_use(contract: Contract, config: Config) -> Parts:
    """Return the features of the config by their group, in the order of the contract."""
    groups: Parts = {}
    for name in select_features(contract, config.data.target, config.features):
        groups.setdefault(str(contract.columns[name].group), []).append(name)
    return groups


def parts_of(groups: Parts, asked: Sequence[str] | None, *, columns: bool) -> Parts:
    """Return what is left out, part by part: the groups asked for (None: all) or each of their columns.

    Raises:
        UserError: an unknown group, or one that is everything there is.
    """
    for name in asked or []:
        if name not in groups:
            near = did_you_mean(name, list(groups))
            raise UserError(
                f"--groups {name}: not a feature group in use{near} (groups: {', '.join(groups)})"
            )
    chosen = {name: names for name, names in groups.items() if asked is None or name in asked}
    if columns:
        chosen = {name: [name] for names in chosen.values() for name in names}
    total = sum(map(len, groups.values()))
    if any(len(names) == total for names in chosen.values()):
        hint = "" if columns or total == 1 else "; --columns leaves out its columns one by one"
        raise UserError(f"{next(iter(chosen))} has all the features: without it none is left{hint}")
    return chosen
