package rs_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-authd/authd/rs"
)

const jsonType = "application/json"

// request is what a client sends, and where the route looks.
type request struct {
	from                              []rs.Location
	method, target, contentType, body string
	header                            http.Header
}

func (q request) build() *http.Request {
	r := httptest.NewRequest(q.method, q.target, strings.NewReader(q.body))
	if q.header != nil {
		r.Header = q.header.Clone()
	}
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	return r
}

// F-24, F-56: each route says where its token is; whatever it does not say is not read.
// F-63a, F-64a: of any name, on the routes that say so.
func TestLocation(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	header := func(name string, values ...string) http.Header { return http.Header{name: values} }
	get := func(target string, from ...rs.Location) request {
		return request{from: from, method: "GET", target: target}
	}
	send := func(method, contentType, body string, from ...rs.Location) request {
		return request{from: from, method: method, target: "/", contentType: contentType, body: body}
	}
	with := func(q request, h http.Header) request { q.header = h; return q }
	tests := []struct {
		name    string
		request request
		want    int
	}{
		{"F-63: ?jwt= is not read by default", get("/?jwt=" + good), 401},
		{"F-63: ?access_token= is not read by default", get("/?access_token=" + good), 401},
		{"F-64: a JSON body is not read by default", send("POST", jsonType, `{"access_token":"`+good+`"}`), 401},
		{"F-56: a form is not read by default", send("POST", formType, "access_token="+good), 401},
		{"F-56: a cookie is not read by default", with(get("/"), header("Cookie", "__Host-access_token="+good)), 401},
		{"F-56: a header of another name is not read by default", with(get("/"), header("X-Token", good)), 401},
		{"the zero Location is the header", with(get("/", rs.Location{}), header("Authorization", "Bearer "+good)), 200},
		{"F-24: a route of another place does not read the header", with(get("/", rs.HeaderNamed("X-Token", "")), header("Authorization", "Bearer "+good)), 401},

		{"F-57a: another name, the same scheme", with(get("/", rs.HeaderNamed("x-token", "Bearer")), header("X-Token", "Bearer "+good)), 200},
		{"F-57b, S1-17: another scheme", with(get("/", rs.HeaderNamed("Authorization", "JWT")), header("Authorization", "jwt "+good)), 200},
		{"F-57b, S1-17: Bearer where another scheme is wanted", with(get("/", rs.HeaderNamed("Authorization", "JWT")), header("Authorization", "Bearer "+good)), 401},
		{"F-57b: no scheme", with(get("/", rs.HeaderNamed("X-Token", "")), header("X-Token", good)), 200},
		{"F-57b: a scheme where none is wanted", with(get("/", rs.HeaderNamed("X-Token", "")), header("X-Token", "Bearer "+good)), 400},
		{"F-57b: empty header where no scheme is wanted", with(get("/", rs.HeaderNamed("X-Token", "")), header("X-Token", "")), 401},
		{"F-57a: two headers of that name", with(get("/", rs.HeaderNamed("X-Token", "")), header("X-Token", good, good)), 400},
		{"F-57a: two tokens in that header", with(get("/", rs.HeaderNamed("X-Token", "")), header("X-Token", good+","+good)), 400},
		{"F-57a: a gateway's own Authorization is none of ours", with(get("/", rs.HeaderNamed("X-Token", "")), http.Header{"X-Token": {good}, "Authorization": {"Bearer x"}}), 200},

		{"F-67: query", get("/?jwt="+good, rs.Query("jwt")), 200},
		{"F-67: query of another name", get("/?jwt="+good, rs.Query("token")), 401},
		{"F-67: empty parameter", get("/?jwt=", rs.Query("jwt")), 400},
		{"F-67: parameter twice", get("/?jwt="+good+"&jwt="+good, rs.Query("jwt")), 400},
		{"F-67: a query that cannot be read", get("/?jwt=%zz", rs.Query("jwt")), 400},
		{"RFC 6750 §2.3: access_token in the query, chosen", get("/?access_token="+good, rs.Query("access_token")), 200},
		{"RFC 6750 §2: query chosen, and access_token beside it", get("/?jwt="+good+"&access_token=x", rs.Query("jwt")), 400},

		{"RFC 6750 §2.2: form", send("POST", formType, "a=b&access_token="+good, rs.Form("access_token")), 200},
		{"RFC 6750 §2.2: form with charset", send("PUT", formType+"; charset=utf-8", "access_token="+good, rs.Form("access_token")), 200},
		{"RFC 6750 §2.2: not by GET", send("GET", formType, "token="+good, rs.Form("token")), 401},
		{"RFC 6750 §2.2: not by DELETE, whose body means nothing", send("DELETE", formType, "token="+good, rs.Form("token")), 401},
		{"RFC 6750 §2.2: not in the query of a POST", request{[]rs.Location{rs.Form("token")}, "POST", "/?token=" + good, formType, "", nil}, 401},
		{"RFC 6750 §2.2: not as another media type", send("POST", "text/plain", "token="+good, rs.Form("token")), 401},
		{"form field twice", send("POST", formType, "token="+good+"&token="+good, rs.Form("token")), 400},
		{"empty form field", send("POST", formType, "token=", rs.Form("token")), 400},
		{"a form that cannot be read", send("POST", formType, "token=%zz", rs.Form("token")), 400},
		{"form chosen, and access_token beside it", send("POST", formType, "token="+good+"&access_token=x", rs.Form("token")), 400},

		{"F-68: JSON", send("POST", jsonType, `{"a":[1],"access_token":"`+good+`"}`, rs.JSON("access_token")), 200},
		{"F-68: JSON with charset, by PATCH", send("PATCH", jsonType+"; charset=utf-8", `{"t":"`+good+`"}`, rs.JSON("t")), 200},
		{"F-68: not as another media type", send("POST", "text/json", `{"t":"`+good+`"}`, rs.JSON("t")), 401},
		{"F-68: no such member", send("POST", jsonType, `{"T":"`+good+`"}`, rs.JSON("t")), 401},
		{"F-68: no body", send("POST", jsonType, "", rs.JSON("t")), 401},
		{"F-68: not by GET", send("GET", jsonType, `{"t":"`+good+`"}`, rs.JSON("t")), 401},
		{"JSON member deeper down", send("POST", jsonType, `{"a":{"t":"`+good+`"}}`, rs.JSON("t")), 401},
		{"JSON member twice", send("POST", jsonType, `{"t":"x","t":"`+good+`"}`, rs.JSON("t")), 400},
		{"JSON member is no string", send("POST", jsonType, `{"t":["`+good+`"]}`, rs.JSON("t")), 400},
		{"JSON member is null", send("POST", jsonType, `{"t":null}`, rs.JSON("t")), 400},
		{"JSON member is empty", send("POST", jsonType, `{"t":""}`, rs.JSON("t")), 400},
		{"not JSON", send("POST", jsonType, "t="+good, rs.JSON("t")), 400},
		{"two JSON objects", send("POST", jsonType, `{"a":1}{"t":"`+good+`"}`, rs.JSON("t")), 400},
		{"JSON array", send("POST", jsonType, `[{"t":"`+good+`"}]`, rs.JSON("t")), 400},

		{"F-69: the second of several places", get("/?jwt="+good, rs.Header(), rs.Query("jwt")), 200},
		{"F-69: none of several places", get("/", rs.Header(), rs.Query("jwt")), 401},
		{"F-69: another scheme is no credential", with(get("/?jwt="+good, rs.Header(), rs.Query("jwt")), header("Authorization", "Basic dTpw")), 200},
		{"RFC 6750 §2: two of several places", with(get("/?jwt=x", rs.Header(), rs.Query("jwt")), header("Authorization", "Bearer "+good)), 400},
		{"RFC 6750 §2: the same token at two places", with(get("/?jwt="+good, rs.Header(), rs.Query("jwt")), header("Authorization", "Bearer "+good)), 400},
		{"RFC 6750 §2: two of several places that it does not know", request{[]rs.Location{rs.Query("jwt"), rs.JSON("t")}, "POST", "/?jwt=" + good, jsonType, `{"t":"` + good + `"}`, nil}, 400},
		{"RFC 6750 §2: a bad one before a good one", with(get("/?jwt="+good, rs.Header(), rs.Query("jwt")), header("Authorization", "Bearer")), 400},
		{"RFC 6750 §2: a good one before a bad one", with(get("/?jwt=", rs.Header(), rs.Query("jwt")), header("Authorization", "Bearer "+good)), 400},
		{"RFC 6750 §2: Bearer in the header beside the chosen place", with(get("/?jwt="+good, rs.Query("jwt")), header("Authorization", "Bearer "+good)), 400},
		{"Basic in the header beside the chosen place", with(get("/?jwt="+good, rs.Query("jwt")), header("Authorization", "Basic dTpw")), 200},
		{"RFC 6750 §2: JSON, and access_token in the query", request{[]rs.Location{rs.JSON("t")}, "POST", "/?access_token=x", jsonType, `{"t":"` + good + `"}`, nil}, 400},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			required := ask(v.Required(rs.From(tt.request.from...))(http.HandlerFunc(whoami)), tt.request.build())
			optional := ask(v.Optional(rs.From(tt.request.from...))(http.HandlerFunc(whoami)), tt.request.build())

			if required.Status != tt.want {
				t.Errorf("Required: got %+v, want status %d", required, tt.want)
			}
			want, subject := tt.want, "usr_1"
			if want == 401 { // nothing there, as no token of the table is bad
				want, subject = 200, "anonymous"
			}
			if optional.Status != want || want == 200 && optional.Body != subject {
				t.Errorf("Optional: got %+v, want status %d", optional, want)
			}
		})
	}
}

