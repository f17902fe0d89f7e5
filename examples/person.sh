# shellcheck shell=bash
# A person in front of a browser, as far as curl can be one: it keeps cookies, follows redirects and fills in forms, and
# runs no scripts. $work is a folder of the caller's.
person=ada
password="correct horse battery staple"

# visit URL CURL-ARGUMENT… opens a page. $at is where the redirects end, $status what was answered there, the page
# $work/page. It goes no further than $home: nobody need listen there.
visit() {
  local next=$1
  shift
  while [ -n "$next" ]; do
    at=$next
    if [[ $at == "${home:-nowhere}"* ]]; then return; fi
    read -r status next < <(curl -sS -b "$work/jar" -c "$work/jar" -o "$work/page" -w '%{http_code} %{redirect_url}\n' "$@" "$at")
    set -- # what a redirect leads to is opened by GET
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
