# shellcheck shell=bash
# What this system is, and whether the appliance runs on it.

supported="supported are Raspberry Pi OS 64-bit and Debian 12 (bookworm) or 13 (trixie) on arm64 and \
amd64, and JetPack 6 and 7 on a Jetson"

# os_release KEY: the value, without quotes.
os_release() {
    local file=$root/etc/os-release line
    [ -r "$file" ] || file=$root/usr/lib/os-release
    line=$(grep -m 1 -- "^$1=" "$file" 2>/dev/null) || return 0
    line=${line#*=}
    line=${line#[\"\']}
    printf '%s' "${line%[\"\']}"
}

# Sets `system` (debian, raspberry or jetson), `release_of_system` (12, 13, 6 or 7), `board` and
# `architecture`. Ends with 3 where nothing is known of this system.
detect() {
    local id version name tegra
    id=$(os_release ID)
    version=$(os_release VERSION_ID)
    name=$(os_release PRETTY_NAME)
    name=${name:-an unknown system}
    architecture=$(dpkg --print-architecture 2>/dev/null || uname -m)
    board=
    if [ -r "$root/proc/device-tree/model" ]; then
        board=$(tr -d '\0' <"$root/proc/device-tree/model")
    fi
    case $architecture in
        amd64 | arm64) ;;
        armhf | armel | arm)
            fail 3 "This is a 32-bit system ($name, $architecture), for which the networks' runtime \
and dlib have no packages; $supported: write the 64-bit image of Raspberry Pi OS to the card \
(Raspberry Pi 3 and newer)."
            ;;
        *) fail 3 "There are no packages for the architecture $architecture; $supported." ;;
    esac
    if [ -e "$root/etc/nv_tegra_release" ]; then
        tegra=$(sed -n '1s/^# R\([0-9]*\) .*/\1/p' "$root/etc/nv_tegra_release")
        case $id/$version/$tegra in
            ubuntu/22.04/36) release_of_system=6 ;;
            ubuntu/24.04/3[89] | ubuntu/24.04/[4-9][0-9]) release_of_system=7 ;;
            *) fail 3 "This is $name with Jetson Linux ${tegra:-unknown}; $supported." ;;
        esac
        system=jetson
        return
    fi
    case $id/$version in
        debian/12 | debian/13) release_of_system=$version ;;
        *) fail 3 "This is $name, which nobody tried; $supported." ;;
    esac
    system=debian
    # Its image says so also where it is being built on another machine.
    if [ -e "$root/etc/rpi-issue" ] || [[ $board == *"Raspberry Pi"* ]]; then
        system=raspberry
    fi
}

# One line about it.
describe() {
    local name
    name=$(os_release PRETTY_NAME)
    case $system in
        raspberry) name="Raspberry Pi OS 64-bit ($name)" ;;
        jetson) name="JetPack $release_of_system ($name)" ;;
    esac
    printf '%s, %s%s' "$name" "$architecture" "${board:+, $board}"
}

python_version() {
    "$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# The system's own Python: its packages (lgpio, picamera2, tensorrt, gi) fit no other.
check_python() {
    fits "$python" || fail 3 "$python is Python $(python_version || true), and $versions is needed; \
$supported."
    makes_environments "$python" ||
        fail 3 "$python cannot make a virtual environment; run: apt-get install python3-venv"
}

# driver: camera.driver as the config says, or as it will say. Read without a YAML parser, since
# there may be none yet; the program itself reads the file before anything is started.
camera_driver() {
    local file=$config
    [ -r "$file" ] || file=$here/config.yaml
    sed -n '/^camera:/,/^[^[:space:]#]/s/^[[:space:]]\+driver:[[:space:]]*["'\'']\?\([a-z0-9]*\).*/\1/p' \
        "$file" | head -n 1
}

# Sets `packages`: what comes from apt. A board gets the library of its own camera connector, so
# that a change of camera.driver needs no installation; elsewhere only what the config names.
# Sets `optional`: what is taken where the archive has it.
choose_packages() {
    local driver
    driver=$(camera_driver)
    packages=(python3 python3-venv)
    optional=()
    # No wheel of lgpio for Python 3.13; Raspberry Pi's archive has it, and Debian's has not.
    if [ "$release_of_system" = 13 ]; then
        optional+=(python3-lgpio)
    fi
    if [ "$system" = raspberry ] || [ "$driver" = picamera2 ]; then
        optional+=(python3-picamera2)
    fi
    if [ "$system" = jetson ]; then
        optional+=(python3-libnvinfer)
    fi
    # Of evdev there is no wheel for ARM64. Not among the must-haves: most doors have no keypad.
    if [ "$architecture" = arm64 ]; then
        optional+=(python3-evdev)
    fi
    if [ "$system" = jetson ] || [ "$driver" = gstreamer ]; then
        packages+=(python3-gi gir1.2-gst-plugins-base-1.0)
    fi
}

# what_for PACKAGE: why one misses it.
what_for() {
    case $1 in
        python3-evdev) printf 'for a keypad or a card reader' ;;
        python3-lgpio) printf 'for door.driver: gpiozero' ;;
        python3-picamera2) printf 'for camera.driver: picamera2' ;;
        python3-libnvinfer) printf 'for model.delegate: tensorrt' ;;
    esac
}

# Whether the environment must see the system's Python packages.
needs_system_packages() {
    [ "$architecture" = arm64 ] || [ "$release_of_system" = 13 ] || needs_a_camera_of_the_system
}

needs_a_camera_of_the_system() {
    [ "$system" != debian ] || [[ $(camera_driver) =~ ^(picamera2|gstreamer)$ ]]
}

# Bookworm's picamera2 is built against numpy 1.
constraints_file() {
    if [ "$release_of_system" = 12 ] && needs_a_camera_of_the_system; then
        printf '%s' "$here/constraints/bookworm-picamera2.txt"
    fi
}
