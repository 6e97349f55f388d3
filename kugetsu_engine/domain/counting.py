"""Numbers with the thing they count, and shares of a whole, as people read them: the one place for both."""


def counted(number: int, thing: str, things: str = "") -> str:
    """Write `1 line`, `3 lines`; `things`: the plural where it is not made with an s."""
    return f"{number} {thing if number == 1 else things or f'{thing}s'}"


def of_number(number: int, one: str, more: str) -> str:
    """Return the form of a word that goes with a number: `needs` with 1, `need` with any other."""
    return one if number == 1 else more


def percent(part: float, whole: float) -> str:
    """Write a share as `67%`, rounded; only all is 100%, and only nothing is 0%."""
    if whole <= 0:
        return ""
    share = part / whole * 100
    near = min(max(round(share), 1), 99) if 0 < share < 100 else round(share)
    return f"{near}%"
