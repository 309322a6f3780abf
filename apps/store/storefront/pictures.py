"""Pictures of products that have none of their own: a motif of their kind, on a colour of their own."""

from __future__ import annotations

import tomllib
from functools import cache
from hashlib import sha256
from pathlib import Path

PRODUCTS = Path(__file__).parents[1] / "products.toml"
MOTIFS = {
    "coffee": '<path d="M118 150h132v64a66 66 0 0 1-132 0zM250 166h18a32 32 0 0 1 0 64h-22"/>'
              '<path d="M104 300h160M158 118c-12-16 12-26 0-44M206 118c-12-16 12-26 0-44"/>',
    "kitchen": '<path d="M96 172h208v76a44 44 0 0 1-44 44H140a44 44 0 0 1-44-44zM82 172h236"/>'
               '<path d="M200 172v-28M96 204H66M304 204h30"/><circle cx="200" cy="134" r="12"/>',
    "food": '<rect x="118" y="156" width="164" height="156" rx="24"/>'
            '<path d="M142 120h116v36H142zM118 206h164v62H118zM168 237h64"/>',
    "home": '<path d="M150 96h100l38 104H112zM200 200v92M152 306a48 14 0 0 1 96 0z"/>',
    "office": '<path d="M128 92h144a16 16 0 0 1 16 16v188a16 16 0 0 1-16 16H128z"/>'
              '<path d="M152 92v220M180 148h76M180 184h76M180 220h44M112 132h32M112 172h32M112 212h32M112 252h32"/>',
    "electronics": '<path d="M112 220v-16a88 88 0 0 1 176 0v16"/>'
                   '<rect x="96" y="212" width="40" height="76" rx="18"/>'
                   '<rect x="264" y="212" width="40" height="76" rx="18"/>',
    "outdoor": '<path d="M200 96L84 296h232zM200 96v200M200 180l-52 116M200 180l52 116M64 296h272"/>',
    "clothing": '<path d="M156 100l-76 44 24 52 32-16v128h128V180l32 16 24-52-76-44a44 44 0 0 1-88 0z"/>',
    "games": '<rect x="104" y="104" width="192" height="192" rx="34"/><circle cx="152" cy="152" r="11"/>'
             '<circle cx="248" cy="152" r="11"/><circle cx="200" cy="200" r="11"/><circle cx="152" cy="248" r="11"/>'
             '<circle cx="248" cy="248" r="11"/>',
}
OTHER = '<path d="M112 112h92l96 96-92 92-96-96z"/><circle cx="152" cy="152" r="14"/>'
HUES = {
    "coffee": 28, "kitchen": 16, "food": 44, "home": 340, "office": 220, "electronics": 260, "outdoor": 130,
    "clothing": 200, "games": 300,
}


@cache
def kinds() -> dict[str, str]:
    """The kind of each of the shop's own products, by sku: the last of its categories."""
    return {item["sku"]: item["categories"][-1] for item in tomllib.loads(PRODUCTS.read_text())["products"]}


def picture(sku: str, category: str | None = None) -> str:
    """An SVG image of 400 by 400."""
    kind = category or kinds().get(sku, "")
    seed = sha256(sku.encode()).digest()
    hue = (HUES.get(kind, seed[1] * 360 // 256) + seed[0] % 25 - 12) % 360
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400">'
        f'<rect width="400" height="400" fill="hsl({hue} 32% 90%)"/>'
        f'<circle cx="{150 + seed[2] % 100}" cy="{160 + seed[3] % 90}" r="{130 + seed[4] % 40}" '
        f'fill="hsl({hue} 38% 84%)"/>'
        f'<g fill="hsl({hue} 45% 95%)" stroke="hsl({hue} 36% 30%)" stroke-width="9" stroke-linejoin="round" '
        f'stroke-linecap="round">{MOTIFS.get(kind, OTHER)}</g></svg>'
    )
