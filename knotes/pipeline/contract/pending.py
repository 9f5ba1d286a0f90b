"""Pages of the first edition, with the rules of the second that they still break.

``pending.txt`` has a line for each page and rule. A page that is rewritten loses its lines; a
new one never gets any.
"""

from __future__ import annotations

from pathlib import Path

LIST = Path(__file__).with_name("pending.txt")


def pairs(path: Path = LIST) -> list[tuple[str, str]]:
    """Page and name of the rule of each line, in order; lines with `#` are comments.

    Raises ValueError for a line that is not a page and a rule.
    """
    found = []
    for line in path.read_text("utf8").splitlines():
        if line.strip() and not line.startswith("#"):
            words = line.split()
            if len(words) != 2:
                raise ValueError(f"{path.name}: {line!r}; expected a page and a rule")
            found.append((words[0], words[1]))
    return found
