package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd"
)

// K-01 to K-04, G4: all that authd does is done and is done wrongly, with logs at debug
// level. Neither what comes out of its processes nor the database shows a private member,
// the key-encryption key or a password, nor a token or a client's secret after the answer
// that issues it.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.use(t)
	s.sign(t)
	s.misuse(t)
	s.misuseCommands(t)
	s.rotateKeys(t)
	s.revokeKeys(t)
	s.changeKEK(t)
	s.damage(t)
	s.end(t)

	if got := len(s.kids); got != 9 { // of two rings, two rotations, and one revocation of what was signing
		t.Errorf("%d private halves were learnt, want 9", got)
	}
	f := newFinder(s.secrets)
	for _, p := range s.papers {
		if found := f.find(p.text); found != nil {
			t.Errorf("%s shows %s\n%s", p.name, strings.Join(found, ", "), p.text)
		}
	}
	s.wantFindable(t, f)
}

// wantFindable plants each form of each secret in a copy of the last paper, a log.
func (w *witness) wantFindable(t *testing.T, f finder) {
	t.Helper()
	var planted strings.Builder
	var want []string
	for _, s := range w.secrets {
		for _, form := range s.forms {
			fmt.Fprintf(&planted, "…%s…", form.text)
			want = append(want, s.name+" as "+form.name)
		}
	}
	slices.Sort(want)
	log := w.papers[len(w.papers)-1].text
	half := len(log) / 2
	if diff := cmp.Diff(want, f.find(log[:half]+planted.String()+log[half:])); diff != "" {
		t.Errorf("-planted +found\n%s", diff)
	}
}

// story is two replicas, a person and two clients.
type story struct {
	*witness
	a, b     *replica
	app, api client
	first    tokenAnswer // from the sign-in
	now      tokenAnswer // the newest
}

const newPassword = "three kettles, a sieve and some sugar"

func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{witness: newWitness(t)}
	s.secrets = append(s.secrets, textSecret("the password", password), textSecret("the new password", newPassword))
	s.fail(t, "", "keys", "rotate") // no schema yet
	s.succeed(t, "", "migrate")
	s.succeed(t, password+"\n", "users", "create", "ada", "--password-stdin")
	s.succeed(t, "", "clients", "create", "app", "--audience", apiAudience, "--first-party",
		"--grant", "client_credentials,refresh_token", "--scope", "read", "--json").readJSON(t, &s.app)
	s.succeed(t, "", "clients", "create", "api", "--audience", apiAudience, "--resource-server", "--json").readJSON(t, &s.api)
	s.a, s.b = s.start(t), s.start(t)
	s.learnKeys(t)
	return s
}

func (r *replica) at(path string) string { return "http://" + r.public + path }

// use is what everybody does every day.
func (s *story) use(t *testing.T) {
	t.Helper()
	s.signIn(t, password)
	s.refresh(t, s.b)
	issued := s.post(t, s.a.at("/oauth2/token"), s.app, "grant_type", "client_credentials", "scope", "read")
	if issued.status != http.StatusOK || s.now.status != http.StatusOK {
		t.Fatalf("token requests: status %d and %d, want 200", issued.status, s.now.status)
	}
	for _, token := range []string{issued.Access, s.now.Access, s.now.Refresh} {
		s.post(t, s.b.at("/oauth2/introspect"), s.api, "token", token)
		s.succeed(t, token, "token", "inspect")
	}
	s.post(t, s.b.at("/oauth2/revoke"), s.app, "token", issued.Access)
	s.post(t, s.b.at("/oauth2/introspect"), s.api, "token", issued.Access)
	s.postJSON(t, s.b.at("/account/password"), s.app, `{"username":"ada","password":"`+password+`","new_password":"`+newPassword+`"}`)
	s.signIn(t, newPassword)
	s.refresh(t, s.a)
	s.look(t)
}

func (s *story) signIn(t *testing.T, password string) {
	t.Helper()
	s.first = s.postJSON(t, s.a.at("/account/login"), s.app, `{"username":"ada","password":"`+password+`"}`)
	if s.first.status != http.StatusOK {
		t.Fatalf("login: status %d", s.first.status)
	}
}

func (s *story) refresh(t *testing.T, r *replica) {
	t.Helper()
	s.now = s.post(t, r.at("/oauth2/token"), s.app, "grant_type", "refresh_token", "refresh_token", s.first.Refresh)
}

// look is what operators and the curious do.
func (s *story) look(t *testing.T) {
	t.Helper()
	for _, r := range []*replica{s.a, s.b} {
		for _, path := range []string{
			"/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/metrics", "/readyz", "/healthz",
			"/debug/vars", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap",
		} {
			s.get(t, r.at(path))
			s.get(t, "http://"+r.ops+path)
		}
		wantPublicMembers(t, r)
	}
	s.succeed(t, "", "keys", "list")
	s.succeed(t, "", "keys", "list", "--json")
	s.succeed(t, "", "families", "list")
	s.succeed(t, "", "clients", "list")
	s.run(t, "", "doctor") // the test server need not be durable
	s.run(t, "", "doctor", "--json")
}

