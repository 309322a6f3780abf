"""Pictures of products that have none of their own: a drawing of what their sku names, on a colour of their own."""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from string import Template

from apps.store.storefront.drawings import DRAWINGS, KINDS, TAG, WORDS

PRODUCTS = Path(__file__).parents[1] / "products.toml"
HUES = {
    "beans": 26, "beeswax": 44, "black": 220, "blue": 215, "brass": 42, "cedar": 24, "chocolate": 22, "green": 140,
    "heather": 285, "honey": 40, "iron": 215, "leather": 26, "linen": 48, "oak": 34, "olive": 72, "red": 4,
    "salt": 205, "steel": 205, "walnut": 22, "willow": 80, "wool": 350,
}
"""The colours of words; other things have one that comes from the whole sku."""


@cache
def categories() -> dict[str, str]:
    """The category of each of the shop's own products, by sku: the last one it has."""
    return {item["sku"]: item["categories"][-1] for item in tomllib.loads(PRODUCTS.read_text())["products"]}


def thing_of(sku: str) -> str:
    """What a sku names, as `DRAWINGS` calls it; "" where nobody knows."""
    if sku.startswith("lamp-head"):
        return "torch"
    words = [WORDS.get(word, word) for word in re.split(r"[^a-z]+", sku.lower())]
    return next((word for word in words if word in DRAWINGS), KINDS.get(categories().get(sku, ""), ""))


@lru_cache(2000)
def picture(sku: str) -> str:
    """An SVG image of 400 by 400."""
    thing, seed = thing_of(sku), sha256(sku.encode()).digest()
    hue = next((HUES[word] for word in sku.lower().split("-") if word in HUES), seed[0] * 360 // 256)
    colours = {"a": f"hsl({hue} 44% 62%)", "b": f"hsl({hue} 46% 76%)", "c": f"hsl({hue} 34% 32%)"}
    drawn = Template(DRAWINGS.get(thing, TAG)).substitute(colours)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img">'
        f"<title>{thing.capitalize() or 'Product'}</title>"
        f'<rect width="400" height="400" fill="hsl({hue} 34% 91%)"/>'
        f'<circle cx="{150 + seed[2] % 100}" cy="{160 + seed[3] % 90}" r="{140 + seed[4] % 30}" '
        f'fill="hsl({(hue + 20) % 360} 40% 85%)"/>'
        f'<ellipse cx="200" cy="318" rx="128" ry="12" fill="hsl({hue} 30% 76%)"/>'
        f'<g fill="hsl({hue} 40% 96%)" stroke="hsl({hue} 40% 22%)" stroke-width="7" stroke-linejoin="round" '
        f'stroke-linecap="round">{drawn}</g></svg>'
    )
