//go:build !openssl

package openssl

import (
	"strings"
	"testing"
)

func TestBuildWithoutTheTag(t *testing.T) {
	t.Parallel()

	s, err := NewSigner(testKey())

	if Enabled || Version() != "" {
		t.Errorf("says that it has libcrypto %q", Version())
	}
	if s != nil || err == nil || !strings.Contains(err.Error(), "-tags openssl") {
		t.Errorf("got signer %v and error %v, want how to build one", s, err)
	}
}