// K-01
func wantPublicMembers(t *testing.T, r *replica) {
	t.Helper()
	status, body, err := request(http.MethodGet, r.at("/.well-known/jwks.json"), "", nil)
	var set struct{ Keys []map[string]any }
	if err != nil || json.Unmarshal([]byte(body), &set) != nil || status != http.StatusOK || len(set.Keys) == 0 {
		t.Fatalf("JWKS: status %d, %v\n%s", status, err, body)
	}
	want := []string{"alg", "e", "kid", "kty", "n", "use"}
	for _, key := range set.Keys {
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(key))); diff != "" {
			t.Errorf("members of a key: -want +got\n%s", diff)
		}
	}
}

// misuse puts what is secret where it does not belong.
func (s *story) misuse(t *testing.T) {
	t.Helper()
	tokenPath, wrong := s.a.at("/oauth2/token"), client{s.app.ID, s.api.Secret}
	s.post(t, tokenPath, wrong, "grant_type", "client_credentials")
	s.post(t, tokenPath, client{s.app.Secret, s.app.ID}, "grant_type", "client_credentials")
	s.post(t, tokenPath, s.app, "grant_type", s.now.Refresh)
	s.post(t, tokenPath, s.app, "grant_type", "refresh_token", "refresh_token", s.now.Access)
	s.post(t, tokenPath, s.app, "grant_type", "refresh_token", "refresh_token", tampered(s.now.Refresh))
	s.post(t, tokenPath, s.app, "grant_type", "client_credentials", "scope", s.now.Refresh)
	s.post(t, tokenPath, s.app, "grant_type", "client_credentials", "resource", s.app.Secret)
	s.post(t, tokenPath, s.app, "grant_type", "client_credentials", "client_id", s.now.Refresh, "client_secret", s.app.Secret)
	s.post(t, tokenPath, client{}, "client_id", s.app.ID, "client_secret", s.api.Secret, "grant_type", "client_credentials")
	s.post(t, tokenPath, s.app, "grant_type", "password", "username", "ada", "password", newPassword)
	s.post(t, s.a.at("/oauth2/introspect"), s.app, "token", s.now.Refresh, "token_type_hint", s.now.Refresh)
	s.post(t, s.a.at("/oauth2/revoke"), wrong, "token", s.now.Refresh)
	query := "?token=" + url.QueryEscape(s.now.Refresh) + "&client_secret=" + url.QueryEscape(s.app.Secret)
	for _, path := range []string{"/oauth2/introspect", "/oauth2/token", "/.well-known/jwks.json", "/" + s.now.Refresh} {
		s.get(t, s.a.at(path+query))
		s.post(t, s.a.at(path+query), s.app)
	}
	s.misuseAccounts(t)
	s.misuseHTTP(t)
	for range 2 { // a retry, which is answered with the same, and one by a thief
		s.refresh(t, s.b)
	}
}

func (s *story) misuseAccounts(t *testing.T) {
	t.Helper()
	login := s.b.at("/account/login")
	for _, body := range []string{
		`{"username":"ada","password":"` + password + `"}`, // no longer
		`{"username":"` + newPassword + `","password":"x"}`,
		`{"username":"ada","password":"` + newPassword + `"`,
		`{"username":"ada","password":["` + newPassword + `"]}`,
		`{"username":"ada","` + newPassword + `":"password"}`,
		s.now.Refresh,
	} {
		s.postJSON(t, login, s.app, body)
	}
	s.postJSON(t, s.b.at("/account/logout"), s.app, `{"refresh_token":"`+tampered(s.now.Refresh)+`"}`)
}

func (s *story) misuseHTTP(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"Authorization": "Basic " + s.app.Secret, "Cookie": "session=" + s.now.Refresh, "Origin": "https://" + s.app.Secret,
		"Content-Type": s.now.Access, "X-Request-Id": s.now.Access, "User-Agent": s.now.Access,
	} {
		req := newRequest(t, http.MethodPost, s.a.at("/oauth2/token"), "application/x-www-form-urlencoded", "grant_type=client_credentials")
		req.Header.Set(name, value)
		s.call(t, req)
	}
	for _, address := range []string{s.a.public, s.a.ops} {
		s.shout(t, address, s.now.Refresh)
		s.shout(t, address, "GET / HTTP/1.1\r\nHost: "+s.app.Secret+" "+s.now.Refresh)
		s.shout(t, address, s.app.Secret+" / HTTP/1.1\r\nHost: x\r\nConnection: close")
	}
}

