package rs_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

// The handler reads the body that the token was in as if nobody had.
func TestBodyIsStillThere(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	tests := []struct {
		name, contentType, body string
		from                    rs.Location
	}{
		{"form", formType, "token=" + good + "&a=b", rs.Form("token")},
		{"form longer than what is looked at for a second token", formType, "a=" + strings.Repeat("b", 200<<10) + "&token=" + good, rs.Form("token")},
		{"JSON", jsonType, `{"a":1,"token":"` + good + `"}`, rs.JSON("token")},
		{"JSON of 1 MiB exactly", jsonType, padded(1<<20, good), rs.JSON("token")},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []byte
			h := v.Required(rs.From(tt.from))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got, _ = io.ReadAll(r.Body)
			}))
			r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)

			a := ask(h, r)

			if diff := cmp.Diff(tt.body, string(got)); diff != "" {
				t.Errorf("answer %+v, body %s", a, diff)
			}
		})
	}
}

// padded is a JSON object of so many bytes with a token in it.
func padded(size int, token string) string {
	const before, between, after = `{"a":"`, `","token":"`, `"}`
	pad := size - len(before) - len(between) - len(after) - len(token)
	return before + strings.Repeat("a", pad) + between + token + after
}

// A body that is too long is refused, not cut: the rest could hold another token, or the handler need it.
func TestBodyTooLong(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	errCut := errors.New("cut")
	limited := func(r *http.Request) { r.Body = http.MaxBytesReader(nil, r.Body, 100) }
	whole := func(*http.Request) {}
	isTooLong := func(err error) bool { _, ok := errors.AsType[*http.MaxBytesError](err); return ok }
	isCut := func(err error) bool { return errors.Is(err, errCut) }
	whatever := func(error) bool { return true }
	tests := []struct {
		name, contentType string
		body              io.Reader
		from              rs.Location
		limit             func(*http.Request)
		inCause           func(error) bool
	}{
		{"JSON of 1 MiB and a byte", jsonType, strings.NewReader(padded(1<<20+1, good)), rs.JSON("token"), whole, whatever},
		{"form of over 1 MiB", formType, strings.NewReader("token=" + good + "&a=" + strings.Repeat("b", 1<<20)), rs.Form("token"), whole, whatever},
		{"what the host limited", jsonType, strings.NewReader(padded(2000, good)), rs.JSON("token"), limited, isTooLong},
		{"cut short", formType, io.MultiReader(strings.NewReader("token="+good), iotest.ErrReader(errCut)), rs.Form("token"), whole, isCut},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var cause error
			cfg := offline()
			cfg.OnError = func(w http.ResponseWriter, _ *http.Request, err *rs.Error) {
				cause = err
				w.WriteHeader(err.Status)
			}
			h := newVerifier(t, cfg).Required(rs.From(tt.from))(http.HandlerFunc(whoami))
			r := httptest.NewRequest("POST", "/", tt.body)
			r.Header.Set("Content-Type", tt.contentType)
			tt.limit(r)

			got := ask(h, r)

			if got.Status != 400 || !errors.Is(cause, rs.ErrMalformed) {
				t.Errorf("got %+v, error %v, want ErrMalformed", got, cause)
			}
			if !tt.inCause(cause) {
				t.Errorf("got error %v without what stopped the reading", cause)
			}
		})
	}
}

// A form that an outer handler parsed is read from there.
func TestFormLocationParsedOutside(t *testing.T) {
	t.Parallel()
	h := newVerifier(t, offline()).Required(rs.From(rs.Form("token")))(http.HandlerFunc(whoami))
	r := httptest.NewRequest("POST", "/?token=x", strings.NewReader("token="+edit{}.token()))
	r.Header.Set("Content-Type", formType)
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}

	if got := ask(h, r); got.Status != 200 {
		t.Errorf("got %+v, want status 200", got)
	}
}