// F-24: From outdoes Config.Locations, and the last From those before it.
func TestFrom(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		configured []rs.Location
		reqs       []rs.Requirement
		target     string
		want       int
	}{
		{"configured", []rs.Location{rs.Query("a")}, nil, "/?a=", 200},
		{"the route's own", []rs.Location{rs.Query("a")}, []rs.Requirement{rs.From(rs.Query("b"))}, "/?b=", 200},
		{"configured, where the route has its own", []rs.Location{rs.Query("a")}, []rs.Requirement{rs.From(rs.Query("b"))}, "/?a=", 401},
		{"the last", nil, []rs.Requirement{rs.From(rs.Query("a")), rs.Scopes("read"), rs.From(rs.Query("b"))}, "/?b=", 200},
		{"not the first", nil, []rs.Requirement{rs.From(rs.Query("a")), rs.From(rs.Query("b"))}, "/?a=", 401},
		{"other requirements still count", nil, []rs.Requirement{rs.From(rs.Query("a")), rs.Scopes("admin")}, "/?a=", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := offline()
			cfg.Locations = tt.configured
			h := newVerifier(t, cfg).Required(tt.reqs...)(http.HandlerFunc(whoami))

			got := ask(h, httptest.NewRequest("GET", tt.target+edit{}.token(), nil))

			if got.Status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}

// RFC 6750 §2.3, RFC 9111 §3.5: caches know Authorization, and nothing else that holds a token.
func TestAnswersStayOutOfCaches(t *testing.T) {
	t.Parallel()
	good := edit{}.token()
	tests := []struct {
		name    string
		request request
		want    string
	}{
		{"header", request{nil, "GET", "/", "", "", http.Header{"Authorization": {"Bearer " + good}}}, ""},
		{"another header", request{[]rs.Location{rs.HeaderNamed("X-Token", "")}, "GET", "/", "", "", http.Header{"X-Token": {good}}}, "private"},
		{"query", request{[]rs.Location{rs.Query("jwt")}, "GET", "/?jwt=" + good, "", "", nil}, "private, no-store"},
		{"form", request{[]rs.Location{rs.Form("t")}, "POST", "/", formType, "t=" + good, nil}, "private"},
	}
	v := newVerifier(t, offline())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()

			v.Required(rs.From(tt.request.from...))(http.HandlerFunc(whoami)).ServeHTTP(w, tt.request.build())

			if got := w.Header().Get("Cache-Control"); w.Code != 200 || got != tt.want {
				t.Errorf("got status %d, Cache-Control %q, want %q", w.Code, got, tt.want)
			}
		})
	}
}
