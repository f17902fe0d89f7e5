package rs_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/rs"
)

func (n *feedNet) introspectionConfig(log io.Writer) rs.IntrospectionConfig {
	return rs.IntrospectionConfig{
		Issuer: testIssuer, ClientID: "api", ClientSecret: "s",
		HTTPClient: &http.Client{Transport: n}, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// inIntrospectionBubble opens a verifier that asks about each token, in fake time. The issuer answers active to begin
// with. change may be nil.
func inIntrospectionBubble(t *testing.T, change func(*rs.IntrospectionConfig, *feedNet), test func(t *testing.T, v *rs.Verifier, n *feedNet, log *logBuffer)) {
	t.Helper()
	keyAT() // made outside: it takes real time
	synctest.Test(t, func(t *testing.T) {
		n, log := newFeedNet(), new(logBuffer)
		n.answer(200, `{"active":true}`)
		cfg := n.introspectionConfig(log)
		if change != nil {
			change(&cfg, n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		i, err := rs.NewIntrospection(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close()
		cancel() // that of the start
		verifier := offline()
		verifier.Now, verifier.Revocation = nil, i
		test(t, newVerifier(t, verifier), n, log)
	})
}

// freshToken was issued now.
func freshToken(jti string) string {
	return edit{"jti": `"` + jti + `"`, "iat": unix(0), "nbf": unix(0), "exp": unix(10 * time.Minute), "auth_time": ""}.token()
}

func TestNewIntrospectionFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*rs.IntrospectionConfig, *feedNet)
		want   string
	}{
		{"no issuer", func(c *rs.IntrospectionConfig, _ *feedNet) { c.Issuer = "" }, "IntrospectionConfig.Issuer"},
		{"no client id", func(c *rs.IntrospectionConfig, _ *feedNet) { c.ClientID = "" }, "IntrospectionConfig.ClientID"},
		{"no secret", func(c *rs.IntrospectionConfig, _ *feedNet) { c.ClientSecret = "" }, "IntrospectionConfig.ClientSecret"},
		{"a cache for longer than a minute", func(c *rs.IntrospectionConfig, _ *feedNet) { c.CacheFor = 61 * time.Second }, "CacheFor is 1m1s, want 0 to 1m0s"},
		{"a negative cache", func(c *rs.IntrospectionConfig, _ *feedNet) { c.CacheFor = -1 }, "CacheFor"},
		{"an issuer without introspection", func(_ *rs.IntrospectionConfig, n *feedNet) { n.metadata = `{"issuer":"` + testIssuer + `"}` }, "has no introspection_endpoint"},
		{"an endpoint in the clear", func(_ *rs.IntrospectionConfig, n *feedNet) {
			n.metadata = strings.Replace(feedMetadata, testIssuer+"/oauth2/introspect", "http://id.example.com/x", 1)
		}, "introspection_endpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newFeedNet()
			cfg := n.introspectionConfig(new(logBuffer))
			tt.change(&cfg, n)

			i, err := rs.NewIntrospection(t.Context(), cfg)

			if err == nil {
				_ = i.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one about %q", err, tt.want)
			}
		})
	}
}

// RFC 7662 §2.1: a POST with the token in a form, authenticated as RFC 6749 §2.3.1 says.
func TestIntrospectionAsks(t *testing.T) {
	t.Parallel()
	inIntrospectionBubble(t, func(c *rs.IntrospectionConfig, n *feedNet) {
		c.ClientID, c.ClientSecret = "a b", "s%:"
		n.with(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPost || r.URL.Path != "/oauth2/introspect" || r.Header.Get("Content-Type") != formType {
				return reply(400, "{}"), nil
			}
			return reply(200, `{"active":true}`), nil
		})
	}, func(t *testing.T, v *rs.Verifier, n *feedNet, _ *logBuffer) {
		raw := freshToken("j-1")
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Error(err)
		}
		want := []question{{
			auth: "Basic " + base64.StdEncoding.EncodeToString([]byte("a+b:s%25%3A")),
			body: "token=" + raw + "&token_type_hint=access_token",
		}}
		if diff := cmp.Diff(want, n.questions(), cmp.AllowUnexported(question{})); diff != "" {
			t.Error(diff)
		}
	})
}

