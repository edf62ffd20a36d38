#!/usr/bin/env bash
# Everything that must hold before a change is good: formatting, lints, tests. The same command at the desk and in CI,
# from any folder. One build profile throughout, so that each dependency is compiled once.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
. tests/prerequisites.sh

step() {
  printf '\n==> %s\n' "$*"
  "$@"
}

# What the run leaves behind in the checkout, besides ignored build output, is a fault of a test.
tree_state() { if git rev-parse --git-dir >/dev/null 2>&1; then git status --porcelain; fi; }

if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
  step rustup component add rustfmt clippy
fi
before=$(tree_state)
step cargo fmt --all --check
step cargo fmt --manifest-path fuzz/Cargo.toml --check
step cargo clippy --locked --workspace --all-targets -- -D warnings
step cargo test --locked --workspace
# The fuzz targets stand outside the workspace, and share what it has compiled.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
step cargo clippy --locked --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
step cargo test --locked --manifest-path fuzz/Cargo.toml
after=$(tree_state)
if [[ $before != "$after" ]]; then
  printf 'the run changed the checkout:\n' >&2
  diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") >&2 || true
  exit 1
fi
printf '\nall checks passed in %d min %02d s\n' $((SECONDS / 60)) $((SECONDS % 60))
