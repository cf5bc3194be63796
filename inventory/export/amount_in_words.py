"""Amounts in Vietnamese words, as they stand under the total of a document.

The northern usage of State and Party papers: `linh` (not `lẻ`) before a single unit, `nghìn` (not `ngàn`); after
`mươi` one is `mốt` and four is `tư`; after a ten five is `lăm`. After `linh` the digits keep their plain names.
"""

from __future__ import annotations

_DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_AFTER_TENS = {1: "mốt", 4: "tư", 5: "lăm"}
_BILLION = 1_000_000_000
# The names of the groups of three digits below a billion, the highest first.
_GROUPS = ((1_000_000, "triệu"), (1_000, "nghìn"), (1, ""))


def amount_in_words(amount_vnd: int) -> str:
    """The amount with its currency, as `Một tỷ hai trăm linh năm triệu đồng`.

    Args:
        amount_vnd: whole đồng; a negative one begins with `Âm`.
    """
    text = f"{number_in_words(amount_vnd)} đồng"
    return text[0].upper() + text[1:]


def number_in_words(number: int) -> str:
    """A whole number in lower-case Vietnamese words, of any size."""
    if number < 0:
        return f"âm {number_in_words(-number)}"
    return " ".join(_words(number)) or _DIGITS[0]


def _words(number: int) -> list[str]:
    """The words of a number, none for zero. A thousand billions is `một nghìn tỷ`, a billion of them `một tỷ tỷ`."""
    billions, rest = divmod(number, _BILLION)
    words = [*_words(billions), "tỷ"] if billions else []
    for size, name in _GROUPS:
        group, rest = divmod(rest, size)
        if group:
            words += _group(group, leading=not words)
            words += [name] if name else []
    return words


def _group(group: int, *, leading: bool) -> list[str]:
    """Three digits; only the leading group of a number may leave out its hundreds."""
    hundreds, rest = divmod(group, 100)
    tens, units = divmod(rest, 10)
    with_hundreds = hundreds > 0 or not leading
    words = [_DIGITS[hundreds], "trăm"] if with_hundreds else []
    if tens == 0:
        if units:
            words += ["linh", _DIGITS[units]] if with_hundreds else [_DIGITS[units]]
        return words
    words += ["mười"] if tens == 1 else [_DIGITS[tens], "mươi"]
    if units:
        five_only = {5: "lăm"}
        words.append((five_only if tens == 1 else _AFTER_TENS).get(units, _DIGITS[units]))
    return words
