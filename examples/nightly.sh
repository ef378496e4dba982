#!/usr/bin/env bash
# A nightly job: asks the HTTP API for a run, waits for its end, then hands on what changed since last night.
#
#   nightly.sh [provider]          default: cve
#
# Needs curl and jq, a running `uee up` (or workers and `uee dashboard`), and:
#   API_URL          where the API listens              default http://127.0.0.1:8330
#   UEE_API_TOKEN    its token, where it has one
#   UEE              the command line                   default ./bin/uee, else uee
#   CURSOR_FILE      keeps the place in the change feed default ./nightly.cursor
set -euo pipefail

provider=${1:-cve}
api=${API_URL:-http://127.0.0.1:8330}
uee=${UEE:-$([ -x ./bin/uee ] && echo ./bin/uee || echo uee)}
cursor_file=${CURSOR_FILE:-nightly.cursor}

call() { # method path [body]
  local options=(--silent --show-error --request "$1" --header "X-Actor: nightly.sh" --write-out '\n%{http_code}')
  [ -z "${UEE_API_TOKEN:-}" ] || options+=(--header "Authorization: Bearer $UEE_API_TOKEN")
  [ -z "${3:-}" ] || options+=(--header "Content-Type: application/json" --data "$3")
  local answer status
  answer=$(curl "${options[@]}" "$api$2")
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  if [ "$status" -ge 400 ]; then
    jq -r '"\(.code): \(.message)\n\(.remedy)"' <<<"$answer" >&2
    return 1
  fi
  printf '%s' "$answer"
}

# Opens the run, or joins an open one.
run_id=$(call POST "/api/providers/$provider/start" '{"mode":"incremental","reason":"nightly"}' | jq -r .runId)
echo "run $run_id" >&2
while :; do
  run=$(call GET "/api/runs?provider=$provider&limit=20" | jq --arg id "$run_id" '.runs[] | select(.runId == $id)')
  state=$(jq -r .state <<<"$run")
  [ "$state" = running ] || break
  jq -r '"\(.fetched) of \(.expected // "?")"' <<<"$run" >&2
  sleep 2
done
jq '{provider, mode, state, created, updated, removed, deadLettered, error}' <<<"$run"

# The changes since the last time, one JSON line each; the first time: all of them.
since=()
[ ! -s "$cursor_file" ] || since=(--since "$(cat "$cursor_file")")
"$uee" changes "${since[@]}" >"$cursor_file.changes"
if [ -s "$cursor_file.changes" ]; then
  jq -rs 'group_by(.op) | map("\(length) \(.[0].op)") | join(", ")' "$cursor_file.changes"
  # Pass the changes on here; the cursor is saved only afterwards.
  tail -n 1 "$cursor_file.changes" | jq -r .cursor >"$cursor_file.new"
  mv "$cursor_file.new" "$cursor_file"
fi
rm -f "$cursor_file.changes"
[ "$state" = complete ]
