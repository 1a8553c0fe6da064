# shellcheck shell=bash
# A release is a folder with an environment of its own, and with what installs and removes it.
# release.txt is written last: a folder without it is a torso. /opt/appliance points to one.

# From the installed copy of this script, not from a checkout.
is_installed_copy() {
    [ -e "$here/../release.txt" ]
}

# What a release is made of; the same sources on the same Python are the same release.
fingerprint() {
    if is_installed_copy; then
        value fingerprint "$here/../release.txt"
        return
    fi
    (
        cd -- "$here"
        {
            find appliance models systemd constraints -name __pycache__ -prune -o \
                -path models/build -prune -o -type f -print0
            printf '%s\0' install.sh pyproject.toml config.yaml
        } | sort -z | xargs -0 sha256sum
        python_version
        needs_system_packages && printf 'with the packages of the system\n'
        true
    ) | sha256sum | cut -c 1-32
}

# value KEY FILE: of a line `KEY VALUE`.
value() {
    sed -n "s/^$1 //p" "$2" 2>/dev/null | head -n 1
}

version_of_sources() {
    if is_installed_copy; then
        value version "$here/../release.txt"
    else
        sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/appliance/__init__.py"
    fi
}

# The folder that /opt/appliance points to, where it is whole.
current_release() {
    local target
    target=$(readlink -- "$link" 2>/dev/null) || return 0
    if [ -e "$releases/${target##*/}/release.txt" ]; then
        printf '%s' "$releases/${target##*/}"
    fi
}

# find_release FINGERPRINT: the whole one that was made of these sources; nothing where there is none.
find_release() {
    local folder
    for folder in "$releases"/*; do
        if [ "$(value fingerprint "$folder/release.txt")" = "$1" ]; then
            printf '%s' "$folder"
            return
        fi
    done
}

# Folders of releases that are not whole. The one that runs is left to the service.
remove_torsos() {
    local folder running
    running=$(readlink -- "$link" 2>/dev/null || true)
    for folder in "$releases"/*; do
        if [ -d "$folder" ] && [ ! -e "$folder/release.txt" ] &&
            [ "${folder##*/}" != "${running##*/}" ]; then
            note "removing the torso $folder"
            rm -rf -- "$folder"
        fi
    done
}

# remove_others KEEP...: every release but these.
remove_others() {
    local folder keep
    for folder in "$releases"/*; do
        for keep in "$@"; do
            [ "$folder" != "$keep" ] || continue 2
        done
        # First the line that makes it whole: what is left after an interruption is a torso.
        rm -f -- "$folder/release.txt"
        rm -rf -- "$folder"
    done
}

check_room() {
    local free
    mkdir -p -- "$releases"
    free=$(df --output=avail --block-size=1M -- "$releases" | tail -n 1 | tr -d ' ')
    [ "$free" -ge "$needed_mb" ] || fail 1 "A release needs $needed_mb MB at $releases while it is \
made, and $free MB are free; nothing was changed."
}

pip() {
    local index=()
    [ -z "$offline" ] || index=(--no-index --find-links "$offline")
    logged env TMPDIR="$release/tmp" "$release/bin/python" -m pip --no-input \
        --disable-pip-version-check --no-cache-dir "$@" "${index[@]}"
}

# Sets `wheel`: the project's own, built from this checkout, or taken from --offline where that
# folder holds nothing to build it with.
make_wheel() {
    local folder=$release/installer/wheel found
    mkdir -p -- "$folder"
    if [ -n "$offline" ] && ! compgen -G "$offline/hatchling-*" >/dev/null; then
        found=$(compgen -G "$offline/face_access_appliance-$version-*.whl" | head -n 1) ||
            fail 3 "$offline holds neither hatchling nor a wheel of face-access-appliance $version; \
docs/install.md says how to fill it."
        cp -- "$found" "$folder/"
    else
        pip wheel --no-deps --wheel-dir "$folder" "$here" ||
            fail 1 "The wheel of the appliance could not be built: $(reason)."
    fi
    wheel=$(compgen -G "$folder/*.whl" | head -n 1)
}

# Sets `release`: the folder of this checkout, made where there is none. Nothing of what is installed is touched.
make_release() {
    local options=() constraints
    release=$(find_release "$(fingerprint)")
    if [ -n "$release" ]; then
        note "$release is whole already: an interrupted run has made it"
        return
    fi
    check_room
    version=$(version_of_sources)
    release=$releases/$version-$(date -u +%Y%m%dT%H%M%SZ)
    while [ -e "$release" ]; do
        release=$release+
    done
    step "Program: ${release#"$root"} (a few minutes)"
    mkdir -- "$release"
    needs_system_packages && options+=(--system-site-packages)
    logged "$python" -m venv "${options[@]}" "$release" ||
        fail 1 "The environment could not be made: $(reason)."
    mkdir -- "$release/tmp" "$release/installer"
    make_wheel
    constraints=$(constraints_file)
    pip install ${constraints:+--constraint "$constraints"} "$wheel" ||
        fail 1 "pip could not install the packages: $(reason)."
    rm -rf -- "$release/tmp"
    cp -R -- "$here/install.sh" "$here/config.yaml" "$here/constraints" "$release/installer/"
    mkdir -- "$release/installer/systemd"
    cp -R -- "$here"/systemd/* "$release/installer/systemd/"
    [ -n "$root" ] || chown -R root:root -- "$release"
    chmod -R u=rwX,go=rX -- "$release"
    logged "$release/bin/appliance" --version ||
        fail 1 "The program that was just installed does not start: $(reason)."
    printf 'version %s\nfingerprint %s\npython %s\n' \
        "$version" "$(fingerprint)" "$(identity "$python")" >"$release/release.new"
    sync -f -- "$release/release.new"
    mv -T -- "$release/release.new" "$release/release.txt"
}

# switch_to RELEASE: in one rename. Relative, so that it holds in an image that is looked into.
switch_to() {
    point "$link" "appliance.d/${1##*/}"
    sync -f -- "$releases"
}
