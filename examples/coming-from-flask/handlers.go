package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-authd/authd/rs"
)

func protected(w http.ResponseWriter, r *http.Request) {
	token, _ := rs.FromContext(r.Context()) // there is one behind Required
	answer(w, http.StatusOK, map[string]any{"logged_in_as": token.Subject})
}

func hello(w http.ResponseWriter, r *http.Request) {
	name := "nobody"
	if token, ok := rs.FromContext(r.Context()); ok {
		name = token.Subject
	}
	fmt.Fprintf(w, "hello, %s\n", name)
}

// describe tells what the token says.
func describe(w http.ResponseWriter, r *http.Request) {
	token, _ := rs.FromContext(r.Context())
	answer(w, http.StatusOK, map[string]any{
		"sub": token.Subject, "jti": token.ID, "sid": token.SessionID, "client_id": token.ClientID, "scopes": token.Scopes,
		"expires_at": token.ExpiresAt, "fresh": token.Fresh, "kid": token.Kid, "claims": token.Claims,
	})
}

func listRecipes(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"recipes": []string{"kimchi jjigae"}})
}

func createRecipe(w http.ResponseWriter, r *http.Request) {
	token, _ := rs.FromContext(r.Context())
	// insert into recipes (owner, …) values ($1, …): owner is a text column
	answer(w, http.StatusCreated, map[string]any{"owner": token.Subject})
}

// adminsOnly reads a claim that the authorization server was told to add.
func adminsOnly(_ context.Context, t *rs.Token) error {
	if admin, _ := rs.Claim[bool](t, "is_administrator"); !admin {
		return errors.New("no administrator") // for the log; the client is told 403 access_denied
	}
	return nil
}

// message answers as the Flask application did, for clients that read msg: the status and the challenge stay.
func message(w http.ResponseWriter, _ *http.Request, err *rs.Error) {
	w.Header().Set("Cache-Control", "no-store")
	if err.Challenge != "" {
		w.Header().Set("WWW-Authenticate", err.Challenge)
	}
	if err.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	text := err.Description
	switch {
	case errors.Is(err, rs.ErrMissing):
		text = "Missing Authorization Header"
	case errors.Is(err, rs.ErrExpired):
		text = "Token has expired"
	case errors.Is(err, rs.ErrRevoked):
		text = "Token has been revoked"
	case errors.Is(err, rs.ErrNotFresh):
		text = "Fresh token required"
	}
	answer(w, err.Status, map[string]any{"msg": text, "error": err.Code})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who has gone hears nothing
}
