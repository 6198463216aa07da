#!/bin/sh
# x - sees to what building and testing Anykernel needs, then runs `cargo xtask`.
#
#   ./x demo            build, boot and serve examples/httpd
#   ./x test            all that must hold before a change is merged
#   ./x --yes test      the same, installing what is missing without a question
#   ./x --help          the other commands
#
# On Debian and its relatives missing packages are installed with apt-get, through sudo when not
# root. Elsewhere this script says what is missing. Who has everything may call `cargo xtask`.

set -eu

# Each need: a command to look for (or a file, when it starts with a slash), the Debian package
# that brings it, and what it is for.
needs='
cc                              gcc                 linking Rust programs and compiling C ones
make                            make                building the programs that the tests try
tar                             tar                 unpacking their sources
bzip2                           bzip2               the same
xz                              xz-utils            the same
tclsh                           tcl                 building SQLite, one of them
qemu-system-x86_64              qemu-system-x86     booting images
musl-gcc                        musl-tools          compiling programs for images
/usr/include/x86_64-linux-musl/stdio.h  musl-dev    the C library of programs in images
/usr/include/linux/types.h      linux-libc-dev      the kernel headers that programs include
/usr/include/stdio.h            libc6-dev           compiling C programs for Linux
/etc/ssl/certs/ca-certificates.crt  ca-certificates  fetching crates
'

say() {
    printf '%s\n' "x: $*" >&2
}

have() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Prints `package<tab>purpose` for each need that is not met.
missing() {
    printf '%s' "$needs" | while read -r what package purpose; do
        if [ -n "$what" ] && ! have "$what"; then
            printf '%s\t%s\n' "$package" "$purpose"
        fi
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Asks on the terminal; without one only --yes is a yes.
agreed() {
    [ "$yes" = yes ] && return 0
    [ -t 0 ] && [ -t 2 ] || return 1
    printf 'x: install them now? [y/N] ' >&2
    read -r answer || return 1
    case $answer in
        [yY] | [yY][eE][sS]) return 0 ;;
        *) return 1 ;;
    esac
}

see_to_packages() {
    wanted=$(missing)
    [ -n "$wanted" ] || return 0
    packages=$(printf '%s\n' "$wanted" | cut -f 1 | tr '\n' ' ')
    purposes=$(printf '%s\n' "$wanted" | cut -f 2 | tr '\n' ';' | sed 's/;$//; s/;/; /g')
    say "missing: ${packages% } ($purposes)"
    if ! have apt-get; then
        say 'install what these Debian packages hold, then run this again'
        exit 2
    fi
    by=
    if [ "$(id -u)" -ne 0 ]; then
        by='sudo '
        if ! have sudo; then
            say "as root: apt-get install ${packages% }"
            exit 2
        fi
    fi
    if ! agreed; then
        say "run: ${by}apt-get install ${packages% } (or ./x --yes, which does)"
        exit 2
    fi
    as_root apt-get update --quiet >&2
    # shellcheck disable=SC2086 # a list of packages, split on purpose
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet --yes --no-install-recommends $packages >&2
    wanted=$(missing)
    if [ -n "$wanted" ]; then
        say "installed, and still not there: $(printf '%s\n' "$wanted" | cut -f 1 | tr '\n' ' ')"
        exit 2
    fi
}

see_to_cargo() {
    have cargo && return 0
    if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
        export PATH
        return 0
    fi
    say 'cargo is missing: install the stable toolchain from https://rustup.rs, then run this again'
    exit 2
}

yes=no
while :; do
    case ${1-} in
        -y | --yes)
            yes=yes
            shift
            ;;
        *) break ;;
    esac
done

case ${1-} in
    '' | -h | --help | help)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        ;;
    *) see_to_packages ;;
esac
see_to_cargo
cd "$(dirname "$0")"
exec cargo xtask "$@"
