package authdtest_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

func introspection(t *testing.T, iss *authdtest.Issuer) *rs.Introspection {
	t.Helper()
	i, err := rs.NewIntrospection(t.Context(), rs.IntrospectionConfig{
		Issuer: iss.URL, ClientID: iss.ClientID, ClientSecret: iss.ClientSecret, HTTPClient: iss.Client(), Logger: quiet, Now: iss.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close() })
	return i
}

func follow(t *testing.T, iss *authdtest.Issuer, change func(*rs.FeedConfig)) *rs.Feed {
	t.Helper()
	cfg := rs.FeedConfig{
		Issuer: iss.URL, ClientID: iss.ClientID, ClientSecret: iss.ClientSecret, OnStale: rs.Refuse,
		HTTPClient: iss.Client(), Logger: quiet, Now: iss.Now,
	}
	if change != nil {
		change(&cfg)
	}
	f, err := rs.NewFeed(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Every way to end tokens ends those that it names, at once for introspection and after news for the feed, and no
// other, not even one that is issued a moment later.
func TestRevocation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		revoke func(iss *authdtest.Issuer, token string)
		// other is how a token differs that is not revoked.
		other authdtest.Shape
		// later is what becomes of a token that says the same, and is issued in the same second, but afterwards.
		later error
	}{
		{"a token", (*authdtest.Issuer).Revoke, authdtest.ID("j-2"), rs.ErrRevoked},
		{"a session", func(i *authdtest.Issuer, _ string) { i.RevokeSession("f-1") }, authdtest.Session("f-2"), rs.ErrRevoked},
		{"a subject", func(i *authdtest.Issuer, _ string) { i.RevokeSubject("usr_1") }, authdtest.Subject("usr_2"), nil},
		{"a client", func(i *authdtest.Issuer, _ string) { i.RevokeClient("tv") }, authdtest.Client("radio"), nil},
		{"a key", func(i *authdtest.Issuer, _ string) { i.RevokeKey(i.Kid()) }, authdtest.SignedBy("k-1", authdtest.Key(1)), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			authdtest.Key(1) // made outside: it takes real time
			synctest.Test(t, func(t *testing.T) {
				iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
				ours := []authdtest.Shape{authdtest.Subject("usr_1"), authdtest.Client("tv"), authdtest.Session("f-1"), authdtest.ID("j-1")}
				token, other := iss.Token(ours...), iss.Token(append(ours, tt.other)...)
				asking := introspection(t, iss)
				following := follow(t, iss, nil)
				keys := keySource{iss, map[string]*rsa.PrivateKey{iss.Kid(): authdtest.Key(0), "k-1": authdtest.Key(1)}}
				heard := verifier(t, iss, func(c *rs.Config) { c.Keys, c.Revocation = keys, following })
				exact := verifier(t, iss, func(c *rs.Config) { c.Keys, c.Revocation = keys, asking })
				wantVerdict(t, heard, token, nil)
				wantVerdict(t, exact, token, nil)

				tt.revoke(iss, token)

				wantVerdict(t, exact, token, rs.ErrRevoked)
				synctest.Wait()
				wantVerdict(t, heard, token, rs.ErrRevoked)
				wantVerdict(t, heard, other, nil)
				if tt.name != "a key" { // it has no other published key
					wantVerdict(t, exact, other, nil)
				}
				wantVerdict(t, heard, iss.Token(ours...), tt.later)
				wantVerdict(t, exact, iss.Token(ours...), tt.later)
			})
		})
	}
}

// keySource also knows keys that the issuer does not publish, so that nothing but the revocation is in question.
type keySource struct {
	rs.KeySource
	more map[string]*rsa.PrivateKey
}

func (s keySource) PublicKey(ctx context.Context, kid string) (crypto.PublicKey, error) {
	if key, ok := s.more[kid]; ok {
		return key.Public(), nil
	}
	return s.KeySource.PublicKey(ctx, kid)
}

// A token that lives longer than a server's would is not forgotten before it is over.
func TestRevocationOutlivesToken(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.At(noon))
	token := iss.Token(authdtest.Session("f-1"), authdtest.ExpiresIn(20*time.Hour))
	iss.RevokeSession("f-1")
	iss.Advance(20*time.Hour - time.Second)

	v := verifier(t, iss, func(c *rs.Config) { c.Revocation = follow(t, iss, nil) })

	wantVerdict(t, v, token, rs.ErrRevoked)
}

