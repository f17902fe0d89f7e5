package pglocal

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// helperDir, when set, makes the test binary a program which holds a private
// PostgreSQL on that directory until its standard input ends or it is killed.
const helperDir = "PGLOCAL_TEST_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		os.Exit(holdServer(dir))
	}
	goleak.VerifyTestMain(m)
}

func holdServer(dir string) int {
	s, err := Start(context.Background(), Config{DataDir: dir, UnsafeNoSync: true})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Stop(); err != nil {
		return 1
	}
	return 0
}
