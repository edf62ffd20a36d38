# What the build wants from the system, found or installed. Sourced by tests/run.sh and client/demo.sh; it leaves
# ROCKSDB_LIB_DIR and ROCKSDB_INCLUDE_DIR exported when the system's RocksDB can be linked, and prints what it did.
# Run by itself, it does the same for one command: bash tests/prerequisites.sh cargo build --release -p farkeep
# shellcheck shell=bash
#
# Why RocksDB needs care: building it from source takes about 25 minutes on two cores, linking the library of a
# distribution takes seconds. But the Rust crate fits only the versions whose C interface it was written against.
# Everything else that has C inside (zstd, BLAKE3, AWS-LC) is compiled by cargo itself with a plain C compiler.

# The versions that crate rocksdb 0.20.1 compiles and links against: 7.8 (Debian 12) and 7.9 (its own sources).
rocksdb_fits() { [[ $1 == 7.8.* || $1 == 7.9.* ]]; }

say() { printf 'prerequisites: %s\n' "$*"; }
stop() { printf 'prerequisites: %s\n' "$*" >&2; exit 1; }

find_cargo() {
  command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
  command -v cargo >/dev/null || stop "cargo is missing. Install a Rust toolchain first: https://rustup.rs"
}

# Cargo.toml names the least version of Rust; an older cargo would only say so after it has fetched everything.
check_rust() {
  local root wanted found
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
  found=$(cd "$root" && rustc --version | awk '{ sub(/-.*/, "", $2); print $2 }') || found=''
  [[ -n $found ]] || stop "rustc does not run. Install a Rust toolchain, $wanted or newer: https://rustup.rs"
  printf '%s\n' "$wanted" "$found" | sort -V -C ||
    stop "Rust $found is too old: Farkeep needs $wanted or newer. With rustup: rustup update stable"
}

# The C compiler knows where this system keeps its libraries: it answers with a path only for one that is there.
library_path() {
  local answer
  answer=$(cc -print-file-name="$1" 2>/dev/null) && [[ $answer == /* && -e $answer ]] && printf '%s\n' "$answer"
}

find_cxx() { command -v c++ >/dev/null && library_path libstdc++.so >/dev/null; }

any_file() {
  local pattern
  for pattern; do
    if compgen -G "$pattern" >/dev/null; then return 0; fi
  done
  return 1
}

# bindgen loads libclang at build time, and libclang wants its own headers (stddef.h and the like) beside it.
find_libclang() {
  local pattern
  any_file '/usr/lib/llvm*/lib/clang/*/include/stddef.h' '/usr/lib*/clang/*/include/stddef.h' \
    '/usr/local/lib*/clang/*/include/stddef.h' || [[ -n ${LIBCLANG_PATH:-} ]] || return 1
  for pattern in 'libclang.so*' 'libclang-*.so*'; do
    any_file "${LIBCLANG_PATH:-/usr/lib}/$pattern" "/usr/lib/llvm*/lib/$pattern" "/usr/lib/*-linux-gnu/$pattern" \
      "/usr/lib64/$pattern" "/usr/local/lib/$pattern" && return 0
  done
  return 1
}

# Prints the version of the RocksDB whose headers stand in a folder, from the macros of rocksdb/version.h.
rocksdb_version() {
  local header="$1/rocksdb/version.h"
  [[ -r $header ]] || return 1
  awk '$1 == "#define" && $2 ~ /^ROCKSDB_(MAJOR|MINOR|PATCH)$/ { v = v dot $3; dot = "." } END { print v; exit v == "" }' "$header"
}

# Sets rocksdb_lib, rocksdb_include and rocksdb_found to the RocksDB of this system, if it has one.
find_rocksdb() {
  local library
  rocksdb_lib='' rocksdb_include='' rocksdb_found=''
  for rocksdb_include in /usr/local/include /usr/include; do
    rocksdb_found=$(rocksdb_version "$rocksdb_include") && break
  done
  [[ -n $rocksdb_found ]] && library=$(library_path librocksdb.so) || return 1
  rocksdb_lib=$(cd "$(dirname "$library")" && pwd)
}

# Would the distribution's package fit? Asked before anything is installed, so that a useless one never is.
rocksdb_package_fits() {
  local candidate
  command -v apt-cache >/dev/null || return 1
  candidate=$(apt-cache policy librocksdb-dev 2>/dev/null | awk '$1 == "Candidate:" { print $2 }')
  rocksdb_fits "${candidate#*:}"
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else stop "this needs root, and there is no sudo. As root: $*"
  fi
}

have_rocksdb() { [[ -n ${ROCKSDB_LIB_DIR:-} ]] || find_rocksdb; }

missing_packages() {
  find_cxx || echo g++
  find_libclang || echo libclang-dev
  have_rocksdb || ! rocksdb_package_fits || echo librocksdb-dev
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; }
apt_update() { say "fetching the package lists"; as_root apt-get update -q; }

# A fresh machine has no package lists, and those of an older one may name files that are gone: fetched when needed.
install_missing() {
  local packages
  if find_cxx && find_libclang && have_rocksdb; then return; fi
  if command -v apt-get >/dev/null; then
    apt-cache show libclang-dev >/dev/null 2>&1 || apt_update || stop "apt-get update failed"
  fi
  mapfile -t packages < <(missing_packages)
  [[ ${#packages[@]} -gt 0 ]] || return 0
  command -v apt-get >/dev/null ||
    stop "this system has no apt-get; install what corresponds to these Debian packages: ${packages[*]}"
  say "installing ${packages[*]}"
  apt_install "${packages[@]}" || { apt_update && apt_install "${packages[@]}"; } ||
    stop "apt-get could not install: ${packages[*]}"
}

choose_rocksdb() {
  if [[ -n ${ROCKSDB_LIB_DIR:-} ]]; then
    say "RocksDB as ROCKSDB_LIB_DIR says: $ROCKSDB_LIB_DIR"
  elif find_rocksdb && rocksdb_fits "$rocksdb_found"; then
    export ROCKSDB_LIB_DIR=$rocksdb_lib ROCKSDB_INCLUDE_DIR=$rocksdb_include
    say "linking RocksDB $rocksdb_found of this system. For cargo by hand:"
    say "  export ROCKSDB_LIB_DIR=$ROCKSDB_LIB_DIR ROCKSDB_INCLUDE_DIR=$ROCKSDB_INCLUDE_DIR"
  else
    say "no RocksDB 7.8 or 7.9 on this system (found: ${rocksdb_found:-none}): it will be built from source,"
    say "  once, which takes about 25 minutes on two cores"
  fi
}

command -v cc >/dev/null || stop "a C compiler is missing. On Debian: apt-get install gcc libc6-dev"
find_cargo
check_rust
install_missing
find_cxx || stop "a C++ compiler with its library is missing (Debian: g++)"
find_libclang || stop "libclang with its headers is missing (Debian: libclang-dev)"
choose_rocksdb

# Run by itself, with a command: that command comes next, and finds what was found here.
if [[ ${BASH_SOURCE[0]} == "$0" && $# -gt 0 ]]; then exec "$@"; fi
