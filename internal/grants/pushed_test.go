package grants_test

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/tokens"
)

const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// form is [request] as a client pushes it.
func form(t *testing.T, more map[string]string) oauth.Form {
	t.Helper()
	values, err := url.ParseQuery(request(more))
	if err != nil {
		t.Fatal(err)
	}
	out := make(oauth.Form)
	for name := range values {
		out[name] = values.Get(name)
	}
	return out
}

func (f *fixture) push(more map[string]string) (grants.Pushed, error) {
	f.t.Helper()
	return f.grants.Push(f.t.Context(), asPublic("spa"), form(f.t, more), oauth.Device{})
}

func (f *fixture) mustPush(more map[string]string) (uri string) {
	f.t.Helper()
	p, err := f.push(more)
	if err != nil {
		f.t.Fatal(err)
	}
	return p.RequestURI
}

// open is a browser that comes with a pushed request of client spa.
func (f *fixture) open(b grants.Browser, uri string) (grants.Next, error) {
	return f.openAt("spa", b, uri)
}

func (f *fixture) openAt(client string, b grants.Browser, uri string) (grants.Next, error) {
	return f.grants.Authorize(f.t.Context(), url.Values{"client_id": {client}, "request_uri": {uri}}.Encode(), b)
}

func (f *fixture) mustOpen(b grants.Browser, uri string) grants.Next {
	f.t.Helper()
	next, err := f.open(b, uri)
	if err != nil {
		f.t.Fatal(err)
	}
	return next
}

// RFC 9126 §2.2, §4: what was pushed is what is answered, and what is stored is a hash.
func TestPushedRequest(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := newBrowser(t)
	p, err := f.push(map[string]string{"state": "pushed", "nonce": "n", "scope": "read openid"})
	if err != nil {
		t.Fatal(err)
	}

	first := f.mustOpen(b, p.RequestURI)
	second := f.signIn(&b, first.ID, "ada")
	a := f.answered(b, second)

	if id, ok := strings.CutPrefix(p.RequestURI, pushedPrefix); !ok || !oauth.IsSecret(id) || p.ExpiresIn != 90 {
		t.Errorf("pushed %+v", p)
	}
	if first.Step != grants.StepSignIn || param(a, "state") != "pushed" || param(a, "iss") != issuer || a.RedirectURI != callback {
		t.Errorf("answer %v", a.Params)
	}
	r := f.mustRedeem(param(a, "code"))
	if id := claims(t, r.IDToken); id["nonce"] != "n" {
		t.Errorf("ID token %v", id)
	}
}

// One code for both: what /oauth2/authorize refuses, the push refuses, and then nothing is
// kept.
func TestPushRefused(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	none := f.register(oauth.Client{ID: "nogrant", GrantTypes: []oauth.GrantType{oauth.ClientCredentials}, RedirectURIs: []string{callback}})
	tests := []struct {
		name   string
		caller tokens.Caller
		more   map[string]string
		want   oauth.Code
	}{
		{"request_uri, RFC 9126 §2.1", asPublic("spa"), map[string]string{"request_uri": pushedPrefix + challenge}, oauth.InvalidRequest},
		{"a request object, A-17", asPublic("spa"), map[string]string{"request": "e30.e30.e30"}, oauth.RequestNotSupported},
		{"no redirect_uri, A-05", asPublic("spa"), map[string]string{"redirect_uri": ""}, oauth.InvalidRequest},
		{"redirect_uri that is not registered, RFC 9126 §2.4", asPublic("spa"), map[string]string{"redirect_uri": "https://evil.example/cb"}, oauth.InvalidRequest},
		{"response_type token", asPublic("spa"), map[string]string{"response_type": "token"}, oauth.UnsupportedResponseType},
		{"response_mode fragment, A-08", asPublic("spa"), map[string]string{"response_mode": "fragment"}, oauth.InvalidRequest},
		{"no PKCE, RFC 9700 §2.1.1", asPublic("spa"), map[string]string{"code_challenge": "", "code_challenge_method": ""}, oauth.InvalidRequest},
		{"challenge of 42 characters, P-03", asPublic("spa"), map[string]string{"code_challenge": challenge[1:]}, oauth.InvalidRequest},
		{"scope beyond the client's, A-27", asPublic("spa"), map[string]string{"scope": "read admin"}, oauth.InvalidScope},
		{"resource that is not the client's, A-27", asPublic("spa"), map[string]string{"resource": "https://evil.example"}, oauth.InvalidTarget},
		{"max_age NaN, A-16", asPublic("spa"), map[string]string{"max_age": "NaN"}, oauth.InvalidRequest},
		{"an id_token_hint of nobody's", asPublic("spa"), map[string]string{"id_token_hint": "e30.e30.e30"}, oauth.InvalidRequest},
		{"a client without the grant type", basic(t, "nogrant", none), nil, oauth.UnauthorizedClient},
		{"a wrong secret", basic(t, "web", "wrong"), nil, oauth.InvalidClient},
		{"a confidential client without its secret", asPublic("web"), nil, oauth.InvalidClient},
		{"an unknown client", asPublic("nobody"), nil, oauth.InvalidClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			p, err := f.grants.Push(t.Context(), tt.caller, form(t, tt.more), oauth.Device{})

			refused(t, err, tt.want)
			if p.RequestURI != "" {
				t.Errorf("and yet %+v", p)
			}
		})
	}
	t.Cleanup(func() {
		if n := f.countNow(`authorization_requests`); n != 0 {
			t.Errorf("%d requests were kept", n)
		}
	})
}

