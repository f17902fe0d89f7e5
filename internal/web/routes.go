package web

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/go-authd/authd/internal/oauth"
)

// route is one method of one path. HEAD follows GET, and OPTIONS is answered for every path.
type route struct {
	method string
	path   string
	handle handler
	cors   handler // answers a preflight; nil: pages of other origins may not call it
	acts   bool    // its GET may change something, so that there is no HEAD
}

// publicRoutes lists exactly what the configuration turned on, but for
// [Server.pageRoutes].
func (s *Server) publicRoutes() []route {
	at := func(path string) string { return s.path + path }
	routes := []route{
		{method: http.MethodGet, path: at("/.well-known/jwks.json"), handle: s.jwks, cors: anyOrigin},
		{method: http.MethodPost, path: at("/oauth2/token"), handle: s.form(s.clientOrigin, s.token), cors: s.bounded(s.clientPreflight)},
		{method: http.MethodPost, path: at("/oauth2/revoke"), handle: s.form(s.clientOrigin, s.revoke), cors: s.bounded(s.clientPreflight)},
		{method: http.MethodPost, path: at("/oauth2/introspect"), handle: s.form(noOrigin, s.introspect)},
	}
	for _, path := range s.metadataPaths() {
		routes = append(routes, route{method: http.MethodGet, path: path, handle: s.serveMetadata, cors: anyOrigin})
	}
	if s.cfg.Browsing != nil {
		routes = append(routes, route{method: http.MethodPost, path: at(pushPath), handle: s.form(s.clientOrigin, s.push), cors: s.bounded(s.clientPreflight)})
		routes = append(routes, s.openIDRoutes()...)
	}
	if s.cfg.Feed != nil {
		routes = append(routes,
			route{method: http.MethodGet, path: at("/oauth2/revocations"), handle: s.revocations},
			route{method: http.MethodPost, path: at("/oauth2/revocations"), handle: s.postRevocations})
	}
	if s.cfg.SignIn != nil {
		routes = append(routes,
			route{method: http.MethodPost, path: at("/account/login"), handle: s.limited(s.login)},
			route{method: http.MethodPost, path: at("/account/logout"), handle: s.limited(s.logout)})
	}
	if s.cfg.Families != nil {
		routes = append(routes,
			route{method: http.MethodGet, path: at("/account/families"), handle: s.bounded(s.families)},
			route{method: http.MethodPost, path: at("/account/families/revoke"), handle: s.limited(s.endFamilies)})
	}
	if s.cfg.Users != nil {
		routes = append(routes,
			route{method: http.MethodPost, path: at("/account/register"), handle: s.limited(s.register)},
			route{method: http.MethodPost, path: at("/account/password"), handle: s.limited(s.changePassword)})
	}
	return routes
}

// metadataPaths puts the well-known part before the issuer's path (RFC 8414 §3) and after
// it (OIDC Discovery §4), since clients do either.
func (s *Server) metadataPaths() []string {
	var paths []string
	for _, name := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		paths = append(paths, name+s.path)
		if s.path != "" {
			paths = append(paths, s.path+name)
		}
	}
	return paths
}

func (s *Server) opsRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/healthz", handle: s.healthz},
		{method: http.MethodGet, path: "/readyz", handle: s.readyz},
	}
}

func (s *Server) newRouter(routes []route) chi.Router {
	mux := chi.NewRouter()
	allow := make(map[string]string)
	for _, rt := range routes {
		allowed := rt.method
		if rt.method == http.MethodGet && !rt.acts { // RFC 9110 §9.1: wherever there is GET, there is HEAD
			allowed = "GET, HEAD"
			mux.Method(http.MethodHead, rt.path, s.named(rt.path, rt.handle))
		}
		if before := allow[rt.path]; before != "" {
			allowed = before + ", " + allowed
		}
		allow[rt.path] = allowed
		mux.Method(rt.method, rt.path, s.named(rt.path, rt.handle))
		mux.Method(http.MethodOptions, rt.path, s.named(rt.path, options(allowed, rt.cors)))
	}
	mux.NotFound(s.handle(notFound).ServeHTTP)
	mux.MethodNotAllowed(s.handle(methodNotAllowed(allow)).ServeHTTP)
	return mux
}

// named tells the log and the metrics which route it was.
func (s *Server) named(path string, h handler) http.Handler {
	return s.handle(func(w http.ResponseWriter, r *http.Request) error {
		eventOf(r.Context()).route = path
		return h(w, r)
	})
}

// wholePath makes chi match the whole path also where the host's router is chi and has
// matched a part of it already.
func wholePath(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if chi.RouteContext(r.Context()) != nil {
			r = r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, (*chi.Context)(nil)))
		}
		mux.ServeHTTP(w, r)
	})
}

func notFound(http.ResponseWriter, *http.Request) error {
	return oauth.Errorf(oauth.NotFound, "there is nothing here")
}

// methodNotAllowed is called for methods that the router does not know on any path.
func methodNotAllowed(allow map[string]string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		allowed, ok := allow[r.URL.EscapedPath()]
		if !ok {
			return notFound(w, r)
		}
		w.Header().Set("Allow", allowed) // RFC 9110 §15.5.6
		return &oauth.Error{
			Code: oauth.InvalidRequest, Status: http.StatusMethodNotAllowed, Description: "method is not allowed here",
		}
	}
}

// options answers OPTIONS, which asks what a path can do (RFC 9110 §9.3.7), or whether a
// page of another origin may call it.
func options(allow string, cors handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", allow)
		if cors != nil {
			if err := cors(w, r); err != nil {
				return err
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}