// misuseCommands gives commands secrets that are not the right ones.
func (s *story) misuseCommands(t *testing.T) {
	t.Helper()
	other, err := authd.NewSecret(&letters{})
	if err != nil {
		t.Fatal(err)
	}
	const databasePassword = "not/the-password+of-the-database"
	s.secrets = append(s.secrets, textSecret("another key-encryption key", other), textSecret("the database's password", databasePassword))
	for _, kek := range []string{other, other[:40], other + other, strings.ToLower(other[:20])} {
		bad := s.with("AUTHD_KEK=" + kek)
		s.failAs(t, bad, "", "keys", "rotate")
		s.failAs(t, bad, "", "doctor", "--json")
		s.failAs(t, bad, "", "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	}
	for _, database := range []string{"127.0.0.1:1/x", "127.0.0.1:x/x", "127.0.0.1:1/x?sslmode=bogus"} {
		bad := s.with("AUTHD_DATABASE_URL=postgres://authd:" + url.QueryEscape(databasePassword) + "@" + database)
		s.failAs(t, bad, "", "keys", "list")
		s.failAs(t, bad, "", "serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	}
	s.fail(t, tampered(s.now.Access), "token", "inspect")
	s.fail(t, s.app.Secret, "token", "inspect")
	s.fail(t, "short\n", "users", "create", "eve", "--password-stdin")
	s.fail(t, newPassword+"\n", "users", "create", "ada", "--password-stdin")
}

// letters is no good randomness, but its key-encryption key is no other test's.
type letters struct{ n byte }

func (l *letters) Read(p []byte) (int, error) {
	for i := range p {
		l.n += 7
		p[i] = l.n
	}
	return len(p), nil
}

func (s *story) rotateKeys(t *testing.T) {
	t.Helper()
	s.succeed(t, "", "keys", "rotate")
	s.learnKeys(t)
	s.fail(t, "", "keys", "rotate")
	s.fail(t, "", "keys", "rotate", "--json")
	s.succeed(t, "", "keys", "rotate", "--force", "--json")
	s.learnKeys(t)
	signing, _ := s.rings(t)["access"].current()
	waitFor(t, "a token of the new key", func() bool { return s.b.awaitToken(t, s.app) == signing })
	s.signIn(t, newPassword)
	s.refresh(t, s.b)
	s.look(t)
}

func (s *story) revokeKeys(t *testing.T) {
	t.Helper()
	retired := s.rings(t)["access"][0].KID
	signing, announced := s.rings(t)["access"].current()
	s.succeed(t, "", "keys", "revoke", retired)
	s.succeed(t, "", "keys", "revoke", signing, "--json")
	s.succeed(t, "", "keys", "revoke", signing)
	s.fail(t, "", "keys", "revoke", "nobody")
	s.learnKeys(t)
	waitFor(t, "a token of the next key", func() bool { return s.a.awaitToken(t, s.app) == announced })
	s.look(t)
}

// changeKEK seals all keys under another key-encryption key. The replicas do not have it
// and go on with what they have opened, until they start again and do.
func (s *story) changeKEK(t *testing.T) {
	t.Helper()
	was := s.keyCluster
	next := s.newKEK(t)
	for _, c := range []keyCluster{was, was.with("AUTHD_KEK=" + next + "\n" + base64.StdEncoding.EncodeToString(s.keks[0]))} {
		s.keyCluster = c
		s.succeed(t, "", "keys", "rewrap")
		s.succeed(t, "", "keys", "rewrap", "--json")
		s.succeed(t, "", "kek", "check")
		s.succeed(t, "", "kek", "check", "--json")
	}
	for _, args := range [][]string{{"kek", "check"}, {"keys", "rewrap"}, {"keys", "rotate"}} {
		s.failAs(t, was, "", args...)
	}
	s.look(t)
	for _, r := range []*replica{s.a, s.b} {
		r.signal(t, syscall.SIGTERM)
		s.file("log of a replica that was replaced", r.log.String())
	}
	s.a, s.b = s.start(t), s.start(t)
}

// damage makes rows that cannot be opened: the announced key's half of the ciphertext is
// lost, and a letter of the signing key's is another.
func (s *story) damage(t *testing.T) {
	t.Helper()
	for _, change := range []string{
		`update authd.signing_keys set private_jwe = left(private_jwe, length(private_jwe) / 2) where signs_from is null`,
		`update authd.signing_keys set private_jwe = regexp_replace(private_jwe, '"ciphertext":"....', '"ciphertext":"AAAA')
			where signs_from is not null and signs_until is null`,
	} {
		if _, err := s.pool.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*replica{s.a, s.b} {
		waitFor(t, "a replica that is not ready", func() bool { return slices.Contains(r.failing(t), "keys") })
		s.post(t, r.at("/oauth2/token"), s.app, "grant_type", "client_credentials")
	}
	s.fail(t, "", "keys", "rotate", "--force")
	s.look(t)
}

// end lets one replica show all its goroutines (SIGQUIT), and the other finish.
func (s *story) end(t *testing.T) {
	t.Helper()
	s.dump(t)
	s.a.signal(t, syscall.SIGQUIT)
	s.b.signal(t, syscall.SIGTERM)
	if log := s.a.log.String(); !strings.Contains(log, "goroutine ") || !strings.Contains(log, "level=DEBUG") || !strings.Contains(log, "quarantined") {
		t.Errorf("a log without goroutines, lines at debug level or damaged keys:\n%s", log)
	}
	s.file("log of replica A", s.a.log.String())
	s.file("log of replica B", s.b.log.String())
}
