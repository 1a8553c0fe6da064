#!/usr/bin/env bash
# Installs the appliance on this system (as root), or sets everything up in .venv beside this file
# (without root) and runs the demonstration or the tests. Only pip and apt download anything, from
# what they are configured to use.
set -euo pipefail
unset CDPATH PYTHONHOME PYTHONPATH
# No package of a user's home takes part, neither here nor in what root runs.
export PYTHONNOUSERSITE=1

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv=$here/.venv
stamp=$venv/installed.txt
log=$venv/install.log
versions="3.10, 3.11, 3.12 or 3.13"

usage() {
    cat <<'TEXT'
Usage: sudo ./install.sh [--upgrade] [--offline DIR]
       sudo ./install.sh --uninstall [--purge]
       ./install.sh --demo [ARGUMENT...]
       ./install.sh --test [ARGUMENT...]

  (nothing)    install the appliance on this system; again: look that all is in its place
  --upgrade    put this version beside the installed one and switch; back again by itself
               where it does not start or its doctor finds more faults
  --offline    download nothing; take the wheels from the folder DIR
  --uninstall  remove program and service, keep config and state; with --purge remove
               everything, the enrolled people and their key as well

  --demo  set up, then enrol and verify people from bundled pictures with a simulated
          lock; further arguments go to `appliance demo` (such as --out FOLDER)
  --test  set up with the development tools, then check style and types and run the
          tests; further arguments go to pytest
  --help  show this text

Needs Python 3.10 to 3.13 with its venv module, and a package index that pip can reach.
--demo and --test write to .venv beside this script; delete that folder to undo them.
docs/install.md says what the installation on the system does.
APPLIANCE_PYTHON names the Python to use, where the first fitting one is not wanted.
TEXT
}

# Where nobody listens any more, what was begun goes on.
say() {
    { printf '%s\n' "$*"; } 2>/dev/null || true
}

# fail CODE SENTENCE
fail() {
    printf 'install.sh: %s\n' "$2" >&2 || true
    exit "$1"
}

# What tells one Python from another: the version, and where it is installed.
identity() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3], sys.base_prefix)' 2>/dev/null
}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

makes_environments() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# Sets `python` to the first Python that fits and can make a virtual environment.
find_python() {
    local candidate without=
    if [ -n "${APPLIANCE_PYTHON:-}" ]; then
        fits "$APPLIANCE_PYTHON" ||
            fail 1 "APPLIANCE_PYTHON names $APPLIANCE_PYTHON, which is not a Python $versions."
        set -- "$APPLIANCE_PYTHON"
    else
        set -- python3 python3.13 python3.12 python3.11 python3.10
    fi
    for candidate in "$@"; do
        fits "$candidate" || continue
        if makes_environments "$candidate"; then
            python=$candidate
            return
        fi
        without=${without:-$candidate}
    done
    if [ -n "$without" ]; then
        fail 1 "$without cannot make a virtual environment; run: sudo apt install python3-venv"
    fi
    fail 1 "No Python $versions was found; run: sudo apt install python3 python3-venv"
}

# True when .venv works, stands where it was made, and was made by the Python that was found.
environment_is_good() {
    [ -x "$venv/bin/python" ] &&
        [ "$(identity "$venv/bin/python")" = "$(identity "$python")" ] &&
        "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
        { [ ! -s "$stamp" ] || [ "$(head -n 1 -- "$stamp")" = "$here" ]; }
}

make_environment() {
    if environment_is_good; then
        return
    fi
    if [ -e "$venv" ] && [ ! -L "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
        rmdir -- "$venv" 2>/dev/null ||
            fail 1 "$venv exists and is not a virtual environment; move it away first."
    fi
    rm -rf -- "$venv"
    say "Making .venv with Python $(identity "$python")"
    "$python" -m venv "$venv" ||
        fail 1 "The virtual environment $venv could not be made; the reason stands above."
}

# What an installation of the given extras depends on: a change of it means installing again.
wanted() {
    printf '%s\n' "$here" "$(identity "$venv/bin/python")" \
        "$(sha256sum <"$here/pyproject.toml")" "$1"
}

# Shows one line at a time where somebody watches, and nothing elsewhere.
progress() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        if [ -t 1 ]; then
            case $line in
                Collecting* | *Downloading* | Installing* | *Building*)
                    printf '\r\033[K%.70s' "${line#"${line%%[![:space:]]*}"}"
                    ;;
            esac
        fi
    done
    if [ -t 1 ]; then
        printf '\r\033[K'
    fi
}

