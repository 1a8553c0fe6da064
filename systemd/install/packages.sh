# shellcheck shell=bash
# Packages of the system's archive. Nothing is asked of it where all are there.

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

is_offered() {
    apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

# Fills `missing` with those of "$@" that are not installed.
find_missing() {
    local package
    missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
}

install_packages() {
    local missing package
    find_missing "${packages[@]}" "${optional[@]}"
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ -n "$offline" ]; then
        find_missing "${packages[@]}"
        [ "${#missing[@]}" -eq 0 ] || fail 1 "--offline downloads nothing, and these packages are \
missing: ${missing[*]}. Install them first: apt-get install ${missing[*]}"
        find_missing "${optional[@]}"
        for package in "${missing[@]}"; do
            say "  $package is not installed, $(what_for "$package")"
        done
        return
    fi
    step "Packages from apt: ${missing[*]}"
    logged apt-get -o DPkg::Lock::Timeout=300 update || fail 1 "apt-get update failed: $(reason)."
    for package in "${missing[@]}"; do
        if ! is_offered "$package"; then
            case " ${optional[*]} " in
                *" $package "*)
                    say "  The archive has no $package, $(what_for "$package")"
                    ;;
                *) fail 1 "The archive has no package $package; look at /etc/apt/sources.list." ;;
            esac
            continue
        fi
        logged apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends \
            "$package" || fail 1 "apt-get could not install $package: $(reason)."
        remember "package $package"
    done
}
