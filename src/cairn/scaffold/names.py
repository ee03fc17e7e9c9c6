"""What the name of a column suggests: an id, an entity with several rows, a code, or something known too late."""

import re

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
IDS = frozenset({"id", "ids", "uuid", "guid", "identifier", "rownum", "rowid", "idx", "index", "nr", "no"})
ENTITIES = frozenset(
    "patient subject person participant respondent customer client user member account household family animal"
    " player driver student employee machine engine device sensor unit vehicle tail tailnum borrower speaker"
    " writer donor policyholder session".split()
)
CODES = frozenset(
    "code zip zipcode postcode postal class type category cat level grade district region county state ward"
    " area sector channel brand model carrier".split()
)
AFTERWARDS = frozenset(
    "after afterwards outcome result results actual resolved resolution discharge death deceased died survived"
    " cancelled canceled cancellation refund refunded recovered recoveries settlement closed closing arrival arr"
    " arrived duration elapsed delivered completed ended churned chargeoff defaulted payout paidout final".split()
)
TIMES = frozenset(
    "date time datetime timestamp day dt at ts created when period month week moment observed recorded".split()
)
PERSONAL_DATES = frozenset(
    "birth born dob birthday hire hired built expiry expires expiration joined signup registered founded opened"
    " launch released since first last end ended due".split()
)


def words(name: str) -> list[str]:
    """Split a name at case changes, digits and signs: `PassengerId` gives passenger, id."""
    return [word.lower() for word in WORD.findall(name)]


def is_id(name: str) -> bool:
    """Whether a name says that the column names its rows or what they belong to."""
    found = words(name)
    return name.lower().startswith("unnamed:") or bool(found and IDS & {found[0], found[-1]})


def is_entity(name: str) -> bool:
    """Whether a name speaks of somebody or something that may have several rows."""
    found = words(name)
    if found and found[-1] in IDS:
        return bool(ENTITIES & set(found))
    return bool(found) and found[-1] in ENTITIES and len(found) <= 2


def is_code(name: str) -> bool:
    """Whether whole numbers of this name are likely labels rather than amounts."""
    found = words(name)
    return bool(found) and (found[-1] in CODES or found[-1] in IDS)


def told_afterwards(name: str) -> str | None:
    """Return the word of a name that speaks of what is known only when all is over."""
    return next((word for word in words(name) if word in AFTERWARDS), None)


def is_time(name: str) -> bool:
    """Whether a name says when a row happened."""
    found = set(words(name))
    return bool(found & TIMES) and not found & PERSONAL_DATES


def slug(name: str) -> str:
    """Return a name of lower-case ASCII letters, digits and _, fit for an override; `column` where none is left."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return plain if plain and not plain[0].isdigit() else f"column_{plain}".rstrip("_")
