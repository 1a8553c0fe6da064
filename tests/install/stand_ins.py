"""A system in a folder, and stand-ins for the programs that would change the real one.

Each program is one bash script under several names. It writes down how it was called, and does in
the folder what the installation relies on. The installation itself is the real one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

BASH = shutil.which("bash") or "/bin/bash"
PROGRAMS = (
    *(
        "apt-cache",
        "apt-get",
        "chown",
        "dpkg",
        "dpkg-query",
        "getent",
        "gpasswd",
        "groupdel",
        "runuser",
        "sync",
    ),
    *("systemctl", "systemd-creds", "systemd-detect-virt", "systemd-run", "systemd-sysusers"),
    *("systemd-tmpfiles", "udevadm", "userdel"),
)

STAND_IN = r"""#!/bin/bash
name=${0##*/}
printf '%s %s\n' "$name" "${*//$'\n'/ }" >>"$CALLS"
if [ -n "$KILL_AT" ] && [ "$(wc -l <"$CALLS")" -ge "$KILL_AT" ]; then
    kill -9 0
fi
if [ -n "$SIGNAL_AFTER" ] && [[ "$name $*" == $SIGNAL_AFTER ]]; then
    code=0
    SIGNAL_AFTER='' "$0" "$@" || code=$?
    kill -"${SIGNAL:-9}" 0
    exit "$code"
fi
case $name in
dpkg) echo "${ARCHITECTURE:-amd64}" ;;
dpkg-query) case " $INSTALLED " in *" ${!#} "*) printf installed ;; *) exit 1 ;; esac ;;
apt-cache) case " $OFFERED " in *" ${!#} "*) ;; *) exit 1 ;; esac ;;
apt-get) echo "Could not resolve 'deb.debian.org'"; exit "${APT_FAILS:-0}" ;;
getent) grep "^$2:" "$APPLIANCE_ROOT/etc/$1" ;;
systemd-sysusers)
    for group in gpio video input audio render appliance; do
        grep -q "^$group:" "$APPLIANCE_ROOT/etc/group" ||
            echo "$group:x:900:" >>"$APPLIANCE_ROOT/etc/group"
    done
    grep -q ^appliance: "$APPLIANCE_ROOT/etc/passwd" ||
        echo "appliance:x:900:900::/var/lib/appliance:/usr/sbin/nologin" \
            >>"$APPLIANCE_ROOT/etc/passwd"
    sed -i '/[:,]appliance$/b; /^\(gpio\|video\|input\|audio\|render\):/s/[^:]$/&,/
        /^\(gpio\|video\|input\|audio\|render\):/s/$/appliance/' "$APPLIANCE_ROOT/etc/group"
    ;;
systemd-tmpfiles) mkdir -p "$APPLIANCE_ROOT/var/lib/appliance" ;;
userdel)
    sed -i "/^$1:/d; s/,$1\$//; s/:$1\$/:/" "$APPLIANCE_ROOT/etc/passwd" "$APPLIANCE_ROOT/etc/group"
    ;;
gpasswd) sed -i "/^$3:/{s/,$2\$//; s/:$2\$/:/}" "$APPLIANCE_ROOT/etc/group" ;;
groupdel) sed -i "/^$1:/d" "$APPLIANCE_ROOT/etc/group" ;;
systemd-detect-virt) exit 1 ;;
systemd-creds)
    [ "$1" = encrypt ] && { tr 0-9a-f g-v >"${!#}"; exit; }
    tr g-v 0-9a-f <"$3"
    ;;
runuser) while [ $# -gt 1 ] && [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
systemd-run) while [[ $1 == --* ]]; do shift; done; exec "$@" ;;
systemctl)
    case "$*" in
    *is-failed*) exit 1 ;;
    *is-active*) [ -e "$APPLIANCE_ROOT/run/active" ] ;;
    restart*)
        [ ! -e "$APPLIANCE_ROOT/opt/appliance/does-not-start" ] || exit 1
        touch "$APPLIANCE_ROOT/run/active"
        [ ! -e "$APPLIANCE_ROOT/opt/appliance/migrates" ] || @REAL@ -c '
import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version = 2")
' "$APPLIANCE_ROOT/var/lib/appliance/appliance.db"
        ;;
    stop* | disable*) rm -f "$APPLIANCE_ROOT/run/active" ;;
    show*) echo 17 ;;
    esac
    ;;