// countNow is [fixture.count] when the test is over.
func (f *fixture) countNow(table string) (n int) {
	if err := f.pool.QueryRow(context.Background(), `select count(*) from authd.`+table).Scan(&n); err != nil {
		f.t.Error(err)
	}
	return n
}

// RFC 9126 §4, RFC 9101 §5: beside request_uri only client_id is read, and nothing is
// redirected that is not a pushed request of this client.
func TestOpenPushedRequest(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	good := func(uri string) url.Values { return url.Values{"client_id": {"spa"}, "request_uri": {uri}} }
	tests := []struct {
		name   string
		change func(url.Values)
		want   oauth.Code // "": taken up
	}{
		{"as it should be", func(url.Values) {}, ""},
		{"other parameters are ignored", func(v url.Values) {
			v.Set("redirect_uri", "https://evil.example/cb")
			v.Set("scope", "admin")
			v.Set("state", "x")
			v.Set("response_type", "token")
			v.Set("prompt", "none")
		}, ""},
		{"another client, RFC 9126 §2.2", func(v url.Values) { v.Set("client_id", "web") }, oauth.Expired},
		{"an unknown client", func(v url.Values) { v.Set("client_id", "nobody") }, oauth.Expired},
		{"no client_id, A-06", func(v url.Values) { v.Del("client_id") }, oauth.InvalidRequest},
		{"two client_id, A-06", func(v url.Values) { v.Add("client_id", "web") }, oauth.InvalidRequest},
		{"two request_uri, A-18", func(v url.Values) { v.Add("request_uri", pushedPrefix+challenge) }, oauth.InvalidRequest},
		{"a request object beside it, RFC 9101 §5", func(v url.Values) { v.Set("request", "e30.e30.e30") }, oauth.InvalidRequest},
		{"an unknown one", func(v url.Values) { v.Set("request_uri", pushedPrefix+challenge) }, oauth.Expired},
		{"one that is malformed", func(v url.Values) { v.Set("request_uri", v.Get("request_uri")+"=") }, oauth.Expired},
		{"the prefix alone", func(v url.Values) { v.Set("request_uri", pushedPrefix) }, oauth.Expired},
		{"a URL, and no redirect_uri, A-17", func(v url.Values) { v.Set("request_uri", "http://169.254.169.254/") }, oauth.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := good(f.mustPush(nil))
			tt.change(v)

			next, err := f.grants.Authorize(t.Context(), v.Encode(), newBrowser(t))

			if tt.want != "" {
				refused(t, err, tt.want)
				if next.Answer != nil {
					t.Errorf("answer %v", next.Answer)
				}
				return
			}
			if err != nil || next.Step != grants.StepSignIn || next.Request.State != "s" || next.Request.RedirectURI != callback || next.Request.Scopes.String() != "read" {
				t.Errorf("step %d of %+v, %v", next.Step, next.Request, err)
			}
		})
	}
}

