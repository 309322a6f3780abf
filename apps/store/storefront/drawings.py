"""Drawings of things, by the word of a sku that names them. Each is a few shapes on a square of 400, in the colours
that `pictures` gives: `$a` is the thing's own, `$b` a lighter one, `$c` a darker one; what says none is the lightest.
"""

from __future__ import annotations

STEAM = '<path fill="none" d="M165 112c-12-16 12-28 0-44M215 112c-12-16 12-28 0-44"/>'
DRAWINGS = {
    "mug": STEAM + '<path fill="none" d="M262 176h22a36 36 0 0 1 0 72h-22"/>'
           '<path fill="$a" d="M118 146h144v118a36 36 0 0 1-36 36h-72a36 36 0 0 1-36-36z"/>'
            '<path d="M118 190h144v26H118z"/>',
    "kettle": '<path fill="none" d="M150 168c0-76 108-76 108 0"/><path fill="none" d="M132 262c-44-8-30-76-62-88"/>'
              '<path fill="$a" d="M146 172h116l28 112a18 18 0 0 1-18 20H136a18 18 0 0 1-18-20z"/>'
              '<path fill="$b" d="M160 150h88v22h-88z"/><circle fill="$c" cx="204" cy="138" r="10"/>',
    "grinder": '<path fill="none" d="M200 118V92h80"/><circle fill="$c" cx="286" cy="90" r="14"/>'
               '<path fill="$b" d="M150 118h100l-12 40h-76z"/><path fill="$a" d="M152 158h96v92h-96z"/>'
               '<path d="M160 250h80v56h-80z"/>',
    "dripper": STEAM + '<path fill="$a" d="M112 138h176l-58 96h-60z"/><path fill="$b" d="M140 234h120v18H140z"/>'
               '<path d="M140 252h120l14 50H126z"/><path fill="none" d="M150 152l30 68M200 152v68M250 152l-30 68"/>',
    "filters": '<path fill="$b" d="M92 122h180l-58 156h-64z"/><path fill="$a" d="M118 130h180l-58 156h-64z"/>'
               '<path d="M144 138h180l-58 156h-64z"/>',
    "press": '<path fill="none" d="M200 78v60M256 172h24v92h-24"/><circle fill="$c" cx="200" cy="76" r="13"/>'
             '<path fill="$b" d="M136 128h128v20H136z"/><path d="M144 148h112v152H144z"/>'
             '<path fill="$a" d="M144 216h112v84H144z"/><path fill="none" d="M200 148v64M146 214h108"/>',
    "beans": '<path fill="$a" d="M128 96h144l14 208H114z"/><path fill="$b" d="M124 128h152v-32H124z"/>'
             '<ellipse cx="200" cy="216" rx="44" ry="54"/><path fill="none" d="M206 164c-24 34 24 66-6 104"/>',
    "tea": '<path fill="$a" d="M120 128h160v172H120z"/><path fill="$b" d="M120 128l26-36h108l26 36z"/>'
           '<path d="M200 264c-56-24-44-76 0-98 44 22 56 74 0 98z"/><path fill="none" d="M200 180v104"/>',
    "honey": '<path fill="$a" d="M130 152h140l10 30v104a18 18 0 0 1-18 18H138a18 18 0 0 1-18-18V182z"/>'
             '<path fill="$c" d="M130 112h140v40H130z"/><path d="M146 206h108v62H146z"/>'
             '<path fill="$b" d="M200 216l18 11v20l-18 11-18-11v-20z"/>',
    "chocolate": '<path fill="$a" d="M136 84h128v150H136z"/><path fill="none" d="M200 84v150M136 134h128M136 184h128"/>'
                 '<path fill="$b" d="M126 208l24 12 25-12 25 12 25-12 25 12 24-12v104H126z"/>'
            '<path d="M160 250h80v32h-80z"/>',
    "oil": '<path fill="$c" d="M184 72h32v28h-32z"/>'
           '<path fill="$a" d="M184 100h32v46c0 22 34 22 34 54v100a12 12 0 0 1-12 12h-76a12 12 0 0 '
            '1-12-12V200c0-32 34-32 34-54z"/>'
           '<path d="M150 216h100v60H150z"/><path fill="$b" d="M200 262c-20-14-14-32 0-36 14 4 20 22 0 36z"/>',
    "salt": '<path d="M130 152h140v134a18 18 0 0 1-18 18H148a18 18 0 0 1-18-18z"/>'
            '<path fill="$c" d="M122 116h156v36H122z"/>'
            '<path fill="$a" d="M130 214c24-14 46 12 70 0s46-12 70 0v72a18 18 0 0 1-18 18H148a18 18 0 0 1-18-18z"/>',
    "knife": '<g transform="rotate(-38 200 200)"><path d="M72 196h156v48c-60 20-120 0-156-48z"/>'
             '<rect fill="$a" x="228" y="192" width="112" height="36" rx="16"/>'
             '<path fill="none" d="M262 210h2M304 210h2"/></g>',
    "board": '<rect fill="$a" x="104" y="130" width="192" height="176" rx="20"/>'
            '<path fill="$a" d="M180 130V92a20 20 0 0 1 40 0v38"/>'
             '<circle cx="200" cy="98" r="7"/><path fill="none" d="M128 176h144M128 216h110M128 258h144"/>',
    "pan": '<rect fill="$c" x="248" y="186" width="104" height="28" rx="14"/>'
            '<circle fill="$a" cx="172" cy="200" r="100"/>'
           '<circle cx="172" cy="200" r="72"/><path fill="none" d="M130 180a50 50 0 0 1 40-30"/>',
    "pot": '<path fill="none" d="M92 204H66v30h26M308 204h26v30h-26"/>'
           '<path fill="$a" d="M92 178h216v82a44 44 0 0 1-44 44H136a44 44 0 0 1-44-44z"/>'
           '<path fill="$b" d="M104 178c0-40 40-52 96-52s96 12 96 52z"/><circle fill="$c" cx="200" cy="114" r="14"/>',
    "scale": '<ellipse fill="$b" cx="200" cy="142" rx="96" ry="22"/>'
            '<path fill="$a" d="M130 160h140l34 132a12 12 0 0 1-12 14H108a12 12 0 0 1-12-14z"/>'
             '<rect x="150" y="218" width="100" height="46" rx="8"/><path fill="none" d="M172 242h56"/>',
    "towel": '<path fill="$a" d="M124 92h152v196H124z"/><path fill="$b" d="M124 230h152v22H124zM124 268h152v20H124z"/>'
             '<path fill="none" d="M92 92h216M128 288v18M152 288v18M176 288v18M200 288v18M224 288v18M248 '
            '288v18M272 288v18"/>',
    "apron": '<path fill="none" d="M160 126c0-60 80-60 80 0M112 202l-36 22M288 202l36 22"/>'
             '<path fill="$a" d="M158 118h84c0 50 20 70 50 84l-8 104H116l-8-104c30-14 50-34 50-84z"/>'
            '<path d="M160 220h80v44h-80z"/>',
    "bowl": '<path fill="$b" d="M104 134h192c0 50-36 84-96 84s-96-34-96-84z"/>'
            '<path fill="$a" d="M84 180h232c0 68-46 112-116 112S84 248 84 180z"/>'
            '<path d="M160 288h80v20h-80z"/>',
    "vase": '<path fill="none" d="M200 120V64M178 122c-6-30-22-40-34-44M222 122c6-30 22-40 34-44"/>'
            '<path fill="$a" d="M168 122h64c0 40 40 60 40 112 0 40-22 72-44 72h-56c-22 0-44-32-44-72 0-52 40-72 '
            '40-112z"/>'
            '<path fill="$b" d="M130 220h140v26H130z"/><circle fill="$b" cx="200" cy="62" r="13"/>',
    "candle": '<path fill="$b" d="M200 66c24 30 20 52 0 58-20-6-24-28 0-58z"/><path fill="none" d="M200 116v28"/>'
              '<path fill="$a" d="M156 144h88v150h-88z"/>'
            '<path d="M156 144h88v30c-14 0-14 24-28 24s-14-34-30-34-14 16-30 16z"/>'
              '<path fill="$c" d="M124 294h152v16H124z"/>',
    "throw": '<path fill="$a" d="M92 232h216v64H92z"/><path fill="$b" d="M92 168h216v64H92z"/>'
            '<path fill="$a" d="M92 124a20 20 0 0 1 20-20h176a20 20 0 0 1 20 20v44H92z"/>'
             '<path fill="none" d="M116 296v18M144 296v18M172 296v18M200 296v18M228 296v18M256 296v18M284 296v18"/>',
    "cushion": '<path fill="$a" d="M96 104c66 18 142 18 208 0 -16 62-16 130 0 192-66-18-142-18-208 0 16-62 16-130 '
            '0-192z"/>'
               '<path fill="none" d="M148 146l104 108M252 146L148 254"/><circle fill="$b" cx="200" cy="200" r="14"/>',
    "lamp": '<path fill="none" d="M214 296V210l-66-62"/><path fill="$a" d="M88 166l74-78 44 60-62 62z"/>'
            '<circle fill="$b" cx="142" cy="186" r="22"/>'
            '<path fill="$c" d="M152 290h124v18H152z"/><circle fill="$c" cx="214" cy="208" r="12"/>',
    "torch": '<path fill="none" d="M84 190c10-120 222-120 232 0M84 190c20 40 212 40 232 0"/>'
            '<rect fill="$a" x="142" y="186" width="116" height="82" rx="24"/>'
             '<circle cx="200" cy="227" r="28"/><path fill="none" d="M200 286v30M158 280l-16 26M242 280l16 26"/>',
    "bulb": '<path fill="$b" d="M200 84c92 0 100 92 50 140v26h-100v-26c-50-48-42-140 50-140z"/>'
            '<path fill="none" d="M176 246l-10-66 34 22 34-22-10 66"/>'
            '<path fill="$c" d="M152 250h96v20h-96zM160 270h80v20h-80zM176 290h48v18h-48z"/>',
    "clock": '<circle fill="$a" cx="200" cy="200" r="112"/><circle cx="200" cy="200" r="86"/>'
            '<path fill="none" d="M200 140v62l42 24M200 126v4M200 270v4M126 200h4M270 200h4"/>',
    "basket": '<path fill="none" d="M128 186c0-126 144-126 144 0"/>'
            '<path fill="$a" d="M92 186h216l-30 118H122z"/>'
            '<path fill="none" d="M102 224h196M112 262h176M160 186l10 118M240 186l-10 118M200 186v118"/>',
    "notebook": '<rect fill="$a" x="116" y="88" width="172" height="224" rx="14"/>'
            '<path fill="$c" d="M254 88h16v224h-16z"/><path d="M148 130h76v44h-76z"/>'
                '<path fill="none" d="M104 126h28M104 174h28M104 222h28M104 270h28"/>',
    "pen": '<g transform="rotate(40 200 200)"><path fill="$a" d="M178 70h44v130h-44z"/>'
            '<path fill="$b" d="M178 200h44v54h-44z"/><path d="M178 254h44l-22 76z"/>'
            '<path fill="none" d="M200 290v34M234 84v70"/></g>',
    "ink": '<path fill="$c" d="M162 104h76v46h-76z"/>'
            '<path fill="$b" d="M120 188l42-38h76l42 38v102a14 14 0 0 1-14 14H134a14 14 0 0 1-14-14z"/>'
            '<path fill="$a" d="M120 222h160v68a14 14 0 0 1-14 14H134a14 14 0 0 1-14-14z"/>',
    "pencils": '<path fill="$a" d="M128 140h36v164h-36z"/><path d="M128 140l18-54 18 54z"/>'
            '<path fill="$b" d="M182 140h36v164h-36z"/><path d="M182 140l18-54 18 54z"/>'
            '<path fill="$c" d="M236 140h36v164h-36z"/><path d="M236 140l18-54 18 54z"/>',
    "stand": '<path fill="$b" d="M112 102h176v112H112z"/><path d="M126 116h148v84H126z"/>'
            '<path fill="$a" d="M96 214h208l-8 20H104z"/>'
            '<path fill="none" d="M130 234l40 66M270 234l-40 66M126 302h148"/>',
    "mat": '<rect fill="$a" x="76" y="126" width="248" height="156" rx="16"/>'
            '<rect fill="$b" x="112" y="160" width="116" height="56" rx="8"/>'
            '<rect x="252" y="158" width="40" height="62" rx="20"/>',
    "organizer": '<path fill="none" d="M148 190V88M186 190v-76M270 190v-60"/>'
            '<path fill="$b" d="M252 96h36v36h-36z"/><path fill="$a" d="M88 190h224v114H88z"/>'
            '<path d="M108 226h84v54h-84zM212 226h80v54h-80z"/>',
    "keyboard": '<rect fill="$a" x="66" y="138" width="268" height="132" rx="18"/>'
            '<path d="M90 162h28v22H90zM130 162h28v22h-28zM170 162h28v22h-28zM210 162h28v22h-28zM250 '
            '162h58v22h-58zM90 194h44v22H90zM146 194h28v22h-28zM186 194h28v22h-28zM226 194h28v22h-28zM266 '
            '194h42v22h-42zM90 226h28v22H90zM130 226h128v22H130zM270 226h38v22h-38z" stroke-width="4"/>',
    "mouse": '<path fill="$a" d="M200 84c56 0 84 42 84 108v32c0 50-34 92-84 92s-84-42-84-92v-32c0-66 28-108 '
            '84-108z"/><path fill="none" d="M116 196h168M200 84v112"/><rect x="188" y="122" width="24" '
            'height="44" rx="12"/>',
    "headphones": '<path fill="none" stroke-width="16" d="M112 228v-24a88 88 0 0 1 176 0v24"/>'
            '<rect fill="$a" x="88" y="216" width="52" height="88" rx="24"/>'
            '<rect fill="$a" x="260" y="216" width="52" height="88" rx="24"/>',
    "earbuds": '<rect fill="$a" x="96" y="190" width="208" height="112" rx="44"/>'
            '<path fill="$b" d="M96 226c0-60 20-96 104-96s104 36 104 96z"/><circle cx="156" cy="190" r="24"/>'
            '<circle cx="244" cy="190" r="24"/>',
    "speaker": '<rect fill="$a" x="126" y="76" width="148" height="236" rx="34"/>'
            '<circle cx="200" cy="228" r="50"/><circle fill="$c" cx="200" cy="228" r="18"/>'
            '<circle fill="$b" cx="200" cy="128" r="24"/>',
    "charger": '<path fill="none" d="M168 132V84M232 132V84"/>'
            '<rect fill="$a" x="122" y="132" width="156" height="150" rx="28"/>'
            '<path d="M214 158l-46 56h32l-12 44 46-58h-32z"/>',
    "cable": '<path fill="none" stroke-width="14" d="M128 136c0 130 90 0 90 90s-90 70-90 20 144-60 144 34"/>'
            '<rect fill="$a" x="106" y="76" width="44" height="66" rx="10"/>'
            '<rect fill="$a" x="250" y="270" width="44" height="54" rx="10"/>',
    "powerbank": '<rect fill="$a" x="132" y="80" width="136" height="232" rx="24"/>'
            '<path d="M216 132l-48 68h34l-16 60 50-78h-34z"/><path fill="none" d="M176 288h48"/>',
    "webcam": '<circle fill="$a" cx="200" cy="172" r="94"/><circle cx="200" cy="172" r="52"/>'
            '<circle fill="$c" cx="200" cy="172" r="22"/><path fill="$b" d="M160 268h80l22 40H138z"/>',
    "reader": '<rect fill="$a" x="116" y="76" width="168" height="240" rx="18"/><path d="M136 98h128v172H136z"/>'
            '<path fill="none" d="M154 128h92M154 156h92M154 184h92M154 212h58M186 294h28"/>',
    "backpack": '<path fill="none" d="M164 112c0-52 72-52 72 0"/>'
            '<path fill="$a" d="M118 176a64 64 0 0 1 64-64h36a64 64 0 0 1 64 64v116a16 16 0 0 1-16 16H134a16 16 0 '
            '0 1-16-16z"/><path fill="$b" d="M142 220h116v66H142z"/><path fill="none" d="M142 176h116M200 220v26"/>',
    "bottle": '<rect fill="$c" x="172" y="72" width="56" height="40" rx="8"/>'
            '<path fill="$a" d="M172 112h56c0 26 24 30 24 58v120a22 22 0 0 1-22 22h-60a22 22 0 0 1-22-22V170c0-28 '
            '24-32 24-58z"/><path fill="$b" d="M148 190h104v52H148z"/>',
    "tent": '<path fill="$a" d="M200 100L76 296h248z"/><path d="M200 154l-54 142h108z"/>'
            '<path fill="$c" d="M200 154l-20 142h40z"/>'
            '<path fill="none" d="M200 100l-12-18M200 100l12-18M56 296h288"/>',
    "bag": '<path fill="$a" d="M144 104a56 56 0 0 1 112 0l20 170c4 26-32 40-76 40s-80-14-76-40z"/>'
            '<ellipse cx="200" cy="124" rx="36" ry="32"/><path fill="none" d="M200 166v120M132 236l68 14 68-14"/>',
    "stove": '<path fill="$b" d="M200 76c30 34 24 58 0 66-24-8-30-32 0-66z"/>'
            '<path fill="none" d="M118 152h164M140 152l36 52M260 152l-36 52"/>'
            '<path fill="$a" d="M170 204h60v34h-60z"/>'
            '<path fill="$c" d="M128 260a30 22 0 0 1 30-22h84a30 22 0 0 1 30 22v46H128z"/>',
    "map": '<path fill="$a" d="M84 118l76-24v188l-76 24zM240 118l76-24v188l-76 24z"/>'
            '<path fill="$b" d="M160 94l80 24v188l-80-24z"/>'
            '<path fill="none" stroke-dasharray="14 16" d="M106 260c40-80 90 20 122-62 16-40 40-40 64-50"/>',
    "poles": '<path fill="none" stroke-width="12" d="M150 132l-34 184M250 132l34 184"/>'
            '<rect fill="$a" x="136" y="80" width="34" height="74" rx="15" transform="rotate(10 153 117)"/>'
            '<rect fill="$a" x="230" y="80" width="34" height="74" rx="15" transform="rotate(-10 247 117)"/>'
            '<path fill="$b" d="M102 282h44M254 282h44"/>',
    "jacket": '<path fill="$b" d="M158 104c0-50 84-50 84 0l-42 40z"/>'
            '<path fill="$a" d="M158 98l-66 40-24 130 46 12 14-66v98h144v-98l14 66 46-12-24-130-66-40-42 46z"/>'
            '<path fill="none" d="M200 144v168M150 262h24M226 262h24"/>',
    "sweater": '<path fill="$a" d="M160 96l-64 34-30 132 44 14 20-74v106h140V202l20 74 44-14-30-132-64-34a40 40 0 '
            '0 1-80 0z"/><path fill="$b" d="M130 168h140v30H130z"/><path fill="none" d="M130 288h140"/>',
    "shirt": '<path fill="$a" d="M160 92l-64 34-30 132 44 14 20-74v114h140V198l20 74 44-14-30-132-64-34-40 '
            '40z"/><path d="M160 92l40 40-22 28-32-50zM240 92l-40 40 22 28 32-50z"/><path fill="none" d="M200 '
            '138v170M214 176v1M214 216v1M214 256v1"/>',
    "tshirt": '<path fill="$a" d="M156 100l-76 44 24 52 32-16v128h128V180l32 16 24-52-76-44a44 44 0 0 1-88 0z"/>',
    "socks": '<path fill="$b" d="M214 84h64v130l-22 74c-30 30-88 4-70-32l28-44z"/>'
            '<path fill="$a" d="M134 84h64v130l-22 74c-30 30-106 8-86-30l44-46z"/><path d="M134 84h64v28h-64z"/>',
    "beanie": '<circle fill="$b" cx="200" cy="92" r="28"/>'
            '<path fill="$a" d="M104 236c0-76 32-128 96-128s96 52 96 128z"/><path d="M92 230h216v56H92z"/>'
            '<path fill="none" d="M128 230v56M164 230v56M200 230v56M236 230v56M272 230v56"/>',
    "belt": '<path fill="none" stroke-width="40" d="M200 120c150 0 150 152 0 152s-150-152 0-152"/>'
            '<rect x="164" y="232" width="80" height="80" rx="12"/><path fill="none" d="M204 272h52"/>',
    "scarf": '<path fill="$b" d="M222 190l52 108-48 16-44-104z"/>'
            '<path fill="$a" d="M176 196l-38 110 52 8 34-108z"/>'
            '<path fill="$a" d="M108 140c0-40 184-40 184 0 0 86-184 86-184 0z"/>'
            '<path d="M142 140c0-18 116-18 116 0s-116 18-116 0z"/>',
    "puzzle": '<path fill="$a" d="M106 134h64c-16-48 60-48 44 0h64v64c48-16 48 60 0 44v64h-64c16-48-60-48-44 '
            '0h-64v-64c-48 16-48-60 0-44z"/>',
    "cards": '<rect fill="$a" x="96" y="104" width="128" height="188" rx="14" transform="rotate(-12 160 198)"/>'
            '<rect x="176" y="104" width="128" height="188" rx="14" transform="rotate(10 240 198)"/>'
            '<path fill="$c" d="M238 160l30 38-30 38-30-38z" transform="rotate(10 240 198)"/>',
    "chess": '<path fill="$a" d="M150 270c0-60 46-60 42-104-22 16-50 20-58-6l46-56 8-26c70 10 92 110 66 192z"/>'
            '<circle fill="$c" cx="192" cy="126" r="5"/><path fill="$b" d="M128 270h148v36H128z"/>',
    "go": '<path fill="$b" d="M92 92h216v216H92z"/>'
            '<path fill="none" stroke-width="5" d="M146 92v216M200 92v216M254 92v216M92 146h216M92 200h216M92 '
            '254h216"/><circle fill="$c" cx="146" cy="200" r="24"/><circle cx="200" cy="200" r="24"/><circle '
            'fill="$c" cx="200" cy="146" r="24"/><circle cx="254" cy="254" r="24"/>',
    "kite": '<path fill="$a" d="M220 70l90 96-110 84-56-92z"/>'
            '<path fill="none" d="M220 70l-20 180M144 158l166 8M200 250c-30 14 10 40-24 52s-20-24-60 14"/>'
            '<path fill="$b" d="M144 158L220 70l-12 92z"/>',
    "gift": '<path fill="$b" d="M200 138c-64 0-74-66-40-62 24 2 40 34 40 62 0-28 16-60 40-62 34-4 24 62-40 '
            '62z"/><path fill="$a" d="M108 180h184v126H108z"/><path fill="$a" d="M92 138h216v42H92z"/><path '
            'd="M182 138h36v168h-36z"/>',
}
"""By the word of a sku."""
WORDS = {
    "tee": "tshirt", "cup": "mug", "book": "notebook", "pencil": "pencils", "watch": "clock", "hairdryer": "charger",
    "sunglasses": "headphones", "loafers": "socks", "tank": "tshirt", "jar": "honey", "bamboo": "honey",
}
"""Words that mean what another one does."""
KINDS = {
    "coffee": "mug", "kitchen": "pot", "food": "honey", "home": "lamp", "office": "notebook",
    "electronics": "headphones",
    "outdoor": "tent", "clothing": "tshirt", "games": "puzzle",
}
"""What stands for a category, where no word of the sku says more."""
TAG = '<path fill="$a" d="M112 112h92l96 96-92 92-96-96z"/><circle cx="152" cy="152" r="14"/>'
"""What stands for anything."""
