# SPDX-License-Identifier: Apache-2.0
# Functions that scripts share; they are read with `source`.

# has NAME: whether this machine has a program, or a library under the file name that the linker or a program opens.
has() {
    command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null |
        grep -E "^[[:space:]]*${1//./\\.} " >/dev/null
}

# need NAME PACKAGE PURPOSE: installs a package of Debian or Ubuntu unless NAME is there, as root or by a sudo that asks nothing;
# where that cannot be, says what is missing and for what, and goes on.
need() {
    has "$1" && return
    local root=() script=${0##*/} apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
    [[ $(id -u) == 0 ]] || root=(sudo -n)
    if command -v apt-get >/dev/null && "${root[@]}" true 2>/dev/null; then
        echo "tools/$script: installing $2, which has $1 (${root[*]:+${root[*]} }apt-get install $2)"
        "${root[@]}" "${apt[@]}" install -y -qq "$2" >/dev/null 2>&1 ||
            { "${root[@]}" "${apt[@]}" update -qq && "${root[@]}" "${apt[@]}" install -y -qq "$2"; } >/dev/null 2>&1 || true
        has "$1" && return
    fi
    echo "tools/$script: $1 is missing and cannot be installed from here; $3 needs it (Debian, Ubuntu: apt-get install $2)" >&2
}

# failed_tests LOG: which tests failed, by the output of swift test, one in a line. The last line of a run, which sums up, is none of them.
failed_tests() {
    sed -n -E -e '/✘ Test run with [0-9]+ test/d' -e 's/.*✘ Test (.*) failed after.*/\1/p' "$1"
}

# libfuzzer: the path of the toolchain's libFuzzer without a main function; nothing where it has none.
libfuzzer() {
    local resources
    resources=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
    find -L "$resources/clang/lib" -name "libclang_rt.fuzzer_no_main-$(uname -m).a" 2>/dev/null | head -n 1
}

# read_only_constants FILE: a script for lld. Swift puts some objects that are written once among the constants; a linker that
# merges them makes all constants writable. Here these few are data, and the rest is read-only.
read_only_constants() {
    echo 'SECTIONS { .data.constants : { INPUT_SECTION_FLAGS(SHF_WRITE) *(.rodata .rodata.*) } } INSERT BEFORE .data;' >"$1"
}

# What counts checks: the caller has the variables passed and failed, numbers, and skipped and failures, arrays.
step() { printf '==> [%d s] %s\n' "$SECONDS" "$1"; }

# verdict NAME STATUS: counts a check; 3 means that it could not run.
verdict() {
    case $2 in
    0) passed=$((passed + 1)) ;;
    3) skipped+=("$1") ;;
    *) failed=$((failed + 1)) && failures+=("$1") && echo "tools/${0##*/}: FAILED: $1" ;;
    esac
}

# check NAME COMMAND…: a step that is one command.
check() {
    step "$1"
    "${@:2}" </dev/null
    verdict "$1" $?
}

finish() {
    ((${#skipped[@]} == 0)) || printf "tools/${0##*/}: skipped: %s\n" "${skipped[@]}"
    # Again, at the end, where one looks first.
    ((${#failures[@]} == 0)) || printf "tools/${0##*/}: FAILED: %s\n" "${failures[@]}"
    echo "tools/${0##*/}: $passed passed, $failed failed, ${#skipped[@]} skipped, $SECONDS s"
    exit $((failed > 0))
}
