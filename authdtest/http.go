package authdtest

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-authd/authd/internal/oauth"
)

// The paths of an [Issuer], behind that of its URL. They name endpoints to [Issuer.Handle] and its like, too.
const (
	MetadataPath      = "/.well-known/oauth-authorization-server"
	JWKSPath          = "/.well-known/jwks.json"
	TokenPath         = "/oauth2/token"
	IntrospectionPath = "/oauth2/introspect"
	RevocationsPath   = "/oauth2/revocations"

	openIDPath = "/.well-known/openid-configuration" // MetadataPath's other name
)

// endpointOf returns one of the paths, or what was asked for. The well-known part of metadata may stand before the
// path of the issuer (RFC 8414 §3) or after it (OIDC Discovery §4).
func (i *Issuer) endpointOf(path string) string {
	for _, name := range []string{MetadataPath, openIDPath} {
		if path == name+i.path || path == i.path+name {
			return MetadataPath
		}
	}
	if rest, ok := strings.CutPrefix(path, i.path); ok {
		return rest
	}
	return path
}

// ServeHTTP answers as the issuer does.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	endpoint := i.endpointOf(r.URL.Path)
	i.mu.Lock()
	i.requests[endpoint]++
	handler, down := i.handlers[endpoint], i.down
	i.mu.Unlock()
	if isClosed(down) {
		panic(http.ErrAbortHandler)
	}
	if handler == nil {
		handler = i.route(r.Method, endpoint)
	}
	handler(w, r)
}

func (i *Issuer) route(method, endpoint string) http.HandlerFunc {
	switch {
	case method == http.MethodGet && endpoint == MetadataPath:
		return i.serveMetadata
	case method == http.MethodGet && endpoint == JWKSPath:
		return i.serveJWKS
	case method == http.MethodGet && endpoint == RevocationsPath:
		return i.serveRevocations
	case method == http.MethodPost && endpoint == IntrospectionPath:
		return i.serveIntrospection
	case method == http.MethodPost && endpoint == TokenPath:
		return i.serveToken
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, oauth.Errorf(oauth.NotFound, "there is nothing here"))
	}
}

func (i *Issuer) serveMetadata(w http.ResponseWriter, r *http.Request) {
	base := strings.TrimSuffix(i.URL, "/")
	serveDocument(w, r, marshal(map[string]any{
		"issuer":                                i.URL,
		"jwks_uri":                              base + JWKSPath,
		"token_endpoint":                        base + TokenPath,
		"grant_types_supported":                 []oauth.GrantType{oauth.ClientCredentials},
		"token_endpoint_auth_methods_supported": []oauth.AuthMethod{oauth.SecretBasic},
		"introspection_endpoint":                base + IntrospectionPath,
		"introspection_endpoint_auth_methods_supported": []oauth.AuthMethod{oauth.SecretBasic},
		"authd_revocations_endpoint":                    base + RevocationsPath,
	}))
}

func (i *Issuer) serveJWKS(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	body := i.keys.jwks()
	i.mu.Unlock()
	serveDocument(w, r, body)
}

// serveDocument is for what may be cached, for the five minutes of the server's default.
func serveDocument(w http.ResponseWriter, r *http.Request, body []byte) {
	sum := sha256.Sum256(body)
	etag := `"` + base64url(sum[:16]) + `"`
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("ETag", etag)
	h.Set("Access-Control-Allow-Origin", "*")
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, http.StatusOK, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Cache-Control", "no-store")
	write(w, status, append(marshal(v), '\n'))
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone: nobody left to tell
}

// refuse writes the error answer of RFC 6749 §5.2.
func refuse(w http.ResponseWriter, e *oauth.Error) {
	if e.HTTPStatus() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="authd"`)
	}
	writeJSON(w, e.HTTPStatus(), map[string]any{
		"error": e.Code, "error_description": e.Description, "error_id": newID(),
	})
}

// marshal takes what can always be encoded.
func marshal(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return body
}
