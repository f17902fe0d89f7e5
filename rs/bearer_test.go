package rs_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-authd/authd/rs"
)

// F-65: the grammar of the header is one scheme and one token, whatever else libraries make of it.
func TestHeader(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	tests := []struct {
		name   string
		header []string
		want   int
	}{
		{"F-65: scheme and token", []string{"Bearer " + good}, 200},
		{"F-65, F-99: the scheme's case means nothing", []string{"bEARER " + good}, 200},
		{"F-65: another scheme", []string{"JWT " + good}, 401},
		{"F-65: no scheme, M-12", []string{good}, 401},
		{"F-65: scheme without token", []string{"Bearer"}, 400},
		{"F-65: three words", []string{"Bearer " + good + " x"}, 400},
		{"M-11, S4-12: a scheme that ends in Bearer", []string{"Basic-Bearer " + good}, 401},
		{"M-11, S4-12: a scheme that begins with Bearer", []string{"BearerX " + good}, 401},
		{"M-11, S4-12: Bearer as the third word", []string{"Basic " + good + " Bearer"}, 401},
		{"F-100: a second credential of another scheme", []string{"Bearer " + good + ", Basic dTpw"}, 400},
		{"F-100: a first credential of another scheme", []string{"Basic dTpw, Bearer " + good}, 400},
		{"F-100: a first credential, no space", []string{"Basic dTpw,bearer " + good}, 400},
		{"F-100: an empty first field", []string{", Bearer " + good}, 400},
		{"F-100: Bearer between others", []string{"Basic dTpw, Bearer " + good + ", Basic dTpw"}, 400},
		{"F-100: two of other schemes", []string{`Digest username="a", realm="b"`}, 401},
		{"F-100: two Bearer in one header", []string{"Bearer " + good + ", Bearer " + good}, 400},
		{"F-100, J-46: in two headers", []string{"Basic dTpw", "Bearer " + good}, 400},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = tt.header

			required := ask(v.Required(rs.From(rs.Header()))(http.HandlerFunc(whoami)), r)
			optional := ask(v.Optional()(http.HandlerFunc(whoami)), r)

			if required.Status != tt.want {
				t.Errorf("Required: got %+v, want status %d", required, tt.want)
			}
			if anonymous := tt.want == 401; (optional.Body == "anonymous") != anonymous || !anonymous && optional.Status != tt.want {
				t.Errorf("Optional: got %+v, want status %d, or anonymous for 401", optional, tt.want)
			}
		})
	}
}
