# shellcheck shell=bash
# A new release beside the old one. `upgrading` names the old release and the copy of the database
# from before the first change until everything is judged: whoever finds it goes back first.

# The database's folder, as that release reads the config. Empty where it cannot be told.
database_of() {
    "$1/bin/python" -I -c '
import sys
from pathlib import Path
from appliance import assemble, config
print(assemble.location(config.load(Path(sys.argv[1]))).database)
' "$config" 2>>"$log" || true
}

# copy_database DATABASE FOLDER: one file that is whole, whatever SQLite keeps beside the other. The
# service stands still. What an earlier upgrade laid aside is not in the way.
copy_database() {
    # shellcheck disable=SC2016 # for Python
    logged as_user "$python" -I -c '
import os, shutil, sqlite3, sys, time
database, folder = sys.argv[1:]
aside = os.path.join(os.path.dirname(database), "failed-upgrade")
for stale in (folder, f"{folder}.new", f"{aside}.new"):
    shutil.rmtree(stale, ignore_errors=True)
if os.path.exists(aside):
    os.rename(aside, f"{aside}-{time.time_ns()}")
if os.path.exists(database):
    os.mkdir(f"{folder}.new", 0o700)
    os.umask(0o077)
    copy = sqlite3.connect(os.path.join(f"{folder}.new", os.path.basename(database)))
    sqlite3.connect(database).backup(copy)
    copy.close()
    os.sync()
    os.rename(f"{folder}.new", folder)
    os.sync()
' "$1" "$2"
}

# tables_of DATABASE: their version.
tables_of() {
    # shellcheck disable=SC2016 # for Python
    as_user "$python" -I -c '
import os, sqlite3, sys
if not os.path.exists(sys.argv[1]):
    print("none")
else:
    print(sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version").fetchone()[0])
' "$1" 2>>"$log" || printf 'unreadable'
}

# knows_tables RELEASE DATABASE: whether that release can read what is there by now.
knows_tables() {
    local known found
    known=$("$1/bin/python" -I -c '
from appliance.store.schema import MIGRATIONS
print(len(MIGRATIONS))
' 2>>"$log") || return 1
    found=$(tables_of "$2")
    [ "$found" = none ] || [ "$found" -le "$known" ] 2>>"$log"
}

# bring_back DATABASE FOLDER TABLES: where its tables are not TABLES any more. What the new release
# has recorded is not thrown away: it lies in `failed-upgrade` then.
bring_back() {
    # shellcheck disable=SC2016 # for the other shell
    logged as_user sh -euc '
        [ "$3" = none ] || [ -s "$2/${1##*/}" ]
        aside=${1%/*}/failed-upgrade
        if [ ! -d "$aside" ]; then
            mkdir -p -m 700 -- "$aside.new"
            for file in "$1" "$1-wal" "$1-shm"; do
                [ ! -e "$file" ] || cp -p -- "$file" "$aside.new/"
            done
            sync -f -- "$aside.new"
            mv -T -- "$aside.new" "$aside"
        fi
        rm -f -- "$1-wal" "$1-shm"
        if [ "$3" != none ]; then
            cp -p -- "$2/${1##*/}" "$1.back"
            sync -f -- "$1.back"
            mv -T -- "$1.back" "$1"
        else
            # There was none before.
            rm -f -- "$1"
        fi
        sync -f -- "${1%/*}"
    ' sh "$1" "$2" "$3"
}

# The copy from before holds people who may be removed later: it does not outlive the upgrade.
drop_copy() {
    [ -z "$1" ] || as_user rm -rf -- "$1" "$1.new"
}

# install_release RELEASE [RELEASE-BEFORE]: makes it the one that runs, but starts nothing.
install_release() {
    put_system_files "$1"
    make_users
    choose_drop_ins "$1"
    put_drop_ins "$1" "${2:-}"
    set_owners
    switch_to "$1"
    service daemon-reload
}

# begin_upgrade OLD NEW MADE ACTIVE DATABASE TABLES COPY: written down whole or not at all.
begin_upgrade() {
    heed_nothing
    printf 'old %s\nnew %s\nmade %s\nactive %s\ndatabase %s\ntables %s\ncopy %s\n' \
        "$@" >"$upgrading.new"
    sync -f -- "$upgrading.new"
    mv -T -- "$upgrading.new" "$upgrading"
    sync -f -- "$notes"
}

# end_upgrade: first nobody goes back any more, then the copy goes. Once it began to go, it must not
# be taken for a database.
end_upgrade() {
    mv -T -- "$upgrading" "$finished"
    sync -f -- "$notes"
    rm -f -- "$making"
    sweep
    # Who has gone does not come back.
    trap - INT TERM
}

# From the note on, who leaves the terminal or presses Ctrl-C does not leave the door without service.
heed_nothing() {
    trap '' HUP INT TERM PIPE
}

# What an upgrade that is over has left.
sweep() {
    [ -e "$finished" ] || return 0
    drop_copy "$(value copy "$finished")" || return 1
    rm -f -- "$finished"
}

# go_back WHY, a clause: ends the installation with the reason where the former release does not serve again.
# Until it does, the note stays, and the next run tries again.
go_back() {
    local old code=0
    old=$(value old "$upgrading")
    check_copy
    heed_nothing
    # Not in a condition: there a failure inside would go unnoticed.
    (restore) 2>>"$log" &
    wait "$!" || code=$?
    case $code in
        0) trap - INT TERM ;;
        9) fail 1 "$1, and ${old##*/} is in place again and does not start; journalctl -u appliance \
tells why." ;;
        *) fail 1 "$1, and going back to ${old##*/} failed: $(reason); then run this again." ;;
    esac
}

