"""A loudspeaker: espeak-ng makes what is said, or a file holds a sound, and aplay plays it.

Both are other programs, started without a shell, with a time limit and a scanty environment; what
is said and what is played goes to their standard input. espeak-ng could play by itself, but ends as
if all were well where nothing can be heard. A greeting is never waited for and never queued: who
comes while it still sounds is let in in silence. An instruction cuts off whatever sounds, an older
instruction too, and is not said at all where it would come late: what is asked for has to be done
within seconds. What is missing is told in `faults`, and the door opens all the same.
"""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
import stat
import subprocess
import time
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from threading import Lock as Mutex
from threading import Thread
from typing import Final

log = logging.getLogger(__name__)

SPEECH: Final = "espeak-ng"
PLAYER: Final = "aplay"
_PACKAGES: Final[Mapping[str, str]] = {SPEECH: "espeak-ng", PLAYER: "alsa-utils"}

# Seconds after which a program is cut off, and that the end of the service waits for it.
LONGEST_S: Final = 10.0
_STOPS_IN: Final = 1.0
# Seconds after which an instruction that does not sound yet is worse than none.
LATE_S: Final = 0.8
# Characters that are said at most, and bytes of a sound.
LONGEST_TEXT: Final = 120
LARGEST_SOUND: Final = 10_000_000
# What a program of sound needs of the environment; no credentials, no socket of systemd.
_PASSED_ON: Final = ("PATH", "HOME", "XDG_RUNTIME_DIR", "PULSE_SERVER", "ALSA_CONFIG_PATH")
_MARKS: Final = frozenset(" '.,!?-")
CARDS: Final = Path("/proc/asound/cards")


class _Speaker(ABC):
    """What both share: one sound at a time, in a thread, in other programs."""

    # Whether it can say what somebody is to do.
    _instructs = False

    def __init__(self, environment: Mapping[str, str], longest_s: float, cards: Path) -> None:
        self._environment = {it: environment[it] for it in _PASSED_ON if it in environment}
        self._longest_s = longest_s
        self._cards = cards
        self._faults: dict[str, str] = {}
        self._busy = Mutex()
        self._guard = Mutex()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: Thread | None = None
        self._used = False
        self._closed = False
        # Counts the instructions; what sounds for an older one than the newest is to be silent.
        self._turn = self._sounding = 0

    @abstractmethod
    def _sound(self, text: str) -> bytes | None:
        """What is to be heard, as a WAV file; None where there is nothing. In the thread."""

    @abstractmethod
    def _examine(self) -> None:
        """Look for what is missing, without a sound."""

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence about each thing that keeps it silent; empty when all is well."""
        return tuple(self._faults.values())

    @property
    def sounding(self) -> bool:
        """Whether something is said or played right now."""
        return self._busy.locked()

    def examine(self) -> tuple[str, ...]:
        """Look for what would keep it silent, without a sound, and tell it. Waits."""
        self._examine()
        self._found(PLAYER)
        if has_a_sound_card(self._cards):
            self._mended("card")
        else:
            self._fails("card", "The system has no sound card, or this user may not see it.")
        return self.faults

    def greet(self, text: str) -> None:
        """Welcome somebody; while it still speaks, nothing is said."""
        if self._closed or not self._busy.acquire(blocking=False):
            return
        self._used = True
        try:
            self._thread = Thread(
                target=self._speak, args=(text, self._turn), name="greeting", daemon=True
            )
            self._thread.start()
        except RuntimeError as error:  # no more threads
            self._busy.release()
            self._fails("thread", f"Nobody can be greeted: {error}.")

    def say(self, text: str) -> None:
        """Tell somebody what to do at once, in place of what still sounds; never late."""
        if self._closed or not text or not self._instructs:
            return
        self._used = True
        latest = time.monotonic() + LATE_S
        with self._guard:
            self._turn += 1
            turn = self._turn
            if self._process is not None:
                self._process.kill()
        try:
            Thread(
                target=self._instruct, args=(text, turn, latest), name="instruction", daemon=True
            ).start()
        except RuntimeError as error:  # no more threads
            self._fails("thread", f"Nobody can be told what to do: {error}.")

    def close(self) -> None:
        """Be silent at once; may be called twice."""
        with self._guard:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(_STOPS_IN)

    def _instruct(self, text: str, turn: int, latest: float) -> None:
        # What sounded was cut off, and gives way as soon as its thread has noticed.
        if self._busy.acquire(timeout=LATE_S):
            self._speak(text, turn, latest)

    def _speak(self, text: str, turn: int, latest: float = math.inf) -> None:
        """Make it sound, unless a newer instruction came or it would be late. Frees the voice."""
        try:
            self._mended("thread")
            self._sounding = turn
            sound = self._sound(text)
            if sound is not None and self._is_a_sound(sound) and time.monotonic() < latest:
                self._run(PLAYER, ["-q"], sound)
        finally:
            self._busy.release()

    def _is_a_sound(self, sound: bytes) -> bool:
        # A player takes what it does not know for raw samples: that is very loud noise.
        if sound[:4] == b"RIFF" and sound[8:12] == b"WAVE":
            self._mended("sound")
            return True
        self._fails("sound", "What would be played is no WAV file.")
        return False

    def _run(self, program: str, arguments: list[str], given: bytes) -> bytes | None:
        """What a program answers; None where it fails, which is told."""
        path = self._found(program)
        if path is None:
            return None
        try:
            return self._answer([path, *arguments], program, given)
        except OSError as error:
            self._fails(program, f"{program} cannot be run: {error.strerror or error}.")
            return None

    def _answer(self, command: list[str], program: str, given: bytes) -> bytes | None:
        with self._guard:
            if self._closed or self._sounding != self._turn:
                return None
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and our own arguments
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
        # On leaving, its pipes are closed and it is waited for.
        with self._process as process:
            try:
                answer, _ = process.communicate(given, timeout=self._longest_s)
            except subprocess.TimeoutExpired:
                process.kill()
                self._fails(program, f"{program} took longer than {self._longest_s:g} s.")
                return None
        return self._outcome(process.returncode, program, answer)

    def _outcome(self, code: int, program: str, answer: bytes) -> bytes | None:
        if code == 0:
            self._mended(program)
            return answer
        if not self._closed and self._sounding == self._turn:  # or it was told to be silent
            self._fails(program, f"{program} failed with the exit code {code}.")
        return None

    def _found(self, program: str) -> str | None:
        path = shutil.which(program, path=self._environment.get("PATH"))
        if path is None:
            package = _PACKAGES[program]
            self._fails(program, f"{program} is not installed: `sudo apt install {package}`.")
        return path

    def _fails(self, what: str, sentence: str) -> None:
        # What is missing from the beginning is asked for, see `faults`; what fails later is not.
        if self._used and self._faults.get(what) != sentence:
            log.warning("%s", sentence)
        self._faults = {**self._faults, what: sentence}

    def _mended(self, what: str) -> None:
        self._faults = {key: it for key, it in self._faults.items() if key != what}


class EspeakSpeaker(_Speaker):
    """Says the text. voice: of espeak-ng, such as en or pt-br. environment: the process's."""

    _instructs = True

    def __init__(
        self,
        voice: str,
        environment: Mapping[str, str],
        *,
        longest_s: float = LONGEST_S,
        cards: Path = CARDS,
    ) -> None:
        super().__init__(environment, longest_s, cards)
        self._voice = voice
        self._found(SPEECH)
        self._found(PLAYER)

    def _sound(self, text: str) -> bytes | None:
        said = spoken(text)
        # On standard input, where no text is taken for an option; -b 1: it is UTF-8.
        arguments = ["-v", self._voice, "-b", "1", "--stdin", "--stdout"]
        return self._run(SPEECH, arguments, said.encode()) if said else None

    def _examine(self) -> None:
        if self._run(SPEECH, ["-v", self._voice, "-q", "--stdin"], b"") is None and (
            "exit code" in self._faults.get(SPEECH, "")
        ):
            self._fails(SPEECH, f"{SPEECH} has no voice {self._voice!r} (feedback.language).")


