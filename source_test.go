package authd_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What would let somebody in: a private key in PEM, a client secret, a private JWK. The texts are cut in two,
// so that this file is none of its finds.
var secretInSource = regexp.MustCompile("-----BEGIN [A-Z ]*" + "PRIVATE KEY-----\\s*[A-Za-z0-9+/]{16}|authd_" + `cs_[A-Za-z0-9_-]{43}|"(d|p|q|dp|dq|qi)"\s*:\s*"[A-Za-z0-9_-]{128,}"`)

// S3-04, M-03: the tutorials publish the secret that signs. No file of ours has one that is in use anywhere: tests make theirs.
func TestNoSecretInTheSource(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA", "secret: authd_" + "cs_" + strings.Repeat("x", 43), `{"kty":"RSA","d":` + `"` + strings.Repeat("A", 342) + `"}`,
	} {
		if !secretInSource.MatchString(text) {
			t.Errorf("%.30q… is not seen", text)
		}
	}

	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "target"):
			return filepath.SkipDir // what tools keep here is not of the source
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name)
		if found := secretInSource.Find(text); found != nil {
			t.Errorf("%s holds a secret: %.40q…", name, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
