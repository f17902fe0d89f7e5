package rs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-authd/authd/rs"
)

// fakeNet answers without sockets, so that the time of a synctest bubble can pass.
type fakeNet struct {
	mu           sync.Mutex
	keys         string
	cacheControl string
	status       int
	drip         bool
	body         io.ReadCloser   // in place of keys
	fetchedAt    []time.Duration // since began
	began        time.Time
}

func (f *fakeNet) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r}
	if r.URL.Path != "/jwks.json" {
		resp.Body = io.NopCloser(strings.NewReader(`{"issuer":"` + testIssuer + `","jwks_uri":"` + testIssuer + `/jwks.json"}`))
		return resp, nil
	}
	f.fetchedAt = append(f.fetchedAt, time.Since(f.began))
	resp.StatusCode = f.status
	resp.Header.Set("Cache-Control", f.cacheControl)
	resp.Body = io.NopCloser(strings.NewReader(f.keys))
	if f.body != nil {
		resp.Body = f.body
	}
	if f.drip {
		resp.Body = drip{r.Context()}
	}
	return resp, nil
}

// drip sends nothing until the request is given up.
type drip struct{ ctx context.Context }

func (d drip) Read([]byte) (int, error) { <-d.ctx.Done(); return 0, d.ctx.Err() }
func (d drip) Close() error             { return nil }

func (f *fakeNet) change(c func(*fakeNet)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c(f)
}

// inBubble opens a verifier on a fake network in fake time, which begins in the year 2000.
func inBubble(t *testing.T, cacheControl string, test func(t *testing.T, v *rs.Verifier, f *fakeNet)) {
	t.Helper()
	doc := set(jwk("k-at", keyAT())) // made outside: it takes real time
	synctest.Test(t, func(t *testing.T) {
		f := &fakeNet{keys: doc, cacheControl: cacheControl, status: http.StatusOK, began: time.Now()}
		v, err := rs.New(t.Context(), rs.Config{
			Issuer: testIssuer, Audience: testAudience, HTTPClient: &http.Client{Transport: f},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		test(t, v, f)
	})
}

// Keys are refreshed as the issuer's max-age says, between a second and an hour, and while that fails every 30 s, or
// as often as max-age says if that is more often.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, cacheControl string
		want               time.Duration
	}{
		{"max-age as it is", "public, max-age=300", 300 * time.Second},
		{"max-age in capitals", "Public,MAX-AGE=120", 120 * time.Second},
		{"shortest", "max-age=1", time.Second},
		{"zero", "max-age=0, must-revalidate", 30 * time.Second},
		{"negative", "max-age=-5", 30 * time.Second},
		{"longest", "max-age=31536000", time.Hour},
		{"beyond what a duration can hold", "max-age=9223372036854775807", time.Hour},
		{"none", "", 5 * time.Minute},
		{"no number", "max-age=soon", 5 * time.Minute},
		{"another directive", "s-maxage=60", 5 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, tt.cacheControl, func(t *testing.T, _ *rs.Verifier, f *fakeNet) {
				<-time.After(tt.want - time.Nanosecond)
				synctest.Wait()
				before := len(f.fetchedAt)
				f.change(func(f *fakeNet) { f.status = http.StatusServiceUnavailable })
				<-time.After(time.Nanosecond)
				synctest.Wait()
				refreshed := len(f.fetchedAt)
				f.change(func(f *fakeNet) { f.status = http.StatusOK })
				<-time.After(min(30*time.Second, tt.want)) // the refresh has failed
				synctest.Wait()

				if after := len(f.fetchedAt); before != 1 || refreshed != 2 || after != 3 {
					t.Errorf("fetches at %v, want them at 0s, %v and 30 s or max-age later", f.fetchedAt, tt.want)
				}
			})
		})
	}
}

// J-51: of an answer that is too long no more than 1 MiB is read into memory.
func TestLongAnswer(t *testing.T) {
	t.Parallel()
	junk := forge(`{"alg":"RS256","kid":"junk","typ":"at+jwt"}`, "{}", keyEvil())
	inBubble(t, "", func(t *testing.T, v *rs.Verifier, f *fakeNet) {
		long := strings.NewReader(strings.Repeat(" ", 16<<20))
		f.change(func(f *fakeNet) { f.body = io.NopCloser(long) })

		if _, err := v.Verify(t.Context(), junk); !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("got error %v, want ErrUnavailable", err)
		}
		if read := 16<<20 - long.Len(); read > 1<<20+1 {
			t.Errorf("%d bytes read", read)
		}
	})
}

// J-51: an answer that does not end is given up after 5 s.
func TestDrip(t *testing.T) {
	t.Parallel()
	token := edit{}.token()
	junk := forge(`{"alg":"RS256","kid":"junk","typ":"at+jwt"}`, "{}", keyEvil())
	inBubble(t, "", func(t *testing.T, v *rs.Verifier, f *fakeNet) {
		f.change(func(f *fakeNet) { f.drip = true })
		asked := time.Now()

		_, err := v.Verify(t.Context(), junk)

		if took := time.Since(asked); took != 5*time.Second || !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("got error %v after %v, want ErrUnavailable after 5s", err, took)
		}
		// Issued 23 years after the bubble's now, so invalid; but its key is known and its signature good.
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, rs.ErrInvalid) || !strings.Contains(err.Error(), "iat") {
			t.Errorf("got error %v, want one about iat", err)
		}
	})
}

// Close ends the refreshing, a fetch under way included; the bubble would report a goroutine that stays.
func TestCloseDuringFetch(t *testing.T) {
	t.Parallel()
	junk := forge(`{"alg":"RS256","kid":"junk","typ":"at+jwt"}`, "{}", keyEvil())
	inBubble(t, "", func(t *testing.T, v *rs.Verifier, f *fakeNet) {
		f.change(func(f *fakeNet) { f.drip = true })
		refused := make(chan error, 1)
		go func() {
			_, err := v.Verify(context.Background(), junk)
			refused <- err
		}()
		synctest.Wait()

		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if err := <-refused; !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("got error %v, want ErrUnavailable", err)
		}
	})
}
