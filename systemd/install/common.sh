# shellcheck shell=bash
# Where things lie, and how the installation speaks. Sourced by install.sh, which defines `here`,
# `say` and `fail`. APPLIANCE_ROOT puts another folder before every path: for tests.

# Other files read what is set here.
# shellcheck disable=SC2034
{
    root=${APPLIANCE_ROOT:-}
    link=$root/opt/appliance
    releases=$root/opt/appliance.d
    config_folder=$root/etc/appliance
    config=$config_folder/config.yaml
    state=$root/var/lib/appliance
    # Not in the state folder: what root believes must not be writable by the service.
    notes=$root/var/lib/appliance-install
    made=$notes/made
    upgrading=$notes/upgrading
    finished=$notes/finished
    # The fingerprint of the release that an upgrade is making or has made.
    making=$notes/making
    units=$root/etc/systemd/system
    unit=$units/appliance.service
    drop_ins=$unit.d
    command_link=$root/usr/local/bin/appliance
    log=$root/var/log/appliance-install.log
    python=$root/usr/bin/python3
    # Megabytes of a release, and of what pip unpacks on the way.
    needed_mb=900
    # How long a service that has started is looked at, in seconds; a test need not wait.
    settle=5
    [ -z "$root" ] || settle=${settle_s:-5}
}

# Everything in English and as written here, and nothing compiled beside the system's files.
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PIP_USER=0 DEBIAN_FRONTEND=noninteractive
umask 022

have() {
    command -v "$1" >/dev/null 2>&1
}

# True where systemd runs this very system: not in a chroot or while an image is built. Without
# /proc nobody can tell a chroot, and systemd-detect-virt says no.
booted() {
    [ -d "$root/run/systemd/system" ] && [ -d "$root/proc/1" ] &&
        ! systemd-detect-virt --quiet --chroot 2>/dev/null
}

# step SENTENCE: what is being done now.
step() {
    say "- $1"
    note "== $1"
}

# A log that cannot be written stops nothing.
note() {
    { printf '%s\n' "$*" >>"$log"; } 2>/dev/null || true
}

# logged COMMAND...: runs it with everything it says in the log, and at most one line of it shown.
logged() {
    note "\$ $*"
    "$@" </dev/null 2>&1 | progress
}

# put MODE SOURCE TARGET: a copy that is either the old file or the new one, never half of it.
# Does nothing where they are equal, else sets `changed`. False, and the old file, where it fails:
# also in a condition, where bash goes on.
put() {
    local mode=$1 source=$2 target=$3
    if [ -f "$target" ] && [ ! -L "$target" ] && cmp -s -- "$source" "$target"; then
        return
    fi
    make_folder "$(dirname -- "$target")" || return 1
    rm -f -- "$target.new" || return 1
    (umask 077 && cp -- "$source" "$target.new") && chmod "$mode" -- "$target.new" &&
        mv -T -- "$target.new" "$target" || return 1
    changed=yes
}

# point LINK TARGET: makes or changes a symbolic link in one rename.
point() {
    if [ -L "$1" ] && [ "$(readlink -- "$1")" = "$2" ]; then
        return
    fi
    make_folder "$(dirname -- "$1")" || return 1
    rm -f -- "$1.new" && ln -s -- "$2" "$1.new" && mv -T -- "$1.new" "$1" || return 1
    changed=yes
}

# A folder that was not there is taken away again once it is empty.
make_folder() {
    if [ ! -d "$1" ]; then
        remember "folder $1" || return 1
        mkdir -p -- "$1"
    fi
}

# remember WORD...: a line about something that was made here, for --purge; once.
remember() {
    grep -qxF -- "$*" "$made" 2>/dev/null || printf '%s\n' "$*" >>"$made"
}

remembered() {
    grep -qxF -- "$*" "$made" 2>/dev/null
}

# What the disk or the network did to a command, told by the last lines of the log.
reason() {
    local last
    last=$(tail -n 60 -- "$log" 2>/dev/null || true)
    case $last in
        *"No space left on device"* | *"not have enough free space"*)
            printf 'the disk is full; free %s MB at %s' "$needed_mb" "$releases"
            ;;
        *"Read-only file system"*)
            printf 'a file system is mounted read-only; remount it with: mount -o remount,rw /'
            ;;
        *"name resolution"* | *"Name or service not known"* | *"Network is unreachable"* | \
            *"Failed to establish a new connection"* | *"Could not resolve"* | \
            *"Failed to fetch"* | *"Could not connect"* | *"Max retries exceeded"* | *"timed out"*)
            printf 'the network or the server cannot be reached; connect it and run this again, '
            printf 'or use --offline DIR (docs/install.md)'
            ;;
        *"No matching distribution found"*)
            printf 'a package is missing: %s' \
                "$(grep -o 'No matching distribution found for .*' <<<"$last" | tail -n 1)"
            ;;
        *ResolutionImpossible*)
            printf 'the packages do not fit together, or --offline lacks one in the version that is '
            printf 'asked for (docs/install.md); %s names them' "$log"
            ;;
        *) printf 'the reason stands at the end of %s' "$log" ;;
    esac
}