# install EXTRAS: "" or "[dev]". The development set-up serves the demonstration as well.
install() {
    local known
    known=$(cat -- "$stamp" 2>/dev/null || true)
    if [ -n "$known" ]; then
        case $known in
            "$(wanted "$1")" | "$(wanted "[dev]")") return ;;
        esac
    fi
    rm -f -- "$stamp"
    : >"$log"
    say "Installing the appliance and what it needs (a few minutes the first time)"
    local began=$SECONDS
    if ! (cd -- "$here" && PIP_USER=0 "$venv/bin/python" -m pip install --no-input \
        --disable-pip-version-check -e ".$1" 2>&1 </dev/null) | progress; then
        tail -n 20 -- "$log" >&2
        fail 1 "pip could not install the packages (its last lines stand above, all in $log)."
    fi
    wanted "$1" >"$stamp"
    say "Installed in $((SECONDS - began)) s"
}

set_up() {
    find_python
    make_environment
    install "$1"
}

demo() {
    set_up ""
    exec "$venv/bin/appliance" demo "$@"
}

# check NAME COMMAND...: runs it, says how it went, and remembers the first failure.
check() {
    local name=$1 code=0
    shift
    "$@" </dev/null || code=$?
    if [ "$code" -eq 0 ]; then
        say "$name: passed"
    else
        say "$name: failed"
        [ "$first_failure" -ne 0 ] || first_failure=$code
    fi
}

run_tests() {
    set_up "[dev]"
    cd -- "$here"
    local first_failure=0 code=0
    check "ruff check" "$venv/bin/python" -m ruff check --quiet
    check "ruff format" "$venv/bin/python" -m ruff format --check --quiet
    check "mypy" "$venv/bin/python" -m mypy
    # Last, so that its summary is the last line. A worker for each core, but no more than a
    # small board has memory for; -n 0 among the arguments runs everything in one process.
    "$venv/bin/python" -m pytest -q -m "not slow" -n auto --maxprocesses 4 --dist worksteal \
        "$@" </dev/null || code=$?
    [ "$first_failure" -ne 0 ] || first_failure=$code
    return "$first_failure"
}

# The system-wide installation; $1: what to do, $offline: where the wheels are.
system() {
    [ -e "$here/systemd/install/main.sh" ] ||
        fail 2 "The folder systemd is missing beside install.sh: run it in the whole checkout."
    # shellcheck source=systemd/install/main.sh
    . "$here/systemd/install/main.sh"
    system_wide "$1"
}

# Sets `action` and `offline` from the arguments of the system-wide installation, from these alone.
parse() {
    local purge=
    action=install
    offline=
    while [ $# -gt 0 ]; do
        case $1 in
            --upgrade | --uninstall | --make-key)
                [ "$action" = install ] || fail 2 "$1 and --$action do not go together."
                action=${1#--}
                ;;
            --purge)
                purge=yes
                ;;
            --offline | --offline=*)
                if [ "$1" = --offline ]; then
                    [ $# -ge 2 ] || fail 2 "--offline wants a folder with wheels."
                    shift
                    offline=$1
                else
                    offline=${1#*=}
                fi
                [ -n "$offline" ] || fail 2 "--offline wants a folder with wheels."
                ;;
            *) fail 2 "$1 is not known; ./install.sh --help shows what is." ;;
        esac
        shift
    done
    if [ -n "$purge" ]; then
        [ "$action" = uninstall ] || fail 2 "--purge goes with --uninstall."
        action=purge
    fi
    case $action in
        uninstall | purge | make-key)
            [ -z "$offline" ] || fail 2 "--offline goes with an installation."
            ;;
    esac
}

# Sourced: its functions only, for tests.
[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

case ${1:-} in
    --demo)
        shift
        demo "$@"
        ;;
    --test)
        shift
        run_tests "$@"
        ;;
    --help | -h)
        usage
        ;;
    *)
        parse "$@"
        # In one line: this file may be removed by what it does.
        system "$action"; exit
        ;;
esac
