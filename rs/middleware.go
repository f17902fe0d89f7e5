package rs

import "net/http"

// Required admits requests with a valid token that meets reqs, and gives it to [FromContext]. The token is looked for where
// [From] or Config.Locations say. A token elsewhere is not seen, and beside that one it is refused (RFC 6750 §2).
//
// Whatever else happens, a refusal is answered here, with a 4xx or 503, and the handler does not run. A panic of a host's
// function is not recovered.
func (v *Verifier) Required(reqs ...Requirement) func(http.Handler) http.Handler {
	return v.middleware(false, reqs)
}

// Optional also admits requests without a bearer token, those with another scheme among them. A bearer token that is
// present but bad is refused all the same, never taken for anonymous.
func (v *Verifier) Optional(reqs ...Requirement) func(http.Handler) http.Handler {
	return v.middleware(true, reqs)
}

func (v *Verifier) middleware(optional bool, reqs []Requirement) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t, anonymous, err := v.verifyRequest(r, reqs)
			switch {
			case err == nil:
				t.state.protectAnswer(w.Header())
				next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), t)))
			case anonymous && (optional || v.cfg.AllowPreflight && isPreflight(r)):
				next.ServeHTTP(w, r)
			default:
				v.answer(w, r, v.refusal(err))
			}
		})
	}
}

func (v *Verifier) answer(w http.ResponseWriter, r *http.Request, refusal *Error) {
	if v.cfg.OnError != nil {
		v.cfg.OnError(w, r, refusal)
		return
	}
	refusal.Respond(w)
}

// isPreflight follows the Fetch standard, "CORS-preflight request": no other OPTIONS request has both headers.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}
