package web

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the responses in testdata")

// Each file of testdata holds pairs: a request, named by a sentence, and "->", its
// response. In a request "Basic {id:secret}" stands for its base64. Headers that every
// response has are checked and left out.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}

			got := play(t, archive)

			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(archive.Files, got.Files); diff != "" {
				t.Errorf("-want +got (go test -update rewrites)\n%s", diff)
			}
		})
	}
}

// play returns the archive with the responses that the requests get.
func play(t *testing.T, archive *txtar.Archive) *txtar.Archive {
	spec := loadSpec(t)
	out := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if f.Name == "->" {
			continue
		}
		s := newServer(t, config(services{}))
		handler := s.Handler()
		if strings.HasPrefix(filepath.Base(f.Name), "operations: ") {
			handler = s.OpsHandler()
		}
		r := parseRequest(t, f)
		w := httptest.NewRecorder()

		handler.ServeHTTP(w, r)

		checkEveryAnswer(t, f.Name, w)
		spec.check(t, f.Name, r, w)
		if w.Code < 300 {
			spec.checkRequest(t, f.Name, parseRequest(t, f))
		}
		out.Files = append(out.Files, f, txtar.File{Name: "->", Data: dump(w)})
	}
	return out
}

var readableBasic = regexp.MustCompile(`Basic \{(.*)\}$`)

func parseRequest(t *testing.T, f txtar.File) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(string(f.Data), "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, target, ok := strings.Cut(lines[0], " ")
	if !ok {
		t.Fatalf("%s: no request line", f.Name)
	}
	r := httptest.NewRequest(method, target, strings.NewReader(strings.TrimSuffix(body, "\n")))
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if m := readableBasic.FindStringSubmatch(value); m != nil {
			value = strings.Replace(value, "{"+m[1]+"}", base64.StdEncoding.EncodeToString([]byte(m[1])), 1)
		}
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	return r
}

// alwaysSent are the headers of every answer, whatever it is.
var alwaysSent = map[string]string{
	"X-Content-Type-Options":  "nosniff",
	"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	"X-Request-Id":            "AAAAAAAAAAAAAAAAAAAAAA",
}

func checkEveryAnswer(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	for header, want := range alwaysSent {
		if got := w.Header().Get(header); got != want {
			t.Errorf("%s: %s is %q, want %q", name, header, got, want)
		}
	}
	if w.Code == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("%s: 401 without WWW-Authenticate, RFC 9110 §11.6.1", name)
	}
	if strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("%s: the text of an error left the process", name)
	}
}

func dump(w *httptest.ResponseRecorder) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	var names []string
	for name := range w.Header() {
		if _, always := alwaysSent[name]; !always && name != "Content-Length" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(w.Header()[name], " | "))
	}
	if w.Body.Len() > 0 {
		fmt.Fprintf(&b, "\n%s\n", bytes.TrimSuffix(w.Body.Bytes(), []byte("\n")))
	}
	return b.Bytes()
}
