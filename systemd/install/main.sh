# shellcheck shell=bash
# The system-wide installation, from the first question to the last word.

# shellcheck source=systemd/install/common.sh
. "$here/systemd/install/common.sh"
# shellcheck source=systemd/install/platform.sh
. "$here/systemd/install/platform.sh"
# shellcheck source=systemd/install/packages.sh
. "$here/systemd/install/packages.sh"
# shellcheck source=systemd/install/release.sh
. "$here/systemd/install/release.sh"
# shellcheck source=systemd/install/system.sh
. "$here/systemd/install/system.sh"
# shellcheck source=systemd/install/service.sh
. "$here/systemd/install/service.sh"
# shellcheck source=systemd/install/upgrade.sh
. "$here/systemd/install/upgrade.sh"
# shellcheck source=systemd/install/remove.sh
. "$here/systemd/install/remove.sh"

# Before anything is changed: can it be done at all?
check_writable() {
    local folder
    for folder in /opt /etc /usr/local /var/lib; do
        mkdir -p -- "$root$folder" 2>/dev/null || true
        if ! (umask 077 && : >"$root$folder/.appliance-install") 2>/dev/null; then
            if [ "$(df --output=avail -- "$root$folder" 2>/dev/null | tail -n 1 | tr -d ' ')" = 0 ]; then
                fail 1 "The disk of $folder is full; nothing was changed."
            fi
            fail 1 "$folder cannot be written (a read-only file system?), so nothing was changed; \
remount it with: mount -o remount,rw /"
        fi
        rm -f -- "$root$folder/.appliance-install"
    done
}

# Ubuntu's /var/log is writable by the group syslog: what lies there is not always root's.
check_log() {
    [ ! -L "$log" ] || fail 1 "$log is a link, and root would write where it leads; remove it."
}

begin_log() {
    mkdir -p -- "${log%/*}" 2>/dev/null || true
    (umask 077 && printf '== %s %s\n' "$(date -u +%FT%TZ)" "$(describe)" >>"$log") 2>/dev/null ||
        fail 1 "$log cannot be written (a full disk, a read-only file system?); nothing was changed."
}

check_offline() {
    [ -n "$offline" ] || return 0
    [ -d "$offline" ] || fail 3 "$offline is not a folder; --offline wants one with wheels."
    offline=$(cd -- "$offline" && pwd -P)
    compgen -G "$offline/*.whl" >/dev/null ||
        fail 3 "$offline holds no wheels; docs/install.md says how to fill it."
}

# One installation at a time; the lock ends with the process.
take_turn() {
    mkdir -p -- "$notes"
    exec 9<"$notes"
    flock --nonblock 9 || fail 1 "Another installation is running; wait for its end."
}

announce() {
    say "This is $(describe)."
    say "What will be installed:"
    say "  packages  ${packages[*]}${optional[*]:+, and where the archive has it ${optional[*]}}"
    say "  program   $releases/, the command appliance in /usr/local/bin"
    say "  config    $config$([ ! -e "$config" ] || printf ' (yours, kept)')"
    say "  state     $state, of the user appliance; no door is set up by this"
    say "  service   appliance.service"
    say "  log       $log"
}

# Every piece around a release that is in place, as it should be.
mend() {
    local release
    release=$(current_release)
    changed=
    step "User, groups, config, key and service"
    put_system_files "$release"
    make_users
    put_config "$release"
    set_owners
    if booted; then
        make_key
    fi
    choose_drop_ins "$release"
    put_drop_ins "$release"
    set_owners
    put_command
    set_strict_gpio
    tell_udev
    prepare_engine "$release"
    enable_service
}

# forget WORD...: what was remembered.
forget() {
    ! remembered "$*" || sed -i "/^$*\$/d" "$made"
}

# Once. Whoever stops or disables it afterwards has a reason; one that failed is tried again.
enable_service() {
    if ! booted; then
        # Without a systemd that runs, enabling is this link.
        remembered service started || point "$units/multi-user.target.wants/appliance.service" \
            /etc/systemd/system/appliance.service
        remember service started
        return
    fi
    service daemon-reload || fail 1 "systemd could not read its units anew: $(reason)."
    if ! remembered service started; then
        service enable appliance.service || fail 1 "The service could not be enabled: $(reason)."
    elif ! is_active && ! systemctl --quiet is-failed appliance.service; then
        say "  The service is stopped and stays so; start it with: \
sudo systemctl enable --now appliance"
        return
    fi
    if [ -n "$changed" ] || ! is_active; then
        step "Starting the service"
        start_service ||
            fail 1 "The service does not start; journalctl -u appliance tells why."
    fi
    remember service started
}

last_words() {
    local code=0
    say
    if ! booted; then
        ask "$link" config check >>"$log" 2>&1 </dev/null ||
            fail 3 "$config has mistakes; \`appliance config check $config\` tells them all."
        say "Installed. systemd does not run here, so this remains, and the first start does it:"
        say "  the key of the enrolled faces is made; the service starts"
        say "Look at the door itself then: appliance doctor"
    else
        ask "$link" doctor </dev/null || code=$?
        [ "$code" -le 1 ] || say "(the doctor ended with $code)"
    fi
    say
    say "Next:"
    say "  1. Wire the relay and try it on the bench: docs/hardware.md, then \`door:\` in $config"
    say "  2. sudo systemctl restart appliance && sudo appliance door test"
    say "  3. sudo appliance enroll --name NAME"
}

install_system() {
    local current
    current=$(current_release)
    if [ -e "$link" ] && [ ! -L "$link" ]; then
        fail 3 "$link is a folder, made by hand it seems; stop the service, move it away and run \
this again."
    fi
    if [ -n "$current" ]; then
        if [ "$(value fingerprint "$current/release.txt")" != "$(fingerprint)" ]; then
            fail 2 "${current##*/} is installed, and this is another one; run: \
sudo ./install.sh --upgrade"
        fi
        say "${current##*/} is installed; looking whether everything is in its place."
        install_packages again
    else
        is_installed_copy && fail 3 "This is a copy that an installation keeps; use a checkout."
        announce
        install_packages
        check_python
        make_release
        forget service started
        switch_to "$release"
    fi
    mend
    last_words
}

# system_wide install|upgrade|uninstall|purge|make-key
system_wide() {
    local changed=
    [ "$EUID" -eq 0 ] || [ -n "$root" ] ||
        fail 2 "The installation for the whole system is root's: sudo ./install.sh"
    check_log
    case $1 in
        uninstall | purge)
            mkdir -p -- "$(dirname -- "$log")"
            take_turn
            "$1"
            say "Done."
            return
            ;;
        make-key)
            take_turn
            make_key
            return
            ;;
    esac
    detect
    check_offline
    check_writable
    take_turn
    begin_log
    choose_packages
    mend_upgrade
    remove_torsos
    # What fails from here on leaves no torso either, as far as it can still do anything.
    trap remove_torsos EXIT
    case $1 in
        upgrade)
            check_python
            upgrade
            last_words
            ;;
        install) install_system ;;
    esac
}
