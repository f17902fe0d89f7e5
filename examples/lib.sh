# shellcheck shell=bash
# What the run scripts of the examples share: build authd, start it with a PostgreSQL of its own
# in a temporary folder, and clean up at the end, whatever happens.
set -euo pipefail
unset "${!AUTHD_@}" # settings of this shell are not the example's
export NO_PROXY=127.0.0.1

audience=https://api.example.com
work=$(mktemp -d)
chmod 711 "$work" # PostgreSQL refuses root, and runs as another user who passes through here
pids=()

cleanup() {
  local code=$? pid
  for pid in ${pids[@]+"${pids[@]}"}; do
    kill "$pid" 2>/dev/null || true
    kill -CONT "$pid" 2>/dev/null || true # it may have been stopped
  done
  for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" || true; done
  [ "$code" = 0 ] || tail -n 40 "$work"/*.log >&2 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

say() { printf '\n# %s\n' "$*"; }
fail() { printf 'example: error: %s\n' "$*" >&2; exit 1; }

# build NAME FOLDER makes $work/NAME of the Go program there, which may be in a module of its own.
build() { go -C "$2" build -o "$work/$1" .; }

# serve NAME TEXT COMMAND… starts COMMAND on $PORT and returns when its log has TEXT. The port is
# a guess: where another program has it, COMMAND ends, and the next one is tried.
serve() {
  local name=$1 text=$2 pid
  shift 2
  for _ in 1 2 3 4 5; do
    PORT=$((20000 + RANDOM % 20000))
    : >"$work/$name.log"
    "$@" >"$work/$name.log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
      if grep -q "$text" "$work/$name.log"; then
        pids+=("$pid")
        return
      fi
      sleep 0.05
    done
  done
  fail "$name did not start"
}

# start_authd sets $issuer.
start_authd() {
  build authd ../../cmd/authd
  serve authd "authd is ready" authd_serve "$@"
  issuer=http://127.0.0.1:$PORT
}

authd_serve() {
  exec "$work/authd" serve --data-dir "$work/data" --issuer "http://127.0.0.1:$PORT" \
    --listen "127.0.0.1:$PORT" --ops-listen 127.0.0.1:0 "$@"
}

# create_client ID FLAG… sets $secret.
create_client() {
  secret=$("$work/authd" clients create "$@" --data-dir "$work/data" --audience "$audience" --json | member client_secret)
}

# get_token ID SCOPE prints an access token.
get_token() {
  curl -sS -u "$1:$secret" -d grant_type=client_credentials -d "scope=$2" "$issuer/oauth2/token" | member access_token
}

# member NAME prints a text member of the JSON object on stdin.
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

# want STATUS CURL-ARGUMENT… prints the answer, with tokens cut short, and fails if its status is another one. "401|503"
# is either.
want() {
  local status
  status=$(curl -sS -o "$work/answer" -w '%{http_code}' "${@:2}")
  echo "$status $(sed -E 's/([A-Za-z0-9_-]{8})[A-Za-z0-9._-]{40,}/\1…/g' "$work/answer")"
  [[ $status =~ ^($1)$ ]] || fail "the status is $status, want $1"
}

# want_soon is want, but for a minute the status may be another one.
want_soon() {
  local give_up=$((SECONDS + 60))
  until [ "$(curl -sS -o /dev/null -w '%{http_code}' "${@:2}")" = "$1" ] || [ $SECONDS -ge $give_up ]; do sleep 0.1; done
  want "$@"
}

# says TEXT fails unless the latest answer has TEXT.
says() { grep -qF -- "$1" "$work/answer" || fail "the answer does not say $1"; }

# block PAGE HEADING prints the first sh block under a heading of a page of Markdown.
block() {
  awk -v heading="## $2" '
    $0 == heading { here = 1 }
    here && /^```$/ { exit }
    inside { print }
    here && /^```sh$/ { inside = 1 }
  ' "$1" | grep . || fail "$1 has no sh block under $2"
}
