package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/go-authd/authd/rs"
)

// client is a registration, as `authd clients create --json` prints it.
type client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// createClient adds what all clients of these tests have in common.
func (c *cluster) createClient(t *testing.T, id string, flags ...string) client {
	t.Helper()
	var made client
	c.authd(t, &made, "", append([]string{"clients", "create", id, "--audience", apiAudience}, flags...)...)
	return made
}

// createApp makes a first-party client and a user.
func (c *cluster) createApp(t *testing.T) client {
	t.Helper()
	c.authd(t, nil, password+"\n", "users", "create", "ada", "--password-stdin")
	return c.createClient(t, "app", "--first-party", "--grant", "client_credentials,refresh_token", "--scope", "read write")
}

const password = "a teapot, two cups and no spoon"

// tokenAnswer is of the token, the revocation or the introspection endpoint.
type tokenAnswer struct {
	status  int
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
	Active  *bool  `json:"active"`
}

func post(t *testing.T, address string, as client, form map[string]string) tokenAnswer {
	t.Helper()
	a, err := send(address, as, form)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func send(address string, as client, form map[string]string) (a tokenAnswer, err error) {
	values := url.Values{}
	for name, value := range form {
		values.Set(name, value)
	}
	status, body, err := request(http.MethodPost, address, as.ID+":"+as.Secret, values)
	if err != nil {
		return a, err
	}
	a.status = status
	if body == "" { // a revocation
		return a, nil
	}
	return a, json.Unmarshal([]byte(body), &a)
}

// issue gets a token by client_credentials from base, a replica or the balancer.
func issue(t *testing.T, base string, as client) string {
	t.Helper()
	a := post(t, base+"/oauth2/token", as, map[string]string{"grant_type": "client_credentials", "scope": "read"})
	if a.status != http.StatusOK || a.Access == "" {
		t.Fatalf("token request: status %d, error %q", a.status, a.Error)
	}
	return a.Access
}

// signIn is a login at base.
func signIn(t *testing.T, base string, as client) tokenAnswer {
	t.Helper()
	body := strings.NewReader(`{"username":"ada","password":"` + password + `"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/account/login", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(as.ID, as.Secret)
	resp, err := plainClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := tokenAnswer{status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || a.status != http.StatusOK || a.Refresh == "" {
		t.Fatalf("login: status %d, error %q, %v", a.status, a.Error, err)
	}
	return a
}

// plainClient keeps no connection that would outlive a test.
func plainClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// clientContext makes golang.org/x/oauth2 and go-oidc use plainClient.
func clientContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, plainClient())
}

// kidOf reads the header of a token.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	header, err := tokenPart(token, 0)
	if err != nil {
		t.Fatal(err)
	}
	return header.str("kid")
}

// verifier is somebody else's code, or ours, that checks a signature with published keys.
type verifier struct {
	name   string
	verify func(token string) error
}

// verifiers are made now, so that later tokens meet caches.
func (c *cluster) verifiers(t *testing.T) []verifier {
	t.Helper()
	sdk, err := rs.New(t.Context(), rs.Config{Issuer: c.issuer, Audience: apiAudience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sdk.Close() }) // never fails
	return []verifier{
		{"package rs", func(token string) error {
			_, err := sdk.Verify(t.Context(), token)
			return err
		}},
		{"go-oidc with the keys of replica A", remoteKeySet(t, c.a.public)},
		{"go-oidc with the keys of replica B", remoteKeySet(t, c.b.public)},
		{"PyJWT", c.pyJWT(t)},
	}
}

func remoteKeySet(t *testing.T, address string) func(string) error {
	t.Helper()
	keys := oidc.NewRemoteKeySet(clientContext(t.Context()), "http://"+address+"/.well-known/jwks.json")
	return func(token string) error {
		_, err := keys.VerifySignature(t.Context(), token)
		return err
	}
}

// pyJWT runs the script of examples/pyjwt as one process, which caches keys as a service
// in Python would.
func (c *cluster) pyJWT(t *testing.T) func(string) error {
	t.Helper()
	cmd := exec.Command(pythonWithJWT(t), "-u", "../../examples/pyjwt/verify.py", c.issuer, apiAudience)
	var stderr syncBuffer
	cmd.Stderr = &stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // a refusal, which was reported
	})
	claims := bufio.NewScanner(out)
	return func(token string) error {
		if _, err := in.Write([]byte(token + "\n")); err != nil {
			return err
		}
		if !claims.Scan() {
			return errors.New("PyJWT refused the token: " + stderr.String())
		}
		var c struct{ Iss, Aud string }
		return json.Unmarshal(claims.Bytes(), &c)
	}
}

// pythonWithJWT looks in Debian's place too, which need not be the first on PATH.
func pythonWithJWT(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import jwt, cryptography").Run() == nil {
			return python
		}
	}
	t.Fatal("no Python with PyJWT: run scripts/test-setup, or install what Debian calls python3-jwt and python3-cryptography")
	return ""
}

// refusedByPyJWT runs the script for a token that is not good.
func (c *cluster) refusedByPyJWT(t *testing.T, token string) bool {
	t.Helper()
	cmd := exec.Command(pythonWithJWT(t), "../../examples/pyjwt/verify.py", c.issuer, apiAudience)
	cmd.Stdin = strings.NewReader(token + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	_, exited := errors.AsType[*exec.ExitError](err)
	return exited && strings.HasPrefix(stderr.String(), "refused: ")
}

// verifyAll lets every verifier see every token.
func verifyAll(t *testing.T, verifiers []verifier, tokens ...string) {
	t.Helper()
	for _, v := range verifiers {
		for i, token := range tokens {
			if err := v.verify(token); err != nil {
				t.Errorf("token %d, %s: %v", i, v.name, err)
			}
		}
	}
}
