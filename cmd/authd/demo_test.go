package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/internal/dbtest"
)

// lie replaces an answer of the server: the nth to path whose request has all of form.
type lie struct {
	path     string
	form     string
	nth      int32
	status   int // 0: what it is
	old, new string
}

// liar is a transport that tells one lie.
type liar struct {
	lie
	seen atomic.Int32
	next http.Transport
}

// RoundTrip implements [http.RoundTripper].
func (l *liar) RoundTrip(r *http.Request) (*http.Response, error) {
	hit := l.hits(r)
	resp, err := l.next.RoundTrip(r)
	if err != nil || !hit {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if l.status != 0 {
		resp.StatusCode = l.status
	}
	body = regexp.MustCompile(l.old).ReplaceAll(body, []byte(l.new))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, resp.Body.Close()
}

func (l *liar) hits(r *http.Request) bool {
	if r.URL.Path != l.path {
		return false
	}
	if r.Body != nil {
		sent, _ := io.ReadAll(r.Body) // of a strings.Reader
		r.Body = io.NopCloser(bytes.NewReader(sent))
		if form, _ := url.ParseQuery(string(sent)); !has(form, l.form) {
			return false
		}
	}
	return l.seen.Add(1) == l.nth
}

func has(form url.Values, part string) bool {
	name, value, _ := strings.Cut(part, "=")
	return part == "" || form.Get(name) == value
}

// The demo is a test that users run: a server that is not as it should be makes it fail,
// at the step where it shows.
func TestDemoFailsOfAServerThat(t *testing.T) {
	t.Parallel()
	refresh := "grant_type=refresh_token"
	tests := []struct {
		name string
		lie  lie
		want string // in the error; "" for none
	}{
		{"is as it should be", lie{}, ""},
		{"refuses a good client", lie{"/oauth2/token", "", 1, 401, "", ""}, "step 3, A program gets an access token: the status is 401, want 200"},
		{"publishes no key ahead", lie{"/.well-known/jwks.json", "", 2, 0, `,\{.*\}\]`, "]"}, "step 6, The API verifies tokens offline: 1 keys are published"},
		{"admits a changed token", lie{"/orders", "", 4, 200, "", ""}, "step 6, The API verifies tokens offline: the status is 200, want 401"},
		{"does not rotate", lie{"/oauth2/token", refresh, 1, 0, `"refresh_token":`, `"kept":`}, "step 8, Refresh: refresh_token is missing, or the same"},
		{"has another successor for a retry", lie{"/oauth2/token", refresh, 2, 0, `"refresh_token":"`, `"refresh_token":"x`}, "step 9, The answer got lost, so the shop asks again: refresh_token is xeyJ"},
		{"lets the thief in", lie{"/oauth2/token", refresh, 4, 200, "", ""}, "step 10, A thief shows an older refresh token: the status is 200, want 400"},
		{"forgets a revocation", lie{"/oauth2/introspect", "", 3, 0, "false", "true"}, "step 12, Revoke it: active is true, want false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			d := newDemo(t.Context(), newPage(&out), &liar{lie: tt.lie})

			err := d.run(stepsOn(dbtest.URL(t)))

			if tt.want == "" {
				if err != nil {
					t.Errorf("%v\n%s", err, out.String())
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want %q\n%s", err, tt.want, out.String())
			}
			if got := explain(err).exit; got != exitFailed {
				t.Errorf("exit status %d, want %d", got, exitFailed)
			}
			if !strings.Contains(out.String(), "✗ Not as it should be") || strings.Contains(out.String(), "every answer checked") {
				t.Errorf("the page does not say so:\n%s", out.String())
			}
		})
	}
}

// stepsOn is the demo on a database that is there already.
func stepsOn(databaseURL string) []demoStep {
	steps := slices.Clone(demoSteps)
	steps[0].run = func(d *demo) error {
		pool, err := newPool(d.ctx, databaseURL)
		if err != nil {
			return err
		}
		db := &database{pool: pool}
		d.onClose(db.close)
		return d.startServer(db)
	}
	return steps
}

func TestPageIsLaidOutForItsWidth(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := &page{w: &out, width: 40, indent: "  "}

	p.step(3, 12, "A program that has a rather long title")
	p.sent("curl", "-u shop:secret", "-d grant_type=client_credentials", "http://127.0.0.1/oauth2/token")
	p.json(`{"active":false}`, nil)
	p.json(`{"aud":"orders","amr":["pwd","otp"],"error_description":"words that take more than one line"}`, map[string]string{"aud": "for whom"})
	p.got("kid", strings.Repeat("k", 45))
	p.means("What it means, in a sentence of more than one line.")

	want := `
3/12 A program that has a rather long ──
     title
  $ curl -u shop:secret \
      -d grant_type=client_credentials \
      http://127.0.0.1/oauth2/token
  {"active": false}
  {
    "aud": "orders",        for whom
    "amr": ["pwd", "otp"],
    "error_description": "words that
      take more than one line"
  }
  kid:
    kkkkkkkkkkkkkkkkkkkkkkkkkkkkk…kkkkkk
✓ What it means, in a sentence of more
  than one line.
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"a token keeps its ends", `"` + strings.Repeat("a", 50) + strings.Repeat("b", 50) + `"`, `"aaaaaaaa…bbbbbb"`},
		{"a secret after a name", "shop:authd_cs_" + strings.Repeat("s", 43), "shop:authd_cs…ssssss"},
		{"a family's identifier stays whole", "3f2b8c1e-7d64-4a09-9b1c-1f2e3d4c5b6a", "3f2b8c1e-7d64-4a09-9b1c-1f2e3d4c5b6a"},
		{"a sentence stays whole", strings.Repeat("word ", 20), strings.Repeat("word ", 20)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := shorten(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
