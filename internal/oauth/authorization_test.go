package oauth

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

const goodRequest = "client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&response_type=code" +
	"&code_challenge=" + exampleChallenge + "&code_challenge_method=S256"

// What is refused before the redirect URI is known is for a page (RFC 6749 §4.1.2.1).
func TestParseAuthorizationForAPage(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, query string }{
		{"no client_id, A-06", "redirect_uri=https://app.example/cb&response_type=code"},
		{"two client_id, A-06", goodRequest + "&client_id=evil"},
		{"no redirect_uri, A-05", "client_id=app&response_type=code"},
		{"an empty redirect_uri", "client_id=app&redirect_uri=&response_type=code"},
		{"two redirect_uri, A-06", goodRequest + "&redirect_uri=https://evil.example"},
		{"bad percent encoding", goodRequest + "&state=%zz"},
		{"a semicolon", goodRequest + "&a=b;c=d"},
		{"65 parameters", goodRequest + strings.Repeat("&x=1", 60)},
		{"a control character in client_id", goodRequest[len("client_id=app"):] + "&client_id=a%00b"},
		{"a pushed request's URI that is malformed, RFC 9126 §4", "client_id=app&request_uri=urn:ietf:params:oauth:request_uri:" + exampleChallenge + "x"},
		{"a pushed request of nobody's", "request_uri=urn:ietf:params:oauth:request_uri:" + exampleChallenge},
		{"request beside a pushed request, RFC 9101 §5", "client_id=app&request=e30&request_uri=urn:ietf:params:oauth:request_uri:" + exampleChallenge},
		{"more than 64 KiB", goodRequest + "&x=" + strings.Repeat("x", MaxFormBytes)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			if _, refusal, fatal := ParseAuthorization(tt.query); fatal == nil || refusal != nil {
				t.Errorf("got %v and %v, want a refusal for a page", refusal, fatal)
			}
		})
	}
}

