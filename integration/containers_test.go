package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	issuer   = "http://localhost:8080" // compared, never connected to: the published port is another one
	password = "integration"
)

// image is of the environment: scripts/integration builds the images and names them.
func image(t *testing.T, variable string) string {
	t.Helper()
	name := os.Getenv(variable)
	if name == "" {
		t.Fatalf("%s is not set; run scripts/integration (make integration)", variable)
	}
	return name
}

func newNetwork(t *testing.T) *testcontainers.DockerNetwork {
	t.Helper()
	nw, err := network.New(t.Context())
	if err != nil {
		t.Fatalf("create network: %v", err)
	}
	testcontainers.CleanupNetwork(t, nw)
	return nw
}

// run starts a container that is removed with the test, and whose log a failed test shows.
func run(t *testing.T, image string, opts ...testcontainers.ContainerCustomizer) *testcontainers.DockerContainer {
	t.Helper()
	c, err := testcontainers.Run(t.Context(), image, opts...)
	testcontainers.CleanupContainer(t, c)
	if c != nil {
		t.Cleanup(func() { showLog(t, image, c) })
	}
	if err != nil {
		t.Fatalf("run %s: %v", image, err)
	}
	return c
}

func showLog(t *testing.T, image string, c *testcontainers.DockerContainer) {
	if !t.Failed() {
		return
	}
	r, err := c.Logs(context.Background()) // the test's own has ended
	if err != nil {
		t.Logf("log of %s: %v", image, err)
		return
	}
	defer r.Close()
	var log bytes.Buffer
	_, _ = log.ReadFrom(r)
	t.Logf("log of %s:\n%s", image, log.String())
}

// startPostgres is reachable as "postgres" on nw. Arguments are those of the server.
func startPostgres(t *testing.T, nw *testcontainers.DockerNetwork, args ...string) *testcontainers.DockerContainer {
	t.Helper()
	return run(t, image(t, "AUTHD_TEST_POSTGRES_IMAGE"),
		testcontainers.WithEnv(map[string]string{"POSTGRES_PASSWORD": password}),
		testcontainers.WithCmd(append([]string{"postgres"}, args...)...),
		testcontainers.WithExposedPorts("5432/tcp"),
		network.WithNetwork([]string{"postgres"}, nw),
		// Over TCP: while the image makes its cluster, the server listens on a socket only.
		testcontainers.WithWaitStrategy(wait.ForExec([]string{"pg_isready", "-q", "-h", "127.0.0.1"})),
	)
}

// settings of authd are in the environment, so that the CLI in the same container has them too.
func settings(kek string) testcontainers.CustomizeRequestOption {
	return func(req *testcontainers.GenericContainerRequest) error {
		req.Env = map[string]string{
			"AUTHD_ISSUER":       issuer,
			"AUTHD_LISTEN":       "0.0.0.0:8080",
			"AUTHD_OPS_LISTEN":   "0.0.0.0:8081",
			"AUTHD_DATABASE_URL": "postgres://postgres:" + password + "@postgres/postgres?sslmode=disable",
			"AUTHD_KEK_FILE":     "/kek",
		}
		req.Files = []testcontainers.ContainerFile{
			{Reader: strings.NewReader(kek), ContainerFilePath: "/kek", FileMode: 0o444},
		}
		return nil
	}
}

func newKEK() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(b) + "\n"
}

// migrate runs `authd migrate` to its end, as a job of a deployment would.
func migrate(t *testing.T, nw *testcontainers.DockerNetwork, kek string) {
	t.Helper()
	c := run(t, image(t, "AUTHD_TEST_IMAGE"), settings(kek), network.WithNetwork(nil, nw),
		testcontainers.WithCmd("migrate"), testcontainers.WithWaitStrategy(wait.ForExit()))
	state, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state.ExitCode != 0 {
		t.Fatalf("authd migrate: exit code %d", state.ExitCode)
	}
}

// startAuthd is ready when its operations listener says so.
func startAuthd(t *testing.T, nw *testcontainers.DockerNetwork, kek string) *testcontainers.DockerContainer {
	t.Helper()
	return run(t, image(t, "AUTHD_TEST_IMAGE"), settings(kek), network.WithNetwork(nil, nw),
		testcontainers.WithCmd("serve"),
		testcontainers.WithExposedPorts("8080/tcp", "8081/tcp"),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/readyz").WithPort("8081/tcp")),
	)
}

// restart kills c, which gets no time to say goodbye, and waits until it is ready again.
func restart(t *testing.T, c *testcontainers.DockerContainer) {
	t.Helper()
	kill(t, c)
	start(t, c)
}

func kill(t *testing.T, c *testcontainers.DockerContainer) {
	t.Helper()
	if err := c.Stop(t.Context(), new(time.Duration)); err != nil {
		t.Fatalf("stop container: %v", err)
	}
}

func start(t *testing.T, c *testcontainers.DockerContainer) {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatalf("start container: %v", err)
	}
}

// authdJSON runs a command of the CLI beside the running server and reads the JSON it prints.
func authdJSON(t *testing.T, c *testcontainers.DockerContainer, into any, args ...string) {
	t.Helper()
	code, output, err := c.Exec(t.Context(), append([]string{"/authd"}, args...))
	if err != nil {
		t.Fatalf("authd %q: %v", args, err)
	}
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, output); err != nil {
		t.Fatalf("authd %q: %v", args, err)
	}
	if code != 0 {
		t.Fatalf("authd %q: exit code %d: %s", args, code, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), into); err != nil {
		t.Fatalf("authd %q: stdout is no JSON: %v", args, err)
	}
}

// base is the URL of c's published port. A restart may change it.
func base(t *testing.T, c *testcontainers.DockerContainer, port, scheme string) string {
	t.Helper()
	url, err := c.PortEndpoint(t.Context(), port, scheme)
	if err != nil {
		t.Fatal(err)
	}
	return url
}
