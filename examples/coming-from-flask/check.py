"""Runs the Python of a page: `check.py PAGE before`, `after` or `revoked`. The first line of a block says whose it is."""
import os
import re
import sys
import time

import flask_jwt_extended as library

UNKNOWN_KEYS = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.AA", "eyJhbGciOiJSUzI1NiJ9.e30.AA"  # kid x, and no kid
page, what = sys.argv[1:]
with open(page, encoding="utf-8") as file:
    text = file.read()
blocks = re.findall(r"^```python\n# (.*)\n((?:.*\n)*?)```$", text, re.MULTILINE)


def program(whose):
    """The blocks of a library, one after the other, as one program."""
    names = {"__name__": "page"}
    sources = [source for owner, source in blocks if owner == whose]
    assert sources, whose
    for source in sources:
        exec(compile(source, f"{page}: {whose}", "exec"), names)
    return names


def want(response, status, text=""):
    assert (response.status_code, text in response.get_data(as_text=True)) == (status, True), (response, response.data)
    return response.get_json(silent=True) or {}


def bearer(token):
    return {"headers": {"Authorization": f"Bearer {token}"}}


def before():
    for whose, source in blocks:
        if whose == "Flask-JWT":
            compile(source, page, "exec")  # it needs a PyJWT of before 2.0
    renames()
    flask_jwt_extended()
    pyjwt()


def flask_jwt_extended():
    names = program("Flask-JWT-Extended")
    app = names["app"].test_client()
    ada = {"username": "ada", "password": "correct horse"}
    want(app.post("/register", json=ada), 200)
    want(app.post("/login", json={**ada, "password": "wrong"}), 401)
    tokens = want(app.post("/login", json=ada), 200)
    access, refresh = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])

    want(app.get("/protected"), 401, "Missing")
    want(app.get("/protected", **access), 200, "ada")
    want(app.get("/protected", **refresh), 422, "Only non-refresh tokens are allowed")
    want(app.get("/protected", **bearer("x.y.z")), 422)
    want(app.get("/hello"), 200, "nobody")
    want(app.get("/hello", **access), 200, "ada")
    want(app.get("/hello", **bearer("x.y.z")), 422)
    assert want(app.get("/token", **access), 200)["is_administrator"] is True
    want(app.get("/admin", **access), 200)
    want(app.get("/profile", **access), 200, "ada")
    want(app.post("/password", **access), 200)

    later = bearer(want(app.post("/refresh", **refresh), 200)["access_token"])
    want(app.post("/password", **later), 401, "Fresh token required")
    long = want(app.post("/refresh_long", **refresh), 200)["access_token"]
    claims = want(app.get("/token", **bearer(long)), 200)
    assert claims["exp"] - claims["iat"] == 86400
    app_config = names["app"].config
    app_config["JWT_ACCESS_TOKEN_EXPIRES"] = -1  # one second ago
    over = want(app.post("/refresh", **refresh), 200)["access_token"]
    want(app.get("/protected", **bearer(over)), 401, "Token has expired")
    app_config["JWT_ACCESS_TOKEN_EXPIRES"] = 900

    want(app.post("/session/login"), 200)
    want(app.get("/protected"), 200, "ada")  # by cookie
    want(app.post("/password"), 401, "Missing CSRF token")
    want(app.post("/session/logout"), 200)
    want(app.get("/protected"), 401)

    want(app.post("/logout", **later), 200)
    want(app.get("/protected", **later), 401, "Token has been revoked")
    want(app.post("/refresh", **refresh), 200)  # and that is the trouble


def renames():
    """What the page calls 3.x is not in 4, and what it calls 4.x is."""
    rows = re.findall(r"^\| (`@?\w.*?) \| (`@.*?|`\w+\(.*?\)`) \| `?.*\|$", text, re.MULTILINE)
    words = [re.match(r"`@?(\w+)", cell)[1] for row in rows for cell in row]
    pairs = [(old, new) for old, new in zip(words[::2], words[1::2]) if old != new]
    assert len(pairs) >= 10, rows
    names = {*dir(library), *dir(library.JWTManager)}
    for old, new in pairs:
        assert new in names and old not in names, (old, new)


def pyjwt():
    names = program("PyJWT")
    secret = "a secret of 32 bytes, or longer!"
    encode = names["jwt"].encode
    assert names["verify"](encode({"user_id": 1}, secret)) == {"user_id": 1}
    assert names["verify"](encode({"exp": time.time() - 1}, secret)) == {"error": "Token expired"}
    assert names["verify"]("x.y.z") == {"error": "Invalid token"}


def after():
    app = program("Flask-JWT-Extended with authd's tokens")["app"].test_client()
    fresh, access, refresh = (bearer(os.environ[name]) for name in ("FRESH_TOKEN", "ACCESS_TOKEN", "REFRESH_TOKEN"))
    want(app.get("/protected"), 401)
    want(app.get("/protected", **access), 200, "usr_")
    want(app.get("/profile", **access), 200, "usr_")
    want(app.get("/protected", **refresh), 422)
    want(app.post("/password", **fresh), 200)
    want(app.post("/password", **access), 401, "Fresh token required")
    want(app.get("/protected", **bearer(os.environ["FOREIGN_TOKEN"])), 422, "audience")
    for bad in ("x.y.z", os.environ["ACCESS_TOKEN"][:-8] + "AAAAAAAA", *UNKNOWN_KEYS):
        want(app.get("/protected", **bearer(bad)), 422)


def revoked():
    app = program("Flask-JWT-Extended with authd's tokens")["app"].test_client()
    want(app.get("/protected", **bearer(os.environ["ACCESS_TOKEN"])), 401, "Token has been revoked")


{"before": before, "after": after, "revoked": revoked}[what]()
print(f"{page}: the Python {what} authd holds")
