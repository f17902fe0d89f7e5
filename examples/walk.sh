# shellcheck shell=bash
# What every example of an API is put through. Each of them has the same routes:
#
#   GET /hello    for anybody, and greets whoever shows a token
#   GET /me       for anybody with a token
#   GET /orders   with the scope orders:read
#   POST /orders  with the scope orders:write
#   DELETE /me    with a token that comes straight from a sign-in
#
# X-01 and so on are the rows of what verifiers need of authd.
source ../lib.sh
page=../sign-in/README.md
apis=0

# start_issuer starts authd, and registers as the page says. $foreign is a token for another API.
start_issuer() {
  ../../scripts/example-tools curl jq
  start_authd --accounts --key-poll 1s
  authd_pid=${pids[-1]}
  export AUTHD_DATA_DIR=$work/data PATH=$work:$PATH
  secret=$(AUTHD_JSON=true bash -euc "$(block "$page" Register)" | member client_secret)
  export ISSUER=$issuer CLIENT_ID=api CLIENT_SECRET=$secret
  foreign=$(AUTHD_JSON=true authd clients create elsewhere --audience https://other.example.com | member client_secret)
  foreign=$(curl -sS -u "elsewhere:$foreign" -d grant_type=client_credentials "$issuer/oauth2/token" | member access_token)
}

# start_api TEXT COMMAND… starts the API with the environment that all of them take, and sets $api.
start_api() {
  serve "api-$((++apis))" "$1" with_listen "${@:2}"
  api=http://127.0.0.1:$PORT
}

with_listen() { LISTEN=127.0.0.1:$PORT exec "$@"; }

# The commands of the page.
sign_in() { eval "$(block "$page" "Sign in")"; }
refresh() { eval "$(block "$page" Refresh)"; }
log_out() { eval "$(block "$page" "Log out")"; }

bearer() { echo "Authorization: Bearer $1"; }
base64url() { base64 -w0 | tr +/ -_ | tr -d =; }

# with_header JSON TOKEN prints the token with another header, which its signature does not fit.
with_header() { echo "$(printf %s "$1" | base64url).${2#*.}"; }

# published prints the kids of the JWKS.
published() { curl -sS "$issuer/.well-known/jwks.json" | jq -r '.keys[].kid'; }

# walk goes through all of it. Its variables are what an example may differ in:
#   bad         the status of a token that is no good
#   lower_case  of a good one behind "bearer"
#   two         of two credentials in one header
#   revocation  feed, or introspection
#   cooldown    seconds between fetches of keys that it does not know, if that is worth waiting for
walk() {
  : "${bad:=401}" "${lower_case:=200}" "${two:=400|401}" "${revocation:?}" "${cooldown:=0}"
  sign_in
  routes
  refusals
  rotations
  outage
  endings
}

routes() {
  local token=$access_token narrow
  say "X-28: the metadata names what the API has to find"
  want 200 "$issuer/.well-known/oauth-authorization-server"
  for name in issuer jwks_uri introspection_endpoint revocation_endpoint token_endpoint authd_revocations_endpoint; do
    says "\"$name\":\"$issuer"
  done

  say "no token: only /hello answers, and to nobody it knows"
  want 401 "$api/me"
  want 200 "$api/hello"
  says nobody
  want 200 -u ada:secret "$api/hello"
  says nobody
  say "X-01 to X-08, X-11: a token as authd issues it is good for an unmodified library"
  want 200 -H "$(bearer "$token")" "$api/me"
  says usr_
  want 200 -H "$(bearer "$token")" "$api/hello"
  says usr_
  want "$lower_case" -H "authorization: bearer $token" "$api/me"
  want "$two" -H "$(bearer "$token"), Basic eDp5" "$api/me"

  say "X-12: scopes"
  want 200 -H "$(bearer "$token")" "$api/orders"
  want 200 -H "$(bearer "$token")" -X POST "$api/orders"
  narrow=$(curl -sS "$issuer/account/login" \
    --json '{"client_id":"app","username":"ada","password":"correct horse battery staple","scope":"orders:read"}' | member access_token)
  want 200 -H "$(bearer "$narrow")" "$api/orders"
  want 403 -H "$(bearer "$narrow")" -X POST "$api/orders"

  say "X-08: fresh from a sign-in, not from a refresh"
  want 200 -H "$(bearer "$token")" -X DELETE "$api/me"
  refresh
  [ "$access_token" != "$token" ] || fail "the refresh gave the same token"
  want 200 -H "$(bearer "$access_token")" "$api/me"
  want 401 -H "$(bearer "$access_token")" -X DELETE "$api/me"
}

refusals() {
  local kid
  kid=$(published | head -n 1)
  say "bad tokens are refused, and nobody is taken for anonymous with one"
  want "$bad" -H "$(bearer x.y.z)" "$api/me"
  want "$bad" -H "$(bearer x.y.z)" "$api/hello"
  want "$bad" -H "$(bearer "${access_token%????}AAAA")" "$api/me"
  want "$bad" -H "$(bearer "$(with_header "{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"$kid\"}" "$access_token")")" "$api/me"
  want "$bad" -H "$(bearer "$(with_header "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"$kid\"}" "$access_token")")" "$api/me"
  want "$bad" -H "$(bearer "$(with_header '{"alg":"RS256","typ":"at+jwt"}' "$access_token")")" "$api/me"
  say "X-09: a refresh token is none for the API"
  want "$bad" -H "$(bearer "$refresh_token")" "$api/me"
  say "X-03: a token for another API"
  want "$bad" -H "$(bearer "$foreign")" "$api/me"
}

rotations() {
  local old=$access_token signing next
  say "X-17: the signing key is the first; X-18: the next one is published before it signs"
  { read -r signing; read -r next; } < <(published)
  [ "$(kid_of "$access_token")" = "$signing" ] || fail "the first key is not the one that signs"
  rotate "$next"
  want 200 -H "$(bearer "$access_token")" "$api/me"
  say "X-19: tokens of the key before are good as long as they live"
  want 200 -H "$(bearer "$old")" "$api/me"
  published | grep -qxF -- "$signing" || fail "the key before is not published any more"

  say "X-18: a key that the API has never seen is fetched"
  rotate "$(published | sed -n 2p)"
  want_soon 200 -H "$(bearer "$access_token")" "$api/me"
  say "X-21: one that does not exist is fetched too, and makes nothing worse"
  want "$bad" -H "$(bearer "$(with_header '{"alg":"RS256","typ":"at+jwt","kid":"junk"}' "$access_token")")" "$api/me"
  want 200 -H "$(bearer "$access_token")" "$api/me"
}

# rotate KID makes that key sign, and signs in.
rotate() {
  authd keys rotate --ring access --force >"$work/rotation" # the lead is there for verifiers that cache; we want one that did not
  sign_in_by "$1"
}

# sign_in_by KID waits until that key signs, and signs in.
sign_in_by() {
  local give_up=$((SECONDS + 60))
  until [ "$(published | head -n 1)" = "$1" ] || [ $SECONDS -ge $give_up ]; do sleep 0.1; done
  sign_in
  [ "$(kid_of "$access_token")" = "$1" ] || fail "another key signs"
}

kid_of() { cut -d . -f 1 <<<"$1" | tr _- /+ | base64 -d 2>/dev/null | member kid; }

outage() {
  local junk fetched=$((cooldown > 0 ? SECONDS + cooldown + 1 : 0))
  junk=$(with_header '{"alg":"RS256","typ":"at+jwt","kid":"junk again"}' "$access_token")
  say "X-25: authd hangs; keys are in memory; what needs an answer is refused with 503, and keeps nobody waiting for long"
  kill -STOP "$authd_pid"
  if [ "$revocation" = feed ]; then want 200 -H "$(bearer "$access_token")" "$api/me"; fi
  if [ "$revocation" = introspection ]; then want 503 -H "$(bearer "$access_token")" "$api/me"; fi
  want "$bad" -H "$(bearer x.y.z)" "$api/me"
  say "X-22: an unknown key, which is asked for in vain, takes nothing from the known ones"
  while [ $SECONDS -lt $fetched ]; do curl -sS -o "$work/answer" -H "$(bearer "$junk")" "$api/me"; done
  want "$bad|503" -H "$(bearer "$junk")" "$api/me"
  if [ "$revocation" = feed ]; then want 200 -H "$(bearer "$access_token")" "$api/me"; fi
  kill -CONT "$authd_pid"
  want_soon 200 -H "$(bearer "$access_token")" "$api/me"
}

endings() {
  local elsewhere=$access_token next
  sign_in
  say "X-26, X-27: who logs out has no token that is good, elsewhere the same person has"
  want 200 -H "$(bearer "$access_token")" "$api/me"
  log_out && echo
  want_ended "$access_token"
  log_out && echo
  want 200 -H "$(bearer "$elsewhere")" "$api/me"
  want 400 "$issuer/oauth2/token" -d grant_type=refresh_token -d client_id=app -d "refresh_token=$refresh_token"

  say "X-20: tokens of a key that leaked, although the API may have the key for minutes yet"
  next=$(published | sed -n 2p)
  authd keys revoke "$(kid_of "$elsewhere")" >"$work/revocation"
  want_ended "$elsewhere"
  sign_in_by "$next"
  want_soon 200 -H "$(bearer "$access_token")" "$api/me"
}

# want_ended TOKEN: introspection knows at once, the feed a moment later. A key may be missed before either.
want_ended() {
  if [ "$revocation" = feed ]; then want_soon 401 -H "$(bearer "$1")" "$api/me"; else want 401 -H "$(bearer "$1")" "$api/me"; fi
}