// ask sends a request as the resource server with this id and secret.
func ask(t *testing.T, iss *authdtest.Issuer, r *http.Request, id, secret string) (status int, body map[string]any) {
	t.Helper()
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	w := httptest.NewRecorder()
	iss.ServeHTTP(w, r)
	d := json.NewDecoder(w.Body)
	d.UseNumber()
	if err := d.Decode(&body); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers are %v, want no-store (RFC 6749 §5.1)", w.Header())
	}
	return w.Code, body
}

func post(path string, pairs ...string) *http.Request {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// RFC 7662 §2.2: of a token that is not active, or not the caller's business, nothing else is said.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.At(noon), authdtest.ResourceServer("other api", "s:1", "https://other-api.example.com"))
	inactive := map[string]any{"active": false}
	question := func(token string) map[string]any {
		_, body := ask(t, iss, post(authdtest.IntrospectionPath, "token", token), iss.ClientID, iss.ClientSecret)
		return body
	}
	for name, token := range map[string]string{
		"expired": iss.Token(authdtest.Expired()), "expires now": iss.Token(authdtest.ExpiresIn(0)),
		"no exp": iss.Token(authdtest.Without("exp")), "refresh": iss.Token(authdtest.RefreshToken()),
		"ID token": iss.Token(authdtest.IDToken()), "garbage": "garbage", "another key": iss.Token(authdtest.WrongKey()),
		"unknown kid": iss.Token(authdtest.UnknownKid()), "none": iss.Token(authdtest.Unsigned()),
		"another issuer": iss.Token(authdtest.WrongIssuer()), "another audience": iss.Token(authdtest.WrongAudience()),
	} {
		if diff := cmp.Diff(inactive, question(token)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := question(iss.Token(authdtest.Subject("usr_1"))); got["active"] != true || got["sub"] != "usr_1" {
		t.Errorf("got %v, want an active token", got)
	}
	_, other := ask(t, iss, post(authdtest.IntrospectionPath, "token", iss.Token(authdtest.WrongAudience())), "other api", "s:1")
	if other["active"] != true {
		t.Errorf("got %v for the resource server that the token is for", other)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t)
	twice := httptest.NewRequest(http.MethodGet, authdtest.RevocationsPath+"?after=a&after=b", nil)
	noForm := post(authdtest.IntrospectionPath, "token", "x")
	noForm.Header.Set("Content-Type", "application/json")
	tests := []struct {
		name       string
		r          *http.Request
		secret     string
		wantStatus int
		wantCode   string
	}{
		{"wrong secret at introspection", post(authdtest.IntrospectionPath, "token", "x"), "wrong", 401, "invalid_client"},
		{"wrong secret at the feed", httptest.NewRequest(http.MethodGet, authdtest.RevocationsPath, nil), "wrong", 401, "invalid_client"},
		{"wrong secret at the token endpoint", post(authdtest.TokenPath, "grant_type", "client_credentials"), "wrong", 401, "invalid_client"},
		{"no token", post(authdtest.IntrospectionPath), iss.ClientSecret, 400, "invalid_request"},
		{"no form", noForm, iss.ClientSecret, 400, "invalid_request"},
		{"cursor twice", twice, iss.ClientSecret, 400, "invalid_request"},
		{"another grant", post(authdtest.TokenPath, "grant_type", "password"), iss.ClientSecret, 400, "unsupported_grant_type"},
		{"nothing there", post("/oauth2/authorize"), iss.ClientSecret, 404, "not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body := ask(t, iss, tt.r, iss.ClientID, tt.secret)
			if status != tt.wantStatus || body["error"] != tt.wantCode {
				t.Errorf("got %d %v, want %d %s", status, body, tt.wantStatus, tt.wantCode)
			}
		})
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t)

	_, body := ask(t, iss, post(authdtest.TokenPath, "grant_type", "client_credentials", "scope", "read",
		"resource", "https://billing.example.com"), iss.ClientID, iss.ClientSecret)

	token, _ := body["access_token"].(string)
	v := verifier(t, iss, func(c *rs.Config) { c.Audience = "https://billing.example.com" })
	got, err := v.Verify(t.Context(), token, rs.Scopes("read"))
	if err != nil || got.Subject != iss.ClientID || got.SessionID != "" {
		t.Errorf("got %+v and error %v", got, err)
	}
}

// The feed of one audience: everything to begin with, then the news, and everything again for a foreign cursor.
func TestFeedPages(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.At(noon))
	get := func(after string) map[string]any {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, authdtest.RevocationsPath+"?after="+after, nil)
		_, body := ask(t, iss, r, iss.ClientID, iss.ClientSecret)
		return body
	}
	exp := json.Number("1906549320") // an hour and two minutes after noon
	one := map[string]any{"sid": "f-1", "exp": exp}
	two := map[string]any{"sub": "usr_1", "before": json.Number("1906545601"), "exp": exp}
	iss.RevokeSession("f-1")
	iss.Revoke(iss.Token(authdtest.WrongAudience())) // another resource server's business
	first := get("")
	iss.RevokeSubject("usr_1")
	second := get(first["next"].(string))
	foreign := get("MTp6")
	iss.Advance(time.Hour + 2*time.Minute)
	over := get("")

	for _, tt := range []struct {
		name      string
		got, want map[string]any
	}{
		{"first", first, map[string]any{"revoked": []any{one}, "next": first["next"]}},
		{"second", second, map[string]any{"revoked": []any{two}, "next": second["next"]}},
		{"foreign cursor", foreign, map[string]any{"revoked": []any{one, two}, "next": second["next"], "reset": true}},
		{"all tokens are over", over, map[string]any{"revoked": []any{}, "next": second["next"]}},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// RFC 7240 §4.3: a question waits as long as it prefers, and is answered by the news.
func TestFeedWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
		get := func(after, prefer string) (body map[string]any, took time.Duration) {
			r := httptest.NewRequest(http.MethodGet, iss.URL+authdtest.RevocationsPath+"?after="+after, nil)
			r.Header.Set("Prefer", prefer)
			began := time.Now()
			_, body = ask(t, iss, r, iss.ClientID, iss.ClientSecret)
			return body, time.Since(began)
		}
		first, _ := get("", "wait=25")
		next := first["next"].(string)
		for prefer, want := range map[string]time.Duration{
			"wait=25": 25 * time.Second, "wait=300": 30 * time.Second, "": 0, "wait=soon": 0,
		} {
			body, took := get(next, prefer)
			if took != want || len(body["revoked"].([]any)) != 0 || body["next"] != next {
				t.Errorf("%q: got %v after %v, want nothing after %v", prefer, body, took, want)
			}
		}

		time.AfterFunc(3*time.Second, func() { iss.RevokeSession("f-1") })
		body, took := get(next, "wait=25")
		if took != 3*time.Second || len(body["revoked"].([]any)) != 1 {
			t.Errorf("got %v after %v, want the news after 3s", body, took)
		}
	})
}

