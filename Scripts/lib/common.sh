# shellcheck shell=bash
# common.sh: what every script shares. Source it; it changes to the root of the package.

set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

# Where the guest's kernel and initramfs are kept (Scripts/guest-image makes them).
# shellcheck disable=SC2034  # used by the scripts
guest_folder=$root/.build/guest

# say TEXT...: one line about what happens now.
say() { printf '%s\n' "$*" >&2; }

# step TEXT...: the heading of a part of the work.
step() { printf '\n== %s\n' "$*" >&2; }

# fail TEXT...: say what is wrong and what to do, then stop.
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# show_help: print the comment block that opens the calling script, without its leading "# ".
show_help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# as_root COMMAND...: run it as root, through sudo where we are not.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    return 1
  fi
}

# build_release: build the optimized culvert, and beside it culvert-bridge-helper, and print culvert's path on stdout.
build_release() {
  local flags=(-c release --static-swift-stdlib -Xswiftc -cross-module-optimization)
  swift build "${flags[@]}" --product culvert >&2
  swift build "${flags[@]}" --product culvert-bridge-helper >&2
  printf '%s/culvert\n' "$(swift build "${flags[@]}" --show-bin-path)"
}

# wait_until SECONDS COMMAND...: repeat a cheap COMMAND until it succeeds; fails when the time is over.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" 2>/dev/null; do
    ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}
