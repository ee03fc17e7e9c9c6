"""What a column's name suggests: id, entity, code, planned or personal date, value known afterwards."""

import keyword
import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
IDS = re.compile("ids?|uuid|guid|identifier|rownum|rowid|idx|index|nr|no")
ENTITIES = re.compile(
    "patient|subject|person|individual|participant|respondent|customer|client|user|member|account|household|family|animal"
    "|player|driver|student|employee|machine|engine|device|sensor|unit|vehicle|tail|tailnum|borrower|speaker"
    "|writer|donor|policyholder|session"
)
SHORT_ENTITIES = re.compile(
    "cust|acct|subj|pat|emp|usr|mbr|hh|hhld|pers|policy|order|invoice|visit|case|group"
)
"""Only beside the word id."""
THINGS = re.compile(
    "product|item|sku|article|movie|film|book|song|store|shop|branch|station|airport|plane|route|city|town|place"
    "|country|street|village|airline|supplier|vendor|department|job|occupation"
)
"""What has rows again and again: its values are known when the model is used."""
WEIGHTS = re.compile(
    "pweights?|pwgts?|pwgtp|wgtp|fnlwgt|weighting(factor)?|(sampling|survey|design|household|hh|instance|population"
    "|probability|replicate|frequency|analytic|post(strat(ification)?)?)(weights?|wts?|wgts?)"
)
"""Weights of a survey."""
PERHAPS_WEIGHTS = re.compile(
    "(person|individual|respondent|sample|case|final)(weights?|wts?|wgts?)|(p|per|s|f|d|i)w(gh)?ts?|wgts?"
)
"""Weights of a survey, or in kilograms."""
WEIGHT = re.compile("weights?|wts?")
SORTS = re.compile("engine|device|vehicle|family")
"""Without the word id, such a column is a type or size: a product family, an engine's litres."""
CODES = re.compile(
    "code|zip|zipcode|postcode|postal|class|type|category|cat|district|region|county|state|ward|sector|channel"
    "|brand|model|carrier"
)
AFTERWARDS = re.compile(
    "after|afterwards|outcome|results?|actual|resolved|resolution|discharge|death|deceased|died|survived|final"
    "|cancell?ed|cancellation|refund|refunded|recovered|recoveries|settlement|closed|closing|arrival|arr|arrived"
    "|duration|elapsed|end|event|censored|followup|futime|survival|survtime|injury|injuries|injured|fatal|fatality|fatalities|killed|delivered|completed|ended|churned|chargeoff|defaulted|payout|paidout"
)
TIMES = re.compile(
    "date|time|datetime|timestamp|day|dt|at|ts|created|when|period|month|week|moment|observed|recorded"
)
PLANNED = re.compile(
    "due|planned|scheduled|sched|expected|estimated|promised|deadline|expiry|expires|expiration|valid|crs"
)
PERSONAL_DATES = re.compile(
    "birth|born|dob|birthday|hire|hired|built|expiry|expires|expiration|joined|signup|registered|founded|opened"
    "|launch|released|since|first|last|end|ended|due"
)
COMMON = re.compile(
    "is|has|num|number|count|total|sum|mean|median|avg|average|min|max|std|rate|ratio|share|percent|pct|per|level"
    "|type|class|value|amount|score|index|id|name|code|the|of|in|on|at|to|and|first|last|new|old|date|time|day"
    "|month|year|hour|house|target|label"
)
SPELT = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i"}
)
"""Latin letters that Unicode does not take apart into a letter and an accent."""


def unaccented(name: str) -> str:
    """Return a name with plain Latin letters, `Eröffnet` as Eroffnet; other scripts stay as they are."""
    parts = unicodedata.normalize("NFKD", name.translate(SPELT))
    plain = "".join(letter for letter in parts if not "\u0300" <= letter <= "\u036f")
    return unicodedata.normalize("NFC", plain)


def words(name: str) -> list[str]:
    """Split a name at case changes, digits and signs: `PassengerId` gives passenger, id."""
    return [word.lower() for word in WORD.findall(unaccented(name))]


