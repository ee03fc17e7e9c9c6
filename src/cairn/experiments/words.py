"""The words of a sweep, `model=a,b` or `seed=range(1,4)`, read by Hydra as for `dvc exp run --queue -S`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cairn.errors import UserError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


def combinations(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the Cartesian product of what each word lists.

    Args:
        words: overrides of Hydra, each of one value or of several: `a,b`, choice(), range() with an exclusive
            stop, sort(), shuffle(). Of two words for the same key the later one counts, as in Hydra.

    Returns:
        The overrides of each combination, first word slowest; one empty combination for no words.

    Raises:
        UserError: one line for each word that cannot be read or does not list its values.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ValueType
    from hydra.errors import HydraException

    wrong: list[str] = []
    read: list[Override] = []
    for word in words:
        try:
            override = OverridesParser.create().parse_override(word)
        except HydraException:
            wrong.append(f"-S {word}: cannot be read; quote what is not a plain word or number")
            continue
        if override.value_type is ValueType.INTERVAL_SWEEP:
            wrong.append(f"-S {word}: an interval lists no values to try; that is for `cairn search`")
        elif override.value_type is ValueType.GLOB_CHOICE_SWEEP:
            wrong.append(f"-S {word}: a pattern lists no values to try; name them: key=a,b")
        read.append(override)
    if wrong:
        raise UserError("\n".join(wrong))
    # Hydra's sweeper makes `~key=null` of `~key`, which deletes a key only where it holds null.
    deletions = tuple(word for word, override in zip(words, read, strict=True) if _deletes(override))
    others = [override for override in read if not _deletes(override)]
    return [(*product, *deletions) for product in BasicSweeper.split_arguments(others, None)[0]]


def _deletes(override: "Override") -> bool:
    return override.is_delete() and "=" not in (override.input_line or "")
