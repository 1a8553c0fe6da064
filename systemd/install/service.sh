# shellcheck shell=bash
# The service and its user: starting, stopping, and asking the program as the service would.

service() {
    booted || return 0
    logged systemctl "$@"
}

is_active() {
    booted && systemctl --quiet is-active appliance.service
}

# As the service's user: what lies in its folder is never followed with root's rights.
as_user() {
    runuser -u appliance -- "$@"
}

# ask RELEASE ARGUMENT...: a command of that release, with the user, the groups, the state and the
# key of the service.
ask() {
    local release=$1 key=() how groups="gpio video input audio"
    shift
    if ! booted; then
        as_user env -i PATH="$PATH" LC_ALL=C.UTF-8 HOME="$state" STATE_DIRECTORY="$state" \
            "$release/bin/appliance" --config "$config" "$@"
        return
    fi
    for how in LoadCredential LoadCredentialEncrypted; do
        if [ -n "$(sed -n "s/^$how=//p" "$drop_ins"/key*.conf 2>/dev/null)" ]; then
            key+=("--property=$how=$(sed -n "s/^$how=//p" "$drop_ins"/key*.conf | head -n 1)")
        fi
    done
    # A GPU's, of which an earlier installation did not know yet.
    ! getent group render >/dev/null || groups+=" render"
    systemd-run --quiet --wait --pipe --collect --service-type=exec \
        --property=User=appliance --property=Group=appliance \
        --property="SupplementaryGroups=$groups" \
        --property=StateDirectory=appliance --property=StateDirectoryMode=0700 \
        --property=WorkingDirectory=/var/lib/appliance \
        --setenv=HOME=/var/lib/appliance --setenv=LC_ALL=C.UTF-8 "${key[@]}" \
        "$release/bin/appliance" --config "$config" "$@"
}

# findings RELEASE: what its doctor says, as JSON; nothing where it cannot say anything.
findings() {
    local told
    told=$(ask "$1" --json doctor 2>>"$log" </dev/null || true)
    note "doctor of $1: $told"
    "$1/bin/python" -I -c '
import json, sys
print(json.dumps({it["name"]: it["status"] for it in json.loads(sys.argv[1])["checks"]}))
' "$told" 2>/dev/null || true
}

# worse BEFORE AFTER: the checks that fail and did not. For what a board suffers from by itself, such
# as a weak supply, no release is to blame, nor for being the first to tell.
worse() {
    "$python" -I -c '
import json, sys
before, after = (json.loads(it or "{}") for it in sys.argv[1:])
board = {"power", "heat", "files", "card"}
print(*(name for name, status in after.items() if name not in board
        and status == "fail" and before.get(name, "ok" if before else "fail") != "fail"))
' "$1" "$2"
}

# True when the service has said that it is ready, and is the same process some seconds later.
start_service() {
    local first
    booted || return 0
    logged systemctl restart appliance.service || return 1
    first=$(systemctl show --property MainPID --value appliance.service)
    sleep "$settle"
    [ "$first" != 0 ] && is_active &&
        [ "$(systemctl show --property MainPID --value appliance.service)" = "$first" ]
}