// RFC 7662 §2.2 and protocol.md: only an answer that says so makes a token dead, only one that says so lets it live.
func TestIntrospectionAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		want   error // nil: accepted
	}{
		{"active", 200, `{"active":true}`, nil},
		{"active, with other members", 200, `{"active":true,"jti":"j-1","scope":"read","x":[1]}`, nil},
		{"not active, RFC 7662 §2.2", 200, `{"active":false}`, rs.ErrRevoked},
		{"not active, whatever else it says", 200, `{"active":false,"jti":"j-2"}`, rs.ErrRevoked},
		{"active, but about another token", 200, `{"active":true,"jti":"j-2"}`, rs.ErrUnavailable},
		{"active, with a jti that is no string", 200, `{"active":true,"jti":null}`, rs.ErrUnavailable},
		{"active as a string", 200, `{"active":"true"}`, rs.ErrUnavailable},
		{"active twice", 200, `{"active":false,"active":true}`, rs.ErrUnavailable},
		{"active in capitals", 200, `{"Active":true}`, rs.ErrUnavailable},
		{"no member active", 200, `{}`, rs.ErrUnavailable},
		{"null", 200, `null`, rs.ErrUnavailable},
		{"nothing", 200, ``, rs.ErrUnavailable},
		{"HTML", 200, `<html>`, rs.ErrUnavailable},
		{"an answer cut off", 200, `{"active":true`, rs.ErrUnavailable},
		{"more than 1 MiB", 200, `{"active":true,"x":"` + strings.Repeat("x", 1<<20) + `"}`, rs.ErrUnavailable},
		{"204", 204, ``, rs.ErrUnavailable},
		{"401", 401, `{"active":false}`, rs.ErrUnavailable},
		{"403", 403, `{"active":false}`, rs.ErrUnavailable},
		{"404", 404, `{"active":false}`, rs.ErrUnavailable},
		{"429", 429, `{"active":false}`, rs.ErrUnavailable},
		{"503, I-10", 503, `{"active":false}`, rs.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inIntrospectionBubble(t, func(_ *rs.IntrospectionConfig, n *feedNet) { n.answer(tt.status, tt.body) },
				func(t *testing.T, v *rs.Verifier, _ *feedNet, log *logBuffer) {
					_, err := v.Verify(t.Context(), freshToken("j-1"))
					if !errors.Is(err, tt.want) || errors.Is(err, rs.ErrInvalid) != (tt.want == rs.ErrRevoked) {
						t.Errorf("got error %v, want %v", err, tt.want)
					}
					misconfigured := tt.status == 401 || tt.status == 403
					if strings.Contains(log.String(), "level=ERROR") != misconfigured {
						t.Errorf("log is %q", log)
					}
				})
		})
	}
}

// An outage is no verdict on the token: clients throw tokens away on 401.
// whoever must ask refuses with 503 meanwhile.
func TestIntrospectionOutage(t *testing.T) {
	t.Parallel()
	inIntrospectionBubble(t, nil, func(t *testing.T, v *rs.Verifier, n *feedNet, log *logBuffer) {
		for _, outage := range []func(*http.Request) (*http.Response, error){
			func(*http.Request) (*http.Response, error) { return nil, errUnplugged },
			dripping,
			func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
		} {
			n.with(outage)
			asked := time.Now()
			_, err := v.Verify(t.Context(), freshToken("j-1"))
			if !errors.Is(err, rs.ErrUnavailable) || errors.Is(err, rs.ErrInvalid) || time.Since(asked) > 5*time.Second {
				t.Errorf("got error %v after %v, want ErrUnavailable within 5s", err, time.Since(asked))
			}
		}
		n.answer(200, `{"active":true}`)
		if _, err := v.Verify(t.Context(), freshToken("j-1")); err != nil || log.String() != "" {
			t.Errorf("after the outage: %v; log is %q", err, log)
		}
	})
}

