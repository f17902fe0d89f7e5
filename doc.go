// Package authd is an OAuth 2.0 authorization server on PostgreSQL, to embed or to run as
// a daemon. It issues RS256-signed access tokens (RFC 9068) and rotating refresh tokens,
// publishes its keys as a JWKS so that anyone verifies offline, and keeps refresh-token
// families and revocations in the host's database.
//
// To embed it, migrate once, make a [Server], and mount its handler:
//
//	if _, err := authd.Migrate(ctx, pool); err != nil { … }
//	srv, err := authd.New(ctx, authd.Config{Issuer: "https://example.com", DB: pool, KeyEncryptionKeys: keys})
//	if err != nil { … }
//	defer srv.Close()
//	http.ListenAndServe(":8080", srv.Handler())
//
// Any number of servers may share a database; nothing but the database coordinates them.
// A success is answered only after its commit is durable, every storage fault is a 503,
// and no decision is taken from a cache: introspection says what the database says.
//
// It offers no password grant and no implicit grant (RFC 9700 §2.1.2, §2.4), no symmetric
// signing keys, and no storage other than PostgreSQL.
//
// Resource servers use package rs, which shares nothing with this one but the words.
package authd
