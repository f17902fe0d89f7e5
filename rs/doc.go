// Package rs protects the handlers of a resource server (RFC 6749 §1.1) with the access tokens of one issuer.
//
//	v, err := rs.New(ctx, rs.Config{Issuer: "https://id.example.com", Audience: "https://api.example.com"})
//	…
//	defer v.Close()
//	mux.Handle("POST /orders", v.Required(rs.Scopes("orders:write"))(createOrder))
//
// Tokens are RS256 JWTs of RFC 9068, verified offline with the keys that the issuer publishes. Nothing is asked per
// token, so a token that was revoked is accepted until it expires; keep lifetimes short, or introspect (RFC 7662)
// where that matters.
//
// There is no switch that leaves a check out, and no algorithm to choose.
package rs
