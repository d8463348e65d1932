"""Whether ids that look like whole numbers may be parsed as such without losing anything."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

__all__ = ["looks_whole", "parses_exactly"]

PIECE = 1 << 20
WHOLE = re.compile("(0|-?[1-9][0-9]{0,17})")


def looks_whole(text: str) -> bool:
    """Tell whether a number is written as whole numbers are: "7", but neither "07" nor "+7".

    Parameters
    ----------
    text : str
        An id.
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
    """
    starts = np.zeros(256, dtype=bool)
    # The last byte of a byte order mark is 0xbf.
    starts[[ord(separator), *b'\r\n"-\xbf']] = True
    spaces = np.zeros(256, dtype=bool)
    spaces[list({ord(" "), ord("\t")} - {ord(separator)})] = True
    more = np.zeros(256, dtype=bool)
    more[list(b"0123456789xX")] = True
    before = b"\n"
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            letters = np.frombuffer(before + piece + file.read(1), dtype=np.uint8)
            if spaces[letters].any():
                return False
            zeros = np.flatnonzero(letters[1:-1] == ord("0")) + 1
            zeros = zeros[starts[letters[zeros - 1]]]
            after = letters[zeros + 1]
            if more[after].any() or (letters[zeros - 1] == ord("-")).any():
                return False
            before = letters[-2:].tobytes()
    return True
