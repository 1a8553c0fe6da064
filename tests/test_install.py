"""install.sh, with a stand-in for Python that makes environments at once and only notes what
pip and the tools were asked to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = (ROOT / "install.sh", ROOT / ".ci" / "run")
BASH = shutil.which("bash") or "/bin/bash"
TOOLS = ("cat", "dirname", "head", "mv", "rm", "rmdir", "sha256sum", "tail")

# Stands for the Python that makes the environment, and for the environment's own.
STAND_IN = """#!/bin/bash
case "$1 $2" in
"-c "*ensurepip*) exit @WITHOUT_VENV@ ;;
"-c "*base_prefix*) echo "@VERSION@ /somewhere" ;;
"-c "*) @REAL@ -c "import sys; sys.version_info = tuple(map(int, '@VERSION@'.split('.'))); $2" ;;
"-m venv")
    mkdir -p "$3/bin"
    touch "$3/pyvenv.cfg"
    cp "$0" "$3/bin/python"
    printf '#!/bin/bash\\necho "demo ran: $*"\\nexit 7\\n' >"$3/bin/appliance"
    chmod +x "$3/bin/appliance"
    ;;
"-m pip")
    [ "$3" = --version ] && exit 0
    echo "$*" >>"@CALLS@"
    echo "Collecting something"
    exit "${PIP_FAILS:-0}"
    ;;
"-m ruff" | "-m mypy" | "-m pytest")
    echo "$*" >>"@CALLS@"
    [ "$2" != pytest ] || echo "3 passed in 0.1s"
    case "$*" in *"${FAILS:-nothing fails}"*) exit "${CODE:-1}" ;; esac
    ;;
