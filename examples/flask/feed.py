"""What was revoked, by authd's revocation feed: no request costs a question."""
import base64
import json
import threading
import time
import urllib.parse
import urllib.request

KINDS = ("sid", "jti", "sub", "client_id", "kid")  # kid is in the token's header


class FeedUnreachable(Exception):
    """Nothing was heard for a minute: answer 503, the token may have been revoked."""


class Feed:
    def __init__(self, url, client_id, client_secret):
        pair = ":".join(urllib.parse.quote(part, safe="") for part in (client_id, client_secret))
        self._url, self._basic = url, "Basic " + base64.b64encode(pair.encode()).decode()
        self._entries, self._cursor, self._heard = {}, "", 0.0
        self._ask()  # a wrong secret shows at the start
        threading.Thread(target=self._follow, daemon=True).start()

    def revoked(self, header, claims):
        if time.monotonic() > self._heard + 60:
            raise FeedUnreachable
        values = {**claims, "kid": header["kid"]}
        marks = (self._entries.get((kind, values.get(kind))) for kind in KINDS)
        return any(mark and claims["iat"] < mark[0] for mark in marks)

    def _follow(self):
        while True:
            try:
                self._ask()
            except Exception as error:  # down, slow, or something else than the feed
                print("no news from", self._url, error, flush=True)
            time.sleep(1)

    def _ask(self):
        sent = time.monotonic()
        query = "?" + urllib.parse.urlencode({"after": self._cursor}) if self._cursor else ""
        headers = {"Authorization": self._basic, "Prefer": "wait=20"}  # for news, which comes at once
        request = urllib.request.Request(self._url + query, headers=headers)
        with urllib.request.urlopen(request, timeout=25) as response:
            news = json.load(response)
        kept = {} if news.get("reset") else {k: v for k, v in self._entries.items() if v[1] > time.time() - 60}
        for entry in news["revoked"]:
            for kind in KINDS:
                if kind in entry:  # tokens of before that time, or all
                    old = kept.get((kind, entry[kind]), (0, 0))
                    mark = (entry.get("before", float("inf")), entry["exp"])
                    kept[kind, entry[kind]] = (max(old[0], mark[0]), max(old[1], mark[1]))
        self._entries, self._cursor, self._heard = kept, news["next"], sent
