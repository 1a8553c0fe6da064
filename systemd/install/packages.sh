# shellcheck shell=bash
# Packages of the system's archive. Nothing is asked of it where all are there.

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Without the index that apt-cache would write beside its lists, and nobody take away again.
is_offered() {
    apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        show --no-all-versions "$1" >/dev/null 2>&1
}

# Fills `missing` with those of "$@" that are not installed.
find_missing() {
    local package
    missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
}

# Leaves of `optional` what the archive has, as far as was last heard of it.
keep_offered() {
    local package offered=()
    for package in "${optional[@]}"; do
        ! is_offered "$package" || offered+=("$package")
    done
    optional=("${offered[@]}")
}

# install_packages [again]: again: what is only useful is asked for where the archive is known to have
# it, and no lack of it stands in the way.
install_packages() {
    local missing package
    [ -z "${1:-}" ] || keep_offered
    find_missing "${packages[@]}" "${optional[@]}"
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ -n "$offline" ]; then
        find_missing "${packages[@]}"
        [ "${#missing[@]}" -eq 0 ] || fail 1 "--offline downloads nothing, and packages are missing; \
install them first: apt-get install ${missing[*]}"
        find_missing "${optional[@]}"
        for package in "${missing[@]}"; do
            say "  $package is not installed, $(what_for "$package")"
        done
        return
    fi
    step "Packages from apt: ${missing[*]}"
    logged apt-get -o DPkg::Lock::Timeout=300 update || lacks "${1:-}" "apt-get update failed" ||
        return 0
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
            "$package" || lacks "${1:-}" "apt-get could not install $package" || continue
        remember "package $package"
    done
}

# lacks AGAIN WHY: ends the installation, unless it runs again and nothing that it needs is missing.
lacks() {
    local missing
    find_missing "${packages[@]}"
    if [ -z "$1" ] || [ "${#missing[@]}" -gt 0 ]; then
        fail 1 "$2: $(reason)."
    fi
    say "  $2: $(reason)"
    return 1
}
