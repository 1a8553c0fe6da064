"""A loudspeaker: espeak-ng says a welcome, or a player plays a sound.

Both are other programs, started without a shell, with a time limit and a scanty environment. A
greeting is never waited for, and never queued: who comes while it still speaks is let in in
silence. What is missing is told in `faults`, and the door opens all the same.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock as Mutex
from threading import Thread
from typing import Final

log = logging.getLogger(__name__)

SPEECH: Final = "espeak-ng"
# A service has no session of PipeWire or PulseAudio, so ALSA's own player comes first.
PLAYERS: Final = ("aplay", "pw-play", "paplay")
_QUIET: Final[Mapping[str, Sequence[str]]] = {"aplay": ("-q",)}

# Seconds after which a greeting is cut off, and that the end of the service waits for it.
LONGEST_S: Final = 10.0
_STOPS_IN: Final = 1.0
# Characters that are said at most.
LONGEST_TEXT: Final = 120
# What a program of sound needs of the environment; no credentials, no socket of systemd.
_PASSED_ON: Final = ("PATH", "HOME", "XDG_RUNTIME_DIR", "PULSE_SERVER", "ALSA_CONFIG_PATH")
_MARKS: Final = frozenset(" '.,!?-")
CARDS: Final = Path("/proc/asound/cards")


class _Speaker(ABC):
    """What both share: one greeting at a time, in a thread, in another program."""

    def __init__(self, environment: Mapping[str, str], longest_s: float, cards: Path) -> None:
        self._cards = cards
        self._environment = {it: environment[it] for it in _PASSED_ON if it in environment}
        self._longest_s = longest_s
        self._faults: dict[str, str] = {}
        self._busy = Mutex()
        self._guard = Mutex()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: Thread | None = None
        self._closed = False

    @abstractmethod
    def _command(self, text: str) -> tuple[list[str], bytes] | None:
        """The program with its arguments, and its standard input; None where there is none."""

    @abstractmethod
    def _examine(self) -> None:
        """Look for what is missing, without a sound."""

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence about each thing that keeps it silent; empty when all is well."""
        return tuple(self._faults.values())

    def examine(self) -> tuple[str, ...]:
        """Look for what would keep it silent, without a sound, and tell it. Waits."""
        self._examine()
        # The programs themselves end as if all were well without one.
        if has_a_sound_card(self._cards):
            self._faults.pop("card", None)
        else:
            self._fails("card", "The system has no sound card, or this user may not see it.")
        return self.faults

    def greet(self, text: str) -> None:
        """Welcome somebody; while it still speaks, nothing is said."""
        command = self._command(text)
        if command is None or not self._busy.acquire(blocking=False):
            return
        try:
            self._thread = Thread(target=self._speak, args=command, name="greeting", daemon=True)
            self._thread.start()
        except RuntimeError as error:  # no more threads
            self._busy.release()
            self._fails("run", f"Nobody can be greeted: {error}.")

    def close(self) -> None:
        """Be silent at once; may be called twice."""
        with self._guard:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(_STOPS_IN)

    def _speak(self, command: list[str], said: bytes) -> None:
        try:
            self._run(command, said)
        except OSError as error:
            self._fails("run", f"{command[0]} cannot be run: {error.strerror or error}.")
        finally:
            self._busy.release()

    def _run(self, command: list[str], said: bytes) -> None:
        with self._guard:
            if self._closed:
                return
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and our own arguments
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
        process = self._process
        try:
            process.communicate(said, timeout=self._longest_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self._fails("run", f"{command[0]} took longer than {self._longest_s:g} s.")
            return
        finally:
            with self._guard:
                self._process = None
        if process.returncode == 0:
            self._faults.pop("run", None)
        elif not self._closed:
            self._fails("run", f"{command[0]} failed with the exit code {process.returncode}.")

    def _found(self, programs: Sequence[str]) -> str | None:
        path = self._environment.get("PATH")
        return next((at for it in programs if (at := shutil.which(it, path=path))), None)

    def _fails(self, what: str, sentence: str) -> None:
        if self._faults.get(what) != sentence:
            log.warning("%s", sentence)
        self._faults = {**self._faults, what: sentence}


class EspeakSpeaker(_Speaker):
    """Says the text. voice: of espeak-ng, such as en or pt-br. environment: the process's."""

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
        self._program = self._found([SPEECH])
        if self._program is None:
            self._fails("program", f"{SPEECH} is not installed: `sudo apt install {SPEECH}`.")

    def _command(self, text: str) -> tuple[list[str], bytes] | None:
        if self._program is None or not (said := spoken(text)):
            return None
        # On standard input, where no text is taken for an option.
        return [self._program, "-v", self._voice, "-b", "1", "--stdin"], said.encode()

    def _examine(self) -> None:
        """Whether it has the voice."""
        if self._program is None:
            return
        command = [self._program, "-v", self._voice, "-q", "--stdin"]
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and our own arguments
                command,
                input=b"",
                env=self._environment,
                timeout=self._longest_s,
                capture_output=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self._fails("voice", f"{self._program} cannot be run: {error}.")
            return
        if done.returncode:
            self._fails("voice", f"{SPEECH} has no voice {self._voice!r} (feedback.language).")


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
        self._sound = sound
        self._player = self._found(PLAYERS)
        if self._player is None:
            self._fails("program", "No player is installed: `sudo apt install alsa-utils`.")
        self._examine()

    def _command(self, text: str) -> tuple[list[str], bytes] | None:
        del text
        if self._player is None or not self._is_a_sound():
            return None
        options = _QUIET.get(Path(self._player).name, ())
        return [self._player, *options, str(self._sound.absolute())], b""

    def _examine(self) -> None:
        """Whether the file is a sound."""
        if self._is_a_sound():
            self._faults.pop("sound", None)

    def _is_a_sound(self) -> bool:
        # A player takes what it does not know for raw samples: that is very loud noise.
        try:
            with self._sound.open("rb") as file:
                head = file.read(12)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._fails("sound", f"The sound {self._sound} cannot be read: {reason}.")
            return False
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            self._fails("sound", f"The sound {self._sound} is no WAV file.")
            return False
        return True


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
