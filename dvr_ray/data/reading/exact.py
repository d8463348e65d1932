"""Whether ids that look like whole numbers may be parsed as such without losing anything."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from dvr_ray.data.reading.files import MARK

__all__ = ["looks_whole", "parses_exactly"]

PIECE = 1 << 20
ZERO = ord("0")
# What makes a number of a leading zero: digits, or x as in 0x1F.
MORE = np.isin(np.arange(256), list(b"0123456789xX"))
WHOLE = re.compile("(0|-?[1-9][0-9]{0,17})")


def looks_whole(text: str) -> bool:
    """Tell whether a number is written as whole numbers are: "7", but neither "07" nor "+7".

    Parameters
    ----------
    text : str
        An id.

    Returns
    -------
    bool
        False also for more than 18 digits.
    """
    return WHOLE.fullmatch(text) is not None


def parses_exactly(path: Path, separator: str) -> bool:
    """Tell whether no field of a file has a leading zero or a space, which parsing would lose.

    Where it has, in whatever column, ids must be read as text: "07" and "7" are two ids. (Arrow
    would also read 0x1F as a number.)

    Parameters
    ----------
    path : Path
        The file, not gzipped.
    separator : str
        One character, of fields.

    Returns
    -------
    bool
        False where ids must be read as text.
    """
    blanks = [blank for blank in (b" ", b"\t") if blank != separator.encode()]
    tail = b"\n"
    with path.open("rb") as file:
        while piece := file.read(PIECE).removeprefix(MARK):
            if any(blank in piece for blank in blanks):
                return False
            data = tail + piece
            letters = np.frombuffer(data, dtype=np.uint8)
            before, zeros, after = letters[:-2], letters[1:-1], letters[2:]
            # What may stand before a field lies below the digits, and so does a decimal point.
            first = (zeros == ZERO) & (before != ord("."))
            first &= (before < ZERO) | (before == ord(separator))
            found = np.flatnonzero(first)
            if MORE[after[found]].any() or (before[found] == ord("-")).any():
                return False
            tail = data[-2:]
    return True