func TestParseAuthorization(t *testing.T) {
	t.Parallel()
	noPKCE := strings.TrimSuffix(goodRequest, "&code_challenge="+exampleChallenge+"&code_challenge_method=S256")
	tests := []struct {
		name, query string
		want        Code // "": accepted
	}{
		{"as it should be", goodRequest, ""},
		{"unknown parameters are ignored, RFC 6749 §3.1", goodRequest + "&display=page&acr_values=1&x=1&x=2", ""},
		{"without PKCE, which the registration may allow", noPKCE, ""},
		{"an empty parameter is as absent, RFC 6749 §3.1", goodRequest + "&state=&prompt=&max_age=&request=", ""},
		{"no response_type", strings.Replace(goodRequest, "response_type=code", "", 1), InvalidRequest},
		{"response_type token: no implicit grant, RFC 9700 §2.1.2", strings.Replace(goodRequest, "=code&", "=token&", 1), UnsupportedResponseType},
		{"response_type code id_token", strings.Replace(goodRequest, "=code&", "=code+id_token&", 1), UnsupportedResponseType},
		{"response_mode query", goodRequest + "&response_mode=query", ""},
		{"response_mode form_post", goodRequest + "&response_mode=form_post", ""},
		{"response_mode fragment, A-08", goodRequest + "&response_mode=fragment", InvalidRequest},
		{"response_mode query.jwt, A-08", goodRequest + "&response_mode=query.jwt", InvalidRequest},
		{"state twice, A-18", goodRequest + "&state=1&state=2", InvalidRequest},
		{"scope twice, A-18", goodRequest + "&scope=a&scope=b", InvalidRequest},
		{"nonce twice, A-18", goodRequest + "&nonce=a&nonce=b", InvalidRequest},
		{"code_challenge twice, A-18", goodRequest + "&code_challenge=" + exampleChallenge, InvalidRequest},
		{"resource twice, RFC 8707 §2", goodRequest + "&resource=a&resource=b", InvalidTarget},
		{"state of more than 4 KiB, A-09", goodRequest + "&state=" + strings.Repeat("x", 4097), InvalidRequest},
		{"state with CRLF, A-10", goodRequest + "&state=x%0d%0aSet-Cookie:a=b", InvalidRequest},
		{"scope is malformed", goodRequest + "&scope=a%22b", InvalidScope},
		{"request object, A-17", goodRequest + "&request=eyJ.e.s", RequestNotSupported},
		{"request_uri, A-17", goodRequest + "&request_uri=http://169.254.169.254/", RequestURINotSupported},
		{"request_uri of a file, A-17", goodRequest + "&request_uri=file:///etc/passwd", RequestURINotSupported},
		{"request_uri of another URN, A-17", goodRequest + "&request_uri=urn:ietf:params:oauth:request:" + exampleChallenge, RequestURINotSupported},
		{"request_uri twice, A-18", goodRequest + strings.Repeat("&request_uri=urn:ietf:params:oauth:request_uri:"+exampleChallenge, 2), InvalidRequest},
		{"registration, OIDC Core §7.2.1", goodRequest + "&registration=%7B%7D", RegistrationNotSupported},
		{"claims, OIDC Core §5.5", goodRequest + "&claims=" + url.QueryEscape(`{"userinfo":{"name":{"essential":true}},"id_token":{"acr":{"values":["gold"]},"auth_time":null}}`), ""},
		{"claims that are no object", goodRequest + "&claims=%5B%5D", InvalidRequest},
		{"claims with a member twice", goodRequest + "&claims=" + url.QueryEscape(`{"id_token":{},"id_token":{}}`), InvalidRequest},
		{"claims that demand an acr, OIDC Core §5.5.1.1", goodRequest + "&claims=" + url.QueryEscape(`{"id_token":{"acr":{"essential":true,"values":["gold"]}}}`), InvalidRequest},
		{"claims that demand a person, OIDC Core §3.1.2.2", goodRequest + "&claims=" + url.QueryEscape(`{"id_token":{"sub":{"value":"248289761001"}}}`), InvalidRequest},
		{"challenge of 42 characters, P-03", noPKCE + "&code_challenge_method=S256&code_challenge=" + exampleChallenge[1:], InvalidRequest},
		{"method plain, RFC 9700 §2.1.1", noPKCE + "&code_challenge_method=plain&code_challenge=" + exampleChallenge, InvalidRequest},
		{"method s256, P-03", noPKCE + "&code_challenge_method=s256&code_challenge=" + exampleChallenge, InvalidRequest},
		{"no method, which means plain, RFC 7636 §4.3", noPKCE + "&code_challenge=" + exampleChallenge, InvalidRequest},
		{"a method without a challenge", noPKCE + "&code_challenge_method=S256", InvalidRequest},
		{"prompt none beside another, OIDC Core §3.1.2.1", goodRequest + "&prompt=none+login", InvalidRequest},
		{"prompt of two values", goodRequest + "&prompt=login+consent", ""},
		{"prompt that nobody knows", goodRequest + "&prompt=create", InvalidRequest},
		{"max_age 0, A-16", goodRequest + "&max_age=0", ""},
		{"max_age negative, A-16", goodRequest + "&max_age=-1", InvalidRequest},
		{"max_age 1e99, A-16", goodRequest + "&max_age=1e99", InvalidRequest},
		{"max_age NaN, A-16", goodRequest + "&max_age=NaN", InvalidRequest},
		{"max_age that overflows", goodRequest + "&max_age=99999999999999999999", InvalidRequest},
		{"login_hint that is no address", goodRequest + "&login_hint=" + strings.Repeat("x", 321), InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, refusal, fatal := ParseAuthorization(tt.query)

			var got Code
			if refusal != nil {
				got = refusal.Code
			}
			if fatal != nil || got != tt.want {
				t.Errorf("got %v and %v, want %q", refusal, fatal, tt.want)
			}
			if r.ClientID != "app" || r.RedirectURI != "https://app.example/cb" {
				t.Errorf("an answer would go to %q of %q", r.RedirectURI, r.ClientID)
			}
		})
	}
}

// A form cannot be posted to a program's scheme: it is told so in the query.
func TestFormPostToAScheme(t *testing.T) {
	t.Parallel()
	r, refusal, fatal := ParseAuthorization("client_id=app&redirect_uri=com.example.app:/cb&response_type=code&response_mode=form_post")

	if fatal != nil || refusal == nil || refusal.Code != InvalidRequest || r.ResponseMode != ModeQuery {
		t.Errorf("got %v and %v, by %s", refusal, fatal, r.ResponseMode)
	}
}

