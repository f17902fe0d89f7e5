package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The packages that speak SQL pass their own tests on the server that the image runs, as they do
// on a private one.
func TestDatabasePackages(t *testing.T) {
	t.Parallel()
	postgres := startPostgres(t, newNetwork(t), "-c", "fsync=off", "-c", "max_connections=200")
	address := strings.TrimPrefix(base(t, postgres, "5432/tcp", "tcp"), "tcp://")

	cmd := exec.CommandContext(t.Context(), "go", "test", "-race", "-count=1",
		"./internal/db/...", "./internal/migrate/...", "./internal/tokens/...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "AUTHD_TEST_DATABASE_URL=postgres://postgres:"+password+"@"+address+"/postgres?sslmode=disable")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("go test: %v\n%s", err, out)
	}
}
