"""Digests as words that people read out on the telephone, and what they typed as they heard them.

1. The list is ours: 512 plain English words of at least four letters, no two of which begin with the same four. So four
   letters name a word, and a word that was heard wrongly is seldom another one of the list.
2. TWELVE words say 108 bits of a digest: nobody makes another text with the same ones.
3. The list and its order are part of the format: both sides must have the same. It is never changed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Final

from cert_exchange.errors import InputRefused

TWELVE: Final = 12
_BITS: Final = 9
_LETTERS: Final = 4

WORDS: Final[tuple[str, ...]] = tuple(
    """
abbey acorn actor adult agent airport alarm album alley almond amber anchor animal ankle answer
apple april apron arctic arena arrow artist ashtray atlas attic august autumn avenue award bacon
badge bagel baker balcony bamboo banana barrel basket bathtub battery beach beard beaver bedroom
beehive bell bench berry bicycle biscuit blanket blossom board bonfire book border bottle
boulder bread bridge broom brush bucket buffalo builder bullet bundle butter cabbage cabin
cactus camel candle canoe canyon captain carpet castle cattle cedar cellar cement cereal chair
cheese chimney church cinema circle citizen claw clever clinic clock clover coast coconut coffee
collar comet copper coral corner cotton cousin cradle crane cricket crown crystal curtain
cushion cycle cymbal dagger daisy dancer danger decade deer dentist desert diamond diary dinner
doctor dolphin donkey double dragon drawer dream driver drum duck dusty eagle earth easel echo
eclipse editor eight elbow eleven emerald empire engine equator eraser escape evening exit
expert eyebrow fabric factory falcon family farmer fashion father feather fence ferry fiddle
field fifteen figure finger fireman flag flower flute forest fork fortune freezer friend frog
frozen funnel future galaxy gallery garden garlic gateway gazelle gentle giant ginger giraffe
glacier glass globe glove goblet golden gorilla gospel grain grape green guitar gymnast habit
hammer handle harbor harvest hatchet hawk hazel heart helmet herring hiking history hockey
holiday honey horizon hotel human hunter hurdle husband hydrant iceberg icicle igloo image
impulse inch indigo infant injury insect invite iris island ivory jacket jaguar january jasmine
jelly jewel jigsaw jockey journey judge juice jumper jungle junior jury kayak kennel kernel
ketchup kettle kidney kingdom kitchen kitten knee knife ladder lagoon lantern laptop lasagna
laundry lawyer leather lemon leopard letter library lily linen lion lizard lobster locker lotus
lumber lunch machine magnet mailbox mammoth mango marble market mask meadow medal melon member
metal milk mineral mirror mitten model monkey morning mouse museum music mustard napkin nation
nature needle nephew nest network nickel night noodle north nose number nurse nutmeg oasis
object ocean octopus office olive omelet onion opera orange orchard organ otter oven owner
oxygen oyster paddle page palace paper parrot pasta peach peanut pebble pencil pepper piano
picnic pigeon pillow pilot pirate pizza planet plum pocket poem polar pond porch potato powder
prince puddle puppet purple puzzle queen quilt quiver rabbit radio raisin rattle raven razor
recipe record remote resort ribbon riddle ring river robin rocket roof rope rose rubber ruby
ruler runway saddle safari sailor salad salmon saturn sauce scarf school season secret seven
shadow shelf shirt shovel silver singer sister skate skirt smoke snail soap soccer sofa sorry
south spider spoon spring square statue storm sugar summer sunset supper swan swing symbol syrup
table tailor talent target taxi teapot temple tennis tent ticket tiger timber toast tomato tooth
torch towel train tulip tunnel turkey turtle tuxedo twelve twenty twin typist ugly uncle unlock
uphill urban useful vacuum valley vase velvet vessel video violin voyage waffle wagon waiter
walnut watch whale wheat widow window winter wizard wolf woman wooden worker writer yacht yard
yellow yogurt young zebra zero zigzag zipper
""".split()  # noqa: SIM905 - a list of 512 literals would hide the words
)
_BY_LETTERS: Final = {word[:_LETTERS]: word for word in WORDS}


def words_of(digest: bytes) -> tuple[str, ...]:
    """The words that stand for a digest of at least 14 bytes."""
    number = int.from_bytes(digest, "big") >> (8 * len(digest) - TWELVE * _BITS)
    return tuple(
        WORDS[number >> (_BITS * place) & (len(WORDS) - 1)] for place in reversed(range(TWELVE))
    )


def shown(words: Sequence[str]) -> str:
    """Words in groups of four, as they are read out."""
    groups = [words[at : at + 4] for at in range(0, len(words), 4)]
    return " - ".join(" ".join(group) for group in groups)


def read_words(text: str) -> tuple[str, ...]:
    """Read what a person typed: whole words, or their first four letters. Raises InputRefused with what is no word."""
    typed = re.findall(r"[a-z]+", text.lower())
    unknown = [one for one in typed if _known(one) is None]
    if unknown:
        guesses = difflib.get_close_matches(unknown[0], WORDS, n=3)
        hint = f"; did you hear {' or '.join(guesses)}?" if guesses else ""
        raise InputRefused(f"{unknown[0]!r} is no word of the list{hint}")
    if len(typed) != TWELVE:
        raise InputRefused(f"there are {TWELVE} words, and {len(typed)} were typed.")
    return tuple(str(_known(one)) for one in typed)


def _known(typed: str) -> str | None:
    word = _BY_LETTERS.get(typed[:_LETTERS])
    if word is None or not (word == typed or len(typed) == _LETTERS):
        return None
    return word
