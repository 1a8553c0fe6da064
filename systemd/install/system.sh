# shellcheck shell=bash
# Everything outside the release: user and groups, config, key, units, rules. Each piece may be
# done any number of times, and changes nothing where it is as it should be.

# Files of a release's installer, and where the system wants them.
# put_system_files RELEASE
put_system_files() {
    local files=$1/installer/systemd
    put 644 "$files/appliance.sysusers" "$root/etc/sysusers.d/appliance.conf"
    put 644 "$files/appliance.tmpfiles" "$root/etc/tmpfiles.d/appliance.conf"
    put 644 "$files/60-appliance.rules" "$root/etc/udev/rules.d/60-appliance.rules"
    put 644 "$files/appliance.service" "$unit"
    put 644 "$files/appliance-key.service" "$units/appliance-key.service"
}

# is_member GROUP: whether the user appliance is one.
is_member() {
    [[ ,$(getent group "$1" | cut -d: -f4), == *,appliance,* ]]
}

make_users() {
    local group
    for group in gpio video input audio render appliance; do
        getent group "$group" >/dev/null || remember "group $group"
    done
    if ! getent passwd appliance >/dev/null; then
        remember "user appliance"
    elif ! remembered "user appliance"; then
        # Somebody else's user: it leaves again what it joins now.
        for group in gpio video input audio render; do
            is_member "$group" || remember "member $group"
        done
    fi
    logged systemd-sysusers ${root:+"--root=$root"} "$root/etc/sysusers.d/appliance.conf" ||
        fail 1 "The user appliance could not be made: $(reason)."
}

# The owner's file is never written over. A Jetson gets one for its camera and its GPU; without
# TensorRT's bindings it would not be accepted, so the CPU is named there then.
put_config() {
    local file=$1/installer/config.yaml
    mkdir -p -- "$config_folder"
    [ ! -e "$config" ] || return 0
    if [ "$system" = jetson ]; then
        file=$config.draft
        cp -- "$1/installer/systemd/jetson.yaml" "$file"
        if ! "$1/bin/python" -I -c 'import tensorrt' >>"$log" 2>&1 </dev/null; then
            say "  TensorRT's Python bindings are missing: the CPU is used (docs/jetson.md)"
            sed -i 's/^\( *delegate:\) tensorrt.*/\1 cpu/' "$file"
        fi
    fi
    put 640 "$file" "$config"
    rm -f -- "$config.draft"
}

# On a GPU, an engine is built once: minutes. As the service, whose files these are.
prepare_engine() {
    local code=0
    if ! booted || [[ " ${wanted_drop_ins[*]} " != *" delegate-tensorrt "* ]] ||
        [[ $(findings "$1") == *'"processor": "ok"'* ]]; then
        return 0
    fi
    step "Preparing the GPU (minutes)"
    logged ask "$1" models prepare || code=$?
    case $code in
        0) changed=yes ;;
        1) say "  No GPU serves; the CPU does (docs/jetson.md)" ;;
        *) fail 3 "The GPU could not be prepared: $(reason)." ;;
    esac
}

# Owners and modes of config, key and state.
set_owners() {
    logged systemd-tmpfiles ${root:+"--root=$root"} --create "$root/etc/tmpfiles.d/appliance.conf" ||
        fail 1 "Owners and modes could not be set: $(reason)."
}

can_seal() {
    have systemd-creds
}