def among(kind: re.Pattern[str], found: Iterable[str]) -> str | None:
    """Return the first word that matches."""
    return next((word for word in found if kind.fullmatch(word)), None)


def is_id(name: str) -> bool:
    """Whether a name suggests that the column identifies rows or entities."""
    found = words(name)
    return name.lower().startswith("unnamed:") or among(IDS, [*found[:1], *found[-1:]]) is not None


def is_entity(name: str) -> bool:
    """Whether a name suggests an entity that may have several rows; plain `id` and `nr` do."""
    found = words(name)
    if found and IDS.fullmatch(found[-1]):
        of_a_kind = among(CODES, found[-2:-1]) is not None  # vehicle_model_id is one of models
        owner = among(ENTITIES, found) or among(SHORT_ENTITIES, found[:-1])
        return found in (["id"], ["nr"]) or (owner is not None and not of_a_kind)
    last = among(ENTITIES, found[-1:])
    return 0 < len(found) <= 2 and last is not None and not SORTS.fullmatch(last)


def is_code(name: str) -> bool:
    """Whether whole numbers of this name are likely labels rather than amounts."""
    last = words(name)[-1:]
    return (among(CODES, last) or among(IDS, last)) is not None


def is_weight(name: str) -> Literal["survey", "perhaps", "any", ""]:
    """Say of what a name suggests a weight: a survey, perhaps a survey, anything (kilograms), nothing."""
    found = words(name)
    if among(WEIGHTS, ["".join(found)]):
        return "survey"
    if among(PERHAPS_WEIGHTS, ["".join(found)]):
        return "perhaps"
    return "any" if among(WEIGHT, found) and len(found) <= 2 else ""


def is_thing(name: str) -> bool:
    """Whether a name suggests a code, or things that have rows again and again: shops, products."""
    found = [word for word in words(name) if not IDS.fullmatch(word)]
    return (among(THINGS, found) or among(CODES, found[-1:])) is not None


def is_time(name: str) -> bool:
    """Whether a name suggests the time of a row."""
    return among(TIMES, words(name)) is not None and not is_personal(name)


def is_personal(name: str) -> bool:
    """Whether a date of this name belongs to a person or thing, not to the row: birth, signup, expiry."""
    return among(PERSONAL_DATES, words(name)) is not None


def is_plan(name: str) -> bool:
    """Whether a name suggests a plan, which is known before the event."""
    return among(PLANNED, words(name)) is not None


def plan_of(name: str, others: Iterable[str]) -> str | None:
    """Return the planned counterpart of a column: sched_dep_time for dep_time."""
    mine = words(name)
    return next(
        (o for o in others if is_plan(o) and [w for w in words(o) if not PLANNED.fullmatch(w)] == mine), None
    )


def shared_word(name: str, others: Iterable[str]) -> str | None:
    """Return an uncommon word that a name shares with one of the others."""
    theirs = {word for other in others for word in words(other)}
    return next((w for w in words(name) if len(w) > 2 and w in theirs and not COMMON.fullmatch(w)), None)


def can_be_quoted(name: str) -> bool:
    """Whether pandas understands the name in an expression; it takes quotes for the start of a text."""
    return not set(name) & set("'\"\\\n\r#")


def quoted(name: str) -> str:
    """Return a column's name as an expression needs it."""
    return name if name.isidentifier() and name.isascii() and not keyword.iskeyword(name) else f"`{name}`"


def slug(name: str) -> str:
    """Return a name of lower-case ASCII letters, digits and _, beginning with a letter."""
    plain = re.sub(r"[^a-z0-9]+", "_", unaccented(name).lower()).strip("_")
    return plain if plain and not plain[0].isdigit() else f"column_{plain}".rstrip("_")


def free_name(name: str, taken: list[str]) -> str:
    """Return the name, with trailing underscores until it is free."""
    return name if name not in taken else free_name(f"{name}_", taken)
