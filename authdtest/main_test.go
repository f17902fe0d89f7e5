package authdtest_test

import (
	"context"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is for faults that a test causes.
var quiet = slog.New(slog.DiscardHandler)

// verifier is an application's, by the issuer's clock.
func verifier(t testing.TB, iss *authdtest.Issuer, change func(*rs.Config)) *rs.Verifier {
	t.Helper()
	cfg := rs.Config{Issuer: iss.URL, Audience: iss.Audience, Now: iss.Now, HTTPClient: iss.Client(), Logger: quiet}
	if change != nil {
		change(&cfg)
	}
	v, err := rs.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}