# Makes the key of the enrolled faces, or takes the one that lies beside the database. Sealed to
# this machine where systemd can do that. Only on the machine itself: an image's seal would be
# that of the machine on which it was built, and all its copies would share one key.
make_key() {
    local sealed=$config_folder/template.key.sealed plain=$config_folder/template.key
    local release database beside key
    [ ! -s "$sealed" ] || return 0
    [ ! -s "$plain" ] || can_seal || return 0
    # Where the config wants it, in the home that the service has.
    release=$(current_release)
    database=$(HOME=${state#"$root"} database_of "$release")
    [ -n "$database" ] || complain_of_config "$release"
    beside=${database%/*}/template.key
    if [ -s "$plain" ]; then
        key=$(cat -- "$plain")
    elif key=$(as_user cat -- "$beside" 2>/dev/null) && [ -n "$key" ]; then
        say "  The key beside the database is taken"
    elif [ -e "$database" ]; then
        fail 3 "$database is there and its key is not; put the key into $plain, or move the \
database away."
    else
        key=$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n')
    fi
    mkdir -p -- "$config_folder"
    if can_seal; then
        rm -f -- "$sealed.new"
        # Through a pipe: the key itself is written to no disk.
        (umask 077 && printf '%s\n' "$key" | systemd-creds encrypt \
            --name=appliance-template-key - "$sealed.new") >>"$log" 2>&1 </dev/null ||
            fail 1 "systemd-creds could not seal the key: $(tail -n 1 -- "$log")"
        [ "$(systemd-creds decrypt --name=appliance-template-key "$sealed.new" -)" = "$key" ] ||
            fail 1 "The sealed key cannot be opened again; nothing was changed."
        sync -f -- "$sealed.new"
        mv -T -- "$sealed.new" "$sealed"
        [ ! -s "$plain" ] || say "  $plain is sealed now; keep it elsewhere and delete it here"
    else
        (umask 077 && printf '%s\n' "$key" >"$plain.new")
        sync -f -- "$plain.new"
        mv -T -- "$plain.new" "$plain"
    fi
    # The name as well, before the only other copy goes.
    sync -f -- "$config_folder"
    # A plain copy beside the database would be what the sealing is against.
    as_user rm -f -- "$beside"
}

# complain_of_config RELEASE: ends with what is wrong when it cannot read the config.
complain_of_config() {
    local code=0
    logged "$1/bin/appliance" --config "$config" config check || code=$?
    if [ "$code" -eq 3 ]; then
        fail 3 "$config has mistakes; \`$1/bin/appliance config check $config\` tells them all."
    fi
    fail 1 "The program of ${1##*/} does not run: $(reason)."
}

# The names of the drop-ins that the config and this systemd ask for. Sets `wanted_drop_ins`.
# choose_drop_ins RELEASE
choose_drop_ins() {
    local told
    told=$("$1/bin/appliance" --config "$config" --json config show 2>>"$log" |
        "$1/bin/python" -I -c '
import json, sys
config = json.load(sys.stdin)
config = config.get("config", config)
camera, feedback = config["camera"]["driver"], config["feedback"]
print(*([] if camera == "files" else [f"camera-{camera}"]),
      *(["delegate-tensorrt"] if config["model"]["delegate"] == "tensorrt" else []),
      *(["sound"] if feedback["greeting"] != "off" or feedback["speak"] else []))
' 2>>"$log") ||
        complain_of_config "$1"
    # shellcheck disable=SC2206 # words on purpose
    wanted_drop_ins=($told)
    if can_seal; then
        wanted_drop_ins+=(key-encrypted)
    else
        wanted_drop_ins+=(key)
    fi
}

# Puts what is wanted and takes away what is not. A drop-in that somebody has changed is left.
# put_drop_ins RELEASE [RELEASE-BEFORE]
put_drop_ins() {
    local files=$1/installer/systemd/appliance.service.d before=${2:-$1}/installer/systemd/appliance.service.d
    local file name target
    for file in "$files"/*.conf; do
        name=$(basename -- "$file")
        target=$drop_ins/$name
        if [ -e "$target" ] && ! cmp -s -- "$target" "$file" &&
            ! cmp -s -- "$target" "$before/$name"; then
            say "  $target was changed here and stays as it is"
        elif [[ " ${wanted_drop_ins[*]} " == *" ${name%.conf} "* ]]; then
            put 644 "$file" "$target"
        elif [ -e "$target" ]; then
            rm -f -- "$target"
            changed=yes
        fi
    done
}

boot_config() {
    local file
    for file in "$root/boot/firmware/config.txt" "$root/boot/config.txt"; do
        # Without /boot/firmware there is a page in its place that says where the file is.
        if [ -f "$file" ] && ! grep -q '/boot/firmware/config\.txt' "$file"; then
            printf '%s' "$file"
            return
        fi
    done
}

strict_begin="# Begin: set by the face-access appliance (a GPIO line is let go when its process dies)"
strict_end="# End: set by the face-access appliance"

# On a Raspberry Pi: a line whose process died goes back to an input. Counts from the next start.
set_strict_gpio() {
    local file
    [ "$system" = raspberry ] || return 0
    file=$(boot_config)
    if [ -z "$file" ]; then
        say "  No config.txt was found (is /boot/firmware mounted?): add dtparam=strict_gpiod to it"
        return
    fi
    # What stands below the name of another board, such as [pi3], says nothing of this one.
    if awk '
        /^[[:space:]]*\[/ { elsewhere = $0 !~ /^[[:space:]]*\[all\]/ }
        !elsewhere && /^[[:space:]]*dtparam=(.*,)?strict_gpiod(=on|=1)?([,[:space:]]|$)/ { set = 1 }
        END { exit !set }' "$file"; then
        return
    fi
    step "Setting dtparam=strict_gpiod in ${file#"$root"}; it counts from the next start on"
    cp -p -- "$file" "$file.new"
    printf '\n%s\n[all]\ndtparam=strict_gpiod\n%s\n' "$strict_begin" "$strict_end" >>"$file.new"
    sync -f -- "$file.new"
    mv -T -- "$file.new" "$file"
}

unset_strict_gpio() {
    local file text before
    file=$(boot_config)
    if [ -z "$file" ] || ! grep -qxF -- "$strict_begin" "$file"; then
        return 0
    fi
    # As it was, to the last byte: the shell would drop the newlines at the end.
    text=$'\n'$(cat -- "$file" && printf x)
    text=${text%x}
    before=${text%%$'\n'"$strict_begin"$'\n'*}
    text=${text#"$before"}
    if [[ $text != *"$strict_end"* ]]; then
        say "  The lines of this script in ${file#"$root"} were changed: take dtparam=strict_gpiod out yourself"
        return
    fi
    say "- Taking dtparam=strict_gpiod out of ${file#"$root"} again"
    text=${text#*"$strict_end"}
    text=${text#$'\n'}
    before=${before#$'\n'}
    # Two lines never become one.
    if [ -n "$text" ] && [[ -n $before && $before != *$'\n' ]]; then
        before+=$'\n'
    fi
    cp -p -- "$file" "$file.new"
    printf '%s' "$before$text" >"$file.new"
    sync -f -- "$file.new"
    mv -T -- "$file.new" "$file"
}

# A link that somebody else made is left.
put_command() {
    local target=${link#"$root"}/bin/appliance
    if [ -e "$command_link" ] || [ -L "$command_link" ]; then
        if [ "$(readlink -- "$command_link")" != "$target" ]; then
            say "  $command_link is something else and stays; the command is $target"
            return
        fi
    fi
    point "$command_link" "$target"
}

tell_udev() {
    if [ ! -S "$root/run/udev/control" ] || ! booted; then
        return 0
    fi
    logged udevadm control --reload || say "  udev could not read its rules anew"
    logged udevadm trigger --subsystem-match=gpio --subsystem-match=dma_heap ||
        say "  the rules for GPIO chips count from the next start on"
}
