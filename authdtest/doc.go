// Package authdtest is an issuer for the tests of an application that takes access tokens: no database, no daemon, a
// token of any shape in one line, and faults on demand.
//
//	func TestOrders(t *testing.T) {
//		iss := authdtest.New(t) // closed with the test
//		v, err := rs.New(t.Context(), rs.Config{Issuer: iss.URL, Audience: iss.Audience, Now: iss.Now})
//		if err != nil {
//			t.Fatal(err)
//		}
//		defer v.Close()
//		h := v.Required(rs.Scopes("read"))(http.HandlerFunc(orders))
//
//		r := httptest.NewRequest("GET", "/orders", nil)
//		r.Header.Set("Authorization", "Bearer "+iss.Token(authdtest.Subject("usr_1"), authdtest.Scope("read")))
//		w := httptest.NewRecorder()
//		h.ServeHTTP(w, r) // 200; with authdtest.Expired() 401, without the scope 403
//	}
//
// Over HTTP on a loopback address it serves what a resource server asks an issuer for: the metadata, the JWKS,
// introspection and the revocation feed, as authd does, and client_credentials at the token endpoint. Without a shape,
// its tokens say what authd's say. It issues whatever it is asked for: it is for tests alone.
//
// # Shapes
//
// [Issuer.Token] takes any number of them. This is what package rs answers to the ready ones, for a route without
// requirements:
//
//	no shape, Fresh(), ClientCredentials("shop")  200
//	Expired()                                     401 rs.ErrExpired
//	NotYetValid()                                 401 rs.ErrInvalid
//	WrongAudience()                               401 rs.ErrInvalid
//	WrongIssuer()                                 401 rs.ErrInvalid
//	WrongKey()                                    401 rs.ErrInvalid
//	UnknownKid()                                  401 rs.ErrInvalid; 503 rs.ErrUnavailable where the JWKS cannot be fetched
//	Tampered()                                    401 rs.ErrInvalid
//	Unsigned()                                    401 rs.ErrInvalid
//	HS256WithPublicKey()                          401 rs.ErrInvalid
//	RefreshToken()                                401 rs.ErrInvalid
//	IDToken()                                     401 rs.ErrInvalid
//	Garbage()                                     401 rs.ErrInvalid
//
// rs.Fresh() and rs.MaxAge(5*time.Minute) refuse a token without shapes, and admit Fresh(); rs.Scopes("read") wants
// Scope("read").
//
// The others say one thing each: [Subject], [Client], [Scope], [Audience], [Session], [ID], [AuthTime], [IssuedAt],
// [ExpiresIn]; and anything at all, [Claim], [Without], [Header], [WithoutHeader], [SignedBy]. What no JSON library would
// write, [Sign] signs.
//
// # What happens to tokens and keys
//
//   - [Issuer.Revoke], [Issuer.RevokeSession], [Issuer.RevokeSubject] and [Issuer.RevokeClient] end tokens; the feed tells at
//     once, introspection from then on.
//   - [Issuer.RotateKey], [Issuer.AnnounceKey], [Issuer.ExpireKeys] and [Issuer.RevokeKey] are the life of signing keys.
//   - [Issuer.Down] and [Issuer.Up] are an outage; [Issuer.EmptyJWKS], [Issuer.BrokenJWKS], [Issuer.HugeJWKS], [Issuer.SlowJWKS] and
//     [Issuer.HangJWKS] are what else can go wrong with keys; [Issuer.Answer], [Issuer.Slow], [Issuer.Hang] and [Issuer.Handle] do
//     the like to any endpoint, and [Issuer.Requests] counts what it was asked.
//   - [Issuer.EndWaits], [Issuer.RestoreFeed] and [Issuer.AddToFeed] are for those who write a reader of the feed.
//   - [Issuer.Advance] moves the clock that [Issuer.Now] tells. Give Now to the verifier, and no test has to sleep.
//
// Signing keys are made once per process and shared by all issuers, so that the second one costs next to nothing, and
// tests may run in parallel. An issuer that is [InMemory] has no socket and fits into a bubble of testing/synctest.
package authdtest
