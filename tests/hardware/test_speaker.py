from __future__ import annotations

import os
import shutil
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import assemble
from appliance.config import parse
from appliance.hardware import speaker
from appliance.hardware.speaker import EspeakSpeaker, SoundSpeaker, spoken

Programs = Callable[[str, str], dict[str, str]]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Puts a program of a name into a folder of its own; the environment that finds it."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def put(name: str, script: str) -> dict[str, str]:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
        return {"PATH": f"{folder}:/usr/bin:/bin", "NOTIFY_SOCKET": "/run/x", "HOME": "/nowhere"}

    return put


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    return tmp_path / "heard"


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    path = tmp_path / "cards-of-the-kernel"
    path.write_text(" 0 [Headphones     ]: bcm2835 - bcm2835 Headphones\n", encoding="utf-8")
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "-chime.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    return path


@pytest.fixture
def closing() -> Iterator[list[speaker._Speaker]]:
    made: list[speaker._Speaker] = []
    yield made
    for it in made:
        it.close()


def await_(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def test_the_name_goes_to_the_program_s_input_and_never_into_its_arguments(
    programs: Programs, heard: Path, closing: list[speaker._Speaker]
) -> None:
    script = f'(echo "$@"; cat; echo; env | sort) > {heard}.new; mv {heard}.new {heard}'
    voice = EspeakSpeaker("de", programs("espeak-ng", script))
    closing.append(voice)
    voice.greet("Willkommen, --stdout $(id) [[h@]] <b>Zoë</b>.")
    await_(heard.exists)
    arguments, said, *environment = heard.read_text(encoding="utf-8").splitlines()
    assert arguments == "-v de -b 1 --stdin"
    assert said == "Willkommen, --stdout id h b Zoë b ."
    assert not [it for it in environment if it.startswith(("NOTIFY_", "CREDENTIALS_"))]
    assert voice.faults == ()


@given(st.text(max_size=300))
def test_nothing_that_espeak_would_obey_is_ever_said(text: str) -> None:
    said = spoken(text)
    assert not set(said) & set('[]<>{}|&;$`\\"/*_=\n\r\0')
    assert len(said) <= speaker.LONGEST_TEXT
    assert said.isprintable()
    assert spoken(said) == said or len(said) == speaker.LONGEST_TEXT


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


def test_who_comes_while_it_speaks_is_let_in_in_silence(
    programs: Programs, heard: Path, closing: list[speaker._Speaker]
) -> None:
    voice = EspeakSpeaker("en", programs("espeak-ng", f"cat >> {heard}; sleep 0.3"))
    closing.append(voice)
    voice.greet("one")
    await_(heard.exists)
    voice.greet("two")
    await_(lambda: not voice._busy.locked())
    assert heard.read_text(encoding="utf-8") == "one"
    voice.greet("three")
    await_(lambda: heard.read_text(encoding="utf-8") == "onethree")


def test_a_program_that_hangs_is_cut_off_and_told(
    programs: Programs, closing: list[speaker._Speaker]
) -> None:
    voice = EspeakSpeaker("en", programs("espeak-ng", "exec sleep 60"), longest_s=0.1)
    closing.append(voice)
    voice.greet("hello")
    await_(lambda: voice.faults != ())
    assert "took longer than 0.1 s" in voice.faults[0]
    await_(lambda: not voice._busy.locked())


def test_greeting_never_waits_and_the_end_is_silent_at_once(
    programs: Programs, heard: Path, closing: list[speaker._Speaker]
) -> None:
    voice = EspeakSpeaker("en", programs("espeak-ng", f"echo $$ > {heard}; exec sleep 60"))
    closing.append(voice)
    start = time.monotonic()
    voice.greet("hello")
    await_(lambda: heard.exists() and heard.read_text(encoding="utf-8") != "")
    voice.close()
    voice.close()
    assert time.monotonic() - start < 30
    number = int(heard.read_text(encoding="utf-8"))
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    voice.greet("after the end")
    await_(lambda: not voice._busy.locked())
    assert int(heard.read_text(encoding="utf-8")) == number


@pytest.mark.parametrize(
    ("script", "fault"), [("exit 3", "failed with the exit code 3"), ("exit 0", "")]
)
def test_a_program_that_fails_is_told(
    programs: Programs, script: str, fault: str, closing: list[speaker._Speaker]
) -> None:
    voice = EspeakSpeaker("en", programs("espeak-ng", script))
    closing.append(voice)
    voice.greet("a long text " * 1000)  # which nobody reads
    await_(lambda: not voice._busy.locked())
    assert fault in "".join(voice.faults)
    assert bool(voice.faults) is bool(fault)


def test_a_fault_is_over_when_somebody_was_greeted(
    programs: Programs, closing: list[speaker._Speaker]
) -> None:
    voice = EspeakSpeaker("en", programs("espeak-ng", "exit 3"))
    closing.append(voice)
    voice.greet("hello")
    await_(lambda: voice.faults != ())
    await_(lambda: not voice._busy.locked())
    programs("espeak-ng", "cat > /dev/null")
    voice.greet("hello")
    await_(lambda: voice.faults == ())


def test_what_is_not_installed_is_told_and_stops_nothing(tmp_path: Path, sound: Path) -> None:
    nothing = {"PATH": str(tmp_path)}
    for voice, advice in (
        (EspeakSpeaker("en", nothing), "sudo apt install espeak-ng"),
        (SoundSpeaker(sound, nothing), "sudo apt install alsa-utils"),
    ):
        voice.greet("hello")
        voice.close()
        assert advice in voice.faults[0]


def test_a_program_that_cannot_be_run_is_told(
    programs: Programs, closing: list[speaker._Speaker], tmp_path: Path
) -> None:
    voice = EspeakSpeaker("en", programs("espeak-ng", ""))
    closing.append(voice)
    (tmp_path / "bin" / "espeak-ng").unlink()
    voice.greet("hello")
    await_(lambda: voice.faults != ())
    assert "cannot be run" in voice.faults[0]


def test_a_voice_that_is_not_there_is_found_without_a_sound(
    programs: Programs, cards: Path
) -> None:
    environment = programs("espeak-ng", '[ "$2" = en ]')
    found = EspeakSpeaker("xx", environment, cards=cards).examine()
    assert found == ("espeak-ng has no voice 'xx' (feedback.language).",)
    assert EspeakSpeaker("en", environment, cards=cards).examine() == ()


def test_a_sound_is_played_by_the_first_player_there_is(
    programs: Programs, heard: Path, sound: Path, closing: list[speaker._Speaker]
) -> None:
    script = f'echo "$@" > {heard}.new; mv {heard}.new {heard}'
    environment = programs("aplay", script)
    programs("pw-play", "exit 9")
    voice = SoundSpeaker(sound, environment)
    closing.append(voice)
    voice.greet("whoever")
    await_(heard.exists)
    assert heard.read_text(encoding="utf-8") == f"-q {sound.absolute()}\n"
    assert voice.faults == ()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"", "is no WAV file"),
        (b"ID3 an mp3 that would be played as noise", "is no WAV file"),
    ],
)
def test_what_is_no_sound_is_never_played(
    programs: Programs, tmp_path: Path, heard: Path, content: bytes | None, fault: str
) -> None:
    path = tmp_path / "chime.mp3"
    if content is not None:
        path.write_bytes(content)
    voice = SoundSpeaker(path, programs("aplay", f"touch {heard}"))
    voice.greet("whoever")
    voice.close()
    assert fault in voice.faults[0]
    assert not heard.exists()


