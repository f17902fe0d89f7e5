package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

// sql STATEMENT does to the scene's database what time or an accident would.
func cmdSQL(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, ts.Getenv("AUTHD_DATABASE_URL"))
	ts.Check(err)
	defer conn.Close(ctx)
	tag, err := conn.Exec(ctx, args[0])
	ts.Check(err)
	if tag.RowsAffected() == 0 {
		ts.Fatalf("changed nothing")
	}
}

// documented PAGE fails unless docs/PAGE shows what the last command printed, but for
// identifiers and times.
func cmdDocumented(ts *testscript.TestScript, _ bool, args []string) {
	page, err := os.ReadFile(filepath.Join(docs, args[0]))
	ts.Check(err)
	printed := strings.TrimSpace(general(ts.ReadFile("stdout") + ts.ReadFile("stderr")))
	shown := general(string(page))
	shown += anIndent.ReplaceAllString(shown, "") // what stands in a list
	if printed == "" || !strings.Contains(shown, printed) {
		ts.Fatalf("%s does not show this:\n%s", args[0], printed)
	}
}

// docs is found before testscript changes the directory.
var docs = func() string {
	dir, err := filepath.Abs(filepath.Join("..", "..", "docs"))
	if err != nil {
		panic(err)
	}
	return dir
}()

// What differs from one run to the next; and what the test's PostgreSQL is warned of.
var (
	anIndent = regexp.MustCompile(`(?m)^   `)
	aWarning = regexp.MustCompile(`(?m)^time=.* msg="commit: fsync.*\n`)
	aTime    = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?`)
	aKID     = regexp.MustCompile(`\b[\w-]{43}\b|\B-[\w-]{42}\b|\b[\w-]{42}-\B|\B-[\w-]{41}-\B`)
	aKEK     = regexp.MustCompile(`\b[0-9a-f]{8}\b`)
)

func general(text string) string {
	text = aWarning.ReplaceAllString(text, "")
	text = aTime.ReplaceAllString(text, "TIME")
	text = aKID.ReplaceAllString(text, "KID")
	return aKEK.ReplaceAllString(text, "KEK")
}

// until PATH VALUE COMMAND… runs a command until the JSON that it prints has VALUE at PATH.
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for range 600 {
		ts.Check(ts.Exec(args[2], args[3:]...))
		if jsonAt(ts, args[0]) == args[1] {
			return
		}
		<-again.C
	}
	ts.Fatalf("%s did not become %s", args[0], args[1])
}
