package rs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// What the tutorials for Flask-JWT, Flask-JWT-Extended and PyJWT do with a token, and the mistakes in them that must not
// be copied; P-14: expired and invalid are two errors. The names are those of the rows of what they have.
func TestTokensOfTheTutorials(t *testing.T) {
	t.Parallel()
	invalid := `401 invalid_token Bearer error="invalid_token", error_description="token invalid"`
	expired := `401 invalid_token Bearer error="invalid_token", error_description="token expired"`
	tests := []struct {
		name   string
		shapes []authdtest.Shape
		want   string
	}{
		{"S4-17, S2-23: a valid token", nil, "200"},
		{"S4-17, S2-23, F-83: an expired one", []authdtest.Shape{authdtest.Expired()}, expired},
		{"S4-17, S4-07, S2-23, F-32, F-90: a wrong one", []authdtest.Shape{authdtest.Tampered()}, invalid},
		{"S1-20, S4-14: garbage", []authdtest.Shape{authdtest.Garbage()}, invalid},
		{"S2-06, S2-24, F-23, F-25, F-88: a refresh token", []authdtest.Shape{authdtest.RefreshToken()}, invalid},
		{"F-74: an ID token", []authdtest.Shape{authdtest.IDToken()}, invalid},
		{"S3-05, S4-18, M-05, F-77: without exp", []authdtest.Shape{authdtest.Without("exp")}, invalid},
		{"F-77, Flask-JWT J-08: without iat", []authdtest.Shape{authdtest.Without("iat")}, invalid},
		{"F-76, P-12: without jti", []authdtest.Shape{authdtest.Without("jti")}, invalid},
		{"P-12: jti as number", []authdtest.Shape{authdtest.Claim("jti", 5)}, invalid},
		{"F-73: without sub", []authdtest.Shape{authdtest.Without("sub")}, invalid},
		{"S3-14, M-18, P-12, F-53, Flask-JWT J-12: sub as number", []authdtest.Shape{authdtest.Claim("sub", 5)}, invalid},
		{"S2-20, M-18: sub as object", []authdtest.Shape{authdtest.Claim("sub", map[string]any{"id": 5})}, invalid},
		{"M-14, F-46, F-78: without aud", []authdtest.Shape{authdtest.Without("aud")}, invalid},
		{"F-46, P-10: another audience", []authdtest.Shape{authdtest.WrongAudience()}, invalid},
		{"M-14, F-47, F-78: without iss", []authdtest.Shape{authdtest.Without("iss")}, invalid},
		{"F-47, P-11: another issuer", []authdtest.Shape{authdtest.WrongIssuer()}, invalid},
		{"M-14, F-80: without kid", []authdtest.Shape{authdtest.WithoutHeader("kid")}, invalid},
		{"F-29, P-23: an unknown kid", []authdtest.Shape{authdtest.UnknownKid()}, invalid},
		{"S2-11, S4-05, M-04, F-45, P-15, Flask-JWT J-06: signed with the public key as secret", []authdtest.Shape{authdtest.HS256WithPublicKey()}, invalid},
		{"S4-05, P-06, P-15: unsigned", []authdtest.Shape{authdtest.Unsigned()}, invalid},
		{"S0-03, S2-03: signed by somebody else", []authdtest.Shape{authdtest.WrongKey()}, invalid},
		{"F-51, P-08: not valid yet", []authdtest.Shape{authdtest.NotYetValid()}, invalid},
		{"P-13: crit", []authdtest.Shape{authdtest.Header("crit", []string{"b64"})}, invalid},
		{"P-25: a key in the token", []authdtest.Shape{authdtest.Header("jwk", map[string]any{})}, invalid},
		{"S4-08, M-13: a claim named error", []authdtest.Shape{authdtest.Claim("error", "Token expired")}, "200"},
		{"F-79: no csrf claim is needed", []authdtest.Shape{authdtest.Without("csrf")}, "200"},
	}
	issuer := authdtest.New(t)
	v := newVerifier(t, rs.Config{Issuer: issuer.URL, Audience: issuer.Audience, Keys: issuer, Now: issuer.Now})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := issuer.Token(tt.shapes...)

			got := ask(v.Required()(http.HandlerFunc(whoami)), bearing(raw))
			optional := ask(v.Optional()(http.HandlerFunc(whoami)), bearing(raw))

			if text := strings.TrimSpace(fmt.Sprintln(got.Status, got.Error, got.Challenge)); text != tt.want || got != optional {
				t.Errorf("got %s, Optional says %+v, want %s", text, optional, tt.want)
			}
			_, err := v.Verify(t.Context(), raw) // S4-06, S4-07: what Go programs ask
			if errors.Is(err, rs.ErrExpired) != (tt.want == expired) || errors.Is(err, rs.ErrInvalid) != (tt.want == invalid) {
				t.Errorf("Verify says %v", err)
			}
			if parts := strings.Split(raw, "."); err != nil && len(parts) == 3 && len(parts[1]) > 20 && strings.Contains(err.Error(), parts[1]) {
				t.Errorf("S2-35, M-29: the error holds the token: %v", err)
			}
		})
	}
}

