package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

const (
	authorizePath = "/oauth2/authorize"
	pushPath      = "/oauth2/par"
	loginPath     = "/login"
	consentPath   = "/consent"
	registerPath  = "/register"
	accountPath   = "/account"
	signedOutPath = "/signed-out"
)

// pageRoutes are those that only our own pages lead to.
// openIDRoutes are those that a client knows of, by the metadata.
func (s *Server) openIDRoutes() []route {
	at, preflight := func(path string) string { return s.path + path }, s.bounded(s.userInfoPreflight)
	return []route{
		{method: http.MethodGet, path: at(authorizePath), handle: s.page(s.bounded(s.authorize)), acts: true},
		{method: http.MethodPost, path: at(authorizePath), handle: s.page(s.limited(s.authorizeByForm))},
		{method: http.MethodGet, path: at(userInfoPath), handle: s.bounded(s.userInfo), cors: preflight},
		{method: http.MethodPost, path: at(userInfoPath), handle: s.limited(s.userInfoByForm), cors: preflight},
		{method: http.MethodGet, path: at(endSessionPath), handle: s.page(s.bounded(s.endSession)), acts: true},
		{method: http.MethodPost, path: at(endSessionPath), handle: s.page(s.limited(s.endSessionByForm))},
	}
}

func (s *Server) pageRoutes() []route {
	at := func(path string) string { return s.path + path }
	routes := []route{
		{method: http.MethodGet, path: at(loginPath), handle: s.page(s.bounded(s.showLogin)), acts: true},
		{method: http.MethodGet, path: at(consentPath), handle: s.page(s.bounded(s.showConsent)), acts: true},
		{method: http.MethodPost, path: at(consentPath), handle: s.pageForm(s.consent)},
		{method: http.MethodPost, path: at(signOutPath), handle: s.pageForm(s.confirmSignOut)},
		{method: http.MethodGet, path: at(pages.StaticPath + "*"), handle: s.static},
	}
	if s.cfg.HostSignIn == nil {
		routes = append(routes, route{method: http.MethodPost, path: at(loginPath), handle: s.pageForm(s.signIn)})
	}
	if s.cfg.Registering != nil {
		routes = append(routes,
			route{method: http.MethodGet, path: at(registerPath), handle: s.page(s.bounded(s.showRegister)), acts: true},
			route{method: http.MethodPost, path: at(registerPath), handle: s.pageForm(s.registerByForm)})
	}
	if s.cfg.Own != nil {
		routes = append(routes,
			route{method: http.MethodGet, path: at(accountPath), handle: s.page(s.bounded(s.showAccount)), acts: true},
			route{method: http.MethodPost, path: at(accountPath), handle: s.pageForm(s.changeAccount)},
			route{method: http.MethodGet, path: at(signedOutPath), handle: s.page(s.signedOut)})
	}
	return routes
}

func (s *Server) static(w http.ResponseWriter, r *http.Request) error {
	s.pages.Static().ServeHTTP(w, r)
	return nil
}

// authorize serves GET /oauth2/authorize (RFC 6749 §3.1).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	b, err := s.knownBrowser(w, r)
	if err != nil {
		return err
	}
	next, err := s.cfg.Browsing.Authorize(r.Context(), r.URL.RawQuery, b)
	if err != nil {
		return err
	}
	return s.proceed(w, r, next)
}

// maxQuery leaves room for the other headers in [maxHeaderBytes].
const maxQuery = 12 << 10

// authorizeByForm makes a GET of the POST (OIDC Core §3.1.2.1). It comes from the client's
// page, and with a form of another site the browser does not send the cookies; with the
// redirect that follows, it does.
func (s *Server) authorizeByForm(w http.ResponseWriter, r *http.Request, body []byte) error {
	return s.getByForm(w, r, authorizePath, body)
}

func (s *Server) getByForm(w http.ResponseWriter, r *http.Request, path string, body []byte) error {
	if err := oauth.CheckFormType(strings.Join(r.Header.Values("Content-Type"), ",")); err != nil {
		return err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return oauth.Errorf(oauth.InvalidRequest, "request body is not percent-encoded correctly")
	}
	query := values.Encode()
	if len(query) > maxQuery {
		return &oauth.Error{Code: oauth.InvalidRequest, Status: http.StatusRequestEntityTooLarge, Description: "the request is larger than 12 KiB"}
	}
	redirect(w, s.path+path+"?"+query)
	return nil
}

// proceed sends the browser where the request stands.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, next grants.Next) error {
	switch next.Step {
	case grants.StepAnswer:
		return s.respond(w, r, next)
	case grants.StepConsent:
		redirect(w, s.stepURL(consentPath, next.ID))
	case grants.StepAccount:
		redirect(w, s.path+accountPath)
	default:
		redirect(w, s.stepURL(loginPath, next.ID))
	}
	return nil
}

func (s *Server) stepURL(path, id string) string {
	if id == "" { // of no request
		return s.path + path
	}
	return s.path + path + "?" + pages.FieldRequest + "=" + url.QueryEscape(id)
}

// respond gives the browser the answer to take to the client.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, next grants.Next) error {
	a := next.Answer
	if a.Refusal != nil {
		s.failed(eventOf(r.Context()), a.Refusal)
	}
	if a.Mode == oauth.ModeFormPost {
		view := pages.FormPost{Action: a.RedirectURI, UILocales: next.Request.UILocales}
		for _, p := range a.Params {
			view.Fields = append(view.Fields, pages.Field(p))
		}
		return s.pages.Render(w, r, http.StatusOK, view)
	}
	redirect(w, a.Location())
	return nil
}

// shownName is how a client is called on pages; "" for none.
func shownName(c *oauth.Client) string {
	switch {
	case c == nil:
		return ""
	case c.Name != "":
		return c.Name
	}
	return c.ID
}
