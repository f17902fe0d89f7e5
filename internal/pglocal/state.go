package pglocal

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
)

const (
	stateFile   = "postgres.json"
	pendingFile = "postgres.json.new"
	port        = 5432 // names the socket file; nothing listens on TCP
	roleName    = "authd"
	dbName      = "authd"
)

// state is postgres.json. Once it exists, the cluster that it names holds data.
type state struct {
	Cluster  string `json:"cluster"`
	Socket   string `json:"socket"` // folder
	Port     int    `json:"port"`
	Database string `json:"database"`
	Role     string `json:"role"`
	Password string `json:"password"`
}

// connection is what a client needs. The password is a func so that no
// formatting verb prints it, at whatever depth.
type connection struct {
	Socket   string
	port     int
	database string
	role     string
	password func() string
}

func (s state) connection() connection {
	return connection{s.Socket, s.Port, s.Database, s.Role, func() string { return s.Password }}
}

func (c connection) url() string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.UserPassword(c.role, c.password()),
		Path:   "/" + c.database,
		RawQuery: url.Values{
			"host":    {c.Socket},
			"port":    {strconv.Itoa(c.port)},
			"sslmode": {"disable"},
		}.Encode(),
	}
	return u.String()
}

// readState fails with fs.ErrNotExist where the data directory has no cluster.
func readState(dir string) (state, error) {
	return readStateFile(filepath.Join(dir, stateFile))
}

func readStateFile(path string) (state, error) {
	var s state
	b, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// writeState replaces postgres.json where something changed.
func writeState(dir string, s state) error {
	if old, err := readState(dir); err == nil && old == s {
		return nil
	}
	if err := writePending(dir, s); err != nil {
		return err
	}
	return commitPending(dir)
}

// writePending writes postgres.json under a name that counts for nothing yet.
func writePending(dir string, s state) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	f, err := openOwn(filepath.Join(dir, pendingFile), os.O_WRONLY|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

func commitPending(dir string) error {
	if err := os.Rename(filepath.Join(dir, pendingFile), filepath.Join(dir, stateFile)); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes renames in dir survive a crash of the machine.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
