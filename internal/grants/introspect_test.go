package grants_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/clients"
	"github.com/go-authd/authd/internal/db"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

func (f *fixture) clientCredentials(form oauth.Form) (grants.Response, error) {
	all := oauth.Form{"grant_type": "client_credentials"}
	for k, v := range form {
		all[k] = v
	}
	return f.grants.Token(f.t.Context(), f.shop(), all, oauth.Device{})
}

func TestIntrospectActive(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.apiSecret()
	token := f.login("ada").AccessToken

	got := f.introspect(secret, token)

	c := claims(t, token)
	want := tokens.Introspection{
		Active: true, Scope: "read write", ClientID: "app", TokenType: "Bearer", Subject: "ada",
		Audience: "https://api.example", Issuer: issuer, ID: c["jti"].(string), FamilyID: c["sid"].(string),
		Expiry: int64(c["exp"].(float64)), IssuedAt: int64(c["iat"].(float64)), NotBefore: int64(c["nbf"].(float64)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// I-07: what introspection says is what the database says in that moment, on every replica.
func TestIntrospectInactive(t *testing.T) {
	t.Parallel()
	never := func(*fixture, grants.Response) error { return nil }
	tests := []struct {
		name  string
		token func(f *fixture) grants.Response
		end   func(f *fixture, r grants.Response) error
	}{
		{"I-06: a refresh token", func(f *fixture) grants.Response {
			r := f.login("ada")
			r.AccessToken = r.RefreshToken
			return r
		}, never},
		{"garbage", func(*fixture) grants.Response { return grants.Response{AccessToken: "garbage"} }, never},
		{"I-03: a token for somebody else's audience", func(f *fixture) grants.Response {
			r, err := f.clientCredentials(oauth.Form{"resource": "https://other.example"})
			if err != nil {
				f.t.Fatal(err)
			}
			return r
		}, never},
		{"expired by the database's clock", nil, func(f *fixture, _ grants.Response) error {
			dbtest.SetClock(f.t, f.pool, 10*time.Minute)
			return nil
		}},
		{"V-01: its family revoked by the refresh token", nil, func(f *fixture, r grants.Response) error {
			return f.tokens.Revoke(f.t.Context(), asPublic("app"), r.RefreshToken, tokens.ReasonClient)
		}},
		{"V-02: its family revoked by a consumed refresh token", nil, func(f *fixture, r grants.Response) error {
			f.mustRefresh(r.RefreshToken)
			return f.tokens.Revoke(f.t.Context(), asPublic("app"), r.RefreshToken, tokens.ReasonClient)
		}},
		{"V-08: revoked by itself", nil, func(f *fixture, r grants.Response) error {
			return f.tokens.Revoke(f.t.Context(), asPublic("app"), r.AccessToken, tokens.ReasonClient)
		}},
		{"R-37: its family ended by reuse", nil, func(f *fixture, r grants.Response) error {
			f.mustRefresh(f.mustRefresh(r.RefreshToken).RefreshToken)
			_, err := f.refresh(r.RefreshToken)
			refused(f.t, err, oauth.InvalidGrant)
			return nil
		}},
		{"logged out with the token itself", nil, func(f *fixture, r grants.Response) error {
			return f.tokens.Logout(f.t.Context(), r.AccessToken)
		}},
		{"F-48: its subject disabled", nil, func(f *fixture, _ grants.Response) error { return f.db.DisableSubject(f.t.Context(), "ada") }},
		{"its subject ended", nil, func(f *fixture, _ grants.Response) error {
			_, err := f.db.EndSubject(f.t.Context(), "ada")
			return err
		}},
		{"its subject disabled and enabled", nil, func(f *fixture, _ grants.Response) error {
			return errors.Join(f.db.DisableSubject(f.t.Context(), "ada"), f.db.EnableSubject(f.t.Context(), "ada"))
		}},
		{"its client disabled", nil, func(f *fixture, _ grants.Response) error { return f.db.DisableClient(f.t.Context(), "app") }},
		{"its client ended", nil, func(f *fixture, _ grants.Response) error { return f.db.EndClient(f.t.Context(), "app") }},
		{"its client deleted", nil, func(f *fixture, _ grants.Response) error { return f.db.DeleteClient(f.t.Context(), "app") }},
		{"its family gone", nil, func(f *fixture, _ grants.Response) error { f.exec(`delete from authd.token_families`); return nil }},
		{"its key revoked in the database, whatever this replica has in memory", nil, func(f *fixture, _ grants.Response) error {
			f.exec(`update authd.signing_keys set revoked_at = authd.clock() where ring = 'access' and signs_from is not null`)
			return nil
		}},
		{"a client's own token, its client ended", func(f *fixture) grants.Response {
			r, err := f.clientCredentials(nil)
			if err != nil {
				f.t.Fatal(err)
			}
			return r
		}, func(f *fixture, _ grants.Response) error { return f.db.EndClient(f.t.Context(), "shop") }},
		{"a client's own token, its client deleted and made again", func(f *fixture) grants.Response {
			r, err := f.clientCredentials(nil)
			if err != nil {
				f.t.Fatal(err)
			}
			return r
		}, func(f *fixture, _ grants.Response) error {
			err := f.db.DeleteClient(f.t.Context(), "shop")
			f.register(oauth.Client{ID: "shop", Scopes: oauth.Scopes{"read"}})
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			secret := f.apiSecret()
			issue := tt.token
			if issue == nil {
				issue = func(f *fixture) grants.Response {
					r := f.login("ada")
					if !f.introspect(secret, r.AccessToken).Active {
						f.t.Fatal("the token is not active to begin with")
					}
					return r
				}
			}
			r := issue(f)
			if err := tt.end(f, r); err != nil {
				t.Fatal(err)
			}

			got := serve(t, f.pool, options{}).introspect(secret, r.AccessToken) // another replica

			if diff := cmp.Diff(tokens.Introspection{}, got); diff != "" {
				t.Errorf("not just inactive:\n%s", diff)
			}
		})
	}
}

// After the end of a client in some second, its next own token is alive: it waited.
func TestTokenAfterTheEnd(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.apiSecret()
	if err := f.db.EndClient(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}

	r, err := f.clientCredentials(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !f.introspect(secret, r.AccessToken).Active {
		t.Error("the token was born dead")
	}
	now, err := f.db.Now(t.Context())
	if err != nil || claims(t, r.AccessToken)["nbf"].(float64) > float64(now.Unix()) {
		t.Errorf("the token is not valid yet, %v", err)
	}
}

func TestIntrospectCallers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	token := f.login("ada").AccessToken
	tests := []struct {
		name   string
		caller clients.Credentials
		code   oauth.Code
	}{
		{"a client that is no resource server, 403", f.shop(), oauth.AccessDenied},
		{"I-04: a public client", asPublic("app"), oauth.InvalidClient},
		{"a wrong secret", basic(t, "api", "wrong"), oauth.InvalidClient},
		{"nobody", basic(t, "nobody", "wrong"), oauth.InvalidClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, token := range []string{token, "garbage"} {
				_, err := f.tokens.Introspect(t.Context(), tt.caller, token)
				refused(t, err, tt.code)
			}
		})
	}
}

// F-25: either kind of token may be revoked.
func TestRevoke(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		caller func(f *fixture) clients.Credentials
		token  func(f *fixture, r grants.Response) string
		code   oauth.Code // "": success
		alive  bool       // the family afterwards
	}{
		{"own refresh token", public("app"), refreshToken, "", false},
		{"own access token ends itself alone", public("app"), accessToken, "", true},
		{"unknown token succeeds, RFC 7009 §2.2", public("app"), func(*fixture, grants.Response) string { return "garbage" }, "", true},
		{"another client's refresh token is refused, RFC 7009 §2.1", (*fixture).shop, refreshToken, oauth.InvalidGrant, true},
		{"another client's access token is refused", (*fixture).shop, accessToken, oauth.InvalidGrant, true},
		{"V-05: a wrong secret", func(f *fixture) clients.Credentials { return basic(f.t, "shop", "wrong") }, refreshToken, oauth.InvalidClient, true},
		{"V-05: an unknown token does not help without authentication", public("shop"), func(*fixture, grants.Response) string { return "garbage" }, oauth.InvalidClient, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			r := f.login("ada")
			for range 2 { // V-10: twice is as good as once
				err := f.tokens.Revoke(t.Context(), tt.caller(f), tt.token(f, r), tokens.ReasonClient)
				if tt.code != "" {
					refused(t, err, tt.code)
				} else if err != nil {
					t.Fatal(err)
				}
			}

			if got := f.revokedReason() == ""; got != tt.alive {
				t.Errorf("family alive: %v, want %v", got, tt.alive)
			}
			_, err := f.refresh(r.RefreshToken)
			if (err == nil) != tt.alive {
				t.Errorf("refresh afterwards: %v", err)
			}
		})
	}
}