// S2-04: its four steps. A token says who and until when, the API learns who, whether allowed, and whether it is over;
// S2-02: while the issuer is away.
func TestFourStepsOffline(t *testing.T) {
	t.Parallel()
	issuer := authdtest.New(t)
	v := newVerifier(t, rs.Config{Issuer: issuer.URL, Audience: issuer.Audience, Now: issuer.Now})
	api := v.Required(rs.Scopes("read"))(http.HandlerFunc(whoami))
	allowed := issuer.Token(authdtest.Subject("usr_1"), authdtest.Scope("read"), authdtest.ExpiresIn(15*time.Minute))
	forbidden := issuer.Token(authdtest.Subject("usr_1"), authdtest.Scope("profile"))
	issuer.Down()

	who, may := ask(api, bearing(allowed)), ask(api, bearing(forbidden))
	issuer.Advance(16 * time.Minute)
	over := ask(api, bearing(allowed))

	if who.Body != "usr_1" || may.Status != 403 || over.Error != "invalid_token" || !strings.Contains(over.Challenge, "expired") {
		t.Errorf("got %+v, %+v, %+v", who, may, over)
	}
}

// F-31 to F-37, F-54, S3-07, Flask-JWT J-04, J-10: one function of the host's answers all refusals, in its own words.
func TestOnErrorAnswersAll(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.Revocation = checkerFunc(func(_ context.Context, t *rs.Token) (bool, error) {
		return t.ID == "gone", map[bool]error{true: errSQL}[t.ID == "unknown"]
	})
	cfg.SubjectLoader = func(_ context.Context, t *rs.Token) (any, error) {
		return t.Subject, map[bool]error{true: rs.ErrNoSubject}[t.Subject == "nobody"]
	}
	cfg.OnError = func(w http.ResponseWriter, _ *http.Request, err *rs.Error) {
		w.Header().Set("WWW-Authenticate", err.Challenge)
		w.WriteHeader(err.Status)
		_ = json.NewEncoder(w).Encode(map[string]string{"msg": err.Description, "code": err.Code})
	}
	v := newVerifier(t, cfg)
	tests := []struct {
		name string
		raw  string
		want string
	}{
		{"F-35, F-81: missing", "", `401 {"code":"missing_token","msg":"bearer token required"}`},
		{"F-89: malformed", "a b", `400 {"code":"invalid_request","msg":"authorization is malformed or given twice"}`},
		{"F-31, F-83: expired", edit{"iat": "1699999000", "exp": "1699999600"}.token(), `401 {"code":"invalid_token","msg":"token expired"}`},
		{"F-32, F-90: invalid", "a", `401 {"code":"invalid_token","msg":"token invalid"}`},
		{"F-34, F-84, S3-21: revoked", edit{"jti": `"gone"`}.token(), `401 {"code":"invalid_token","msg":"token revoked"}`},
		{"F-33, F-85: not fresh", edit{"fresh": "false"}.token(), `401 {"code":"insufficient_user_authentication","msg":"sign in again"}`},
		{"scope", edit{"scope": `"none"`}.token(), `403 {"code":"insufficient_scope","msg":"token lacks a scope"}`},
		{"F-36, F-87: the host's check", edit{"sid": `"bad"`}.token(), `403 {"code":"access_denied","msg":"access denied"}`},
		{"F-37, F-86: no such subject", edit{"sub": `"nobody"`}.token(), `401 {"code":"invalid_token","msg":"token invalid"}`},
		{"F-92: nobody knows", edit{"jti": `"unknown"`}.token(), `503 {"code":"temporarily_unavailable","msg":"tokens cannot be verified now, try again"}`},
	}
	h := v.Required(rs.Fresh(), rs.Scopes("read"), rs.Check(func(_ context.Context, t *rs.Token) error {
		return map[bool]error{true: errPolicy}[t.SessionID == "bad"]
	}))(http.HandlerFunc(whoami))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := bearing(tt.raw)
			if tt.raw == "" {
				r.Header.Del("Authorization")
			}
			w := serve(h, r)
			if got := fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String())); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if refused := w.Code == 401 || w.Code == 403; refused != (w.Header().Get("WWW-Authenticate") != "") && w.Code != 400 {
				t.Errorf("M-20, F-93: challenge %q", w.Header().Get("WWW-Authenticate"))
			}
		})
	}
}

