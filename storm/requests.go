package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-authd/authd"
)

// storm is one history of actors at one cluster.
type storm struct {
	cluster   *cluster
	api       string // secret of the resource server
	history   *history
	grace     time.Duration
	seed      uint64
	http      *http.Client
	access    *pool
	actors    []*actor
	alone     [2]time.Duration // when the standby had nothing of what the primary did
	lostOneIn int              // answers; 0: none
	panics    bool             // are expected, and answered 500
}

func newHTTPClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

// token is what a client knows of a token: itself, and the numbers in it.
type token struct {
	text, family, jti string
	gen               int64
	sub               string
}

func readToken(text string) token {
	t := token{text: text}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return t
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return t
	}
	var c struct {
		JTI, FID, SID, Sub string
		Gen                int64
	}
	if json.Unmarshal(payload, &c) != nil {
		return t
	}
	t.family, t.jti, t.gen, t.sub = c.FID+c.SID, c.JTI, c.Gen, c.Sub
	return t
}

// answer of the server, or why there is none.
type answer struct {
	status  int
	error   string
	refresh token
	access  token
	active  bool
	retried bool
}

// outcome is what an answer means to whoever asked.
func (a answer) outcome() outcome {
	switch {
	case a.status == 200 || a.status == 201:
		return ok
	case a.status == 0, a.status == 502, a.status == 503:
		return unavailable
	case a.status == 429:
		return busy
	case a.error == "invalid_grant", a.error == "invalid_credentials", a.error == "invalid_token":
		return invalid
	case a.error == "invalid_client":
		return refused
	}
	return odd
}

// send makes the call: it fills in when it was and what came of it.
func (s *storm) send(ctx context.Context, c *call, path string, header http.Header, body string) answer {
	c.start = s.history.now()
	a := s.post(ctx, path, header, body)
	c.end = s.history.now()
	c.outcome, c.status, c.active, c.retried = a.outcome(), a.status, a.active, a.retried
	if s.panics && a.status == 500 && a.error == "server_error" {
		c.outcome = unavailable
	}
	if c.outcome == odd {
		c.detail = a.error
	}
	if c.outcome == ok && a.refresh.text != "" {
		c.newGen, c.newJTI = a.refresh.gen, a.refresh.jti
		if c.family == "" {
			c.family = a.refresh.family
		}
	}
	return a
}

func (s *storm) post(ctx context.Context, path string, header http.Header, body string) (a answer) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cluster.issuer+path, strings.NewReader(body))
	if err != nil {
		return a
	}
	req.Header = header
	req.GetBody = nil // no retries of net/http's own
	resp, err := s.http.Do(req)
	if err != nil {
		return a
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return a
	}
	var in struct {
		Refresh string `json:"refresh_token"`
		Access  string `json:"access_token"`
		Error   string `json:"error"`
		Active  bool   `json:"active"`
	}
	a.status, a.retried = resp.StatusCode, resp.Header.Get(retriedHeader) != ""
	if len(bytes.TrimSpace(text)) > 0 && json.Unmarshal(text, &in) != nil {
		a.error = "no JSON"
	}
	a.error, a.active = in.Error, in.Active
	if in.Refresh != "" {
		a.refresh, a.access = readToken(in.Refresh), readToken(in.Access)
	}
	return a
}

func formHeader() http.Header {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
}
func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }

func jsonBody(members map[string]string) string {
	b, _ := json.Marshal(members) // strings never fail
	return string(b)
}

func (s *storm) signIn(ctx context.Context, actor, client, user, password string) (answer, *call) {
	c := &call{actor: actor, deed: signIn, client: client}
	a := s.send(ctx, c, "/account/login", jsonHeader(), jsonBody(map[string]string{"client_id": client, "username": user, "password": password}))
	c.subject = a.refresh.sub
	s.history.add(c)
	s.access.add(a.access)
	return a, c
}

// refresh presents t. lose: the answer does not arrive.
func (s *storm) refresh(ctx context.Context, c *call, t token, lose bool) answer {
	c.deed, c.family, c.gen, c.jti = refresh, t.family, t.gen, t.jti
	header := formHeader()
	if lose {
		header.Set(loseHeader, "1")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.text}, "client_id": {c.client}}
	a := s.send(ctx, c, "/oauth2/token", header, form.Encode())
	s.history.add(c)
	s.access.add(a.access)
	return a
}

func (s *storm) introspect(ctx context.Context, actor string, t token) {
	c := &call{actor: actor, deed: introspect, family: t.family, jti: t.jti}
	header := formHeader()
	header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("api:"+s.api)))
	s.send(ctx, c, "/oauth2/introspect", header, url.Values{"token": {t.text}}.Encode())
	s.history.add(c)
}

// revoke is RFC 7009, of a refresh token or an access token.
func (s *storm) revoke(ctx context.Context, c *call, t token) {
	c.family, c.jti, c.gen = t.family, t.jti, t.gen
	s.send(ctx, c, "/oauth2/revoke", formHeader(), url.Values{"token": {t.text}, "client_id": {c.client}}.Encode())
	s.history.add(c)
}

func (s *storm) logout(ctx context.Context, c *call, t token) {
	c.family, c.jti, c.gen = t.family, t.jti, t.gen
	s.send(ctx, c, "/account/logout", jsonHeader(), jsonBody(map[string]string{"client_id": c.client, "refresh_token": t.text}))
	s.history.add(c)
}

func (s *storm) logoutBearer(ctx context.Context, c *call, t token) {
	c.family, c.jti = t.family, t.jti
	s.send(ctx, c, "/account/logout", http.Header{"Authorization": {"Bearer " + t.text}}, "")
	s.history.add(c)
}

// operate is a call of the operator, in this process and through the proxy.
func (s *storm) operate(c *call, do func() error) {
	c.start = s.history.now()
	err := do()
	c.end = s.history.now()
	switch {
	case err == nil:
		c.outcome = ok
	case errors.Is(err, authd.ErrUnavailable):
		c.outcome = unavailable
	case errors.Is(err, authd.ErrNotFound):
		c.outcome = missing
	default:
		c.outcome, c.detail = odd, err.Error()
	}
	s.history.add(c)
}