def test_a_sound_that_comes_back_is_played_again(
    programs: Programs, sound: Path, closing: list[speaker._Speaker], cards: Path
) -> None:
    content = sound.read_bytes()
    sound.unlink()
    voice = SoundSpeaker(sound, programs("aplay", ""), cards=cards)
    closing.append(voice)
    assert voice.faults != ()
    sound.write_bytes(content)
    assert voice.examine() == ()


def test_a_system_without_a_sound_card_is_told_of(
    programs: Programs, sound: Path, tmp_path: Path
) -> None:
    environment = programs("aplay", "")
    for voice in (
        EspeakSpeaker("en", programs("espeak-ng", ""), cards=tmp_path / "none"),
        SoundSpeaker(sound, environment, cards=tmp_path / "none"),
    ):
        assert voice.examine() == ("The system has no sound card, or this user may not see it.",)


def test_a_sound_card_is_found_in_the_kernel_s_list(tmp_path: Path) -> None:
    cards = tmp_path / "cards"
    assert speaker.has_a_sound_card(cards) is False
    cards.write_text("--- no soundcards ---\n", encoding="utf-8")
    assert speaker.has_a_sound_card(cards) is False
    cards.write_text(" 0 [Headphones     ]: bcm2835 - bcm2835 Headphones\n", encoding="utf-8")
    assert speaker.has_a_sound_card(cards) is True


def test_the_config_says_who_greets(sound: Path) -> None:
    assert assemble.speaker(parse("")) is None
    assert isinstance(assemble.speaker(parse("feedback: {greeting: speech}")), EspeakSpeaker)
    found = assemble.speaker(parse(f"feedback: {{greeting: {sound}}}"))
    assert isinstance(found, SoundSpeaker)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
def test_the_real_program_has_the_voices(cards: Path) -> None:
    for language in ("en", "de", "fr", "pt-br", "en+f3"):
        assert EspeakSpeaker(language, os.environ, cards=cards).examine() == ()
    found = EspeakSpeaker("xx", os.environ, cards=cards).examine()
    assert found == ("espeak-ng has no voice 'xx' (feedback.language).",)
