package migrate_test

import (
	"io/fs"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-authd/authd/internal/dbtest"
	"github.com/go-authd/authd/internal/migrate"
	authdsql "github.com/go-authd/authd/sql"
)

func status(t *testing.T, pool *pgxpool.Pool) migrate.Status {
	t.Helper()
	s, err := migrate.Read(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// F-31: replicas that start together on an empty database bring it up once.
func TestUpConcurrently(t *testing.T) {
	t.Parallel()
	url := dbtest.EmptyURL(t)
	var mu sync.Mutex
	applied := 0
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			pool, err := pgxpool.New(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			defer pool.Close()
			names, err := migrate.Up(t.Context(), pool)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			applied += len(names)
		})
	}
	wg.Wait()

	if want := len(files(t)); applied != want {
		t.Errorf("%d migrations were applied, want %d", applied, want)
	}
}

func files(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(authdsql.Migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestReadTellsWhatToRun(t *testing.T) {
	t.Parallel()
	pool := dbtest.NewEmpty(t)

	before := status(t, pool)
	if before.Version != 0 || before.Current() || len(before.Pending) != len(files(t)) {
		t.Errorf("empty database: got %+v, want version 0 and all migrations pending", before)
	}
	if _, err := migrate.Up(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	after := status(t, pool)
	if after.Version != migrate.Version || !after.Current() || len(after.Pending) != 0 {
		t.Errorf("migrated database: got %+v", after)
	}
	again, err := migrate.Up(t.Context(), pool)
	if err != nil || len(again) != 0 {
		t.Errorf("second run applied %v, %v", again, err)
	}
}

// A host may run the files with a tool of its own: what counts is what they record.
func TestFilesRecordThemselves(t *testing.T) {
	t.Parallel()
	pool := dbtest.NewEmpty(t)
	for _, name := range files(t) {
		text, err := authdsql.Migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Conn().PgConn().Exec(t.Context(), string(text)).ReadAll()
		conn.Release()
		if err != nil {
			t.Fatalf("%s as plain SQL: %v", name, err)
		}
	}

	if s := status(t, pool); !s.Current() {
		t.Errorf("got %+v, want the current version", s)
	}
	if applied, err := migrate.Up(t.Context(), pool); err != nil || len(applied) != 0 {
		t.Errorf("Up after the host's tool applied %v, %v", applied, err)
	}
}

// F-34: a newer schema says itself which servers may still use it.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		needs int64
		want  bool
	}{
		{"a newer schema that still serves this version is used", migrate.Version, true},
		{"a newer schema that needs a newer server is refused", migrate.Version + 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			_, err := pool.Exec(t.Context(), `insert into authd.schema_versions (version, needs) values ($1, $2)`,
				migrate.Version+1, tt.needs)
			if err != nil {
				t.Fatal(err)
			}

			if got := status(t, pool).Current(); got != tt.want {
				t.Errorf("Current is %v, want %v", got, tt.want)
			}
		})
	}
}
