#!/usr/bin/env bash
# The story of Farkeep on a real folder tree: back it up, change it, back it up again, restore both points in time,
# and prove them byte-identical with tools that are not Farkeep's.
#
#   bash client/demo.sh [TREE]      TREE: any folder, /usr/share if none is named
#
# Works on a copy in a temporary folder (in TMPDIR) that is removed at the end; KEEP=1 keeps it. MAX_BYTES limits the copy (1 GB).
# Ends with PASS or FAIL and the matching exit code.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tree=$(cd "${1:-/usr/share}" && pwd) || exit 2
bytes_max=${MAX_BYTES:-1000000000}
. "$root/tests/prerequisites.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/farkeep-demo.XXXXXX")
outcome=FAIL
exec 3>&1   # where a failure inside a redirected step still reaches the reader
finish() {
  local code=$?
  if [[ ${KEEP:-} == 1 ]]; then printf '\nkept: %s\n' "$work" >&3; else rm -rf "$work"; fi
  printf '\n%s\n' "$outcome" >&3
  [[ $outcome == PASS ]] || exit $((code ? code : 1))
}
trap finish EXIT
trap 'exit 130' INT TERM

copy=$work/tree
export FARKEEP_REPOSITORY=$work/repository FARKEEP_PASSWORD_FILE=$work/passphrase
# Nothing outside the temporary folder is touched, and nothing of the caller's settings is used.
export FARKEEP_CACHE=$work/cache
unset FARKEEP_PASSWORD FARKEEP_PASSWORD_COMMAND

# ---- figures -------------------------------------------------------------------------------------------------------

figures=()
figure() { figures+=("$1|$2|$3"); }   # what | value | remark
repository_bytes() { du -s --apparent-size --block-size=1 "$FARKEEP_REPOSITORY" | cut -f1; }
megabytes() { awk -v n="$1" 'BEGIN { printf "%.1f MB", n / 1e6 }'; }

# Runs one command of the story, shows it, and leaves its wall time in $seconds.
tell() {
  local begin=$EPOCHREALTIME
  printf '\n$ farkeep %s\n' "$*" >&2
  "$farkeep" "$@"
  seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
}

# ---- the tree ------------------------------------------------------------------------------------------------------

# Names of TREE in the order of find, NUL-separated, until their files add up to the limit. Sockets and what this
# user may not read stay out, so that the copy is complete.
chosen() {
  local line total=0
  (cd "$tree" && find . -xdev -readable ! -type s -printf '%y%s %p\0') | while IFS= read -r -d '' line; do
    if [[ $line == f* ]]; then
      line=${line#f}
      total=$((total + ${line%% *}))
      ((total <= bytes_max)) || break
    fi
    printf '%s\0' "${line#* }"
  done || true
}

make_copy() {
  mkdir "$copy"
  chosen >"$work/names"
  tar -C "$tree" --xattrs --no-recursion --null --verbatim-files-from -T "$work/names" -cf - | tar -C "$copy" --xattrs -xpf -
  # What a real folder may lack and a backup must bring back all the same.
  mkdir -p "$copy/farkeep-demo/empty folder"
  printf 'one file under two names\n' >"$copy/farkeep-demo/name 1"
  ln "$copy/farkeep-demo/name 1" "$copy/farkeep-demo/name 2"
  ln -s 'no such target' "$copy/farkeep-demo/dangling link"
  mkfifo "$copy/farkeep-demo/fifo"
  printf 'not UTF-8\n' >"$copy/farkeep-demo/"$'latin-1 \xe9'
  truncate -s 16M "$copy/farkeep-demo/sparse"
  printf 'in the middle' | dd of="$copy/farkeep-demo/sparse" bs=1M seek=8 conv=notrunc status=none
  files=$(find "$copy" -type f | wc -l)
  bytes=$(find "$copy" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d", n }')
}

# Edits, deletes, adds, renames and chmods every so-many-th file; which ones follows from their order alone.
change_copy() {
  local path n=0
  edited=0 deleted=0 added=0 renamed=0 modes=0
  find "$copy" -type f -links 1 -print0 | LC_ALL=C sort -z >"$work/files"
  while IFS= read -r -d '' path; do
    n=$((n + 1))
    case $((n % 200)) in
      11 | 111) chmod u+w "$path"; printf 'edited %d\n' "$n" >>"$path"; edited=$((edited + 1)) ;;
      23) rm -f "$path"; deleted=$((deleted + 1)) ;;
      37) { printf 'added %d\n' "$n"; cat "$path"; } >"$path.added"; added=$((added + 1)) ;;
      59) mv "$path" "$path.renamed"; renamed=$((renamed + 1)) ;;
      83) chmod 600 "$path"; modes=$((modes + 1)) ;;
    esac
  done <"$work/files"
  # One byte in the middle of the largest file, in place.
  path=$(find "$copy" -type f -links 1 ! -path '*/farkeep-demo/*' -printf '%s %p\n' | sort -rn | sed -n 1p | cut -d' ' -f2-)
  chmod u+w "$path"
  printf '#' | dd of="$path" bs=1 seek=$(($(stat -c %s "$path") / 2)) conv=notrunc status=none
  edited=$((edited + 1))
}