// RFC 9126 §4: a request_uri is for one browser, which may reload, and for one answer.
func TestPushedRequestIsUsedOnce(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	f.codeIn(b, nil) // ada has allowed spa to read
	tests := []struct {
		name string
		more map[string]string
		use  func(*testing.T, string)
		want oauth.Code // of b's next try
	}{
		{"a reload finds it where it stands", map[string]string{"prompt": "login"}, func(t *testing.T, uri string) {
			if next := f.mustOpen(b, uri); next.Step != grants.StepSignIn {
				t.Errorf("step %d", next.Step)
			}
		}, ""},
		{"after the code it is over", nil, func(t *testing.T, uri string) {
			if next := f.mustOpen(b, uri); param(next.Answer, "code") == "" {
				t.Errorf("answer %v", next.Answer)
			}
		}, oauth.Expired},
		{"after a refusal, too", map[string]string{"prompt": "none", "scope": "write"}, func(t *testing.T, uri string) {
			if next := f.mustOpen(b, uri); param(next.Answer, "error") != "consent_required" {
				t.Errorf("answer %v", next.Answer)
			}
		}, oauth.Expired},
		{"in another browser it is nobody's", nil, func(t *testing.T, uri string) { f.mustOpen(newBrowser(t), uri) }, oauth.Expired},
		{"of another client it stays as it was", nil, func(t *testing.T, uri string) {
			_, err := f.openAt("web", b, uri)
			refused(t, err, oauth.Expired)
		}, ""},
		{"its client is ended", nil, func(t *testing.T, _ string) {
			f.exec(`update authd.clients set epoch = epoch + 1 where client_id = 'spa'`)
			t.Cleanup(func() { f.undo(`update authd.clients set epoch = epoch - 1 where client_id = 'spa'`) })
		}, oauth.Expired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			uri := f.mustPush(tt.more)
			tt.use(t, uri)

			_, err := f.open(b, uri)

			if tt.want == "" && err != nil {
				t.Error(err)
			}
			if tt.want != "" {
				refused(t, err, tt.want)
			}
		})
	}
}

func (f *fixture) undo(sql string) {
	if _, err := f.pool.Exec(context.Background(), sql); err != nil {
		f.t.Error(err)
	}
}

