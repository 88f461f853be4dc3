#!/usr/bin/env bash
# Makes .venv with everything pinned in constraints.txt, and the package itself in it. Safe to repeat.
# `setup.sh tests`: what only tests need has to be there as well; otherwise it is installed where that can be.
# `setup.sh soak`: the browser of the long runs as well; without it they skip its test.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
needed_packages=(python3-venv)
soak_packages=(chromium chromium-driver)
# The last four build the bench board's firmware and its simulator.
test_packages=(poppler-utils prometheus gcc-avr avr-libc libsimavr-dev gcc)

say() { printf '%s\n' "$*" >&2; }

missing_debian() {
    command -v dpkg-query >/dev/null || return 0
    for package in "$@"; do
        case $package in
            # A Python that did not come from Debian brings its own venv.
            python3-venv) "$python" -c 'import ensurepip, venv' 2>/dev/null || printf '%s ' "$package" ;;
            gcc-avr) command -v avr-gcc >/dev/null || printf '%s ' "$package" ;;
            avr-libc) [ -e /usr/lib/avr/include/avr/io.h ] || printf '%s ' "$package" ;;
            libsimavr-dev) [ -e /usr/include/simavr/sim_avr.h ] || printf '%s ' "$package" ;;
            gcc) command -v cc >/dev/null || printf 'gcc libc6-dev ' ;;
            poppler-utils) command -v pdftoppm >/dev/null || printf '%s ' "$package" ;;
            chromium) command -v chromium >/dev/null || printf '%s ' "$package" ;;
            chromium-driver) command -v chromedriver >/dev/null || printf '%s ' "$package" ;;
            # Tests use its two programs.
            prometheus) command -v promtool >/dev/null || printf '%s ' "$package" ;;
        esac
    done
}

# What builds interfaces/; without it, all but actions works.
missing_compilers() {
    command -v dpkg-query >/dev/null || return 0
    command -v gcc >/dev/null || printf 'gcc '
    command -v g++ >/dev/null || printf 'g++ '
    "$python" -c 'import pathlib, sys, sysconfig
sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").is_file())' || printf 'python3-dev '
}

install_debian() {
    local missing=$1
    [ -n "$missing" ] || return 0
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        if sudo -n true 2>/dev/null; then sudo="sudo -n"; else
            say "missing Debian packages: $missing"
            say "  next: apt-get install $missing   (as root), then run this again"
            return 1
        fi
    fi
    say "installing Debian packages: $missing"
    # The service that comes with prometheus is not wanted: masked while it is installed, disabled afterwards.
    local unit="" ended=0
    if [[ $missing == *prometheus* && -d /etc/systemd/system && ! -e /etc/systemd/system/prometheus.service ]]; then
        unit=/etc/systemd/system/prometheus.service
        $sudo ln -s /dev/null "$unit"
    fi
    { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing >/dev/null; } || ended=$?
    if [ -n "$unit" ]; then
        $sudo rm -f "$unit"
        $sudo systemctl disable prometheus >/dev/null 2>&1 || true
    fi
    return "$ended"
}

browser() {
    install_debian "$(missing_debian "${soak_packages[@]}")" || say "  going on without a browser: its test will be skipped"
    .venv/bin/python -m pip --disable-pip-version-check -qq install --no-deps --require-hashes -r tests/soak/requirements.txt \
        || say "  going on without selenium: the browser's test will be skipped"
}

build_interfaces() {
    # Installs the compilers only where they are needed: at once after it, nothing is left to build.
    .venv/bin/python scripts/build_interfaces.py 2>/dev/null && return 0
    install_debian "$(missing_compilers)" || true
    say "building harness_interfaces, the simulated arm's action type ..."
    .venv/bin/python scripts/build_interfaces.py || true
}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    say "Python 3.10 or later is needed; '$python' is $("$python" --version 2>&1 || echo absent)"
    say "  next: install one and run: make PYTHON=/path/to/python3"
    exit 1
fi
install_debian "$(missing_debian "${needed_packages[@]}")"
if ! install_debian "$(missing_debian "${test_packages[@]}")"; then
    [ "${1:-}" != tests ] || exit 1
    say "  only tests need them: going on without"
fi

stamp=.venv/.installed
wanted=$(cat constraints.txt pyproject.toml scripts/setup.sh | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
    build_interfaces
    [ "${1:-}" != soak ] || browser
    exit 0
fi

say "installing into .venv (about half a minute) ..."
[ -x .venv/bin/python ] || "$python" -m venv .venv
# Errors alone: the warnings of a site's own index would drown what is said here.
pip=(.venv/bin/python -m pip --disable-pip-version-check -qq)
for attempt in 1 2 3; do
    # The file is the whole closure; without --no-deps older pips stumble over extras in it.
    if "${pip[@]}" install --no-deps --require-hashes -r constraints.txt; then break; fi
    [ "$attempt" -lt 3 ] || { say "the pinned packages could not be installed; the reason is above"; exit 1; }
    say "trying again ..."; sleep $((attempt * 5))
done
"${pip[@]}" install --no-deps --no-build-isolation -e .
"${pip[@]}" check
printf '%s\n' "$wanted" > "$stamp"
build_interfaces
[ "${1:-}" != soak ] || browser
say "ready; to have the command harness at hand: source .venv/bin/activate"
