package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/go-authd/authd"
	"github.com/go-authd/authd/internal/dbtest"
)

func TestMain(m *testing.M) {
	testscript.Main(packageTests{m}, map[string]func(){"authd": main})
}

// packageTests lets testscript clean up after dbtest.
type packageTests struct{ m *testing.M }

func (t packageTests) Run() int { return dbtest.Run(t.m) }

// TestScripts plays the scenes of testdata/script, which read as documentation.
func TestScripts(t *testing.T) {
	t.Parallel()
	work, err := os.MkdirTemp("", "authd-script-") // not t.TempDir: a private PostgreSQL must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(work); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(work, 0o711); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", WorkdirRoot: work, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values["tb"] = e.T()
			e.Setenv("NO_PROXY", "*")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"database": cmdDatabase, "addresses": cmdAddresses, "exits": cmdExits, "json": cmdJSON,
			"ready": cmdReady, "http": cmdHTTP, "terminate": cmdTerminate, "lacks": cmdLacks,
			"write": cmdWrite, "login": cmdLogin, "sql": cmdSQL, "documented": cmdDocumented, "until": cmdUntil,
			"browse": cmdBrowse,
		},
	})
}

// database [empty] gives the scene a database of its own, migrated unless it is to be
// empty, and a key-encryption key.
func cmdDatabase(ts *testscript.TestScript, _ bool, args []string) {
	tb, ok := ts.Value("tb").(testing.TB)
	if !ok {
		ts.Fatalf("no testing.TB")
	}
	url := dbtest.URL
	if slices.Contains(args, "empty") {
		url = dbtest.EmptyURL
	}
	ts.Setenv("AUTHD_DATABASE_URL", url(tb))
	kek, err := authd.NewSecret(rand.Reader)
	ts.Check(err)
	ts.Setenv("AUTHD_KEK", kek)
}

// addresses chooses ports that are free, as --listen and --ops-listen, and the issuer.
func cmdAddresses(ts *testscript.TestScript, _ bool, _ []string) {
	for _, name := range []string{"AUTHD_LISTEN", "AUTHD_OPS_LISTEN"} {
		address, err := unusedAddress()
		ts.Check(err)
		ts.Setenv(name, address)
	}
	ts.Setenv("AUTHD_ISSUER", "http://"+ts.Getenv("AUTHD_LISTEN"))
}

// exits STATUS COMMAND… runs a command that must end with that status.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// json NAME PATH sets a variable to what stands at PATH (members, indexes and len, by dots) of
// the JSON on stdout; NAME = fails unless it is VALUE: json = PATH VALUE.
func cmdJSON(ts *testscript.TestScript, _ bool, args []string) {
	got := jsonAt(ts, args[1])
	if args[0] != "=" {
		ts.Setenv(args[0], got)
	} else if got != args[2] {
		ts.Fatalf("%s is %q, want %q", args[1], got, args[2])
	}
}

func jsonAt(ts *testscript.TestScript, path string) string {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for key := range strings.SplitSeq(path, ".") {
		switch c := v.(type) {
		case map[string]any:
			found, ok := c[key]
			if !ok {
				ts.Fatalf("no member %q", key)
			}
			v = found
		case []any:
			if key == "len" {
				v = len(c)
				continue
			}
			i, err := strconv.Atoi(key)
			ts.Check(err)
			v = c[i]
		default:
			ts.Fatalf("no member %q in %v", key, v)
		}
	}
	return fmt.Sprint(v)
}

// ready waits until the server of this scene is.
func cmdReady(ts *testscript.TestScript, _ bool, _ []string) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for range 1500 {
		if status, _, err := request("GET", "http://"+ts.Getenv("AUTHD_OPS_LISTEN")+"/readyz", "", nil); err == nil && status == http.StatusOK {
			return
		}
		<-again.C
	}
	ts.Fatalf("the server did not become ready")
}

// http METHOD URL [-u USER:PASSWORD] [NAME=VALUE…] prints the status and the body.
func cmdHTTP(ts *testscript.TestScript, _ bool, args []string) {
	method, address, args := args[0], args[1], args[2:]
	var user string
	if len(args) > 1 && args[0] == "-u" {
		user, args = args[1], args[2:]
	}
	form := url.Values{}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		form.Add(name, value)
	}
	status, body, err := request(method, address, user, form)
	ts.Check(err)
	fmt.Fprintln(ts.Stderr(), status)
	fmt.Fprint(ts.Stdout(), body)
}

func request(method, address, user string, form url.Values) (status int, body string, err error) {
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if name, password, ok := strings.Cut(user, ":"); ok {
		req.SetBasicAuth(name, password)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// terminate [SIGNAL] sends a signal, TERM by default, to the server in the background.
func cmdTerminate(ts *testscript.TestScript, _ bool, args []string) {
	signal := "TERM"
	if len(args) > 0 {
		signal = args[0]
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(exec.Command("kill", "-"+signal, strconv.Itoa(cmd.Process.Pid)).Run())
	}
}

// lacks FILE TEXT fails if the text, which may be a secret, stands in the file, stdout or
// stderr.
func cmdLacks(ts *testscript.TestScript, _ bool, args []string) {
	if strings.Contains(ts.ReadFile(args[0]), args[1]) {
		ts.Fatalf("%s has %q", args[0], args[1])
	}
}

// write FILE TEXT: a token must not stand on the command line of authd.
func cmdWrite(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(args[1]+"\n"), 0o600))
}

// login CLIENT USER FILE [HEADER=VALUE…] signs in with the password in the file and prints the
// answer.
func cmdLogin(ts *testscript.TestScript, _ bool, args []string) {
	body, err := json.Marshal(map[string]string{
		"client_id": args[0], "username": args[1], "password": strings.TrimSpace(ts.ReadFile(args[2])),
	})
	ts.Check(err)
	req, err := http.NewRequest(http.MethodPost, ts.Getenv("AUTHD_ISSUER")+"/account/login", strings.NewReader(string(body)))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	for _, field := range args[3:] {
		name, value, _ := strings.Cut(field, "=")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	_, err = io.Copy(ts.Stdout(), resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("login: %s", resp.Status)
	}
}