class SoundSpeaker(_Speaker):
    """Plays a sound, whatever the text. sound: a WAV file."""

    def __init__(
        self,
        sound: Path,
        environment: Mapping[str, str],
        *,
        longest_s: float = LONGEST_S,
        cards: Path = CARDS,
    ) -> None:
        super().__init__(environment, longest_s, cards)
        self._path = sound
        self._found(PLAYER)
        self._examine()

    def _sound(self, text: str) -> bytes | None:
        del text
        try:
            # A pipe of that name would be waited for.
            if not stat.S_ISREG(self._path.stat().st_mode):
                self._fails("sound", f"The sound {self._path} is no file.")
                return None
            with self._path.open("rb") as file:
                sound = file.read(LARGEST_SOUND + 1)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._fails("sound", f"The sound {self._path} cannot be read: {reason}.")
            return None
        if len(sound) > LARGEST_SOUND:
            self._fails("sound", f"The sound {self._path} is larger than 10 MB.")
            return None
        return sound

    def _examine(self) -> None:
        if (sound := self._sound("")) is not None:
            self._is_a_sound(sound)


def spoken(text: str) -> str:
    """The text as it may be handed to espeak-ng: letters, digits and what makes sentences.

    Brackets would be read as phonemes, angle brackets as mark-up; emoji have long names.
    """
    plain = "".join(
        char if char in _MARKS or unicodedata.category(char)[0] in "LMN" else " "
        for char in unicodedata.normalize("NFC", text)
    )
    return " ".join(plain.split())[:LONGEST_TEXT]


def has_a_sound_card(cards: Path = CARDS) -> bool:
    """Whether the kernel knows one."""
    with contextlib.suppress(OSError):
        return "[" in cards.read_text(encoding="utf-8", errors="replace")
    return False