func public(id string) func(*fixture) clients.Credentials {
	return func(*fixture) clients.Credentials { return asPublic(id) }
}

func refreshToken(_ *fixture, r grants.Response) string { return r.RefreshToken }
func accessToken(_ *fixture, r grants.Response) string  { return r.AccessToken }

// S3-17, M-08: nothing of a revocation is in memory.
func TestRevocationOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.apiSecret()
	r := f.login("ada")
	if err := f.tokens.Revoke(t.Context(), asPublic("app"), r.AccessToken, tokens.ReasonClient); err != nil {
		t.Fatal(err)
	}

	if serve(t, f.pool, options{}).introspect(secret, r.AccessToken).Active {
		t.Error("a new process revived the token")
	}
}

// C-24, V-09, I-10, S-01: storage that fails is never a protocol error and never inactive.
func TestStorageFaults(t *testing.T) {
	t.Parallel()
	f := setup(t)
	secret := f.apiSecret()
	r := f.login("ada")
	dead := setup(t)
	dead.pool.Close()
	cases := map[string]func() error{
		"client_credentials": func() error { _, err := dead.clientCredentials(nil); return err },
		"refresh":            func() error { _, err := dead.refresh(r.RefreshToken); return err },
		"login": func() error {
			_, err := dead.grants.Login(t.Context(), grants.SignIn{Caller: asPublic("app")}, "ada", "")
			return err
		},
		"revoke": func() error {
			return dead.tokens.Revoke(t.Context(), asPublic("app"), r.RefreshToken, tokens.ReasonClient)
		},
		"revoke garbage": func() error {
			return dead.tokens.Revoke(t.Context(), asPublic("app"), "garbage", tokens.ReasonClient)
		},
		"introspect": func() error {
			_, err := dead.tokens.Introspect(t.Context(), basic(t, "api", secret), r.AccessToken)
			return err
		},
	}
	for name, call := range cases {
		if err := call(); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
}
