"""An API with Flask and PyJWT. Tokens are verified offline; the feed tells which were revoked."""
import functools
import json
import os
import urllib.request

import jwt
from flask import Flask, g, jsonify, request

from authd_keys import Keys, KeysUnreachable
from feed import Feed, FeedUnreachable

ISSUER, AUDIENCE = os.environ["ISSUER"], "https://api.example.com"
with urllib.request.urlopen(ISSUER + "/.well-known/oauth-authorization-server", timeout=3) as answer:
    metadata = json.load(answer)
keys = Keys(metadata["jwks_uri"])
feed = Feed(metadata["authd_revocations_endpoint"], os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
app = Flask(__name__)


class Refused(Exception):
    def __init__(self, status, error, **parameters):
        self.status, self.error, self.parameters = status, error, parameters


def verify(token):
    try:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != "at+jwt":  # RFC 9068: no ID token, no refresh token
            raise jwt.InvalidTokenError("typ")
        claims = jwt.decode(
            token,
            keys.get_signing_key(header.get("kid")).key,
            algorithms=["RS256"],  # never what the token itself says
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=5,  # seconds that clocks may differ
            options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
        )
        if feed.revoked(header, claims):
            raise Refused(401, "invalid_token", error_description="token revoked")
    except jwt.ExpiredSignatureError:
        raise Refused(401, "invalid_token", error_description="token expired")
    except jwt.PyJWTError:  # an unknown kid, too
        raise Refused(401, "invalid_token", error_description="token invalid")
    except (KeysUnreachable, FeedUnreachable):
        raise Refused(503, "temporarily_unavailable")
    return claims


def token_required(scope=None, fresh=False, optional=False):
    def decorate(view):
        @functools.wraps(view)
        def protected(*args, **kwargs):
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            g.claims = verify(token.strip()) if scheme.lower() == "bearer" else None
            if g.claims is None and not optional:
                raise Refused(401, "missing_token")
            if scope and scope not in g.claims.get("scope", "").split():
                raise Refused(403, "insufficient_scope", scope=scope)
            if fresh and g.claims.get("fresh") is not True:
                raise Refused(401, "insufficient_user_authentication", max_age="0")
            return view(*args, **kwargs)

        return protected

    return decorate


@app.errorhandler(Refused)
def refused(refusal):
    response = jsonify(error=refusal.error, **refusal.parameters)
    response.status_code = refusal.status
    if refusal.status == 503:
        response.headers["Retry-After"] = "5"
    else:  # RFC 6750 §3: no error where there was no token
        told = {} if refusal.error == "missing_token" else {"error": refusal.error, **refusal.parameters}
        challenge = ", ".join(f'{name}="{value}"' for name, value in told.items())
        response.headers["WWW-Authenticate"] = f"Bearer {challenge}".rstrip()
    return response


@app.get("/hello")
@token_required(optional=True)
def hello():
    return f"hello, {g.claims['sub'] if g.claims else 'nobody'}\n"


@app.get("/me")
@token_required()
def me():
    return {"sub": g.claims["sub"], "scope": g.claims["scope"]}


@app.get("/orders")
@token_required(scope="orders:read")
def list_orders():
    return f"orders of {g.claims['sub']}\n"


@app.post("/orders")
@token_required(scope="orders:write")
def create_order():
    return f"an order of {g.claims['sub']}\n"


@app.delete("/me")
@token_required(fresh=True)
def delete_me():
    return f"goodbye, {g.claims['sub']}\n"
