package authd_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

// protect is an application's routes.
func protect(v *rs.Verifier) http.Handler {
	mux := http.NewServeMux()
	orders := func(http.ResponseWriter, *http.Request) {}
	mux.Handle("GET /orders", v.Required(rs.Scopes("read"))(http.HandlerFunc(orders)))
	return mux
}

// wantStatus is an application's helper.
func wantStatus(t *testing.T, h http.Handler, token string, status int) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != status {
		t.Errorf("got %d, want %d", w.Code, status)
	}
}

// What the README shows of an application's own tests.
func TestOrdersOfAnApplication(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t) // closed with the test
	v, err := rs.New(t.Context(), rs.Config{Issuer: iss.URL, Audience: iss.Audience, Now: iss.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	h := protect(v)

	wantStatus(t, h, iss.Token(authdtest.Subject("usr_1"), authdtest.Scope("read")), http.StatusOK)
	wantStatus(t, h, iss.Token(authdtest.Scope("write")), http.StatusForbidden)
	wantStatus(t, h, iss.Token(authdtest.Scope("read"), authdtest.Expired()), http.StatusUnauthorized)
	iss.Down()
	wantStatus(t, h, iss.Token(authdtest.UnknownKid()), http.StatusServiceUnavailable)
}
