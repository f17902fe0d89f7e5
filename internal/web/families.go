package web

import (
	"net/http"
	"time"

	"github.com/go-authd/authd/internal/oauth"
)

type deviceJSON struct {
	Address   *string `json:"address"`
	UserAgent *string `json:"user_agent"`
}

type ownFamilyJSON struct {
	ID         string     `json:"id"`
	ClientID   string     `json:"client_id"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt time.Time  `json:"last_used_at"`
	First      deviceJSON `json:"first"`
	Last       deviceJSON `json:"last"`
	Current    bool       `json:"current"`
}

// families serves GET /account/families: where the bearer's subject is signed in.
func (s *Server) families(w http.ResponseWriter, r *http.Request) error {
	token, err := requiredBearer(r)
	if err != nil {
		return err
	}
	own, err := s.cfg.Families.Families(r.Context(), token)
	if err != nil {
		return err
	}
	list := make([]ownFamilyJSON, len(own.Families))
	for i, f := range own.Families {
		list[i] = toOwnFamily(f, own.Current)
	}
	writeJSON(w, http.StatusOK, map[string]any{"families": list})
	return nil
}

func toOwnFamily(f oauth.ListedFamily, current string) ownFamilyJSON {
	return ownFamilyJSON{
		ID: f.ID, ClientID: f.ClientID, CreatedAt: f.CreatedAt.UTC(), LastUsedAt: f.LastUse().UTC(),
		First: toDevice(f.First), Last: toDevice(f.Last), Current: f.ID == current,
	}
}

func toDevice(d oauth.Device) (out deviceJSON) {
	if d.Address.IsValid() {
		out.Address = new(d.Address.String())
	}
	if d.UserAgent != "" {
		out.UserAgent = &d.UserAgent
	}
	return out
}

// endFamilies serves POST /account/families/revoke.
func (s *Server) endFamilies(w http.ResponseWriter, r *http.Request, body []byte) error {
	token, err := requiredBearer(r)
	if err != nil {
		return err
	}
	id, err := parseEnd(r.Header.Values("Content-Type"), body)
	if err != nil {
		return err
	}
	if id != "" {
		err = s.cfg.Families.EndFamily(r.Context(), token, id)
	} else {
		err = s.cfg.Families.EndOtherFamilies(r.Context(), token)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

// parseEnd returns "" for all others.
func parseEnd(contentType []string, body []byte) (id string, err error) {
	object, err := parseObject(contentType, body)
	if err != nil {
		return "", err
	}
	if value := object["id"]; value != nil {
		if id, err = text.read("id", value); err != nil {
			return "", err
		}
	}
	others, ok := object["others"].(bool)
	switch {
	case object["others"] != nil && !ok:
		return "", oauth.Errorf(oauth.InvalidRequest, "others must be true or false")
	case id != "" && others:
		return "", oauth.Errorf(oauth.InvalidRequest, "either id or others, not both")
	case id == "" && !others:
		return "", oauth.Errorf(oauth.InvalidRequest, "id is missing")
	}
	return id, nil
}

// requiredBearer refuses a request without a token as RFC 6750 §3.1 does: with a challenge
// that names no error.
func requiredBearer(r *http.Request) (string, error) {
	token, ok, err := bearer(r.Header.Values("Authorization"))
	if err == nil && !ok {
		err = &oauth.Error{Code: oauth.InvalidRequest, Status: http.StatusUnauthorized, Description: "access token is missing"}
	}
	return token, err
}