// What PyJWT and Flask-JWT-Extended have as options of the verifier are two lines here.
func TestOptionsThatAreChecks(t *testing.T) {
	t.Parallel()
	alone := rs.Check(func(_ context.Context, t *rs.Token) error {
		if len(t.Audience) != 1 {
			return rs.ErrInvalid
		}
		return nil
	})
	admins := rs.Check(func(_ context.Context, t *rs.Token) error {
		if admin, _ := rs.Claim[bool](t, "is_administrator"); !admin {
			return rs.ErrDenied
		}
		return nil
	})
	cfg := offline()
	cfg.SubjectLoader = func(_ context.Context, t *rs.Token) (any, error) {
		id, ok := rs.Claim[int64](t, "uid")
		return id, map[bool]error{false: rs.ErrNoSubject}[ok]
	}
	v := newVerifier(t, cfg)
	tests := []struct {
		name string
		edit edit
		req  rs.Requirement
		want int
	}{
		{"P-05, P-10 strict_aud: one audience", edit{"uid": "5"}, alone, 200},
		{"P-05, P-10 strict_aud: one of two", edit{"uid": "5", "aud": `["` + testAudience + `","b"]`}, alone, 401},
		{"F-107 admin_required: an admin", edit{"uid": "5", "is_administrator": "true"}, admins, 200},
		{"F-107 admin_required: Admins only!", edit{"uid": "5"}, admins, 403},
		{"F-52, S1-08: the identity in another claim", edit{"uid": "5"}, rs.Requirement{}, 200},
		{"F-52, S1-08: no identity there", edit{}, rs.Requirement{}, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(v.Required(tt.req)(http.HandlerFunc(whoami)), bearing(tt.edit.token())); got.Status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}

// S0-11, S0-20, S0-21, F-05, F-07, F-09, S3-18: who and until when, and nobody where nobody is; no call panics.
func TestWhoAmI(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, offline())
	var got []string
	h := v.Optional()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		tok, ok := rs.FromContext(r.Context())
		if !ok {
			got = append(got, fmt.Sprint("anonymous ", tok == nil, tok.IsUser()))
			return
		}
		got = append(got, fmt.Sprintln(tok.Subject, tok.ID, tok.ClientID, tok.Scopes, tok.ExpiresAt.Unix(), tok.Claims["type"]))
	}))
	ask(h, bearing(edit{}.token()))
	ask(h, httptest.NewRequest("GET", "/", nil))
	tok, ok := rs.FromContext(t.Context())
	got = append(got, fmt.Sprint(tok == nil, ok))

	want := []string{"usr_1 j-1 shop [read write] 1700000600 access\n", "anonymous true false", "true false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
