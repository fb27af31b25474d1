"""`Colors`: names of colours, for small experiments.

The names are CSS's (W3C, CSS Color Module Level 4) in words, "navy" as "navy blue", and "olive green".
"""

from __future__ import annotations

import random
from typing import Any

from dspex.datasets.dataset import Dataset

all_colors = """
alice blue, antique white, aqua, aquamarine, azure, beige, bisque, black, blanched almond, blue, blue violet, brown,
burlywood, cadet blue, chartreuse, chocolate, coral, corn silk, cornflower blue, crimson, cyan, dark cyan,
dark goldenrod, dark gray, dark green, dark khaki, dark magenta, dark olive green, dark orange, dark orchid, dark red,
dark salmon, dark sea green, dark slate blue, dark slate gray, dark turquoise, dark violet, deep pink, deep sky blue,
dim gray, dodger blue, fire brick, floral white, forest green, fuchsia, gainsboro, ghost white, gold, goldenrod, gray,
green, green yellow, honeydew, hot pink, indian red, ivory, khaki, lavender, lavender blush, lawn green, lemon chiffon,
light coral, light goldenrod yellow, light gray, light green, light pink, light salmon, light sea green, light sky blue,
light slate gray, light steel blue, light yellow, lime, lime green, linen, magenta, maroon, medium aquamarine,
medium blue, medium orchid, medium purple, medium sea green, medium slate blue, medium spring green, medium turquoise,
medium violet red, mint cream, misty rose, moccasin, navajo white, navy blue, old lace, olive, olive drab, olive green,
orange, orange red, orchid, pale goldenrod, pale green, pale turquoise, pale violet red, papaya whip, peach puff, peru,
pink, plum, powder blue, purple, rebecca purple, red, rosy brown, royal blue, saddle brown, salmon, sandy brown,
sea green, seashell, sienna, silver, sky blue, slate blue, slate gray, snow, spring green, steel blue, tan, teal,
thistle, tomato, turquoise, violet, wheat, white, white smoke, yellow, yellow green
""".replace("\n", " ").strip().split(", ")  # fmt: skip


class Colors(Dataset):
    """Rows with a `color`: 60% to train with, the others in `dev`.

    Args:
        sort_by_suffix: Whether to sort the names by their ends before they are divided, so that names of one kind
            (``... blue``) are all on one side.
        *args, **kwargs: See `Dataset`.
    """

    def __init__(self, sort_by_suffix: bool = True, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sort_by_suffix = sort_by_suffix
        names = self.sorted_by_suffix(all_colors)
        cut = int(len(names) * 0.6)
        self._train = _shuffled(names[:cut])
        self._dev = _shuffled(names[cut:])

    def sorted_by_suffix(self, colors: list[Any]) -> list[Any]:
        """`colors` (names, or rows with a `color`) by their letters from the last to the first."""
        if not self.sort_by_suffix:
            return colors
        return sorted(colors, key=lambda each: (each if isinstance(each, str) else each["color"])[::-1])


def _shuffled(names: list[str]) -> list[dict[str, str]]:
    rows = [{"color": name} for name in names]
    random.Random(0).shuffle(rows)
    return rows