# Before the service is stopped: without the copy of a database that has changed since, nothing is
# touched.
check_copy() {
    local old database copy tables
    old=$(value old "$upgrading")
    database=$(value database "$upgrading")
    copy=$(value copy "$upgrading")
    tables=$(value tables "$upgrading")
    if [ -n "$tables" ] && [ "$tables" != none ] && [ "$(tables_of "$database")" != "$tables" ] &&
        ! as_user test -s "$copy/${database##*/}"; then
        fail 1 "$database is not as ${old##*/} left it, and the copy $copy is gone; nothing was \
changed, so put a backup there, or remove $upgrading to go on with what is there."
    fi
}

# Back to the release that ran before, with its units and its database. Ends with 9 where its service
# does not start any more.
restore() {
    local old new database copy tables active code=0
    old=$(value old "$upgrading")
    new=$(value new "$upgrading")
    database=$(value database "$upgrading")
    copy=$(value copy "$upgrading")
    active=$(value active "$upgrading")
    tables=$(value tables "$upgrading")
    step "Going back to the release ${old##*/}"
    service stop appliance.service || note "it could not be stopped"
    if [ -n "$tables" ] && [ "$(tables_of "$database")" != "$tables" ]; then
        if ! bring_back "$database" "$copy" "$tables"; then
            # A full disk has room again without the new program.
            make_room "$new"
            bring_back "$database" "$copy" "$tables"
        fi
        say "  The database is as it was before; what was recorded since lies in \
${database%/*}/failed-upgrade"
    fi
    switch_to "$old"
    make_room "$new"
    put_system_files "$old"
    (choose_drop_ins "$old" && put_drop_ins "$old" "$new") || note "its drop-ins stay as they are"
    service daemon-reload || note "systemd did not read its units anew"
    [ "$active" != yes ] || start_service || code=9
    discard "$new" "$(value made "$upgrading")"
    end_upgrade
    return "$code"
}

# discard RELEASE MADE: a release that is not kept, where MADE says that this upgrade has made it.
discard() {
    if [ "$2" = yes ]; then
        rm -f -- "$1/release.txt"
        rm -rf -- "$1"
        rm -f -- "$making"
    fi
}

# make_room RELEASE: takes the program of one that was made by this upgrade and is not kept; its
# installer is asked once more.
make_room() {
    [ "$(value made "$upgrading")" != yes ] || rm -rf -- "$1/lib"
}