# ---- the proof -----------------------------------------------------------------------------------------------------

# Two witnesses, neither of them Farkeep: a manifest (one line per entry: type, mode, owner, time to the nanosecond,
# size, link target, hard-link count; then the SHA-256 of every file) and one digest of the tree as GNU tar packs it,
# which adds extended attributes, ACLs, and which names are links to one another. A folder's own size is left out:
# it is the file system's affair.
manifest() {
  (cd "$1" &&
    find . -mindepth 1 ! -type d -printf '%y %m %U:%G %T@ %s %n %l %p\0' -o -mindepth 1 -type d -printf '%y %m %U:%G %T@ %p\0' |
      LC_ALL=C sort -z | tr '\0' '\n' &&
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -b)
  printf 'tar '
  (cd "$1" && find . -mindepth 1 ! -type s -print0 | LC_ALL=C sort -z |
    tar --no-recursion --format=posix --pax-option=exthdr.name=%d/%f,delete=atime,delete=ctime \
      --numeric-owner --xattrs --xattrs-include='*' --acls --null --verbatim-files-from -T - -cf - | sha256sum)
}

prove() {
  local point=$1 restored=$2
  manifest "$restored" >"$work/$point.restored"
  if diff "$work/$point.manifest" "$work/$point.restored" >"$work/$point.diff"; then
    printf 'identical: %d lines of manifest and the digest of all of it\n' "$(wc -l <"$work/$point.manifest")"
  else
    printf 'NOT identical; the first differences (< source, > restored):\n'
    head -n 20 "$work/$point.diff"
    exit 1
  fi
}

# ---- the story -----------------------------------------------------------------------------------------------------

printf '\nbuilding farkeep (release)\n'
(cd "$root" && cargo build --locked --release -p farkeep)
farkeep=$(cd "$root" && cd "${CARGO_TARGET_DIR:-target}" && pwd)/release/farkeep

printf '\ncopying %s\n' "$tree"
make_copy
printf '%d files, %s\n' "$files" "$(megabytes "$bytes")"
manifest "$copy" >"$work/first.manifest"

(umask 077 && head -c 24 /dev/urandom | base64 >"$FARKEEP_PASSWORD_FILE")
tell init

tell backup "$copy"
first_bytes=$(repository_bytes)
figure 'first backup' "$seconds s" "$files files, $(megabytes "$bytes")"
figure 'repository' "$(megabytes "$first_bytes")" "$(awk -v a="$bytes" -v b="$first_bytes" 'BEGIN { printf "%.2f times smaller than the files", a / b }')"

change_copy
printf '\nchanged: %d edited, %d deleted, %d added, %d renamed, %d with another mode\n' \
  "$edited" "$deleted" "$added" "$renamed" "$modes"
manifest "$copy" >"$work/second.manifest"

tell backup "$copy"
second_bytes=$(repository_bytes)
figure 'second backup' "$seconds s" "$((edited + deleted + added + renamed + modes)) files changed, $(megabytes $((second_bytes - first_bytes))) added"

tell backup "$copy"
figure 'backup with nothing changed' "$seconds s" "$(megabytes $(($(repository_bytes) - second_bytes))) added"

tell snapshots
tell diff latest~2 latest >"$work/diff"
head -n 8 "$work/diff"
printf '(%d lines)\n' "$(wc -l <"$work/diff")"

tell restore "latest:$copy" --target "$work/now"
figure 'restore of the latest point' "$seconds s" ''
prove second "$work/now"
figure '  compared with the source' 'identical' "$(find "$work/now" -mindepth 1 | wc -l) entries"
[[ $(stat -c %b "$work/now/farkeep-demo/sparse") -le 2048 ]] || { printf 'the sparse file came back without its holes\n'; exit 1; }

tell restore "latest~2:$copy" --target "$work/then"
figure 'restore of the first point' "$seconds s" ''
prove first "$work/then"
figure '  compared with the source' 'identical' "$(find "$work/then" -mindepth 1 | wc -l) entries"

tell check --read-data
figure 'check of all data' "$seconds s" ''

printf '\n%-30s %12s   %s\n' 'step' 'result' 'remark'
for line in "${figures[@]}"; do
  IFS='|' read -r what value remark <<<"$line"
  printf '%-30s %12s   %s\n' "$what" "$value" "$remark"
done
outcome=PASS
