package oauth

import (
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Limits of a form (protocol: token endpoint).
const (
	MaxFormBytes  = 64 << 10
	maxFormParams = 64
	maxFormValue  = 16 << 10
)

// Form holds the parameters of a request body. A parameter without a value counts as
// absent (RFC 6749 §3.2).
type Form map[string]string

// Get returns "" for a parameter that is absent.
func (f Form) Get(name string) string { return f[name] }

// ParseForm reads a body of type application/x-www-form-urlencoded. It returns a refusal
// with [InvalidRequest] for another type, a repeated parameter (of resource, with
// [InvalidTarget]), text that is not UTF-8 or has control characters, and for more than
// 64 parameters. Nothing of a
// body that is partly wrong is used.
func ParseForm(contentType string, body []byte) (Form, error) {
	if err := CheckFormType(contentType); err != nil {
		return nil, err
	}
	if len(body) > MaxFormBytes {
		return nil, Errorf(InvalidRequest, "request body is larger than 64 KiB")
	}
	form := make(Form)
	for i, pair := range strings.Split(string(body), "&") {
		if i >= maxFormParams {
			return nil, Errorf(InvalidRequest, "request has more than %d parameters", maxFormParams)
		}
		if pair == "" {
			continue
		}
		if err := form.add(pair); err != nil {
			return nil, err
		}
	}
	for name, value := range form {
		if value == "" {
			delete(form, name)
		}
	}
	return form, nil
}

// CheckFormType returns a refusal for what is no application/x-www-form-urlencoded in UTF-8.
func CheckFormType(contentType string) error {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return Errorf(InvalidRequest, "content type must be application/x-www-form-urlencoded")
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return Errorf(InvalidRequest, "charset must be UTF-8")
	}
	return nil
}

func (f Form) add(pair string) error {
	name, value, _ := strings.Cut(pair, "=")
	if strings.Contains(pair, ";") { // a separator once; url.ParseQuery refuses it too
		return Errorf(InvalidRequest, "request body must percent-encode semicolons")
	}
	name, errName := url.QueryUnescape(name)
	value, errValue := url.QueryUnescape(value)
	if errName != nil || errValue != nil {
		return Errorf(InvalidRequest, "request body is not percent-encoded correctly")
	}
	if len(value) > maxFormValue {
		return Errorf(InvalidRequest, "a parameter is longer than 16 KiB")
	}
	if !IsText(value) || !utf8.ValidString(name) {
		return Errorf(InvalidRequest, "parameters must be UTF-8 without control characters")
	}
	if _, ok := f[name]; ok {
		return repeated(name)
	}
	f[name] = value
	return nil
}

// repeated refuses what RFC 6749 §3.2 forbids. Only resource may stand twice in a request
// (RFC 8707 §2); a token of ours is for one audience.
func repeated(name string) error {
	if name == "resource" {
		return Errorf(InvalidTarget, "a token is for one resource")
	}
	return Errorf(InvalidRequest, "a parameter is repeated")
}

// IsText reports whether s is valid UTF-8 without control characters: what may reach the
// database (which refuses NUL) and a log line (which CR and LF would split).
func IsText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return false
		}
	}
	return true
}
