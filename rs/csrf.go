package rs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
)

// CSRFValue is what requests with t in the cookie must send back. It is good for t and no other token, and no secret from
// the pages of the application; somebody else's page cannot read it.
func (c *Cookies) CSRFValue(t *Token) string { return csrfValue((*c.keys)[0], t) }

// csrfValue names its purpose, so that the key may have others. Neither iss nor jti can hold a NUL.
func csrfValue(key []byte, t *Token) string {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, "rs csrf\x00"+t.Issuer+"\x00"+t.ID) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// checkCSRF asks a browser twice: where the request comes from (Sec-Fetch-Site, else Origin), and for the value that only
// the application's own pages know. Programs that are no browsers send neither header and still need the value.
func (c *Cookies) checkCSRF(r *http.Request, t *Token) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if err := c.origins.Check(r); err != nil {
		return refuse(ErrCSRF, err)
	}
	sent, err := c.csrfSent(r)
	if err != nil {
		return err
	}
	for _, key := range *c.keys {
		if hmac.Equal([]byte(sent), []byte(csrfValue(key, t))) {
			return nil
		}
	}
	return refuse(ErrCSRF, errors.New("value is none of this token"))
}

// csrfSent takes the header, and only without one the form field, if that is allowed.
func (c *Cookies) csrfSent(r *http.Request) (string, error) {
	values := r.Header.Values(c.cfg.CSRFHeader)
	if len(values) == 0 && c.cfg.CSRFField != "" {
		form, err := readForm(r)
		if err != nil {
			return "", err
		}
		values = form[c.cfg.CSRFField]
	}
	if len(values) != 1 {
		return "", refuse(ErrCSRF, errors.New("not exactly one value"))
	}
	return values[0], nil
}
