"""Verifies tokens with PyJWT: one a line on stdin, a verdict a line on stdout, "ok" or why not.

    pyjwt.py JWKS-URL ISSUER AUDIENCE fast|defaults
"""
import sys

import jwt


def main(url: str, issuer: str, audience: str, tuning: str) -> None:
    options = {"lifespan": 1, "cooldown_duration": 0} if tuning == "fast" else {}  # in seconds
    keys = jwt.PyJWKClient(url, **options)
    print(jwt.__version__, flush=True)
    for line in sys.stdin:
        print(verdict(keys, line.strip(), issuer, audience), flush=True)


def verdict(keys: jwt.PyJWKClient, token: str, issuer: str, audience: str) -> str:
    try:
        key = keys.get_signing_key_from_jwt(token).key
        jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, audience=audience)
        return "ok"
    except jwt.PyJWTError as error:
        return f"{type(error).__name__}: {error}".replace("\n", " ")


if __name__ == "__main__":
    main(*sys.argv[1:])
