package authd_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/keys/hooktest"
	"github.com/go-authd/authd/internal/keys/keystest"
	"github.com/go-authd/authd/rs"
)

// hsmKeys are made once for all tests: making one takes a second under the race detector.
var hsmKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	out := make([]*rsa.PrivateKey, 6)
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() {
			var err error
			if out[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
				panic(err)
			}
		})
	}
	wg.Wait()
	return out
})

// newHSM makes at most six keys.
func newHSM() *hooktest.HSM {
	var mu sync.Mutex
	next := 0
	return hooktest.NewHSM(func(int) (*rsa.PrivateKey, error) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return hsmKeys()[next-1], nil
	})
}

// withHSM is a server whose signing keys are in hsm, and which tries it again all the time.
func withHSM(t *testing.T, hsm authd.Signer, limits *hooktest.Limits) *harness {
	t.Helper()
	return newHarnessOn(t, dbtest.New(t), func(c *authd.Config) {
		c.KeyEncryptionKeys, c.Signer, c.KeyPoll = nil, hsm, time.Millisecond
		c.LimitHooks(limits.WithTimeout)
	})
}

// readyz returns the status and the body.
func (h *harness) readyz() (int, string) {
	w := httptest.NewRecorder()
	h.server.OpsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}

func (h *harness) waitReady() {
	h.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for status := 0; status != http.StatusOK; status, _ = h.readyz() {
		<-tick.C
	}
}

func (h *harness) verify(token string) {
	h.t.Helper()
	v, err := rs.New(h.t.Context(), rs.Config{Issuer: h.http.URL, Audience: h.http.URL, Keys: h.server})
	if err != nil {
		h.t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Verify(h.t.Context(), token); err != nil {
		h.t.Error(err)
	}
}

// A client hears 503 and when to come again, the operator hears why, and a load balancer
// hears that requests should go elsewhere, until the Signer signs.
func TestSignerThatDoesNotSign(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault func(*hooktest.Hang) hooktest.Fault
		lies  hooktest.Lies
		want  string // in the log
	}{
		{"it fails", func(*hooktest.Hang) hooktest.Fault { return hooktest.Broken("sign") }, hooktest.Lies{}, "signer: sign: the cable is cut"},
		{"it hangs", func(h *hooktest.Hang) hooktest.Fault { return hooktest.Only("sign", h.Deaf) }, hooktest.Lies{}, "signer: sign: no answer"},
		{"it panics", func(*hooktest.Hang) hooktest.Fault {
			return hooktest.Only("sign", func(context.Context, string, string) error { panic("nobody is there") })
		}, hooktest.Lies{}, "signer: sign: panic: nobody is there"},
		{"its signature is wrong", nil, hooktest.Lies{Signed: func(s []byte) []byte { s[100] ^= 1; return s }}, "signer: sign: the signature is wrong"},
		{"its signature is empty", nil, hooktest.Lies{Signed: func([]byte) []byte { return nil }}, "signer: sign: the signature is wrong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var limits hooktest.Limits
			hang := hooktest.NewHang()
			defer hang.Release()
			hsm := newHSM()
			h := withHSM(t, hsm, &limits)
			secret := h.client(authd.Client{ID: "shop"})
			h.verify(h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token"))

			stop := hang.Expire(&limits)
			if tt.fault != nil {
				hsm.Fail(tt.fault(hang))
			}
			hsm.Lie(tt.lies)
			a := h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 503, "temporarily_unavailable")
			if a.header.Get("Retry-After") != "1" || strings.Contains(a.raw, "signer") || a.str("access_token") != "" {
				t.Errorf("got %v %s, want Retry-After and no cause", a.header, a.raw)
			}
			if status, body := h.readyz(); status != 503 || !strings.Contains(body, `"keys"`) {
				t.Errorf("readyz: %d %s, want that keys failed", status, body)
			}
			if log := h.log.String(); !strings.Contains(log, tt.want) {
				t.Errorf("the log does not have %q", tt.want)
			}
			h.do(h.request(http.MethodGet, "/.well-known/jwks.json", "", "")).want(t, 200, "")

			hang.Release() // also what the server tries by itself
			stop()
			hsm.Fail(nil)
			hsm.Lie(hooktest.Lies{})
			h.waitReady()
			h.verify(h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token"))
		})
	}
}

// A refresh whose signature failed has been committed: the retry is answered with the
// successor, and so is another (RFC 9700 §4.14.2, the grace window).
func TestRefreshWithASigner(t *testing.T) {
	t.Parallel()
	var limits hooktest.Limits
	hsm := newHSM()
	h := withHSM(t, hsm, &limits)
	h.client(authd.Client{ID: "app", AuthMethod: "none", GrantTypes: []string{"refresh_token"}, FirstParty: true})
	if _, err := h.server.CreateUser(t.Context(), authd.NewUser{Username: "ada", Password: password}); err != nil {
		t.Fatal(err)
	}
	parent := h.json("/account/login", `{"client_id":"app","username":"ada","password":"`+password+`"}`).want(t, 200, "").str("refresh_token")
	refresh := func() answer {
		return h.form("/oauth2/token", "", "", "client_id", "app", "grant_type", "refresh_token", "refresh_token", parent)
	}
	hsm.Fail(hooktest.Broken("sign"))
	refresh().want(t, 503, "temporarily_unavailable")
	hsm.Fail(nil)

	first, again := refresh().want(t, 200, ""), refresh().want(t, 200, "")

	if first.str("refresh_token") == parent || first.str("refresh_token") != again.str("refresh_token") {
		t.Error("two retries got two successors")
	}
	h.verify(again.str("access_token"))
}