python | python3)
    case "$1 $2 $*" in
    "-m venv "*)
        mkdir -p "${!#}/bin"
        touch "${!#}/pyvenv.cfg"
        cp "$0" "${!#}/bin/python"
        cp "$0" "${!#}/bin/appliance"
        ;;
    "-m pip "*--wheel-dir*)
        while [ $# -gt 2 ] && [ "$1" != --wheel-dir ]; do shift; done
        touch "$2/a-py3-none-any.whl"
        ;;
    "-m pip "*)
        echo "${PIP_SAYS:-Installing collected packages}"
        [ -z "$PIP_SAYS" ] || exit 1
        cp "$CHECKOUT"/broken/* "${0%/bin/*}/" 2>/dev/null || true
        ;;
    *base_prefix*) echo "${PYTHON:-3.11.2} /usr" ;;
    *ensurepip*) ;;
    *"3, 10"*) case ${PYTHON:-3.11.2} in 3.1[0-3].*) ;; *) exit 1 ;; esac ;;
    *"%d.%d"*) echo "${PYTHON:-3.11.2}" ;;
    *assemble.location*)
        [ ! -e "$CHECKOUT/cannot-read" ] || [[ "$0" != "$(<"$CHECKOUT/cannot-read")"/* ]] || exit 1
        echo "$APPLIANCE_ROOT/var/lib/appliance/appliance.db"
        ;;
    *) exec @REAL@ "$@" ;;
    esac
    ;;
appliance)
    case "$*" in
    *"config show"*)
        echo '{"model": {"delegate": "cpu"}, "camera": {"driver": "'"${CAMERA:-v4l2}"'"},' \
            '"feedback": {"greeting": "off", "speak": false}}'
        ;;
    *"config check"*) exit "${CONFIG:-0}" ;;
    *"--json doctor"*)
        status=ok
        [ ! -e "${0%/bin/*}/doctor-fails" ] || status=fail
        echo '{"checks": [{"name": "models", "status": "'$status'"}]}'
        ;;
    *doctor*) echo "ok   models" ;;
    *) echo "appliance, version 0.1.0" ;;
    esac
    ;;
esac
"""

# Every system has these.
FOLDERS = (
    *("etc/systemd/system/multi-user.target.wants", "etc/sysusers.d", "etc/tmpfiles.d"),
    *("etc/udev/rules.d", "opt", "proc", "run", "usr/bin", "usr/local/bin", "var/lib", "var/log"),
)

OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""


class System:
    """A folder that stands for /, a checkout with the real installation, and a PATH of stand-ins.

    booted: whether systemd seems to run there.
    """

    def __init__(self, folder: Path, *, booted: bool = True) -> None:
        self.root = folder / "root"
        self.checkout = folder / "checkout"
        self.calls_file = folder / "calls"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in PROGRAMS:
            self._program(self.bin / name)
        for name in FOLDERS:
            (self.root / name).mkdir(parents=True)
        self._program(self.root / "usr/bin/python3")
        self.write("etc/os-release", OS_RELEASE)
        self.write("etc/group", "root:x:0:\naudio:x:29:\n")
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        if booted:
            (self.root / "run/systemd/system").mkdir(parents=True)
            (self.root / "proc/1").mkdir()
        self._make_checkout()

    def _program(self, path: Path) -> None:
        path.write_text(STAND_IN.replace("@REAL@", sys.executable))
        path.chmod(0o755)

    def _make_checkout(self) -> None:
        (self.checkout / "appliance").mkdir(parents=True)
        (self.checkout / "models").mkdir()
        (self.checkout / "broken").mkdir()
        (self.checkout / "appliance/__init__.py").write_text('__version__ = "0.1.0"\n')
        (self.checkout / "pyproject.toml").write_text("[project]\n")
        for name in ("install.sh", "config.yaml"):
            shutil.copy(ROOT / name, self.checkout)
        for name in ("systemd", "constraints"):
            shutil.copytree(ROOT / name, self.checkout / name)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def newer(self, *, broken: str = "") -> None:
        """Another version in the checkout. broken: what its installation leaves in the release."""
        (self.checkout / "appliance/new.py").write_text(f"# {broken}\n")
        if broken:
            (self.checkout / "broken" / broken).touch()

    def install(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """./install.sh in this system."""
        return self._run([str(self.checkout / "install.sh"), *words], environment)

    def ask(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A few lines of bash with the installation's functions."""
        sourced = '. "$CHECKOUT/install.sh"; . "$CHECKOUT/systemd/install/main.sh"; offline='
        return self._run(["-c", f"{sourced}; {script}"], environment)

    def _run(
        self, words: list[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BASH, *words],
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                "APPLIANCE_ROOT": str(self.root),
                "CHECKOUT": str(self.checkout),
                "CALLS": str(self.calls_file),
                "INSTALLED": "python3 python3-venv",
                "settle_s": "0",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            # A kill of the group ends the installation with all that it has started.
            start_new_session=True,
        )

    def calls(self) -> list[str]:
        """What was called since the last time."""
        found = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return found

    def files(self) -> dict[str, str]:
        """Each path with its mode, and a hash of what is in it or where it points; not the log."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if name == "var/log/appliance-install.log":
                continue
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.is_file():
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[name] = "folder"
            found[name] += f" {path.lstat().st_mode:o}"
        return found

    @property
    def release(self) -> str:
        """What /opt/appliance points to."""
        return (self.root / "opt/appliance").readlink().name
