from __future__ import annotations

import os
import shutil
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import assemble, phrases
from appliance.config import parse
from appliance.hardware import speaker
from appliance.hardware.speaker import EspeakSpeaker, SoundSpeaker, spoken
from appliance.types import Ask
from tests.patience import patient

# What a voice made of the fake espeak-ng's input: a WAV file as far as its head goes.
SPEAK = "printf 'RIFF....WAVE'; cat"


class Bench:
    """Programs of our own, and what was heard of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.heard = folder / "heard"
        self.cards = folder / "cards"
        self.cards.write_text(" 0 [Headphones     ]: bcm2835 - Headphones\n", encoding="utf-8")
        self.environment = {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "HOME": "/nowhere",
            "NOTIFY_SOCKET": "/run/systemd/notify",
            "CREDENTIALS_DIRECTORY": "/run/credentials",
        }
        self.made: list[speaker._Speaker] = []
        self.put("espeak-ng", SPEAK)
        self.put("aplay", f"cat >> {self.heard}")

    def put(self, name: str, script: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (self.programs / name).chmod(0o755)

    def speech(self, language: str = "en", *, longest_s: float = 10.0) -> EspeakSpeaker:
        voice = EspeakSpeaker(language, self.environment, longest_s=longest_s, cards=self.cards)
        self.made.append(voice)
        return voice

    def sound(self, content: bytes | None) -> SoundSpeaker:
        path = self.folder / "-chime.wav"
        if content is not None:
            path.write_bytes(content)
        voice = SoundSpeaker(path, self.environment, cards=self.cards)
        self.made.append(voice)
        return voice

    @property
    def told(self) -> str:
        return self.heard.read_text(encoding="utf-8") if self.heard.exists() else ""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for it in bench.made:
        it.close()


@pytest.fixture
def chime(tmp_path: Path) -> bytes:
    path = tmp_path / "made.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)))
    return path.read_bytes()


def await_(what: Callable[[], bool]) -> None:
    end = time.monotonic() + patient(10)
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def silent(voice: speaker._Speaker) -> bool:
    return not voice._busy.locked()


def greet(voice: speaker._Speaker, text: str = "Welcome, alice.") -> None:
    """Greet, and wait for the end, which a door never does."""
    voice.greet(text)
    await_(lambda: silent(voice))


def test_the_name_goes_to_the_program_s_input_and_never_into_its_arguments(bench: Bench) -> None:
    arguments = bench.folder / "arguments"
    bench.put("espeak-ng", f'(echo "$@"; env) > {arguments}; {SPEAK}')
    voice = bench.speech("de")
    greet(voice, "Willkommen, --stdout $(id) [[h@]] <b>Zoë</b>.")
    first, *environment = arguments.read_text(encoding="utf-8").splitlines()
    assert first == "-v de -b 1 --stdin --stdout"
    assert not [it for it in environment if it.startswith(("NOTIFY_", "CREDENTIALS_"))]
    assert bench.told == "RIFF....WAVEWillkommen, --stdout id h b Zoë b ."
    assert voice.faults == ()


@settings(deadline=None)
@given(st.text(max_size=300))
def test_nothing_that_espeak_would_obey_is_ever_said(text: str) -> None:
    said = spoken(text)
    assert not set(said) & set('[]<>{}|&;$`\\"/*_=\n\r\0')
    assert len(said) <= speaker.LONGEST_TEXT
    assert said.isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Welcome, Zoë O'Hara-Müller.", "Welcome, Zoë O'Hara-Müller."),
        ("Welcome, 李小龍.", "Welcome, 李小龍."),
        ("Welcome, नमस्ते.", "Welcome, नमस्ते."),
        ("Welcome, 🎉.", "Welcome, ."),
        ("\x1b[31m", "31m"),
    ],
)
def test_names_of_all_scripts_are_said(text: str, said: str) -> None:
    assert spoken(text) == said


def test_who_has_nothing_to_be_said_is_let_in_in_silence(bench: Bench) -> None:
    greet(bench.speech(), "🎉")
    assert bench.told == ""


def test_who_comes_while_it_speaks_is_let_in_in_silence(bench: Bench) -> None:
    go_on = bench.folder / "go-on"
    bench.put("aplay", f"cat >> {bench.heard}; while [ ! -e {go_on} ]; do sleep 0.01; done")
    voice = bench.speech()
    voice.greet("one")
    await_(lambda: bench.told.endswith("one"))
    voice.greet("two")
    go_on.touch()
    await_(lambda: silent(voice))
    greet(voice, "three")
    assert bench.told == "RIFF....WAVEoneRIFF....WAVEthree"


@pytest.mark.parametrize("program", ["espeak-ng", "aplay"])
def test_a_program_that_hangs_is_cut_off_and_told(bench: Bench, program: str) -> None:
    bench.put(program, "exec sleep 60")
    # The program before the one that hangs must have the time to end.
    longest_s = patient(0.5)
    voice = bench.speech(longest_s=longest_s)
    greet(voice)
    assert voice.faults == (f"{program} took longer than {longest_s:g} s.",)


def test_greeting_never_waits_and_the_end_is_silent_at_once(bench: Bench) -> None:
    bench.put("aplay", f"echo $$ > {bench.heard}; exec sleep 60")
    voice = bench.speech()
    voice.greet("hello")
    await_(lambda: bench.told != "")
    voice.close()
    voice.close()
    await_(lambda: silent(voice))
    number = int(bench.told)
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    voice.greet("after the end")
    assert silent(voice)
    assert int(bench.told) == number
    assert voice.faults == ()  # it did not fail: it was told to be silent


def test_an_end_between_the_two_programs_is_silent_too(bench: Bench) -> None:
    voice = bench.speech()
    make = voice._sound

    def closed_meanwhile(text: str) -> bytes | None:
        sound = make(text)
        voice._closed = True  # as `close` does; it waits for this very thread
        return sound

    voice._sound = closed_meanwhile  # type: ignore[method-assign]
    greet(voice)
    assert bench.told == ""


@pytest.mark.parametrize("program", ["espeak-ng", "aplay"])
def test_a_program_that_fails_is_told_until_it_works_again(
    bench: Bench, program: str, caplog: pytest.LogCaptureFixture
) -> None:
    works = (bench.programs / program).read_text(encoding="utf-8").removeprefix("#!/bin/sh\n")
    bench.put(program, "exit 3")
    voice = bench.speech()
    for _ in range(3):
        greet(voice, "a long text that nobody reads " * 1000)
    assert voice.faults == (f"{program} failed with the exit code 3.",)
    assert len(caplog.records) == 1
    bench.put(program, works)
    greet(voice)
    assert not voice.faults


def test_a_voice_that_makes_no_sound_is_not_played_as_noise(bench: Bench) -> None:
    bench.put("espeak-ng", "echo this is no sound")
    voice = bench.speech()
    greet(voice)
    assert voice.faults == ("What would be played is no WAV file.",)
    assert bench.told == ""


def test_what_is_not_installed_is_told_and_stops_nothing(
    bench: Bench, chime: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bench.environment["PATH"] = str(bench.folder)
    for voice, packages in (
        (bench.speech(), ["espeak-ng", "alsa-utils"]),
        (bench.sound(chime), ["alsa-utils"]),
    ):
        greet(voice)
        assert len(voice.faults) == len(packages)
        for fault, package in zip(voice.faults, packages, strict=True):
            assert f"`sudo apt install {package}`" in fault
    # Whoever builds it asks for that; the log is for what fails later.
    assert caplog.records == []


def test_what_is_installed_later_is_found(bench: Bench, chime: bytes) -> None:
    player = bench.programs / "aplay"
    script = player.read_text(encoding="utf-8")
    player.unlink()
    bench.environment["PATH"] = str(bench.programs)
    voice = bench.sound(chime)
    assert "aplay is not installed" in voice.faults[0]
    bench.put("aplay", script.removeprefix("#!/bin/sh\n").replace("cat", "/bin/cat"))
    greet(voice)
    assert voice.faults == ()
    assert bench.heard.read_bytes() == chime


def test_a_program_that_cannot_be_run_is_told(bench: Bench) -> None:
    (bench.programs / "espeak-ng").write_bytes(b"\x7fELF and no more")
    voice = bench.speech()
    greet(voice)
    assert voice.faults[0].startswith("espeak-ng cannot be run: ")


def test_without_a_thread_nobody_is_greeted_and_nothing_raises(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    voice = bench.speech()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        voice.greet("hello")
    assert voice.faults == ("Nobody can be greeted: can't start new thread.",)
    greet(voice, "hello")
    assert bench.told == "RIFF....WAVEhello"
    assert not voice.faults


def test_a_voice_that_is_not_there_is_found_without_a_sound(bench: Bench) -> None:
    bench.put("espeak-ng", '[ "$2" = en ]')
    assert bench.speech("xx").examine() == ("espeak-ng has no voice 'xx' (feedback.language).",)
    assert bench.speech("en").examine() == ()
    assert bench.told == ""


def test_a_sound_is_played_as_it_is_whoever_comes(bench: Bench, chime: bytes) -> None:
    voice = bench.sound(chime)
    assert voice.faults == ()
    greet(voice, "whoever")
    assert bench.heard.read_bytes() == chime


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"", "is no WAV file"),
        (b"ID3 an mp3 that would be played as noise", "is no WAV file"),
        (b"RIFF....WAVE" + bytes(200), "is larger than"),
    ],
)
def test_what_is_no_sound_is_never_played(
    bench: Bench, content: bytes | None, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker, "LARGEST_SOUND", 100)
    voice = bench.sound(content)
    greet(voice)
    assert fault in voice.faults[0]
    assert bench.told == ""


def test_a_pipe_that_is_called_a_sound_is_not_waited_for(bench: Bench) -> None:
    os.mkfifo(bench.folder / "-chime.wav")
    voice = bench.sound(None)
    greet(voice)
    assert voice.faults[0].endswith("-chime.wav is no file.")


def test_a_sound_that_comes_back_is_played_again(bench: Bench, chime: bytes) -> None:
    voice = bench.sound(None)
    assert voice.faults != ()
    (bench.folder / "-chime.wav").write_bytes(chime)
    assert voice.examine() == ()
    greet(voice)
    assert bench.heard.read_bytes() == chime


def test_a_system_without_a_sound_card_is_told_of(bench: Bench, chime: bytes) -> None:
    bench.cards.write_text("--- no soundcards ---\n", encoding="utf-8")
    for voice in (bench.speech(), bench.sound(chime)):
        assert voice.examine() == ("The system has no sound card, or this user may not see it.",)
    bench.cards.unlink()
    assert speaker.has_a_sound_card(bench.cards) is False


def test_the_config_says_who_greets(bench: Bench, chime: bytes) -> None:
    bench.sound(chime)
    assert assemble.speaker(parse("")) is None
    assert isinstance(assemble.speaker(parse("feedback: {greeting: speech}")), EspeakSpeaker)
    path = bench.folder / "-chime.wav"
    assert isinstance(assemble.speaker(parse(f"feedback: {{greeting: {path}}}")), SoundSpeaker)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
def test_the_real_program_speaks(bench: Bench) -> None:
    (bench.programs / "espeak-ng").unlink()
    for language in ("en", "de", "fr", "pt-br", "en+f3"):
        assert bench.speech(language).examine() == ()
    assert bench.speech("xx").examine() == ("espeak-ng has no voice 'xx' (feedback.language).",)
    greet(bench.speech(), "Welcome, Zoë.")
    assert bench.heard.read_bytes()[8:12] == b"WAVE"
    assert bench.heard.stat().st_size > 10_000


def test_an_instruction_cuts_off_what_sounds_and_the_newest_counts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker, "LATE_S", 60.0)  # the machine may be busy
    bench.put("aplay", f"cat >> {bench.heard}; exec sleep 60")
    voice = bench.speech()
    voice.greet("hello")
    await_(lambda: bench.told.endswith("hello"))
    voice.say("Nod once.")
    await_(lambda: bench.told.endswith("Nod once."))
    voice.say("Blink.")
    await_(lambda: bench.told.endswith("Blink."))
    assert bench.told == "RIFF....WAVEhelloRIFF....WAVENod once.RIFF....WAVEBlink."
    assert voice.faults == ()  # nothing failed: it was cut off


def test_an_instruction_that_would_come_late_is_not_said(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = bench.folder / "go-on"
    bench.put("espeak-ng", f"while [ ! -e {go_on} ]; do sleep 0.01; done; {SPEAK}")
    monkeypatch.setattr(speaker, "LATE_S", 0.0)
    voice = bench.speech()
    voice.say("Nod once.")
    await_(lambda: not silent(voice))
    go_on.touch()
    await_(lambda: silent(voice))
    assert bench.told == ""
    assert voice.faults == ()


def test_a_sound_gives_no_instructions_and_neither_does_silence(
    bench: Bench, chime: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    voice, sound = bench.speech(), bench.sound(chime)
    monkeypatch.setattr(threading.Thread, "start", none_left)
    sound.say("Nod once.")
    voice.say("")
    assert (voice.faults, sound.faults) == ((), ())
    voice.say("Nod once.")
    assert voice.faults == ("Nobody can be told what to do: can't start new thread.",)
    voice.close()
    voice.say("Blink.")
    assert bench.told == ""


def test_every_instruction_of_every_language_is_said_as_it_is_written() -> None:
    asks = {ask for ask in Ask if ask is not Ask.LOOK}
    assert phrases.ASKED.keys() == phrases.WELCOMES.keys()
    for language, sentences in phrases.ASKED.items():
        assert sentences.keys() == asks
        assert len(set(sentences.values())) == len(asks)
        assert phrases.instruction(Ask.NOD, f"{language}-x+f2") == sentences[Ask.NOD]
        for sentence in sentences.values():
            assert spoken(sentence) == sentence
    assert phrases.instruction(Ask.NOD, "eo") == ""