// F-30: the ring chooses the key, which may lie in an HSM.
func TestServerRotatesKeysOfASigner(t *testing.T) {
	t.Parallel()
	var limits hooktest.Limits
	hsm := newHSM()
	h := withHSM(t, hsm, &limits)
	secret := h.client(authd.Client{ID: "shop"})
	before := h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token")
	hsm.Fail(hooktest.Broken("create"))
	if _, err := h.server.RotateKeys(t.Context(), false); !errors.Is(err, authd.ErrUnavailable) || !strings.Contains(err.Error(), "signer: create a key") {
		t.Errorf("got %v, want an outage of the signer", err)
	}
	hsm.Fail(nil)

	if _, err := h.server.RotateKeys(t.Context(), false); err != nil {
		t.Fatal(err)
	}

	h.verify(before)
	h.verify(h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token"))
	dbtest.SetClock(t, h.pool, 5*time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(hsm.Destroyed()) < 2 {
		<-tick.C
	}
	gone := hsm.Destroyed()
	slices.Sort(gone)
	if got := slices.Compact(gone); !slices.Equal(got, []string{"key-1", "key-3"}) || len(hsm.Names()) != 4 {
		t.Errorf("%v destroyed and %v left, want the first key of each ring destroyed", got, hsm.Names())
	}
}

// From a Secret to a KMS, with the KMS away at the wrong moments.
func TestKeyEncryptor(t *testing.T) {
	t.Parallel()
	pool, kms := keystest.Pool(t), hooktest.NewKMS("kms/7")
	cfg := authd.Config{Issuer: "http://localhost", DB: pool, KeyEncryptionKeys: []authd.KeyEncryptor{kms, kek(t)}}
	kms.Fail(hooktest.Broken())
	if _, err := authd.New(t.Context(), cfg); !errors.Is(err, authd.ErrUnavailable) || errors.Is(err, authd.ErrKEK) || !strings.Contains(err.Error(), "kms/7") {
		t.Errorf("got %v, want an outage of kms/7", err)
	}
	kms.Fail(nil)
	h := newHarnessOn(t, pool, func(c *authd.Config) { c.KeyEncryptionKeys = cfg.KeyEncryptionKeys })
	secret := h.client(authd.Client{ID: "shop"})

	kms.Fail(hooktest.Broken())
	if out, err := h.server.RewrapKeys(t.Context()); !errors.Is(err, authd.ErrUnavailable) || len(out.KeyIDs) != 0 {
		t.Errorf("got %+v, %v, want an outage and nothing done", out, err)
	}
	if _, err := h.server.RotateKeys(t.Context(), false); !errors.Is(err, authd.ErrUnavailable) {
		t.Errorf("got %v, want an outage", err)
	}
	h.verify(h.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token"))

	kms.Fail(nil)
	if out, err := h.server.RewrapKeys(t.Context()); err != nil || out.KeyEncryptionKey != "kms/7" || len(out.KeyIDs) != 4 {
		t.Errorf("got %+v, %v, want four keys under kms/7", out, err)
	}
	alone := newHarnessOn(t, pool, func(c *authd.Config) { c.KeyEncryptionKeys = []authd.KeyEncryptor{kms} })
	alone.verify(alone.form("/oauth2/token", "shop", secret, "grant_type", "client_credentials").want(t, 200, "").str("access_token"))
	cfg.KeyEncryptionKeys = []authd.KeyEncryptor{kek(t)}
	if _, err := authd.New(t.Context(), cfg); !errors.Is(err, authd.ErrKEK) || !strings.Contains(err.Error(), "kms/7") {
		t.Errorf("got %v, want that kms/7 is missing", err)
	}
}

func TestKeyHooksInTheConfiguration(t *testing.T) {
	t.Parallel()
	secret := kek(t)
	for _, tt := range []struct {
		name   string
		change func(*authd.Config)
		want   string // in the error; "" for none
	}{
		{"a pointer to a Secret is the Secret", func(c *authd.Config) { c.KeyEncryptionKeys = []authd.KeyEncryptor{&secret} }, ""},
		{"a nil pointer is none", func(c *authd.Config) { c.KeyEncryptionKeys = []authd.KeyEncryptor{(*authd.Secret)(nil)} }, "empty"},
		{"a nil KeyEncryptor is none", func(c *authd.Config) { c.KeyEncryptionKeys = []authd.KeyEncryptor{nil} }, "empty"},
		{"a KMS whose key has no id", func(c *authd.Config) { c.KeyEncryptionKeys = []authd.KeyEncryptor{hooktest.NewKMS("")} }, "no id"},
		{"new keys sealed under nothing", func(c *authd.Config) {
			c.KeyEncryptionKeys, c.Signer, c.SealNewKeys = nil, newHSM(), true
		}, "KeyEncryptionKeys"},
	} {
		cfg := authd.Config{Issuer: "http://localhost", DB: keystest.Pool(t), KeyEncryptionKeys: []authd.KeyEncryptor{secret}}
		tt.change(&cfg)
		srv, err := authd.New(t.Context(), cfg)
		switch {
		case err == nil:
			_ = srv.Close()
			if tt.want != "" {
				t.Errorf("%s: accepted", tt.name)
			}
		case tt.want == "" || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
