package main

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"

	"github.com/go-authd/authd/internal/dbtest"
)

// witness collects what is secret, and what anybody may come to see.
type witness struct {
	keyCluster
	keks    [][]byte
	secrets []secret
	papers  []paper
	kids    map[string]bool // whose private halves are among the secrets
}

// newWitness is on an empty database, with a key-encryption key of its own.
func newWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{keyCluster: openKeyCluster(t, dbtest.EmptyURL(t)), kids: make(map[string]bool)}
	w.keyCluster = w.with("AUTHD_KEK="+w.newKEK(t), "AUTHD_LOG_LEVEL=debug")
	return w
}

// newKEK makes a key-encryption key, which is a secret from now on.
func (w *witness) newKEK(t *testing.T) string {
	t.Helper()
	var made struct{ KEK string }
	w.authd(t, &made, "", "kek", "new")
	kek, err := base64.StdEncoding.DecodeString(made.KEK)
	if err != nil {
		t.Fatal(err)
	}
	w.keks = append(w.keks, kek)
	w.secrets = append(w.secrets, bytesSecret(fmt.Sprintf("key-encryption key %d", len(w.keks)), kek, false))
	return made.KEK
}

// file keeps a paper. What it issues is a secret from now on, and crossed out here alone.
func (w *witness) file(name, text string, issued ...string) {
	for i, value := range issued {
		text = strings.ReplaceAll(text, value, "")
		secretName := fmt.Sprintf("secret %d of %s", i+1, name)
		if strings.Count(value, ".") == 2 {
			w.secrets = append(w.secrets, tokenSecret(secretName, value))
		} else {
			w.secrets = append(w.secrets, textSecret(secretName, value))
		}
	}
	w.papers = append(w.papers, paper{name, text})
}

// run keeps what a command says, whether it succeeds or not.
func (w *witness) run(t *testing.T, input string, args ...string) *command {
	t.Helper()
	return w.runAs(t, w.keyCluster, input, args...)
}

func (w *witness) runAs(t *testing.T, c keyCluster, input string, args ...string) *command {
	t.Helper()
	p := c.launchCommand(t, input, args...)
	p.await(t)
	var made client
	var issued []string
	if json.Unmarshal([]byte(p.stdout.String()), &made) == nil && made.Secret != "" {
		issued = append(issued, made.Secret)
	}
	name := "authd " + strings.Join(args, " ")
	w.file(name+", stdout", p.stdout.String(), issued...)
	w.file(name+", stderr", p.stderr.String())
	return p
}

// succeed is run of what must work.
func (w *witness) succeed(t *testing.T, input string, args ...string) *command {
	t.Helper()
	p := w.run(t, input, args...)
	if status := p.cmd.ProcessState.ExitCode(); status != 0 {
		t.Fatalf("authd %s: exit status %d\n%s", strings.Join(args, " "), status, p.stderr.String())
	}
	return p
}

// fail is run of what must be refused.
func (w *witness) fail(t *testing.T, input string, args ...string) {
	t.Helper()
	w.failAs(t, w.keyCluster, input, args...)
}

func (w *witness) failAs(t *testing.T, c keyCluster, input string, args ...string) {
	t.Helper()
	if p := w.runAs(t, c, input, args...); p.cmd.ProcessState.ExitCode() <= 0 {
		t.Fatalf("authd %s: %s, want a refusal", strings.Join(args, " "), p.cmd.ProcessState)
	}
}

// call keeps the whole answer, but for the tokens that it issues.
func (w *witness) call(t *testing.T, req *http.Request) (a tokenAnswer) {
	t.Helper()
	resp, err := plainClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.status = resp.StatusCode
	var issued []string
	if json.Unmarshal(body, &a) == nil && a.Access != "" {
		issued = append(issued, a.Access)
		if a.Refresh != "" {
			issued = append(issued, a.Refresh)
		}
	}
	name := fmt.Sprintf("answer %d to %s %s", len(w.papers), req.Method, req.URL.Path[:min(40, len(req.URL.Path))])
	w.file(name, fmt.Sprint(resp.Status, resp.Header, string(body)), issued...)
	return a
}

func (w *witness) get(t *testing.T, address string) tokenAnswer {
	t.Helper()
	return w.call(t, newRequest(t, http.MethodGet, address, "", ""))
}

func (w *witness) post(t *testing.T, address string, as client, fields ...string) tokenAnswer {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	req := newRequest(t, http.MethodPost, address, "application/x-www-form-urlencoded", form.Encode())
	req.SetBasicAuth(as.ID, as.Secret)
	return w.call(t, req)
}

func (w *witness) postJSON(t *testing.T, address string, as client, body string) tokenAnswer {
	t.Helper()
	req := newRequest(t, http.MethodPost, address, "application/json", body)
	req.SetBasicAuth(as.ID, as.Secret)
	return w.call(t, req)
}

func newRequest(t *testing.T, method, address, contentType, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

// shout sends what is no HTTP.
func (w *witness) shout(t *testing.T, address, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(text + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	w.file("answer to no HTTP", string(answer))
}

// learnKeys opens every private half that is in the database now. Rows are wiped, and this
// test damages some.
func (w *witness) learnKeys(t *testing.T) {
	t.Helper()
	rows, err := w.pool.Query(t.Context(), `select kid, private_jwe from authd.signing_keys where private_jwe is not null`)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ KID, JWE string }])
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range sealed {
		if w.kids[row.KID] {
			continue
		}
		secrets, err := keySecrets("key "+row.KID, w.unseal(t, row.JWE))
		if err != nil {
			t.Fatal(err)
		}
		w.kids[row.KID] = true
		w.secrets = append(w.secrets, secrets...)
	}
}

// unseal does by go-jose alone what whoever has the key-encryption keys can do.
func (w *witness) unseal(t *testing.T, sealed string) *rsa.PrivateKey {
	t.Helper()
	jwe, err := jose.ParseEncryptedJSON(sealed, []jose.KeyAlgorithm{jose.A256KW}, []jose.ContentEncryption{jose.A256CBC_HS512})
	if err != nil {
		t.Fatal(err)
	}
	var der []byte
	for _, kek := range w.keks {
		if opened, err := jwe.Decrypt(kek); err == nil {
			der = opened
		}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		t.Fatalf("what is sealed is %T, %v", parsed, err)
	}
	return key
}

// dump keeps all rows of all tables, and the statements of all sessions.
func (w *witness) dump(t *testing.T) {
	t.Helper()
	rows, err := w.pool.Query(t.Context(), `select format('%I.%I', schemaname, tablename) from pg_tables
		where schemaname not in ('pg_catalog', 'information_schema') order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	conn, err := w.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, source := range append(tables, "pg_stat_activity") {
		var text bytes.Buffer
		if _, err := conn.Conn().PgConn().CopyTo(t.Context(), &text, `copy (select * from `+source+`) to stdout`); err != nil {
			t.Fatal(err)
		}
		w.file("dump of "+source, text.String())
	}
}
