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
}

// publicRoutes lists exactly what the configuration turned on.
func (s *Server) publicRoutes() []route {
	at := func(path string) string { return s.path + path }
	routes := []route{
		{http.MethodGet, at("/.well-known/jwks.json"), s.jwks, anyOrigin},
		{http.MethodPost, at("/oauth2/token"), s.form(s.clientOrigin, s.token), s.bounded(s.clientPreflight)},
		{http.MethodPost, at("/oauth2/revoke"), s.form(s.clientOrigin, s.revoke), s.bounded(s.clientPreflight)},
		{http.MethodPost, at("/oauth2/introspect"), s.form(noOrigin, s.introspect), nil},
	}
	for _, path := range s.metadataPaths() {
		routes = append(routes, route{http.MethodGet, path, s.serveMetadata, anyOrigin})
	}
	if s.cfg.Feed != nil {
		routes = append(routes,
			route{http.MethodGet, at("/oauth2/revocations"), s.revocations, nil},
			route{http.MethodPost, at("/oauth2/revocations"), s.postRevocations, nil})
	}
	if s.cfg.SignIn != nil {
		routes = append(routes,
			route{http.MethodPost, at("/account/login"), s.limited(s.login), nil},
			route{http.MethodPost, at("/account/logout"), s.limited(s.logout), nil})
	}
	if s.cfg.Families != nil {
		routes = append(routes,
			route{http.MethodGet, at("/account/families"), s.bounded(s.families), nil},
			route{http.MethodPost, at("/account/families/revoke"), s.limited(s.endFamilies), nil})
	}
	if s.cfg.Users != nil {
		routes = append(routes,
			route{http.MethodPost, at("/account/register"), s.limited(s.register), nil},
			route{http.MethodPost, at("/account/password"), s.limited(s.changePassword), nil})
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
		{http.MethodGet, "/healthz", s.healthz, nil},
		{http.MethodGet, "/readyz", s.readyz, nil},
	}
}

func (s *Server) newRouter(routes []route) chi.Router {
	mux := chi.NewRouter()
	allow := make(map[string]string)
	for _, rt := range routes {
		allowed := rt.method
		if rt.method == http.MethodGet { // RFC 9110 §9.1: wherever there is GET, there is HEAD
			allowed = "GET, HEAD"
			mux.Method(http.MethodHead, rt.path, s.named(rt.path, rt.handle))
		}
		if before := allow[rt.path]; before != "" {
			allowed = before + ", " + allowed
		}
		allow[rt.path] = allowed
		mux.Method(rt.method, rt.path, s.named(rt.path, rt.handle))
		mux.Method(http.MethodOptions, rt.path, s.named(rt.path, options(allow[rt.path], rt.cors)))
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
