// Package rs protects the handlers of a resource server (RFC 6749 §1.1) with the access tokens of one issuer, or of
// several ([Any]).
//
//	v, err := rs.New(ctx, rs.Config{Issuer: "https://id.example.com", Audience: "https://api.example.com"})
//	…
//	defer v.Close()
//	mux.Handle("POST /orders", v.Required(rs.Scopes("orders:write"))(createOrder))
//
// Tokens are RS256 JWTs of RFC 9068, verified offline with the keys that the issuer publishes. There is no switch that
// leaves a check out, and no algorithm to choose.
//
// # Routes
//
// The middlewares [Verifier.Required] and [Verifier.Optional] are functions of net/http, and so they fit chi, gorilla and
// whatever else takes those. [Verifier.VerifyRequest] is for middlewares of your own, [Verifier.Verify] for tokens that
// come by other ways. What a route wants beyond a valid token are requirements: [Scopes], [AnyScope], [Claims], [Fresh],
// [MaxAge], [ACR], [Check]; [From], [Offline] and [AllowExpired] change what is asked of it. Handlers find the token by
// [FromContext], and what Config.SubjectLoader loaded for it by [SubjectAs].
//
// A refusal is an [*Error], answered by [Error.Respond] or by Config.OnError: 401 with a challenge of RFC 6750 or RFC
// 9470, 403, 400 for a request that is malformed, and 503 where nobody can tell now. No other status comes from here.
//
// # Revocation
//
// Nothing is asked per token, so without more a token that was revoked is accepted until it expires. Config.Revocation
// changes that:
//
//   - [Feed] follows what the issuer revokes. A check costs nothing to speak of, and news takes about a second. Its
//     word may be old: [Feed.Staleness] says how old, at most a little over 25 s while the issuer is there, and beyond
//     FeedConfig.MaxStaleness tokens are refused with 503 ([Refuse]) or accepted all the same ([Accept]). There is no
//     default: somebody must decide what an outage of the issuer means to this resource server.
//   - [Introspection] asks the issuer about each token (RFC 7662): exact, for one question and its time per request,
//     and 503 while the issuer is away.
//   - A [Checker] of your own, perhaps one that uses both.
//
// Feed and Introspection ask as a client that the issuer has registered as a resource server with this audience. A
// revoked token is refused with 401 and "token revoked", [ErrRevoked], which is an [ErrInvalid].
package rs
