"""The issuer's public keys."""
import json
import time
import urllib.request

import jwt


class KeysUnreachable(Exception):
    """There are no keys yet: answer 503, the token may well be good."""


class Keys(jwt.PyJWKClient):
    """Older PyJWT waits without end, forgets all keys when a fetch fails, and fetches for every unknown kid. This one
    waits 3 s, keeps what it had, and fetches every 5 s at most."""

    asked, good = -5.0, None

    def fetch_data(self):
        if time.monotonic() >= self.asked + 5:
            self.asked = time.monotonic()
            try:
                with urllib.request.urlopen(self.uri, timeout=3) as response:
                    jwks = json.load(response)
                jwt.PyJWKSet.from_dict(jwks)  # or it is none
                self.good = jwks
            except Exception as error:  # down, slow, or something else than keys
                print("no keys from", self.uri, error, flush=True)
        if self.good is None:
            raise KeysUnreachable
        self.jwk_set_cache.put(self.good)
        return self.good