// The refusal of a request object reaches the client as the object says, for nothing beside it does.
func TestRefusalOfARequestObject(t *testing.T) {
	t.Parallel()
	object := func(payload string) string {
		return "&request=e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".e30"
	}
	const bare = "client_id=app&redirect_uri=https://app.example/cb&response_type=code"
	type answer struct {
		Mode  ResponseMode
		State string
	}
	tests := []struct {
		name, query string
		want        answer
	}{
		{"by form, with its state", bare + object(`{"response_mode":"form_post","state":"s"}`), answer{ModeFormPost, "s"}},
		{"what stands beside it wins: nobody verified it", bare + "&response_mode=query&state=t" + object(`{"response_mode":"form_post","state":"s"}`), answer{ModeQuery, "t"}},
		{"a state that is repeated is told by nobody, A-18", bare + "&state=t&state=u" + object(`{"state":"s"}`), answer{ModeQuery, ""}},
		{"a redirect URI in it counts for nothing", bare + object(`{"redirect_uri":"https://evil.example/"}`), answer{ModeQuery, ""}},
		{"a state with CRLF, A-10", bare + object(`{"state":"x\r\nSet-Cookie:a=b"}`), answer{ModeQuery, ""}},
		{"members of other types", bare + object(`{"response_mode":1,"state":["s"]}`), answer{ModeQuery, ""}},
		{"a payload that is no object", bare + object(`[]`), answer{ModeQuery, ""}},
		{"no base64", bare + "&request=e30.%25.e30", answer{ModeQuery, ""}},
		{"a JWE, of five parts", bare + "&request=a.b.c.d.e", answer{ModeQuery, ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, refusal, fatal := ParseAuthorization(tt.query)

			if fatal != nil || refusal == nil || r.RedirectURI != "https://app.example/cb" {
				t.Fatalf("got %v and %v, to %s", refusal, fatal, r.RedirectURI)
			}
			if got := (answer{r.ResponseMode, r.State}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestAuthorizationAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, uri, state string
		want             string
	}{
		{
			"state, code and issuer, RFC 9207 §2", "https://app.example/cb", "s",
			"https://app.example/cb?code=c&state=s&iss=https%3A%2F%2Fas.example",
		},
		{
			"what was registered stays, A-19", "https://app.example/cb?x=1%202", "",
			"https://app.example/cb?x=1%202&code=c&iss=https%3A%2F%2Fas.example",
		},
		{"an application's scheme", "com.example.app:/cb", "", "com.example.app:/cb?code=c&iss=https%3A%2F%2Fas.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := AuthorizationRequest{RedirectURI: tt.uri, State: tt.state}

			if got := r.Grant("https://as.example", "c").Location(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// whatever state is, it comes back as it was, or not at all, and never
// does the answer leave the redirect URI or a header's line.
func FuzzAuthorizationState(f *testing.F) {
	f.Add("a&=+%#\"'<>é 한", "")
	f.Add("x\r\nSet-Cookie: a=b", "")
	f.Add("1", "&state=2")
	f.Fuzz(func(t *testing.T, state, more string) {
		r, refusal, fatal := ParseAuthorization(goodRequest + "&state=" + url.QueryEscape(state) + more)
		if fatal != nil {
			return
		}
		a := r.Grant("https://as.example", "c")
		if refusal != nil {
			a = r.Refuse("https://as.example", refusal)
		}
		to := a.Location()
		if strings.ContainsAny(to, "\r\n# ") || !strings.HasPrefix(to, r.RedirectURI+"?") {
			t.Fatalf("location %q", to)
		}
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		got := u.Query()["state"]
		if more == "" && refusal == nil && state != "" && (len(got) != 1 || got[0] != state) {
			t.Errorf("state %q came back as %q", state, got)
		}
		if len(got) > 1 || len(u.Query()["iss"]) != 1 {
			t.Errorf("%s has more than one state, or issuer", to)
		}
	})
}
