package main

import (
	"context"
	"net/http"
	"sync"

	"github.com/go-authd/authd/rs"
)

// user is what this application keeps of a person. Who it is and the password are authd's.
type user struct {
	ID     string // the subject of its tokens
	closed bool
}

// users stands for a table with the subject as its key.
type users struct {
	mu   sync.Mutex
	rows map[string]*user
}

func newUsers() *users { return &users{rows: map[string]*user{}} }

// load finds the user of a token. Whoever comes for the first time gets a row.
func (u *users) load(_ context.Context, t *rs.Token) (any, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	row, ok := u.rows[t.Subject]
	if !ok {
		row = &user{ID: t.Subject}
		u.rows[t.Subject] = row
	}
	if row.closed {
		return nil, rs.ErrNoSubject // 401; any other error would be 503
	}
	return row, nil
}

func profile(w http.ResponseWriter, r *http.Request) {
	current, _ := rs.SubjectAs[*user](r.Context()) // loaded once per request
	answer(w, http.StatusOK, map[string]any{"id": current.ID})
}

func (u *users) close(w http.ResponseWriter, r *http.Request) {
	current, _ := rs.SubjectAs[*user](r.Context())
	u.mu.Lock()
	defer u.mu.Unlock()
	current.closed = true
	w.WriteHeader(http.StatusNoContent)
}