// Of any number of browsers that come at once with one request_uri, on any number of
// replicas, one has it.
func TestOpenPushedRequestConcurrently(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	replica := serve(t, f.pool, options{grace: grace})
	uri := f.mustPush(nil)
	var taken atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		b := newBrowser(t)
		wg.Go(func() {
			_, err := []*fixture{f, replica}[i%2].open(b, uri)
			if err == nil {
				taken.Add(1)
				return
			}
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.Expired {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if taken.Load() != 1 {
		t.Errorf("%d browsers have it, want one", taken.Load())
	}
}

// Two tabs of one browser with one request_uri: both go on, and one answer is given.
func TestOpenPushedRequestInTwoTabs(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := f.signedIn("ada")
	f.codeIn(b, nil)
	uri := f.mustPush(nil)
	var answers atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			next, err := f.open(b, uri)
			if err == nil && param(next.Answer, "code") != "" {
				answers.Add(1)
				return
			}
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.Expired {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if answers.Load() != 1 {
		t.Errorf("%d codes, want one", answers.Load())
	}
}

// RFC 9126 §2.2: a browser has 90 seconds to come, by the database's clock, and from then on
// as long as with any other request.
func TestPushedRequestExpires(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	b := newBrowser(t)
	early, late := f.mustPush(nil), f.mustPush(nil)
	dbtest.SetClock(t, f.pool, 80*time.Second)
	id := f.mustOpen(b, early).ID

	dbtest.SetClock(t, f.pool, 91*time.Second)
	_, err := f.open(b, late)
	refused(t, err, oauth.Expired)
	dbtest.SetClock(t, f.pool, 80*time.Second+14*time.Minute)
	if next, err := f.grants.Resume(t.Context(), id, b); err != nil || next.Step != grants.StepSignIn {
		t.Errorf("after 14 minutes: step %d, %v", next.Step, err)
	}
	dbtest.SetClock(t, f.pool, 80*time.Second+16*time.Minute)
	_, err = f.open(b, early)
	refused(t, err, oauth.Expired)
	if out, err := f.db.DeleteExpiredRequests(t.Context(), time.Time{}, 10); err != nil || out.N != 2 {
		t.Errorf("upkeep deletes %d, %v", out.N, err)
	}
}

// A sign-in between the push and the browser's coming is none that the request asked for
// (OIDC Core §3.1.2.1).
func TestPushedPromptLogin(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	uri := f.mustPush(map[string]string{"prompt": "login"})
	b := f.signedIn("ada")

	first := f.mustOpen(b, uri)
	second := f.signIn(&b, first.ID, "ada")

	if first.Step != grants.StepSignIn || second.Step != grants.StepConsent {
		t.Errorf("steps %d and %d", first.Step, second.Step)
	}
}

// RFC 9126 §6: a client may be registered for pushed requests only.
func TestRequirePushedRequests(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	f.exec(`update authd.clients set require_pushed_requests = true where client_id = 'spa'`)

	a := f.authorize(newBrowser(t), nil).Answer

	if param(a, "error") != "invalid_request" || param(a, "state") != "s" || param(a, "iss") != issuer {
		t.Errorf("not pushed: %v", a)
	}
	if next := f.mustOpen(newBrowser(t), f.mustPush(nil)); next.Step != grants.StepSignIn {
		t.Errorf("pushed: step %d", next.Step)
	}
	if next := f.authorize(newBrowser(t), map[string]string{"client_id": "web"}); next.Step != grants.StepSignIn {
		t.Errorf("another client: step %d", next.Step)
	}
}

// pushed requests count for the origin that pushes, and once a browser has come for the
// browser's.
func TestQuotaOfPushedRequests(t *testing.T) {
	t.Parallel()
	f := withBrowser(t)
	from := func(address string) oauth.Device { return oauth.Device{Address: netip.MustParseAddr(address)} }
	at := func(address string) grants.Browser {
		b := newBrowser(t)
		b.From = from(address)
		return b
	}
	push := func(address string) (grants.Pushed, error) {
		return f.grants.Push(t.Context(), asPublic("spa"), form(t, nil), from(address))
	}
	const server, person = "192.0.2.1", "192.0.2.2"
	first, err := push(server)
	if err != nil {
		t.Fatal(err)
	}
	f.fillQuota(server)

	_, err = push(server)
	if e := refused(t, err, oauth.TemporarilyUnavailable); e.HTTPStatus() != 429 {
		t.Errorf("status %d", e.HTTPStatus())
	}
	if next := f.mustOpen(at(person), first.RequestURI); next.Step != grants.StepSignIn {
		t.Errorf("step %d", next.Step)
	}
	second, err := push(server) // there is room again
	if err != nil {
		t.Fatal(err)
	}
	f.fillQuota(person)
	_, err = f.open(at(person), second.RequestURI)
	if e := refused(t, err, oauth.TemporarilyUnavailable); e.HTTPStatus() != 429 {
		t.Errorf("status %d", e.HTTPStatus())
	}
	if next := f.mustOpen(at("192.0.2.3"), second.RequestURI); next.Step != grants.StepSignIn {
		t.Errorf("from elsewhere: step %d", next.Step)
	}
}

// fillQuota copies a request of the origin until there are 1000.
func (f *fixture) fillQuota(address string) {
	f.t.Helper()
	f.exec(`insert into authd.authorization_requests (sha256, browser_sha256, origin, client_id, client_epoch, redirect_uri, response_mode,
		state, scope, resource, code_challenge, nonce, prompt, login_hint, ui_locales, expires_at)
	select sha256((origin::text || n)::bytea), browser_sha256, origin, client_id, client_epoch, redirect_uri, response_mode,
		state, scope, resource, code_challenge, nonce, prompt, login_hint, ui_locales, expires_at
	from (select * from authd.authorization_requests where origin = $1::cidr limit 1) r,
		generate_series((select count(*) from authd.authorization_requests where origin = $1::cidr) + 1, 1000) n`, address)
}
