package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-authd/authd/rs"
)

// defect is one thing that is wrong with a token, or with what a route asks of it.
type defect struct {
	name   string
	claims edit
	header string
	key    bool // signed by another one
	req    rs.Requirement
	want   error
	says   string // part of the error
	asks   string // what was asked of the host until then, in this order
}

// F-94, in its order but for two: typ is looked at before a key is looked for, and shape before iss, exp being last. All
// of them have one answer.
var defects = []defect{
	{name: "alg", header: `{"alg":"RS512","kid":"k-at","typ":"at+jwt"}`, want: rs.ErrInvalid, says: "alg", asks: ""},
	{name: "typ", header: `{"alg":"RS256","kid":"k-at","typ":"JWT"}`, want: rs.ErrInvalid, says: "typ", asks: ""},
	{name: "kid", header: `{"alg":"RS256","kid":"k-no","typ":"at+jwt"}`, want: rs.ErrInvalid, says: `"k-no"`, asks: "key"},
	{name: "signature", key: true, want: rs.ErrInvalid, says: "signature", asks: "key"},
	{name: "shape", claims: edit{"sub": "5"}, want: rs.ErrInvalid, says: "sub", asks: "key"},
	{name: "iss", claims: edit{"iss": `"https://other.example"`}, want: rs.ErrInvalid, says: "iss", asks: "key"},
	{name: "aud", claims: edit{"aud": `"https://other.example"`}, want: rs.ErrInvalid, says: "aud", asks: "key"},
	{name: "nbf", claims: edit{"nbf": "1700000011"}, want: rs.ErrInvalid, says: "nbf", asks: "key"},
	{name: "a claim of the route", claims: edit{"sid": ""}, req: rs.Claims("sid"), want: rs.ErrInvalid, says: "sid", asks: "key"},
	{name: "exp", claims: edit{"iat": "1699999000", "exp": "1699999600"}, want: rs.ErrExpired, asks: "key"},
	{name: "revocation", claims: edit{"jti": `"gone"`}, want: rs.ErrRevoked, asks: "key revocation"},
	{name: "freshness", claims: edit{"fresh": "false"}, req: rs.Fresh(), want: rs.ErrNotFresh, asks: "key revocation"},
	{name: "scope", claims: edit{"scope": `"none"`}, req: rs.Scopes("read"), want: rs.ErrInsufficientScope, asks: "key revocation"},
	{name: "subject", claims: edit{"client_id": `"nobody's"`}, want: rs.ErrNoSubject, asks: "key revocation subject"},
	{name: "hook", req: rs.Check(func(context.Context, *rs.Token) error { return errPolicy }), want: rs.ErrDenied, asks: "key revocation subject"},
}

// F-94, F-95, F-96: of two defects the earlier one is the answer, in whatever order the route names its requirements;
// "expired" is said only if all that can be seen offline is right, and nobody is asked about a token that fails there.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	for i, first := range defects {
		for _, second := range append([]defect{{name: "nothing else"}}, defects[i+1:]...) {
			if first.header != "" && second.header != "" {
				continue // a token has one header
			}
			t.Run(first.name+" before "+second.name, func(t *testing.T) {
				t.Parallel()
				var asked []string
				v := newVerifier(t, asking(&asked))
				_, err := v.VerifyRequest(bearing(both(first, second)), second.req, rs.Requirement{}, first.req)

				if !errors.Is(err, first.want) || !strings.Contains(fmt.Sprint(err), first.says) {
					t.Errorf("got error %v, want %v about %q", err, first.want, first.says)
				}
				if first.want != rs.ErrExpired && errors.Is(err, rs.ErrExpired) {
					t.Errorf("got error %v, which says expired of a token that is more than that", err)
				}
				if got := strings.Join(asked, " "); got != first.asks {
					t.Errorf("asked for %s, want %s", got, first.asks)
				}
			})
		}
	}
}

func both(a, b defect) string {
	claims, header, key := edit{}, goodHeader, keyAT()
	for _, d := range []defect{b, a} {
		for name, raw := range d.claims {
			claims[name] = raw
		}
		if d.header != "" {
			header = d.header
		}
		if d.key {
			key = keyEvil()
		}
	}
	return forge(header, claims.payload(), key)
}

// asking notes who was asked.
func asking(asked *[]string) rs.Config {
	cfg := offline()
	cfg.Keys = keySourceFunc(func(_ context.Context, kid string) (any, error) {
		*asked = append(*asked, "key")
		return staticKeys{"k-at": keyAT().Public()}[kid], nil
	})
	cfg.Revocation = checkerFunc(func(_ context.Context, t *rs.Token) (bool, error) {
		*asked = append(*asked, "revocation")
		return t.ID == "gone", nil
	})
	cfg.SubjectLoader = func(_ context.Context, t *rs.Token) (any, error) {
		*asked = append(*asked, "subject")
		if t.ClientID == "nobody's" {
			return nil, rs.ErrNoSubject
		}
		return "somebody", nil
	}
	return cfg
}

// F-94: length comes before everything, and costs nothing.
func TestLengthComesFirst(t *testing.T) {
	t.Parallel()
	var asked []string
	v := newVerifier(t, asking(&asked))

	_, err := v.Verify(t.Context(), strings.Repeat("A", 8<<20)+".A.A")

	if !errors.Is(err, rs.ErrInvalid) || !strings.Contains(err.Error(), "too long") || asked != nil {
		t.Errorf("got error %v, asked for %v", err, asked)
	}
}

// P-07, P-08, P-09, J-24: the bounds are exact, leeway counts for all three.
func TestBoundsOfTimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit edit
		want error
	}{
		{"P-07: exp a second before now, and 10 s leeway", edit{"iat": "1699999000", "exp": "1699999991"}, nil},
		{"P-07: exp on the bound", edit{"iat": "1699999000", "exp": "1699999990"}, rs.ErrExpired},
		{"P-08: nbf on the bound", edit{"nbf": "1700000010"}, nil},
		{"P-08: nbf behind it", edit{"nbf": "1700000011"}, rs.ErrInvalid},
		{"P-09: iat on the bound", edit{"iat": "1700000010"}, nil},
		{"P-09: iat behind it", edit{"iat": "1700000011"}, rs.ErrInvalid},
		{"P-09: iat with a fraction", edit{"iat": "1700000009.75"}, nil},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := v.Verify(t.Context(), tt.edit.token()); !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
		})
	}
}

// F-48, Flask-JWT J-07, S1-18: leeway is chosen within bounds.
func TestLeewayIsChosen(t *testing.T) {
	t.Parallel()
	cfg := offline()
	cfg.Leeway = 30 * time.Second
	v := newVerifier(t, cfg)
	for exp, want := range map[string]error{"1699999971": nil, "1699999970": rs.ErrExpired} {
		if _, err := v.Verify(t.Context(), edit{"iat": "1699999000", "exp": exp}.token()); !errors.Is(err, want) {
			t.Errorf("exp %s: got error %v, want %v", exp, err, want)
		}
	}
}

// F-92: what a key source cannot say is 503 and never 500.
func TestNoRefusalIsAServerError(t *testing.T) {
	t.Parallel()
	for _, d := range defects {
		var asked []string
		w := serve(newVerifier(t, asking(&asked)).Required(d.req)(http.HandlerFunc(whoami)), bearing(both(d, defect{})))
		if w.Code != 401 && w.Code != 403 || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: got %d %v", d.name, w.Code, w.Header())
		}
	}
}
