package authdtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// Keys in memory outlive whatever happens to the JWKS; for others it is an outage, until the issuer is up again.
func TestFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(*authdtest.Issuer)
	}{
		{"down", (*authdtest.Issuer).Down},
		{"empty JWKS", (*authdtest.Issuer).EmptyJWKS},
		{"broken JWKS", func(i *authdtest.Issuer) { i.BrokenJWKS("<html>") }},
		{"huge JWKS", (*authdtest.Issuer).HugeJWKS},
		{"503", func(i *authdtest.Issuer) { i.Answer(authdtest.JWKSPath, http.StatusServiceUnavailable, "") }},
		{"own handler", func(i *authdtest.Issuer) { i.Handle(authdtest.JWKSPath, http.NotFound) }},
		{"cut in the middle", func(i *authdtest.Issuer) {
			i.Handle(authdtest.JWKSPath, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				_, _ = io.WriteString(w, `{"keys":`)
				panic(http.ErrAbortHandler)
			})
		}},
	}
	for _, tt := range tests {
		for place, options := range places {
			t.Run(tt.name+", "+place, func(t *testing.T) {
				t.Parallel()
				iss := authdtest.New(t, options...)
				v := verifier(t, iss, nil)
				old := iss.Token(authdtest.ExpiresIn(time.Hour))
				iss.RotateKey()
				tt.do(iss)

				wantVerdict(t, v, iss.Token(), rs.ErrUnavailable)
				wantVerdict(t, v, old, nil)
				if broken, err := rs.New(t.Context(), rs.Config{
					Issuer: iss.URL, Audience: iss.Audience, HTTPClient: iss.Client(), Logger: quiet,
				}); err == nil {
					_ = broken.Close()
					t.Error("rs.New is content")
				}
				iss.Up()
				iss.Advance(30 * time.Second)
				wantVerdict(t, v, iss.Token(), nil)
			})
		}
	}
}

// places are those where an issuer can be reached.
var places = map[string][]authdtest.Option{
	"by HTTP":   {authdtest.Path("/tenants/a")},
	"in memory": {authdtest.InMemory("https://id.example.com/tenants/a")},
}

// What others wait for does not hold those up whose key is known.
func TestHangingJWKS(t *testing.T) {
	t.Parallel()
	for place, options := range places {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			iss := authdtest.New(t, options...)
			v := verifier(t, iss, nil)
			old := iss.Token()
			iss.RotateKey()
			token := iss.Token()
			arrived, release := iss.HangJWKS()
			verified := make(chan error)
			go func() {
				_, err := v.Verify(context.Background(), token)
				verified <- err
			}()
			<-arrived
			wantVerdict(t, v, old, nil)
			release()
			release() // of no effect
			if err := <-verified; err != nil {
				t.Error(err)
			}
		})
	}
}

// An outage cuts those who wait, and so does the end of the test.
func TestHangingRequestIsCut(t *testing.T) {
	t.Parallel()
	for place, options := range places {
		for name, end := range map[string]func(*authdtest.Issuer){
			"down": (*authdtest.Issuer).Down, "closed": (*authdtest.Issuer).Close,
		} {
			t.Run(name+" "+place, func(t *testing.T) {
				t.Parallel()
				iss := authdtest.New(t, options...)
				arrived, _ := iss.Hang(authdtest.MetadataPath)
				client := iss.Client()
				done := make(chan error)
				go func() {
					resp, err := client.Get(iss.URL + authdtest.MetadataPath)
					if err == nil {
						_ = resp.Body.Close()
					}
					done <- err
				}()
				<-arrived

				end(iss)

				if err := <-done; name == "down" && err == nil {
					t.Error("the request was answered")
				}
			})
		}
	}
}

// A feed that its owner forgot to close does not keep the issuer from closing.
func TestCloseAnswersLongPolls(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t)
	arrived := make(chan struct{}, 1)
	iss.Handle(authdtest.RevocationsPath, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Prefer") != "" {
			select {
			case arrived <- struct{}{}:
			default:
			}
		}
		iss.Serve(w, r)
	})
	follow(t, iss, nil)
	<-arrived
	iss.Close()
}

// Fake time: what takes an hour takes none.
func TestSlowJWKS(t *testing.T) {
	t.Parallel()
	authdtest.Key(1)
	synctest.Test(t, func(t *testing.T) {
		iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
		v := verifier(t, iss, nil)
		iss.RotateKey()
		began := time.Now()

		iss.SlowJWKS(4 * time.Second)
		wantVerdict(t, v, iss.Token(), nil)
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("answered after %v", took)
		}
		iss.SlowJWKS(time.Hour)
		iss.Advance(30 * time.Second)
		wantVerdict(t, v, iss.Token(authdtest.UnknownKid()), rs.ErrUnavailable)
		if took := time.Since(began); took != 9*time.Second {
			t.Errorf("given up after %v, want 5s", took)
		}
	})
}

// An outage of the feed makes it stale, and it heals when the issuer is up.
func TestFeedDuringAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
		v := verifier(t, iss, func(c *rs.Config) { c.Keys, c.Revocation = iss, follow(t, iss, nil) })
		token := iss.Token(authdtest.ExpiresIn(time.Hour), authdtest.Session("f-1"))
		synctest.Wait()
		wantVerdict(t, v, token, nil)

		iss.Down()
		iss.RevokeSession("f-1")
		<-time.After(31 * time.Second)
		wantVerdict(t, v, token, rs.ErrUnavailable)

		iss.Up()
		<-time.After(time.Minute)
		wantVerdict(t, v, token, rs.ErrRevoked)
	})
}

// A body is read as it is sent, and no further than it is asked for.
func TestInMemoryStreams(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
	stopped := make(chan error)
	iss.Handle("/endless", func(w http.ResponseWriter, r *http.Request) {
		var err error
		for err == nil {
			_, err = io.WriteString(w, "more")
		}
		<-r.Context().Done()
		stopped <- err
	})
	resp, err := iss.Client().Get(iss.URL + "/endless")
	if err != nil {
		t.Fatal(err)
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, 8))
	if string(head) != "moremore" || err != nil || resp.Status != "200 OK" {
		t.Errorf("got %q, error %v, status %s", head, err, resp.Status)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err := <-stopped; err == nil {
		t.Error("the handler was not told")
	}
}

// Whoever gives up gets the error of their own context, before the answer and in the middle of it.
func TestInMemoryGivingUp(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
	iss.Handle("/never", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	iss.Handle("/half", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		<-r.Context().Done()
	})
	get := func(ctx context.Context, path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, iss.URL+path, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		return iss.Client().Do(req)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if resp, err := get(gone, "/never"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v and error %v", resp, err)
	}

	going, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp, err := get(going, "/half")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	half := make([]byte, 4)
	_, _ = io.ReadFull(resp.Body, half)
	cancel()
	if _, err := io.ReadAll(resp.Body); string(half) != "half" || !errors.Is(err, context.Canceled) {
		t.Errorf("got %q and error %v", half, err)
	}
}