// A wrong secret is told once in 30 s, however many requests meet it.
func TestIntrospectionMisconfigured(t *testing.T) {
	t.Parallel()
	inIntrospectionBubble(t, func(c *rs.IntrospectionConfig, n *feedNet) {
		c.ClientSecret = "authd_cs_hush"
		n.answer(401, "{}")
	}, func(t *testing.T, v *rs.Verifier, _ *feedNet, log *logBuffer) {
		for want := range 3 {
			for range 10 {
				if _, err := v.Verify(t.Context(), freshToken("j-1")); !errors.Is(err, rs.ErrUnavailable) {
					t.Errorf("got error %v, want ErrUnavailable", err)
				}
			}
			if got := strings.Count(log.String(), "level=ERROR"); got != want+1 || strings.Contains(log.String(), "hush") {
				t.Errorf("%d errors in the log, want %d: %s", got, want+1, log)
			}
			pass(30 * time.Second)
		}
	})
}

// Without CacheFor each token is asked about each time, so that the first check after a revocation refuses it.
func TestIntrospectionIsExact(t *testing.T) {
	t.Parallel()
	inIntrospectionBubble(t, nil, func(t *testing.T, v *rs.Verifier, n *feedNet, _ *logBuffer) {
		raw := freshToken("j-1")
		for range 10 {
			if _, err := v.Verify(t.Context(), raw); err != nil {
				t.Error(err)
			}
		}
		n.answer(200, `{"active":false}`)
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, rs.ErrRevoked) {
			t.Errorf("got error %v, want ErrRevoked", err)
		}
		if got := len(n.questions()); got != 11 {
			t.Errorf("%d questions about 11 requests", got)
		}
	})
}

// With CacheFor a token lives on for that long after the question was sent that was answered with active, and not a
// moment longer. Nothing else is cached.
func TestIntrospectionCache(t *testing.T) {
	t.Parallel()
	inIntrospectionBubble(t, func(c *rs.IntrospectionConfig, n *feedNet) {
		c.CacheFor = 10 * time.Second
		n.with(func(*http.Request) (*http.Response, error) {
			<-time.After(3 * time.Second)
			return reply(200, `{"active":true}`), nil
		})
	}, func(t *testing.T, v *rs.Verifier, n *feedNet, _ *logBuffer) {
		raw, other := freshToken("j-1"), freshToken("j-2")
		verify := func(raw string, want error, questions int) {
			t.Helper()
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, want) {
				t.Errorf("got error %v, want %v", err, want)
			}
			if got := len(n.questions()); got != questions {
				t.Errorf("%d questions, want %d", got, questions)
			}
		}
		verify(raw, nil, 1)
		n.answer(200, `{"active":false}`)
		verify(other, rs.ErrRevoked, 2) // each token for itself
		verify(other, rs.ErrRevoked, 3)
		pass(7*time.Second - time.Nanosecond)
		verify(raw, nil, 3)
		pass(time.Nanosecond)
		verify(raw, rs.ErrRevoked, 4)
		n.unplug()
		verify(raw, rs.ErrUnavailable, 5)
		n.answer(200, `{"active":true}`)
		verify(raw, nil, 6)
		n.unplug()
		pass(10 * time.Second)
		verify(raw, rs.ErrUnavailable, 7) // a cache is no way through an outage
	})
}

// However many requests carry a token, one question about it is under way. Who comes later shares the next one: the
// answer of the first may be older than a revocation that the issuer has acknowledged since.
func TestIntrospectionSharesQuestions(t *testing.T) {
	t.Parallel()
	inIntrospectionBubble(t, nil, func(t *testing.T, v *rs.Verifier, n *feedNet, _ *logBuffer) {
		release := make(chan struct{})
		n.with(func(*http.Request) (*http.Response, error) { // answers what is true now, and the answer takes its time
			<-release
			return reply(200, `{"active":true}`), nil
		})
		raw := freshToken("j-1")
		var first, later, elsewhere []error
		var mu sync.Mutex
		ask := func(raw string, all *[]error) {
			go func() {
				_, err := v.Verify(context.Background(), raw)
				mu.Lock()
				*all = append(*all, err)
				mu.Unlock()
			}()
		}
		ask(raw, &first)
		ask(freshToken("j-2"), &elsewhere)
		synctest.Wait()
		n.answer(200, `{"active":false}`) // revoked, and acknowledged
		for range 100 {
			ask(raw, &later)
		}
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := v.Verify(gone, raw); !errors.Is(err, context.Canceled) || !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("who leaves gets %v", err)
		}
		if got := len(n.questions()); got != 2 {
			t.Errorf("%d questions while the first are under way, want 2", got)
		}
		close(release)
		synctest.Wait()

		if len(first) != 1 || first[0] != nil || len(elsewhere) != 1 || elsewhere[0] != nil || len(later) != 100 {
			t.Fatalf("got %v, %v and %d errors", first, elsewhere, len(later))
		}
		for _, err := range later {
			if !errors.Is(err, rs.ErrRevoked) {
				t.Fatalf("a request that came after the revocation got %v", err)
			}
		}
		if got := len(n.questions()); got != 3 {
			t.Errorf("%d questions about 101 requests with one token and one with another, want 3", got)
		}
	})
}

