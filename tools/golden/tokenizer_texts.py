# SPDX-License-Identifier: Apache-2.0
"""Text for small tokenizers: TRAINING to learn pieces from, TEXTS to encode. Written for this purpose."""

TRAINING = """The ferry leaves at nine and comes back at noon, unless the wind says otherwise; the keeper doesn't mind.
She's counted 1234 gulls, 567 terns and 89 seals since 2019. "They're early this year," he'd said, "and we'll see
whether it's the water." In the harbour: three boats, two anchors, one old rope. FISH AND BREAD are sold before noon.
    def count(birds):
        return sum(1 for bird in birds if bird.seen)   # nothing else\n\n\n
Il traghetto parte alle nove e torna a mezzogiorno, se il vento è d'accordo. Perché no? Città, perciò, così, più.
Паром отходит в девять и возвращается в полдень. Ветер сильный, но вода спокойная.
渡し船は九時に出て、正午に戻ります。風が強い日は出ません。海は静かです。
渡船九点出发，中午回来。风大的日子不出发。水很静。
나룻배는 아홉 시에 떠나 정오에 돌아옵니다. Το πλοίο φεύγει στις εννέα. העבורת יוצאת בתשע. العبارة تغادر في التاسعة.
नाव नौ बजे निकलती है और दोपहर को लौटती है। 🚢🌊 ⛵ — “quiet” ‘water’ … €5 £3 ±2 × ÷ ° ² ½
"""

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n\r\n", "\t", "\t\tx", " \n ", "a", " a", "a ", "  a  b   c    ", "\n a\n  b\n\n\n   c\n",
    "The ferry leaves at nine and comes back at noon.", "the keeper doesn't mind; they're early, we'll see, I'd say it's",
    "DOESN'T They'RE WE'LL i'M 've 'x '", "it''s 's'tt 'l 'lle 're're", "1 22 333 4444 55555 1234567", "a1b22c333 x=10; y+=2.5e-3",
    "½ ² Ⅷ ١٢٣ १२३ 〇 三", "  x\n    y\n        z  ", "trailing spaces   \nnext line\t \n", "tabs\t\tand\tmore\r\n\r\nlines",
    "!!! ??? ... --- *** (()) [[]] {{}} <<>> ~~ ``", " !a !!b  ?c /* d */ // e\n/f", "$5 +3 <b> = ^2 | ~x `code`",
    "Il traghetto torna a mezzogiorno, perché no? Città più così.", "È vero: l'ÀLBERO, Ünïcödé ÉCOLE école ÉcOLE",
    "iPhone McDonald HTMLParser XMLHttpRequest camelCaseWord ABCdefGHI", "ǅ ǆ ʰa ªb Aʰ ΑΒγδ ПАром пАРОМ",
    "Паром отходит в девять 9 часов.", "渡し船は九時に出て、正午に戻ります。", "渡船九点出发，中午回来。ABC中文123", "나룻배는 아홉 시에 떠나",
    "Το πλοίο φεύγει στις εννέα.", "העבורת יוצאת בתשע", "العبارة تغادر في التاسعة ٩", "नाव नौ बजे निकलती है", "ไปเรือตอนเก้าโมง",
    "e\u0301cole cafe\u0301 \u0301x A\u0301BC a\u0323\u0307b", "🚢🌊⛵ 👩\u200d👩\u200d👧 🇮🇹🇯🇵 👍🏽 x🚢y", "\u00a0\u2003\u3000nbsp\u00a0\u00a0x \u2028\u2029 \u0085y",
    "\u200b\ufeff\u200dzero\u00adwidth \ue000 \U000f0000", "\x00\x01\x7f control", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    " " * 70 + "x", "\n" * 45, "- " * 40, "http://example.org/a_b?c=d&e=%20#f", "__init__ snake_case_name CONSTANT_NAME",
    "<|im_start|>user\nHello<|im_end|>\n", "x<|im_end|><|im_end|>y <|im_start |> <|im_", " <|endoftext|> ",
]

# Bytes that are not UTF-8: ids are those of the text with U+FFFD for each maximal ill-formed part.
INVALID = ["ff", "61ff62", "c3", "61e282", "e28261", "f09f9a", "eda080", "c0af", "f4908080", "80808061", "e2e2e282ac"]

SENTENCEPIECE = [text for text in TEXTS if "\x00" not in text and "<|" not in text] + [
    "\u2581", "a\u2581b \u2581 c", "Ω≈ç√ 𝔘𝔫𝔦", "<0x0A> <s> </s> <unk>"]
USER_DEFINED = ["<note>", "<note>a<note> b", "the <note>ferry</note> leaves", "x\n\n\ny\n\nz\n", "<not<note>e>"]
