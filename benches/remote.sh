#!/usr/bin/env bash
# Farkeep behind a server, beside the same in a folder, over a long line, and beside borg and restic behind theirs, all over loopback.
#
#   bash tests/prerequisites.sh cargo build --release -p farkeep -p farkeep-server -p farkeep-benches
#   PATH=$PWD/target/release:$PATH bash benches/remote.sh TREE WORK [RUNS]
#
# TREE is backed up, and UNIQUE random bytes (4G): at the server itself (near), and through a program that passes everything on
# without a delay (close) and with 80 ms for a round trip (far). WORK is an empty folder for repositories. `borg` is measured
# through `borg serve`, `restic` through `rclone serve restic` without TLS, each where it is found. Everybody uses a passphrase;
# what is read was read before.
set -euo pipefail
tree=$1 work=$2 runs=${3:-3}
port=17717 far=17718 close=17720 rest=17719
mkdir -p "$work"
export FARKEEP_PASSWORD=passphrase BORG_PASSPHRASE=passphrase RESTIC_PASSWORD=passphrase
export FARKEEP_CONFIG=$work/config BORG_BASE_DIR=$work/borg-home RESTIC_CACHE_DIR=$work/restic-cache
started=()
trap 'kill "${started[@]}" 2>/dev/null || true' EXIT

# What one act takes, in seconds, goes to the list of its name.
act() {
  local name=$1 begun=$EPOCHREALTIME
  shift
  "$@" >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }
  awk -v b="$begun" -v e="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", e - b }' >>"$work/$name.times"
}

median() { sort -n "$work/$1.times" | awk '{ all[NR] = $1 } END { print (NR % 2) ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2 }'; }

farkeepd --data "$work/server" init --listen 127.0.0.1:$port --host 127.0.0.1 >/dev/null
farkeepd --data "$work/server" serve >"$work/serve.out" 2>"$work/serve.err" &
started+=($!)
delay --listen 127.0.0.1:$far --to 127.0.0.1:$port --round-trip 80 &
started+=($!)
delay --listen 127.0.0.1:$close --to 127.0.0.1:$port --round-trip 0 &
started+=($!)
until grep -q listening "$work/serve.out"; do :; done
repositories=()
for run in $(seq "$runs"); do repositories+=(--repository "tree$run" --repository "near$run" --repository "far$run" --repository "close$run"); done
offer=$(farkeepd --data "$work/server" enroll keeper --role keeper "${repositories[@]}")
farkeep enroll "$offer" >/dev/null 2>&1
# The same host, known behind the long line too, and behind the same program without a delay.
for behind in $far $close; do
  sed "s/^port = $port/port = $behind/" "$FARKEEP_CONFIG/servers/127.0.0.1_$port.toml" >"$FARKEEP_CONFIG/servers/127.0.0.1_$behind.toml"
  chmod 600 "$FARKEEP_CONFIG/servers/127.0.0.1_$behind.toml"
done
mkdir "$work/unique"
head -c "${UNIQUE:-4G}" /dev/urandom >"$work/unique/file"

# Drops the name of the host: the other end of borg's pipe runs here.
printf '#!/bin/sh\nshift\nexec "$@"\n' >"$work/rsh"
chmod +x "$work/rsh"
export BORG_RSH=$work/rsh
if type rclone restic >/dev/null 2>&1; then
  mkdir "$work/rest"
  rclone serve restic --addr 127.0.0.1:$rest "$work/rest" >/dev/null 2>&1 &
  started+=($!)
fi
tar -cf - "$tree" "$work/unique" 2>/dev/null | cat >/dev/null

for run in $(seq "$runs"); do
  export FARKEEP_CACHE=$work/cache-$run
  near=farkeep://127.0.0.1:$port
  for repo in "$work/folder$run" $near/tree$run $near/near$run $near/far$run $near/close$run; do farkeep init --repo "$repo" >/dev/null 2>&1; done
  act folder-first farkeep backup --repo "$work/folder$run" "$tree"
  act server-first farkeep backup --repo $near/tree$run "$tree"
  act folder-again farkeep backup --repo "$work/folder$run" "$tree"
  act server-again farkeep backup --repo $near/tree$run "$tree"
  act near farkeep backup --repo $near/near$run "$work/unique"
  act close farkeep backup --repo farkeep://127.0.0.1:$close/close$run "$work/unique"
  act far farkeep backup --repo farkeep://127.0.0.1:$far/far$run "$work/unique"
  act far-again farkeep backup --repo farkeep://127.0.0.1:$far/far$run "$work/unique"
  if type borg >/dev/null 2>&1; then
    borg init --encryption repokey-blake2 "ssh://localhost$work/borg$run" >/dev/null 2>&1
    act borg-first borg create "ssh://localhost$work/borg$run::one" "$tree"
    act borg-again borg create "ssh://localhost$work/borg$run::two" "$tree"
  fi
  if type rclone restic >/dev/null 2>&1; then
    restic -r rest:http://127.0.0.1:$rest/$run init >/dev/null 2>&1
    act restic-first restic -r rest:http://127.0.0.1:$rest/$run backup "$tree"
    act restic-again restic -r rest:http://127.0.0.1:$rest/$run backup "$tree"
  fi
done

for name in folder-first server-first borg-first restic-first folder-again server-again borg-again restic-again near close far far-again; do
  if [[ -e $work/$name.times ]]; then
    printf '%-14s %s s   (%s)\n' "$name" "$(median "$name")" "$(tr '\n' ' ' <"$work/$name.times")"
  fi
done