// An answer that says revoked ends what an earlier one has left in the cache.
func TestIntrospectionCacheForgetsRevoked(t *testing.T) {
	t.Parallel()
	inIntrospectionBubble(t, func(c *rs.IntrospectionConfig, _ *feedNet) { c.CacheFor = time.Minute },
		func(t *testing.T, v *rs.Verifier, n *feedNet, _ *logBuffer) {
			n.with(func(*http.Request) (*http.Response, error) {
				<-time.After(time.Second)
				return reply(200, `{"active":true}`), nil
			})
			raw := freshToken("j-1")
			for range 2 { // two questions, since the second comes while the first is under way
				go func() { _, _ = v.Verify(context.Background(), raw) }()
				synctest.Wait()
			}
			n.answer(200, `{"active":false}`) // the second
			pass(time.Second)
			if _, err := v.Verify(t.Context(), raw); !errors.Is(err, rs.ErrRevoked) {
				t.Errorf("got error %v, want ErrRevoked", err)
			}
		})
}

// The request that asked first may be given up; the question is asked for all.
func TestIntrospectionOutlivesRequest(t *testing.T) {
	t.Parallel()
	inIntrospectionBubble(t, nil, func(t *testing.T, v *rs.Verifier, n *feedNet, _ *logBuffer) {
		release := make(chan struct{})
		n.with(func(r *http.Request) (*http.Response, error) {
			select {
			case <-release:
				return reply(200, `{"active":true}`), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		raw := freshToken("j-1")
		ctx, cancel := context.WithCancel(t.Context())
		left, stayed := make(chan error, 1), make(chan error, 1)
		go func() { _, err := v.Verify(ctx, raw); left <- err }()
		synctest.Wait()
		go func() { _, err := v.Verify(context.Background(), raw); stayed <- err }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, rs.ErrUnavailable) {
			t.Errorf("who left got %v", err)
		}
		close(release)
		if err := <-stayed; err != nil {
			t.Errorf("who stayed got %v", err)
		}
	})
}

// Close ends what is under way; the bubble would report a goroutine that stays.
func TestIntrospectionClose(t *testing.T) {
	t.Parallel()
	keyAT()
	synctest.Test(t, func(t *testing.T) {
		n := newFeedNet()
		n.with(dripping)
		i, err := rs.NewIntrospection(t.Context(), n.introspectionConfig(new(logBuffer)))
		if err != nil {
			t.Fatal(err)
		}
		cfg := offline()
		cfg.Now, cfg.Revocation = nil, i
		v := newVerifier(t, cfg)
		raw := freshToken("j-1")
		refused := make(chan error, 2)
		for range 2 { // one asks, one waits for the next question
			go func() { _, err := v.Verify(context.Background(), raw); refused <- err }()
		}
		synctest.Wait()
		closed := time.Now()
		for range 2 {
			if err := i.Close(); err != nil {
				t.Error(err)
			}
		}
		_, err = v.Verify(t.Context(), raw)
		if took := time.Since(closed); took != 0 || !strings.Contains(err.Error(), "closed") {
			t.Errorf("closing took %v; afterwards a token gets %v", took, err)
		}
		for _, err := range []error{err, <-refused, <-refused} {
			if !errors.Is(err, rs.ErrUnavailable) {
				t.Errorf("got error %v, want ErrUnavailable", err)
			}
		}
	})
}

// Only a verifier knows the text of a token.
func TestIntrospectionOfMadeUpToken(t *testing.T) {
	t.Parallel()
	n := newFeedNet()
	i, err := rs.NewIntrospection(t.Context(), n.introspectionConfig(new(logBuffer)))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	wantVerdict(t, i, living(), "unavailable")
	if got := len(n.questions()); got != 0 {
		t.Errorf("%d questions", got)
	}
}