esac
"""


class Checkout:
    """A copy of the script with a pyproject.toml, and a PATH with what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a check'out"
        self.folder.mkdir()
        self.calls_file = folder / "calls"
        self.bin = folder / "bin"
        self.bin.mkdir()
        shutil.copy(ROOT / "install.sh", self.folder)
        (self.folder / "pyproject.toml").write_text("[project]\n")
        for tool in (*TOOLS, "bash", "chmod", "cp", "mkdir", "touch"):
            (self.bin / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")

    def python(self, name: str = "python3", version: str = "3.11.7", *, venv: bool = True) -> None:
        text = STAND_IN.replace("@VERSION@", version).replace("@CALLS@", str(self.calls_file))
        text = text.replace("@REAL@", sys.executable).replace("@WITHOUT_VENV@", str(int(not venv)))
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        script = environment.pop("script", str(self.folder / "install.sh"))
        return subprocess.run(
            [BASH, script, *arguments],
            env={"PATH": str(self.bin), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder.parent,
        )

    def calls(self) -> list[str]:
        found = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return found


PIP = "-m pip install --no-input --disable-pip-version-check -e ."


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
class TestTheScripts:
    def test_can_be_run(self, script: Path) -> None:
        assert os.access(script, os.X_OK)

    def test_are_bash(self, script: Path) -> None:
        subprocess.run([BASH, "-n", script], check=True)

    def test_please_shellcheck(self, script: Path) -> None:
        program = Path(sys.executable).with_name("shellcheck")
        if not program.exists():
            pytest.skip("shellcheck is not installed")
        # With what it sources.
        result = subprocess.run(
            [program, "-x", script], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert result.stdout == ""
        assert result.returncode == 0


class TestUsage:
    @pytest.mark.parametrize("flag", ["--help", "-h"])
    def test_help(self, checkout: Checkout, flag: str) -> None:
        result = checkout.run(flag)
        assert result.returncode == 0
        assert "--demo" in result.stdout
        assert "--test" in result.stdout
        assert result.stderr == ""

    def test_the_system_is_installed_from_a_whole_checkout_only(self, checkout: Checkout) -> None:
        result = checkout.run()
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr == (
            "install.sh: The folder systemd is missing beside install.sh: "
            "run it in the whole checkout.\n"
        )

    @pytest.mark.parametrize("word", ["--dmo", "demo", "-x", "--"])
    def test_an_unknown_word(self, checkout: Checkout, word: str) -> None:
        result = checkout.run(word)
        assert result.returncode == 2
        assert result.stderr == (
            f"install.sh: {word} is not known; ./install.sh --help shows what is.\n"
        )

    def test_does_nothing_else(self, checkout: Checkout) -> None:
        checkout.python()
        for words in ((), ("--help",), ("--dmo",)):
            checkout.run(*words)
        assert not (checkout.folder / ".venv").exists()
        assert checkout.calls() == []


class TestFindingPython:
    def refusal(self, checkout: Checkout, **environment: str) -> str:
        result = checkout.run("--demo", **environment)
        assert result.returncode == 1
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
        assert not (checkout.folder / ".venv").exists()
        return result.stderr

    def test_there_is_none(self, checkout: Checkout) -> None:
        assert self.refusal(checkout) == (
            "install.sh: No Python 3.10, 3.11, 3.12 or 3.13 was found; "
            "run: sudo apt install python3 python3-venv\n"
        )

    @pytest.mark.parametrize("version", ["2.7.18", "3.9.18", "3.14.0"])
    def test_only_one_that_does_not_fit(self, checkout: Checkout, version: str) -> None:
        checkout.python(version=version)
        assert "No Python 3.10" in self.refusal(checkout)

    def test_only_one_without_venv(self, checkout: Checkout) -> None:
        checkout.python(venv=False)
        assert self.refusal(checkout) == (
            "install.sh: python3 cannot make a virtual environment; "
            "run: sudo apt install python3-venv\n"
        )

    @pytest.mark.parametrize("better", ["python3.10", "python3.11", "python3.12", "python3.13"])
    def test_passes_over_what_does_not_fit(self, checkout: Checkout, better: str) -> None:
        checkout.python(version="3.9.18")
        checkout.python(better, version=f"{better.removeprefix('python')}.1")
        result = checkout.run("--demo")
        assert f"Making .venv with Python {better.removeprefix('python')}.1" in result.stdout

    def test_passes_over_one_without_venv(self, checkout: Checkout) -> None:
        checkout.python(venv=False)
        checkout.python("python3.12", version="3.12.1")
        assert "with Python 3.12.1" in checkout.run("--demo").stdout

    def test_a_named_one_comes_first(self, checkout: Checkout) -> None:
        checkout.python()
        checkout.python("mine", version="3.12.1")
        assert "with Python 3.12.1" in checkout.run("--demo", APPLIANCE_PYTHON="mine").stdout

    def test_a_named_one_must_fit(self, checkout: Checkout) -> None:
        checkout.python()
        assert self.refusal(checkout, APPLIANCE_PYTHON="/nowhere/python") == (
            "install.sh: APPLIANCE_PYTHON names /nowhere/python, "
            "which is not a Python 3.10, 3.11, 3.12 or 3.13.\n"
        )


class TestSettingUp:
    def test_the_demonstration_gets_its_arguments_and_gives_its_code(
        self, checkout: Checkout
    ) -> None:
        checkout.python()
        result = checkout.run("--demo", "--out", "my folder")
        assert result.stdout.endswith("demo ran: demo --out my folder\n")
        assert result.returncode == 7
        assert checkout.calls() == [PIP]

    def test_the_second_time_installs_nothing(self, checkout: Checkout) -> None:
        checkout.python()
        checkout.run("--demo")
        checkout.calls()
        assert checkout.run("--demo").stdout == "demo ran: demo\n"
        assert checkout.calls() == []

    def test_the_tests_set_up_serves_the_demonstration_but_not_the_reverse(
        self, checkout: Checkout
    ) -> None:
        checkout.python()
        checkout.run("--demo")
        checkout.run("--test")
        assert checkout.calls()[:2] == [PIP, f"{PIP}[dev]"]
        checkout.run("--demo")
        assert checkout.calls() == []

    def test_other_requirements_install_again(self, checkout: Checkout) -> None:
        checkout.python()
        checkout.run("--demo")
        (checkout.folder / "pyproject.toml").write_text("[project]\nname = 'other'\n")
        checkout.run("--demo")
        assert checkout.calls() == [PIP, PIP]

    def test_another_python_makes_another_environment(self, checkout: Checkout) -> None:
        checkout.python()
        checkout.run("--demo")
        checkout.python(version="3.12.1")
        assert "Making .venv with Python 3.12.1" in checkout.run("--demo").stdout
        assert checkout.calls() == [PIP, PIP]

    def test_a_broken_environment_is_made_again(self, checkout: Checkout) -> None:
        checkout.python()
        checkout.run("--demo")
        (checkout.folder / ".venv" / "bin" / "python").unlink()
        assert "Making .venv" in checkout.run("--demo").stdout
        assert checkout.calls() == [PIP, PIP]

    def test_a_moved_checkout_makes_its_own(self, checkout: Checkout) -> None:
        checkout.python()
        checkout.run("--demo")
        checkout.folder = checkout.folder.rename(checkout.folder.with_name("elsewhere"))
        assert "Making .venv" in checkout.run("--demo").stdout

    def test_a_folder_that_is_something_else_is_left_alone(self, checkout: Checkout) -> None:
        checkout.python()
        precious = checkout.folder / ".venv" / "precious"
        precious.parent.mkdir()
        precious.touch()
        result = checkout.run("--demo")
        assert result.returncode == 1
        assert "is not a virtual environment; move it away first." in result.stderr
        assert precious.exists()

    def test_a_failing_pip_is_told_and_tried_again(self, checkout: Checkout) -> None:
        checkout.python()
        result = checkout.run("--demo", PIP_FAILS="1")
        assert result.returncode == 1
        assert "Collecting something" in result.stderr
        assert "pip could not install the packages" in result.stderr
        assert "demo ran" not in result.stdout
        checkout.run("--demo")
        assert checkout.calls() == [PIP, PIP]

    def test_works_from_elsewhere_through_a_link(self, checkout: Checkout) -> None:
        checkout.python()
        result = checkout.run(
            "--demo", CDPATH=str(checkout.folder.parent), script="a check'out/install.sh"
        )
        assert result.stdout.endswith("demo ran: demo\n")


class TestChecking:
    def test_runs_all_tools_and_ends_with_the_summary_of_the_tests(
        self, checkout: Checkout
    ) -> None:
        checkout.python()
        result = checkout.run("--test", "-k", "door")
        assert checkout.calls() == [
            f"{PIP}[dev]",
            "-m ruff check --quiet",
            "-m ruff format --check --quiet",
            "-m mypy",
            "-m pytest -q -m not slow -n auto --maxprocesses 4 --dist worksteal -k door",
        ]
        assert result.returncode == 0
        assert result.stdout.endswith("mypy: passed\n3 passed in 0.1s\n")

    @pytest.mark.parametrize(
        ("failing", "name"),
        [("ruff check", "ruff check"), ("format", "ruff format"), ("mypy", "mypy")],
    )
    def test_a_failing_tool_is_told_and_does_not_hide_the_rest(
        self, checkout: Checkout, failing: str, name: str
    ) -> None:
        checkout.python()
        result = checkout.run("--test", FAILS=failing, CODE="3")
        assert result.returncode == 3
        assert f"{name}: failed" in result.stdout
        assert result.stdout.count(": passed") == 2
        assert result.stdout.endswith("3 passed in 0.1s\n")

    def test_failing_tests_give_their_code(self, checkout: Checkout) -> None:
        checkout.python()
        assert checkout.run("--test", FAILS="pytest", CODE="5").returncode == 5
