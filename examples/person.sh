# shellcheck shell=bash
# A person in front of a browser, as far as curl can be one: it keeps cookies, follows redirects and fills in forms, and
# runs no scripts. $work is a folder of the caller's.
person=ada
password="correct horse battery staple"

# visit URL CURL-ARGUMENT… opens a page. $at is where the redirects end, $status what was answered there, the page
# $work/page. It goes no further than $home: nobody need listen there.
visit() {
  local next=$1 answer
  shift
  while [ -n "$next" ]; do
    at=$next
    if [[ $at == "${home:-nowhere}"* ]]; then return; fi
    answer=$(curl -sS -b "$work/jar" -c "$work/jar" -D "$work/headers" -o "$work/page" -w '%{http_code} %{redirect_url}' "$@" "$at")
    status=${answer%% *} next=${answer#* }
    forget
    set -- # what a redirect leads to is opened by GET
  done
}

# forget drops the cookies that the answer took back: curl 7.88 keeps them if another one came with it.
forget() {
  local name
  sed -n 's/^set-cookie: \([^=]*\)=;.*max-age=0.*/\1/Ip' "$work/headers" | while read -r name; do
    awk -v name="$name" '$6 != name' "$work/jar" >"$work/jar.new"
    mv "$work/jar.new" "$work/jar"
  done
}

# submit NAME=VALUE… sends the first form of the page, with its hidden fields.
submit() {
  local field fields=() action name value
  action=$(sed -n 's/.*<form[^>]* action="\([^"]*\)".*/\1/p' "$work/page" | head -n 1 | text)
  [ -n "$action" ] || { echo "person: error: $at ($status) has no form" >&2; return 1; }
  while IFS=$'\t' read -r name value; do
    fields+=(--data-urlencode "$name=$(text <<<"$value")")
  done < <(sed -n 's/.*<input type="hidden" name="\([^"]*\)" value="\([^"]*\)".*/\1\t\2/p' "$work/page")
  for field in "$@"; do fields+=(--data-urlencode "$field"); done
  [ ${#fields[@]} -gt 0 ] || fields=(--data "")
  visit "$(origin "$at")$action" "${fields[@]}"
}

# text is what a browser makes of an attribute.
text() { sed -e 's/&#34;/"/g' -e "s/&#39;/'/g" -e 's/&#43;/+/g' -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&amp;/\&/g'; }

origin() { cut -d / -f 1-3 <<<"$1"; }

# sign_in_and_allow does what authd's pages ask for, until the browser has left them.
sign_in_and_allow() {
  while :; do
    case $at in
    */login\?*) submit "username=$person" "password=$password" ;;
    */consent\?*) submit decision=allow ;;
    *) return 0 ;;
    esac
    [ "$status" -lt 400 ] || { echo "person: error: $at answers $status" >&2; return 1; }
  done
}
