"""An API with Flask-JWT-Extended as it comes, 4.4 or later: authd signs in, this verifies."""
import functools
import json
import os
import urllib.request

import jwt
from flask import Flask, jsonify, request
from flask_jwt_extended import JWTManager, get_jwt, get_jwt_identity, jwt_required

from authd_keys import Keys, KeysUnreachable
from feed import Feed, FeedUnreachable
from introspection import Introspection, IntrospectionUnreachable

ISSUER, AUDIENCE = os.environ["ISSUER"], "https://api.example.com"
with urllib.request.urlopen(ISSUER + "/.well-known/oauth-authorization-server", timeout=3) as answer:
    metadata = json.load(answer)
client = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]

app = Flask(__name__)
app.config["JWT_ALGORITHM"] = "RS256"  # default HS256
app.config["JWT_DECODE_ALGORITHMS"] = ["RS256"]
app.config["JWT_TOKEN_LOCATION"] = ["headers"]
app.config["JWT_DECODE_AUDIENCE"] = AUDIENCE  # without it, aud is not checked
app.config["JWT_DECODE_ISSUER"] = ISSUER  # without it, iss is not checked
app.config["JWT_DECODE_LEEWAY"] = 5  # seconds that clocks may differ; default 0
manager = JWTManager(app)  # no secret: this API cannot make tokens
keys = Keys(metadata["jwks_uri"])


@manager.decode_key_loader
def key_of(header, claims):
    return keys.get_signing_key(header.get("kid")).key


@manager.token_verification_loader
def is_access_token(header, claims):
    texts = all(isinstance(claims.get(name), str) for name in ("iss", "sub", "jti"))
    return header.get("typ") == "at+jwt" and texts and {"exp", "iat", "aud"} <= claims.keys()


@manager.token_verification_failed_loader
def not_an_access_token(header, claims):
    return jsonify(msg="Only access tokens are allowed"), 422


if os.environ.get("REVOCATION") == "introspection":
    introspection = Introspection(metadata["introspection_endpoint"], *client)

    @manager.token_in_blocklist_loader
    def is_revoked(header, claims):
        token = request.headers["Authorization"].split()[1]  # the loader gets the claims alone
        return introspection.revoked(token, claims)

else:
    feed = Feed(metadata["authd_revocations_endpoint"], *client)

    @manager.token_in_blocklist_loader
    def is_revoked(header, claims):
        return feed.revoked(header, claims)


@app.errorhandler(KeysUnreachable)
@app.errorhandler(FeedUnreachable)
@app.errorhandler(IntrospectionUnreachable)
def unavailable(error):  # not mapped, these would be 500
    return jsonify(msg="Tokens cannot be verified now"), 503, {"Retry-After": "5"}


@app.errorhandler(jwt.PyJWKClientError)
def unknown_key(error):  # not mapped, this would be 500
    return jsonify(msg="Unknown signing key"), 422


def scope_required(scope):
    def decorate(view):
        @functools.wraps(view)
        @jwt_required()
        def scoped(*args, **kwargs):
            if scope not in get_jwt().get("scope", "").split():
                return jsonify(msg=f"The scope {scope} is required"), 403
            return view(*args, **kwargs)

        return scoped

    return decorate


@app.get("/hello")
@jwt_required(optional=True)
def hello():
    return f"hello, {get_jwt_identity() or 'nobody'}\n"


@app.get("/me")
@jwt_required()
def me():
    return {"sub": get_jwt_identity(), "scope": get_jwt()["scope"]}


@app.get("/orders")
@scope_required("orders:read")
def list_orders():
    return f"orders of {get_jwt_identity()}\n"


@app.post("/orders")
@scope_required("orders:write")
def create_order():
    return f"an order of {get_jwt_identity()}\n"


@app.delete("/me")
@jwt_required(fresh=True)
def delete_me():
    return f"goodbye, {get_jwt_identity()}\n"