// What a reader of the feed has to bear: a kind that it does not know, a restored backup, a server that shuts down.
func TestFeedForReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
		get := func(after string) (body map[string]any) {
			r := httptest.NewRequest(http.MethodGet, iss.URL+authdtest.RevocationsPath+"?after="+after, nil)
			r.Header.Set("Prefer", "wait=25")
			_, body = ask(t, iss, r, iss.ClientID, iss.ClientSecret)
			return body
		}
		iss.AddToFeed(`{"device":"d-1","exp":1}`)
		first := get("")
		next := first["next"].(string)
		if diff := cmp.Diff([]any{map[string]any{"device": "d-1", "exp": json.Number("1")}}, first["revoked"]); diff != "" {
			t.Error(diff)
		}

		began := time.Now()
		time.AfterFunc(time.Second, iss.EndWaits)
		if body := get(next); time.Since(began) != time.Second || body["next"] != next || len(body["revoked"].([]any)) != 0 {
			t.Errorf("got %v after %v, want nothing after 1s", body, time.Since(began))
		}

		time.AfterFunc(time.Second, func() {
			iss.RestoreFeed()
			iss.RevokeSession("f-1")
		})
		if body := get(next); body["reset"] != true || len(body["revoked"].([]any)) != 1 || body["next"] == next {
			t.Errorf("got %v, want a reset", body)
		}
	})
}
