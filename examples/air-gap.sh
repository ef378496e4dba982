#!/usr/bin/env bash
# Carries the mirror to a machine without internet and back up to date: docs/bundles.md tells the same in words.
# Needs openssl. Both machines are played by this one: what is done `online` reaches the upstreams, what is done `inside` does not.
#
#   air-gap.sh [provider]          default: all
#
#   ONLINE_REDIS_URL   the Redis of the mirror that has internet          default REDIS_URL
#   INSIDE_REDIS_URL   the Redis of the machine without internet          default REDIS_URL, under another prefix
#   CARRIER            the folder that is carried: a disk, a share        default ./carrier
#   UEE                the command line                                   default ./bin/uee, else uee
set -euo pipefail

uee=${UEE:-$([ -x ./bin/uee ] && echo ./bin/uee || echo uee)}
carrier=${CARRIER:-./carrier}
provider=${1:-all}
mkdir -p "$carrier"

online() { REDIS_URL=${ONLINE_REDIS_URL:-$REDIS_URL} "$uee" "$@"; }
inside() {
  # No address can be reached: whatever asked an upstream would fail.
  REDIS_URL=${INSIDE_REDIS_URL:-$REDIS_URL} UEE_PREFIX=inside UEE_SCHEDULES=off \
    UEE_CVE_URL=http://127.0.0.1:1/ UEE_CVE_FEEDS_URL=off "$uee" "$@"
}

# 1. Once: a key pair. The private half stays online, the public half goes inside by a way that you trust.
[ -s online.pem ] || openssl genpkey -algorithm ed25519 -out online.pem
[ -s online.pub ] || openssl pkey -in online.pem -pubout -out online.pub

# 2. Online: mirror, and write all of it into one file. Later only what changed since the last file that was carried.
online run "$provider" --wait >&2
last=$(ls -1 "$carrier" 2>/dev/null | grep '\.bundle$' | tail -n 1 || true)
number=${last%.bundle}
next=$(printf '%04d.bundle' "$((10#${number:-0} + 1))")
since=()
[ -z "$last" ] || since=(--since "$carrier/$last")
online bundle create "$carrier/$next" --provider "$provider" --sign online.pem "${since[@]}"

# 3. Inside: check the file that arrived, and load it. The same command continues after any interruption.
inside bundle verify "$carrier/$next" --public-key online.pub
inside bundle load "$carrier/$next" --public-key online.pub >&2

# 4. Inside: how old the mirror is. It counts from when the mirror online was verified, not from the load.
inside status $([ "$provider" = all ] || echo "$provider") --check --max-age 7d >&2 || echo "The mirror is older than a week: carry the next bundle." >&2