# After a run that was interrupted in the middle of an upgrade.
mend_upgrade() {
    rm -f -- "$upgrading.new"
    sweep
    if [ -e "$upgrading" ]; then
        say "An upgrade was interrupted."
        go_back "An upgrade was interrupted"
    fi
}

# judge OLD-FINDINGS NEW: prints why the new release is not kept; nothing where it is.
judge() {
    local before=$1 new=$2 after worse
    if ! booted; then
        # Nothing here is the door's hardware.
        ask "$new" config check >>"$log" 2>&1 </dev/null ||
            printf 'it does not accept %s' "$config"
        ask "$new" models verify >>"$log" 2>&1 </dev/null ||
            printf 'its models are not whole'
        return
    fi
    after=$(findings "$new")
    worse=$(worse "$before" "$after")
    if [ -z "$after" ]; then
        printf 'its doctor does not run'
    elif [ -n "$worse" ]; then
        printf 'its doctor finds what the former one did not: %s' "${worse// /, }"
    fi
}

# Sets `release` and `made_new`. One that was whole before this upgrade is the former one that was
# kept, or what an interrupted upgrade has made.
make_new() {
    local print
    print=$(fingerprint)
    if [ -z "$(find_release "$print")" ]; then
        printf '%s\n' "$print" >"$making"
        sync -f -- "$notes"
    elif [ "$(cat -- "$making" 2>/dev/null)" != "$print" ]; then
        made_new=no
    fi
    make_release
}

# tell_way_back RELEASE DATABASE: to the former release, where there is one.
tell_way_back() {
    if knows_tables "$1" "$2"; then
        say "Back again: sudo ${1#"$root"}/installer/install.sh --upgrade"
    else
        say "There is no way back to ${1##*/}, which does not know the tables of $2."
    fi
}

upgrade() {
    local old new made_new=yes before active=no database copy tables="" why=
    old=$(current_release)
    [ -n "$old" ] || fail 2 "Nothing is installed that could be upgraded; run: sudo ./install.sh"
    if [ "$(value fingerprint "$old/release.txt")" = "$(fingerprint)" ]; then
        say "This release is installed already."
        mend
        return
    fi
    install_packages
    if is_installed_copy; then
        new=$(cd -- "$here/.." && pwd -P)
        made_new=no
    else
        make_new
        new=$release
    fi
    # Before anything is touched: what would fail in the middle.
    if ! ask "$new" config check >>"$log" 2>&1 </dev/null; then
        discard "$new" "$made_new"
        fail 3 "${new##*/} does not accept $config; nothing was changed, and the mistakes stand at \
the end of $log."
    fi
    database=$(database_of "$old")
    [ -n "$database" ] || database=$(database_of "$new")
    if [ -z "$database" ]; then
        discard "$new" "$made_new"
        fail 3 "Where the database lies cannot be told from $config; nothing was changed, and the \
reason stands at the end of $log."
    fi
    step "What the former release says of this door"
    before=$(findings "$old")
    ! is_active || active=yes
    copy=${database%/*}/before-upgrade
    begin_upgrade "$old" "$new" "$made_new" "$active" "$database" "" "$copy"
    step "Switching from ${old##*/} to ${new##*/}"
    service stop appliance.service || true
    copy_database "$database" "$copy" || why="the database could not be copied: $(reason)"
    tables=$(tables_of "$database")
    begin_upgrade "$old" "$new" "$made_new" "$active" "$database" "$tables" "$copy"
    if [ -z "$why" ]; then
        # Not in a condition: there a failure inside would go unnoticed.
        (install_release "$new" "$old") &
        wait "$!" || why="its files could not be put in place"
    fi
    if [ -z "$why" ]; then
        if [ "$active" = yes ] && ! start_service; then
            why="its service does not start"
        else
            why=$(judge "$before" "$new")
        fi
    fi
    if [ -n "$why" ]; then
        go_back "${new##*/} was not kept ($why)"
        fail 1 "${new##*/} was not kept ($why), and ${old##*/} is in place again."
    fi
    end_upgrade
    # One release to go back to; its own installer does it.
    remove_others "$new" "$old"
    mend
    say "Upgraded to ${new##*/}."
    tell_way_back "$old" "$database"
}
