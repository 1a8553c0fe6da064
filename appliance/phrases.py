"""What is said aloud at the door, by language: the welcome, and what a person is asked to do.

Languages as espeak-ng calls them, without what comes after a hyphen or a plus sign. Only letters
and the marks of a sentence: nothing else is ever spoken (see hardware.speaker).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from appliance.types import Ask

# How a language welcomes somebody, whoever it is.
WELCOMES: Final[Mapping[str, str]] = {
    "cs": "Dobrý den, {name}.",
    "da": "Velkommen, {name}.",
    "de": "Willkommen, {name}.",
    "en": "Welcome, {name}.",
    "es": "Hola, {name}.",
    "fi": "Tervetuloa, {name}.",
    "fr": "Bonjour, {name}.",
    "it": "Buongiorno, {name}.",
    "nl": "Welkom, {name}.",
    "pl": "Witamy, {name}.",
    "pt": "Olá, {name}.",
    "sv": "Välkommen, {name}.",
}

# Left and right are those of the person who is spoken to. `LOOK` is not spoken: it lies between two
# asks and would only be in the way of the next.
ASKED: Final[Mapping[str, Mapping[Ask, str]]] = {
    "cs": {
        Ask.MOVE: "Trochu pootočte hlavou.",
        Ask.BLINK: "Mrkněte oběma očima.",
        Ask.TURN_LEFT: "Otočte hlavu doleva.",
        Ask.TURN_RIGHT: "Otočte hlavu doprava.",
        Ask.NOD: "Jednou přikývněte.",
        Ask.OPEN_MOUTH: "Otevřete ústa dokořán.",
        Ask.SMILE: "Široce se usmějte.",
    },
    "da": {
        Ask.MOVE: "Drej hovedet lidt.",
        Ask.BLINK: "Blink med øjnene.",
        Ask.TURN_LEFT: "Drej hovedet til venstre.",
        Ask.TURN_RIGHT: "Drej hovedet til højre.",
        Ask.NOD: "Nik én gang.",
        Ask.OPEN_MOUTH: "Åbn munden helt.",
        Ask.SMILE: "Smil bredt.",
    },
    "de": {
        Ask.MOVE: "Drehen Sie den Kopf ein wenig.",
        Ask.BLINK: "Blinzeln Sie.",
        Ask.TURN_LEFT: "Drehen Sie den Kopf nach links.",
        Ask.TURN_RIGHT: "Drehen Sie den Kopf nach rechts.",
        Ask.NOD: "Nicken Sie einmal.",
        Ask.OPEN_MOUTH: "Öffnen Sie den Mund weit.",
        Ask.SMILE: "Lächeln Sie breit.",
    },
    "en": {
        Ask.MOVE: "Turn your head a little.",
        Ask.BLINK: "Blink.",
        Ask.TURN_LEFT: "Turn your head to your left.",
        Ask.TURN_RIGHT: "Turn your head to your right.",
        Ask.NOD: "Nod once.",
        Ask.OPEN_MOUTH: "Open your mouth wide.",
        Ask.SMILE: "Give a big smile.",
    },
    "es": {
        Ask.MOVE: "Gire un poco la cabeza.",
        Ask.BLINK: "Parpadee.",
        Ask.TURN_LEFT: "Gire la cabeza a la izquierda.",
        Ask.TURN_RIGHT: "Gire la cabeza a la derecha.",
        Ask.NOD: "Asienta una vez con la cabeza.",
        Ask.OPEN_MOUTH: "Abra bien la boca.",
        Ask.SMILE: "Sonría ampliamente.",
    },
    "fi": {
        Ask.MOVE: "Käännä päätäsi hieman.",
        Ask.BLINK: "Räpäytä silmiäsi.",
        Ask.TURN_LEFT: "Käännä pääsi vasemmalle.",
        Ask.TURN_RIGHT: "Käännä pääsi oikealle.",
        Ask.NOD: "Nyökkää kerran.",
        Ask.OPEN_MOUTH: "Avaa suusi kunnolla.",
        Ask.SMILE: "Hymyile leveästi.",
    },
    "fr": {
        Ask.MOVE: "Tournez un peu la tête.",
        Ask.BLINK: "Clignez des yeux.",
        Ask.TURN_LEFT: "Tournez la tête à gauche.",
        Ask.TURN_RIGHT: "Tournez la tête à droite.",
        Ask.NOD: "Faites oui de la tête.",
        Ask.OPEN_MOUTH: "Ouvrez grand la bouche.",
        Ask.SMILE: "Faites un grand sourire.",
    },
    "it": {
        Ask.MOVE: "Giri un po' la testa.",
        Ask.BLINK: "Sbatta le palpebre.",
        Ask.TURN_LEFT: "Giri la testa a sinistra.",
        Ask.TURN_RIGHT: "Giri la testa a destra.",
        Ask.NOD: "Faccia sì con la testa.",
        Ask.OPEN_MOUTH: "Apra bene la bocca.",
        Ask.SMILE: "Faccia un bel sorriso.",
    },
    "nl": {
        Ask.MOVE: "Draai uw hoofd een beetje.",
        Ask.BLINK: "Knipper met uw ogen.",
        Ask.TURN_LEFT: "Draai uw hoofd naar links.",
        Ask.TURN_RIGHT: "Draai uw hoofd naar rechts.",
        Ask.NOD: "Knik één keer.",
        Ask.OPEN_MOUTH: "Doe uw mond wijd open.",
        Ask.SMILE: "Glimlach breed.",
    },
    "pl": {
        Ask.MOVE: "Proszę lekko obrócić głowę.",
        Ask.BLINK: "Proszę mrugnąć.",
        Ask.TURN_LEFT: "Proszę obrócić głowę w lewo.",
        Ask.TURN_RIGHT: "Proszę obrócić głowę w prawo.",
        Ask.NOD: "Proszę raz skinąć głową.",
        Ask.OPEN_MOUTH: "Proszę szeroko otworzyć usta.",
        Ask.SMILE: "Proszę szeroko się uśmiechnąć.",
    },
    "pt": {
        Ask.MOVE: "Vire um pouco a cabeça.",
        Ask.BLINK: "Pisque os olhos.",
        Ask.TURN_LEFT: "Vire a cabeça para a esquerda.",
        Ask.TURN_RIGHT: "Vire a cabeça para a direita.",
        Ask.NOD: "Faça que sim com a cabeça.",
        Ask.OPEN_MOUTH: "Abra bem a boca.",
        Ask.SMILE: "Dê um grande sorriso.",
    },
    "sv": {
        Ask.MOVE: "Vrid huvudet lite.",
        Ask.BLINK: "Blinka med ögonen.",
        Ask.TURN_LEFT: "Vrid huvudet åt vänster.",
        Ask.TURN_RIGHT: "Vrid huvudet åt höger.",
        Ask.NOD: "Nicka en gång.",
        Ask.OPEN_MOUTH: "Gapa stort.",
        Ask.SMILE: "Le stort.",
    },
}


def welcome(name: str, language: str) -> str:
    """What is said to somebody; the bare name in a language that is not known here."""
    return WELCOMES.get(known_as(language), "{name}").format(name=name)


def instruction(ask: Ask, language: str) -> str:
    """What is said to ask for it; nothing in a language that is not known here."""
    return ASKED.get(known_as(language), {}).get(ask, "")


def known_as(language: str) -> str:
    """`de` of espeak-ng's `de+f3`, `en` of its `en-gb`."""
    return language.lower().partition("-")[0].partition("+")[0]
