package grants_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

// RFC 9068 §2.2 and what Flask-JWT-Extended reads.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	f := setup(t)

	r, err := f.clientCredentials(nil)
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]any{
		"iss": issuer, "sub": "shop", "aud": "https://api.example", "client_id": "shop", "scope": "read write",
		"type": "access", "fresh": false,
	}
	got := claims(t, r.AccessToken)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreMapEntries(func(k string, _ any) bool {
		return k == "jti" || k == "iat" || k == "nbf" || k == "exp"
	})); diff != "" {
		t.Error(diff)
	}
	if got["exp"].(float64)-got["iat"].(float64) != 600 || got["nbf"] != got["iat"] || r.ExpiresIn != 600 {
		t.Errorf("times %v, expires_in %d", got, r.ExpiresIn)
	}
	if r.RefreshToken != "" { // RFC 6749 §4.4.3
		t.Error("client_credentials gave a refresh token")
	}
	var rows int
	err = f.pool.QueryRow(t.Context(), `select (select count(*) from authd.token_families) + (select count(*) from authd.revoked_tokens)`).Scan(&rows)
	if err != nil || rows != 0 {
		t.Errorf("%d rows stay, %v; want none", rows, err)
	}
}

// M-16: no life beyond the client's bound.
func TestTokenRequests(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(oauth.Client{ID: "bare", AuthMethod: oauth.AuthNone, FirstParty: true})
	tests := []struct {
		name     string
		form     oauth.Form
		code     oauth.Code // "": success
		scope    string
		audience string
		seconds  int64
	}{
		{"nothing asked for: everything that is registered", nil, "", "read write", "https://api.example", 600},
		{"a narrower scope", oauth.Form{"scope": "write"}, "", "write", "https://api.example", 600},
		{"scopes asked for twice collapse", oauth.Form{"scope": "read read"}, "", "read", "https://api.example", 600},
		{"a scope that is not registered", oauth.Form{"scope": "read admin"}, oauth.InvalidScope, "", "", 0},
		{"H-25: a malformed scope", oauth.Form{"scope": "re\"ad"}, oauth.InvalidScope, "", "", 0},
		{"H-25: two spaces", oauth.Form{"scope": "read  write"}, oauth.InvalidScope, "", "", 0},
		{"another audience, RFC 8707 §2", oauth.Form{"resource": "https://other.example"}, "", "read write", "https://other.example", 600},
		{"an audience that is not registered", oauth.Form{"resource": "https://evil.example"}, oauth.InvalidTarget, "", "", 0},
		{"a shorter life", oauth.Form{"expires_in": "60"}, "", "read write", "https://api.example", 60},
		{"S2-29: a longer life than the bound is refused", oauth.Form{"expires_in": "601"}, oauth.InvalidRequest, "", "", 0},
		{"a life under a minute", oauth.Form{"expires_in": "59"}, oauth.InvalidRequest, "", "", 0},
		{"a life that is no number", oauth.Form{"expires_in": "1e3"}, oauth.InvalidRequest, "", "", 0},
		{"H-24: another grant", oauth.Form{"grant_type": "urn:x"}, oauth.UnsupportedGrantType, "", "", 0},
		{"B-17: the password grant", oauth.Form{"grant_type": "password", "username": "ada", "password": "x"}, oauth.UnsupportedGrantType, "", "", 0},
		{"H-24: in capitals", oauth.Form{"grant_type": "Client_Credentials"}, oauth.UnsupportedGrantType, "", "", 0},
		{"H-24: none", oauth.Form{"grant_type": ""}, oauth.InvalidRequest, "", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := f.clientCredentials(tt.form)

			if tt.code != "" {
				refused(t, err, tt.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := []any{r.Scope, claims(t, r.AccessToken)["scope"], claims(t, r.AccessToken)["aud"], r.ExpiresIn}
			if diff := cmp.Diff([]any{tt.scope, tt.scope, tt.audience, tt.seconds}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Lifetimes of a registration bound what may be asked for.
// S1-18, S2-30, S3-16, S4-04, F-42: lifetimes are durations, shorter or longer within the bounds of the client.
func TestClientLifetimes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.exec(`update authd.clients set access_ttl = 3600, refresh_ttl = 120 where client_id = 'app'`)

	r, err := f.grants.Login(t.Context(), grants.SignIn{Caller: asPublic("app"), Form: oauth.Form{"expires_in": "1800"}}, "ada", "")
	if err != nil {
		t.Fatal(err)
	}

	c := claims(t, r.RefreshToken)
	if r.ExpiresIn != 1800 || c["exp"].(float64)-c["iat"].(float64) != 120 {
		t.Errorf("expires_in %d, refresh token of %v", r.ExpiresIn, c)
	}
}

// Without a registered audience the issuer is the audience; without a registered scope
// there is none.
func TestBareClient(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.register(oauth.Client{ID: "bare"})
	ask := func(form oauth.Form) (grants.Response, error) {
		form["grant_type"] = "client_credentials"
		return f.grants.Token(t.Context(), basic(t, "bare", secret), form, oauth.Device{})
	}

	r, err := ask(oauth.Form{})
	if err != nil {
		t.Fatal(err)
	}
	if c := claims(t, r.AccessToken); c["aud"] != issuer || c["scope"] != "" || r.Scope != "" {
		t.Errorf("claims %v, want the issuer's audience and no scope", c)
	}
	_, err = ask(oauth.Form{"scope": "read"})
	refused(t, err, oauth.InvalidScope)
}

// C-23: each grant is for clients registered for it.
func TestGrantNotRegistered(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.exec(`update authd.clients set grant_types = '{authorization_code}', first_party = false where client_id = 'shop'`)

	_, err := f.clientCredentials(nil)
	refused(t, err, oauth.UnauthorizedClient)
	_, err = f.grants.Login(t.Context(), grants.SignIn{Caller: f.shop()}, "ada", "x")
	if e := refused(t, err, oauth.UnauthorizedClient); e.HTTPStatus() != 403 {
		t.Errorf("status %d, want 403", e.HTTPStatus())
	}
}

// A first-party client without refresh_token gets a session as long as its token.
func TestLoginWithoutRefresh(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.exec(`update authd.clients set grant_types = '{authorization_code}' where client_id = 'app'`)

	r := f.login("ada")

	if r.RefreshToken != "" {
		t.Error("a client without the grant got a refresh token")
	}
	var life time.Duration
	err := f.pool.QueryRow(t.Context(), `select absolute_exp - leaf_iat from authd.token_families`).Scan(&life)
	if err != nil || life != 10*time.Minute {
		t.Errorf("family of %s, %v; want the access token's life", life, err)
	}
	if !f.introspect(f.apiSecret(), r.AccessToken).Active {
		t.Error("its access token is not active")
	}
}

// A resource that the sign-in named binds the family.
// F-49: a token is for one audience, of those of the client.
func TestLoginForOneResource(t *testing.T) {
	t.Parallel()
	f := setup(t)
	r, err := f.grants.Login(t.Context(), grants.SignIn{Caller: f.shop(), Form: oauth.Form{"resource": "https://other.example"}}, "ada", "")
	if err != nil {
		t.Fatal(err)
	}

	next, err := f.refreshAt(f.shop(), r.RefreshToken, nil)
	if err != nil {
		t.Fatal(err)
	}
	if aud := claims(t, next.AccessToken)["aud"]; aud != "https://other.example" {
		t.Errorf("audience %v, want the grant's", aud)
	}
	_, err = f.refreshAt(f.shop(), next.RefreshToken, oauth.Form{"resource": "https://api.example"})
	refused(t, err, oauth.InvalidTarget)
}

// F-109: claims of the host.
// F-27: additional_claims_loader.
func TestClaimsHook(t *testing.T) {
	t.Parallel()
	denied := oauth.Errorf(oauth.AccessDenied, "no")
	tests := []struct {
		name  string
		extra map[string]any
		err   error
		ok    bool
	}{
		{"adds claims", map[string]any{"tenant": "a", "roles": []string{"x<y"}}, nil, true},
		{"adds none", nil, nil, true},
		{"F-02: cannot replace a registered claim", map[string]any{"sub": "admin"}, nil, false},
		{"cannot make a token fresh", map[string]any{"fresh": true}, nil, false},
		{"refuses the token", nil, denied, false},
		{"cannot make a token that verifiers refuse", map[string]any{"big": string(make([]byte, 9000))}, nil, false},
		{"cannot add what is no JSON", map[string]any{"f": func() {}}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var told oauth.Grant
			f := setupWith(t, options{grace: grace, claims: func(_ context.Context, g oauth.Grant) (map[string]any, error) {
				told = g
				return tt.extra, tt.err
			}})

			r, err := f.clientCredentials(nil)

			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			if told.ClientID != "shop" || told.Type != oauth.ClientCredentials || told.Audience != "https://api.example" {
				t.Errorf("the hook was told %+v", told)
			}
			if !tt.ok {
				return
			}
			got := claims(t, r.AccessToken)
			for k := range tt.extra {
				if got[k] == nil {
					t.Errorf("claim %s is missing", k)
				}
			}
			if got["sub"] != "shop" {
				t.Errorf("sub %v", got["sub"])
			}
		})
	}
}

// A subject that was ended while it signed in gets nothing (security.md §4.3, login).
func TestEndedDuringSignIn(t *testing.T) {
	t.Parallel()
	f := setup(t)
	slow := signInWhile{func() {
		if _, err := f.db.EndSubject(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
	}}
	g := serveWithUsers(t, f, slow)

	_, err := g.grants.Login(t.Context(), grants.SignIn{Caller: asPublic("app")}, "ada", "")

	refused(t, err, oauth.InvalidGrant)
}

// signInWhile reads the epoch, and then something happens.
type signInWhile struct{ happen func() }

func (s signInWhile) Authenticate(ctx context.Context, username, _ string) (oauth.Authentication, error) {
	s.happen()
	return anyone{}.Authenticate(ctx, username, "")
}

func serveWithUsers(t *testing.T, f *fixture, users grants.Authenticator) *fixture {
	t.Helper()
	return serve(t, f.pool, options{grace: grace, users: users})
}

// Events are told once a change is committed, and only what happened.
func TestEvents(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.login("ada")
	second := f.mustRefresh(first.RefreshToken)
	f.mustRefresh(first.RefreshToken)
	_, err := f.refreshAt(f.shop(), second.RefreshToken, nil)
	refused(t, err, oauth.InvalidGrant)
	if err := f.tokens.Revoke(t.Context(), asPublic("app"), second.AccessToken, tokens.ReasonClient); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.tokens.Logout(t.Context(), second.AccessToken); err != nil {
			t.Fatal(err)
		}
	}

	fid := claims(t, first.RefreshToken)["fid"].(string)
	want := []tokens.Event{
		tokens.GraceReplay{FamilyID: fid, ClientID: "app", Replays: 1},
		tokens.ForeignToken{FamilyID: fid, ClientID: "app", PresentedBy: "shop"},
		tokens.TokenRevoked{JTI: claims(t, second.AccessToken)["jti"].(string), ClientID: "app", Subject: "ada"},
		tokens.FamilyRevoked{FamilyID: fid, ClientID: "app", Subject: "ada", Reason: tokens.ReasonLogout},
	}
	if diff := cmp.Diff(want, f.events); diff != "" {
		t.Error(diff)
	}
}

var errHost = errors.New("host's database is away")

type brokenUsers struct{}

func (brokenUsers) Authenticate(context.Context, string, string) (oauth.Authentication, error) {
	return oauth.Authentication{}, errHost
}

// An outage of the host's user store is no refusal.
func TestAuthenticatorOutage(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := serveWithUsers(t, f, brokenUsers{})

	_, err := g.grants.Login(t.Context(), grants.SignIn{Caller: asPublic("app")}, "ada", "")

	if _, ok := errors.AsType[*oauth.Error](err); ok || !errors.Is(err, errHost) {
		t.Errorf("got %v, want the host's error as it is", err)
	}
}
