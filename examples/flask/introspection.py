"""Whether a token was revoked, by asking authd about each one (RFC 7662): exact, for one call per request."""
import base64
import json
import urllib.parse
import urllib.request


class IntrospectionUnreachable(Exception):
    """Answer 503: the token may well be good, and may have been revoked."""


class Introspection:
    def __init__(self, url, client_id, client_secret):
        pair = ":".join(urllib.parse.quote(part, safe="") for part in (client_id, client_secret))
        self._url, self._basic = url, "Basic " + base64.b64encode(pair.encode()).decode()

    def revoked(self, token, claims):
        body = urllib.parse.urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        request = urllib.request.Request(self._url, body, {"Authorization": self._basic})
        try:
            with urllib.request.urlopen(request, timeout=3) as response:
                answer = json.load(response)
            active = answer["active"]
        except Exception as error:  # down, slow, or it refuses this API's secret
            raise IntrospectionUnreachable from error
        if active is not True:
            return True
        return any(answer.get(name) != claims[name] for name in ("jti", "sub"))  # the answer is about this token
