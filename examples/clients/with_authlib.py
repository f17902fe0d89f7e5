"""Authlib in a Flask application before authd, with each way to authenticate."""
import json
import os
import secrets
import subprocess

import flask
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

ISSUER, HOME = os.environ["ISSUER"], os.environ["home"]
with open(os.environ["KEY_OF_SIGNER"], encoding="utf-8") as file:
    signing_key = json.load(file)

WAYS = {  # the client's id, its secret, and how the secret is used
    "basic": (os.environ["SECRET_OF_BASIC"], "client_secret_basic"),
    "post": (os.environ["SECRET_OF_POST"], "client_secret_post"),
    "signer": (ECKey.import_key(signing_key), "private_key_jwt"),
}

app = flask.Flask(__name__)
app.secret_key = secrets.token_bytes(32)
oauth = OAuth(app)
for name, (secret, method) in WAYS.items():
    # ISSUER is the audience: unless it is told, Authlib names the endpoint that it calls, which authd takes at the token
    # endpoint alone.
    sign = PrivateKeyJWT(ISSUER, headers={"kid": signing_key["kid"]}, alg="ES256")
    oauth.register(
        name,
        client_id=name,
        client_secret=secret,
        server_metadata_url=ISSUER + "/.well-known/openid-configuration",
        client_auth_methods=[sign],
        client_kwargs={
            "scope": "openid profile offline_access orders:read",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": method,
            "revocation_endpoint_auth_method": method,
        },
    )


@app.get("/sign-in/<name>")
def sign_in(name):
    return getattr(oauth, name).authorize_redirect(HOME + "/callback", **flask.request.args)


@app.get("/callback/<name>")
def callback(name):
    return getattr(oauth, name).authorize_access_token()


@app.get("/sign-out/<name>")
def sign_out(name):
    return getattr(oauth, name).logout_redirect(HOME + "/goodbye", flask.request.args["id_token"])


@app.get("/goodbye/<name>")
def goodbye(name):
    return getattr(oauth, name).validate_logout_response()


@app.errorhandler(OAuthError)
def refused(error):
    return {"error": error.error}, 400


def person(url):
    """Opens a page as a person does who signs in and allows what is asked for; returns where the browser ends up."""
    return subprocess.run(["./person", url], check=True, capture_output=True, text=True).stdout.strip()


def through(browser, path, name, back, **arguments):
    """Goes from a page of the application to authd and back to another, and returns what is answered there."""
    away = browser.get(f"{path}/{name}", base_url=HOME, query_string=arguments)
    assert away.status_code == 302, away.text
    landed = person(away.location)
    assert landed.startswith(HOME + back + "?"), landed
    return browser.get(f"{back}/{name}", base_url=HOME, query_string=landed.partition("?")[2])


def check(name):
    client, browser = getattr(oauth, name), app.test_client()
    tokens = through(browser, "/sign-in", name, "/callback").json
    claims = tokens["userinfo"]  # the ID token's, verified
    assert (claims["iss"], claims["aud"]) == (ISSUER, name), claims
    info = client.userinfo(token=tokens)
    assert (info.sub, info.preferred_username) == (claims["sub"], "ada"), info

    metadata = client.load_server_metadata()
    with client._get_oauth_client(**metadata) as session:  # Authlib's only way to a session of this client
        old = tokens["refresh_token"]
        token = session.refresh_token(metadata["token_endpoint"], refresh_token=old)
        assert token["refresh_token"] != old
        assert client.parse_id_token(token, nonce=None)["sub"] == claims["sub"]

        def introspect():
            return session.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()

        active = introspect()
        assert (active["active"], active["sub"], active["client_id"]) == (True, claims["sub"], name), active
        session.revoke_token(metadata["revocation_endpoint"], token=token["refresh_token"]).raise_for_status()
        assert introspect() == {"active": False}
        try:
            session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
        except OAuthError as error:
            assert error.error == "invalid_grant", error
        else:
            raise AssertionError("a revoked token was refreshed")

    # Without offline_access there is no refresh token, and the access token ends with the session.
    tokens = through(browser, "/sign-in", name, "/callback", prompt="login", scope="openid").json
    assert "refresh_token" not in tokens
    left = through(browser, "/sign-out", name, "/goodbye", id_token=tokens["id_token"]).json
    assert left["post_logout_redirect_uri"] == HOME + "/goodbye", left
    assert client.get(metadata["userinfo_endpoint"], token=tokens).status_code == 401
    answer = through(browser, "/sign-in", name, "/callback", prompt="none")
    assert (answer.status_code, answer.json) == (400, {"error": "login_required"}), answer.text
    print(f"Authlib: {name}", flush=True)


with app.app_context():
    for client_id in WAYS:
        check(client_id)
