# Set-up, shared by lessons/run and tests/run: install what is missing, then build. Sourced by bash; expects $root.

packages="g++ cmake ninja-build pkg-config libxtensor-dev libxtensor-blas-dev libopenblas-dev libsentencepiece-dev
          libfmt-dev libcli11-dev libcpp-httplib-dev nlohmann-json3-dev zlib1g-dev doctest-dev"

say() { printf '%s\n' "$*" >&2; }

# install_missing PACKAGE...: on Debian and its relatives. Elsewhere (conda, other systems) nothing is installed: the
# configuration says in one sentence what is missing.
install_missing() {
    if [ -n "${CONDA_PREFIX:-}" ] || ! command -v dpkg-query >/dev/null; then return; fi
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "These packages are missing; install them as root and run again:"
            say "  apt-get install ${missing[*]}"
            exit 2
        fi
        as_root=(sudo)
    fi
    say "Installing ${missing[*]} ..."
    local log
    log=$(mktemp)
    if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
               apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        cat "$log" >&2
        say "The installation failed, see above."
        exit 2
    fi
    rm -f "$log"
}

# build PRESET [TARGET ...]: configures once, then builds what has changed. Says little unless something is wrong.
build() {
    local preset=$1 folder=$root/build/$1 generator=()
    shift
    local log=$folder/build.log targets=("${@:-all}")
    mkdir -p "$folder"
    if [ ! -e "$folder/CMakeCache.txt" ]; then
        say "Building in build/$preset; the first time takes a few minutes ..."
        if command -v ninja >/dev/null; then generator=(-G Ninja); fi
    fi
    if ! (cd "$root" && cmake --preset "$preset" "${generator[@]}" && \
          cmake --build --preset "$preset" --parallel --target "${targets[@]}") >"$log" 2>&1; then
        cat "$log" >&2
        say "The build failed, see above."
        exit 2
    fi
}
