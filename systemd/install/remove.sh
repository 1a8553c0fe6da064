# shellcheck shell=bash
# Takes away what was installed. Each piece may be gone already.

uninstall() {
    local copy
    drop_copies
    say "Removing the program and the service; $config_folder and $state stay."
    copy=$(value copy "$upgrading" || true)
    if [ -n "$copy" ] && as_user test -d "$copy"; then
        say "  An upgrade was interrupted: $copy stays as well, the database from before it with \
everybody enrolled then; delete it when you have looked"
    fi
    take_away_service
    take_away_files
}

# The copy of the database from before an upgrade that is over: it holds everybody enrolled then.
drop_copies() {
    sweep || say "  $(value copy "$finished") could not be removed; delete it: it holds everybody enrolled \
before the last upgrade"
}

# The door is locked by the service as it ends.
take_away_service() {
    if booted && [ -e "$unit" ]; then
        logged systemctl disable --now appliance.service || note "it was not there"
    fi
    rm -f -- "$units/multi-user.target.wants/appliance.service"
}

take_away_files() {
    local file
    unset_strict_gpio
    for file in "$here/systemd/appliance.service.d"/*.conf \
        "$releases"/*/installer/systemd/appliance.service.d/*.conf; do
        if cmp -s -- "$file" "$drop_ins/${file##*/}"; then
            rm -f -- "$drop_ins/${file##*/}"
        fi
    done
    rmdir -- "$drop_ins" 2>/dev/null || [ ! -e "$drop_ins" ] ||
        say "  $drop_ins holds what was not put there by this script, and stays"
    rm -f -- "$unit" "$units/appliance-key.service" "$root/etc/sysusers.d/appliance.conf" \
        "$root/etc/tmpfiles.d/appliance.conf" "$root/etc/udev/rules.d/60-appliance.rules"
    while read -r file; do
        rmdir -- "$file" 2>/dev/null || note "$file stays"
    done < <(sed -n 's/^folder //p' "$made" 2>/dev/null)
    if [ "$(readlink -- "$command_link" 2>/dev/null)" = "${link#"$root"}/bin/appliance" ]; then
        rm -f -- "$command_link"
    fi
    service daemon-reload || note "systemd did not read its units anew"
    service reset-failed appliance.service || note "it had not failed"
    tell_udev
    rm -f -- "$link" "$link.new" "$upgrading" "$making"
    rm -rf -- "$releases"
}

# empty FOLDER: takes it away with all that is in it; where a file system is mounted there, or a
# link leads elsewhere, all but that folder.
empty() {
    local folder
    if folder=$(realpath -e -- "$1" 2>/dev/null) && [ -d "$folder" ]; then
        find "$folder" -xdev -mindepth 1 -delete 2>>"$log" || note "not all of $folder went"
        if [ -n "$(find "$folder" -mindepth 1 -print -quit)" ]; then
            say "  Not all of $folder could be removed; look at it yourself"
        elif [ -L "$1" ] || ! rmdir -- "$folder" 2>/dev/null; then
            say "  $folder is empty and stays: it is a file system of its own, or a link led to it"
        fi
    fi
    [ ! -L "$1" ] || rm -f -- "$1"
}

# Everything else: config, key, people, log, the user, and the groups that were made here.
purge() {
    local elsewhere="" kind name current
    current=$(current_release)
    if [ -n "$current" ]; then
        elsewhere=$(database_of "$current")
    fi
    say "Removing everything, with the config, the key, everybody enrolled and the log."
    # Of an interrupted upgrade as well. It lies beside the database, which may be elsewhere.
    [ ! -e "$upgrading" ] || mv -T -- "$upgrading" "$finished"
    drop_copies
    take_away_service
    rm -rf -- "$drop_ins"
    take_away_files
    empty "$config_folder"
    empty "$state"
    rm -rf -- "$root/run/appliance"
    if remembered "user appliance" && getent passwd appliance >/dev/null; then
        logged userdel appliance || say "  The user appliance could not be removed"
    fi
    if [ -e "$made" ]; then
        while read -r kind name; do
            if [ "$kind" = member ] && getent passwd appliance >/dev/null; then
                logged gpasswd --delete appliance "$name" || note "it was no member any more"
            fi
        done <"$made"
        while read -r kind name; do
            if [ "$kind" != group ] || ! getent group "$name" >/dev/null; then
                continue
            elif [ -n "$(getent group "$name" | cut -d: -f4)" ]; then
                say "  The group $name has members by now, and stays"
            else
                logged groupdel "$name" || say "  The group $name could not be removed"
            fi
        done <"$made"
        if grep -q '^package ' "$made"; then
            say "Packages that apt installed for it stay: $(sed -n 's/^package //p' "$made" | tr '\n' ' ')"
        fi
    fi
    if [ -n "$elsewhere" ] && [ -e "$elsewhere" ]; then
        say "The database $elsewhere lies where the config wanted it and stays, with what a \
failed upgrade may have laid beside it; without its key nobody reads the faces in it."
    fi
    rm -rf -- "$notes"
    rm -f -- "$log"
}
