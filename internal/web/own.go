package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-authd/authd/internal/authn"
	"github.com/go-authd/authd/internal/grants"
	"github.com/go-authd/authd/internal/oauth"
	"github.com/go-authd/authd/internal/web/pages"
)

// showAccount serves GET /account, the page; the calls of programs are below it.
func (s *Server) showAccount(w http.ResponseWriter, r *http.Request) error {
	b := s.browser(r)
	done := pages.Done(r.URL.Query().Get(fieldDone))
	if !isFormToken(r.URL.Query().Get(pages.FieldToken), b.Session, fieldDone, string(done)) {
		done = "" // else any link could tell people what was not done
	}
	return s.renderAccount(w, r, b, http.StatusOK, pages.Account{Done: done})
}

const fieldDone = "done"

// renderAccount fills in all of the view but what the last form led to.
func (s *Server) renderAccount(w http.ResponseWriter, r *http.Request, b grants.Browser, status int, view pages.Account) error {
	own, err := s.cfg.Own.Account(r.Context(), b)
	if err != nil {
		return s.signInFirst(w, r, err)
	}
	view.Action, view.FormToken = s.path+accountPath, formToken(b.Session, accountPath, "")
	view.Username, view.Now, view.Devices, view.Apps = own.Session.Username, own.Now, shownDevices(own), shownApps(own)
	if s.cfg.Passwords != nil {
		view.MinPassword = authn.MinPassword
	}
	return s.pages.Render(w, r, status, view)
}

// shownDevices begins with the one at which the person sits.
func shownDevices(own grants.Own) (list []pages.Device) {
	for _, v := range own.Sessions {
		id := grants.DeviceID(v.Session)
		list = append(list, pages.Device{
			ID: id, CreatedAt: v.CreatedAt, LastUsedAt: v.LastUsedAt, Address: shownAddress(v.Device), UserAgent: v.Device.UserAgent,
			Current: id == grants.DeviceID(own.Session),
		})
	}
	if i := slices.IndexFunc(list, func(d pages.Device) bool { return d.Current }); i > 0 {
		current := list[i]
		list = slices.Insert(slices.Delete(list, i, i+1), 0, current)
	}
	for _, f := range own.Families {
		list = append(list, pages.Device{
			ID: f.ID, Client: ownName(own, f.ClientID), CreatedAt: f.CreatedAt, LastUsedAt: f.LastUse(),
			Address: shownAddress(f.Last), UserAgent: f.Last.UserAgent,
		})
	}
	return list
}

func shownApps(own grants.Own) (list []pages.App) {
	for _, c := range own.Consents {
		list = append(list, pages.App{ID: c.ClientID, Client: ownName(own, c.ClientID), Scopes: c.Scopes, AllowedAt: c.AllowedAt})
	}
	return list
}

func ownName(own grants.Own, client string) string {
	return shownName(&oauth.Client{ID: client, Name: own.Names[client]})
}

func shownAddress(d oauth.Device) string {
	if !d.Address.IsValid() {
		return ""
	}
	return d.Address.String()
}

// changeAccount serves POST /account.
func (s *Server) changeAccount(w http.ResponseWriter, r *http.Request, form oauth.Form) error {
	b := s.browser(r)
	if !isFormToken(form.Get(pages.FieldToken), b.Session, accountPath, "") {
		return s.renderAccount(w, r, b, http.StatusForbidden, pages.Account{Problem: pages.Stale})
	}
	id, ctx := form.Get(pages.FieldID), r.Context()
	switch form.Get(pages.FieldDo) {
	case pages.DoEnd:
		return s.did(w, r, b, pages.Ended, s.cfg.Own.EndDevice(ctx, b, id))
	case pages.DoEndOthers:
		return s.did(w, r, b, pages.EndedOthers, s.cfg.Own.EndOtherDevices(ctx, b))
	case pages.DoRemove:
		return s.did(w, r, b, pages.Removed, s.cfg.Own.RemoveConsent(ctx, b, id))
	case pages.DoPassword:
		return s.changeOwnPassword(w, r, b, form)
	case pages.DoSignOut:
		return s.signOutHere(w, r, b)
	}
	return oauth.Errorf(oauth.InvalidRequest, "do must be end, end_others, remove, password or sign_out")
}

// changeOwnPassword gives the browser a new session, since all of the old ones are over.
func (s *Server) changeOwnPassword(w http.ResponseWriter, r *http.Request, b grants.Browser, form oauth.Form) error {
	if s.cfg.Passwords == nil {
		return notFound(w, r)
	}
	current, password := form.Get(pages.FieldCurrent), form.Get(pages.FieldNewPassword)
	if problem := checkTwice(password, form.Get(pages.FieldAgain), current); problem != "" {
		return s.renderAccount(w, r, b, http.StatusBadRequest, pages.Account{Problem: problem})
	}
	session, err := s.cfg.Passwords.ChangeOwnPassword(r.Context(), b, current, password)
	if err == nil {
		b.Session = session
		s.setSession(w, b, session)
	}
	return s.did(w, r, b, pages.PasswordChanged, err)
}

// signOutHere is what a confirmed /oauth2/logout would do that no application asks for.
func (s *Server) signOutHere(w http.ResponseWriter, r *http.Request, b grants.Browser) error {
	if _, err := s.cfg.Browsing.SignOut(r.Context(), "", b, true); err != nil {
		return err
	}
	s.cookies.set(w, sessionCookie, "")
	redirect(w, s.path+signedOutPath)
	return nil
}

// signedOut serves GET /signed-out.
func (s *Server) signedOut(w http.ResponseWriter, r *http.Request) error {
	return s.pages.Render(w, r, http.StatusOK, pages.SignedOut{})
}

// did tells what a form has done, or why it has not.
func (s *Server) did(w http.ResponseWriter, r *http.Request, b grants.Browser, done pages.Done, err error) error {
	if err == nil {
		redirect(w, s.path+accountPath+"?"+url.Values{
			fieldDone: {string(done)}, pages.FieldToken: {formToken(b.Session, fieldDone, string(done))},
		}.Encode())
		return nil
	}
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code == oauth.LoginRequired || refusal.Code == oauth.NotFresh {
		return s.signInFirst(w, r, err)
	}
	s.failed(eventOf(r.Context()), err)
	return s.renderAccount(w, r, b, pageStatus(w, refusal), pages.Account{Problem: pages.Problem(refusal.Code)})
}

// signInFirst asks who is there where that is why something was refused; /account comes after.
func (s *Server) signInFirst(w http.ResponseWriter, r *http.Request, err error) error {
	refusal, ok := errors.AsType[*oauth.Error](err)
	switch {
	case ok && refusal.Code == oauth.LoginRequired, ok && refusal.Code == oauth.NotFresh && s.cfg.HostSignIn != nil:
		redirect(w, s.path+loginPath)
		return nil
	case !ok || refusal.Code != oauth.NotFresh:
		return err
	}
	b, err := s.knownBrowser(w, r)
	if err != nil {
		return err
	}
	own, err := s.cfg.Own.Account(r.Context(), b)
	if err != nil {
		return err
	}
	s.failed(eventOf(r.Context()), refusal)
	return s.renderLogin(w, r, http.StatusForbidden, b, grants.Next{}, own.Session.Username, pages.SignInAgain)
}
