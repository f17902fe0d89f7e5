package grants_test

import (
	"flag"
	"testing"

	"github.com/go-authd/authd/internal/dbtest"
)

// Thirty walks unless the command line says otherwise (-rapid.checks): each step is a
// transaction.
func init() { _ = flag.Set("rapid.checks", "30") }

func TestMain(m *testing.M) { dbtest.Main(m) }
