#!/usr/bin/env python3
"""Verifies access tokens of authd as a resource server does, offline but for the public keys.

    verify.py ISSUER AUDIENCE < tokens    # one a line; prints the claims of each as JSON
"""
import json
import sys
import urllib.request

import jwt  # PyJWT with cryptography; Debian: python3-jwt python3-cryptography


def main(issuer: str, audience: str) -> None:
    metadata_url = issuer + "/.well-known/oauth-authorization-server"  # RFC 8414, an issuer without a path
    with urllib.request.urlopen(metadata_url, timeout=5) as response:
        metadata = json.load(response)
    keys = jwt.PyJWKClient(metadata["jwks_uri"])  # caches, and fetches again for a kid that is new
    for line in sys.stdin:
        print(json.dumps(verify(keys, line.strip(), issuer, audience)))


def verify(keys: jwt.PyJWKClient, token: str, issuer: str, audience: str) -> dict:
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":  # RFC 9068: no ID token, no refresh token
        raise jwt.InvalidTokenError("typ is not at+jwt")
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token).key,
        algorithms=["RS256"],  # never what the token itself says
        issuer=issuer,
        audience=audience,
        leeway=10,  # seconds that clocks may differ
        options={"require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]},
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except jwt.PyJWTError as error:
        sys.exit(f"refused: {error}")
