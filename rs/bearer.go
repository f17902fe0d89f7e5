package rs

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// headerToken returns the credential of RFC 6750 §2.1, "" where there is none. Without a scheme the header is the token.
func headerToken(r *http.Request, name, scheme string) (string, error) {
	headers := r.Header.Values(name)
	switch {
	case len(headers) == 0:
		return "", nil
	case len(headers) > 1:
		return "", malformed("more than one %s header", name)
	case scheme != "":
		return cutScheme(headers[0], scheme)
	case strings.ContainsAny(headers[0], " \t,"):
		return "", malformed("%s is not exactly one token", name)
	}
	return headers[0], nil
}

// cutScheme takes the scheme in any case (RFC 9110 §11.1) and exactly one word behind it. Another scheme is no credential,
// unless this one comes behind a comma: so proxies join two headers.
func cutScheme(header, scheme string) (string, error) {
	got, token := header, ""
	if i := strings.IndexAny(header, " \t,"); i >= 0 {
		got, token = header[:i], header[i:]
	}
	switch {
	case strings.EqualFold(got, scheme):
	case joinedWith(header, scheme):
		return "", malformed("two credentials in one header")
	default:
		return "", nil
	}
	token = strings.TrimLeft(token, " ")
	if token == "" || strings.ContainsAny(token, " \t") {
		return "", malformed("scheme %s without exactly one token", scheme)
	}
	return token, nil
}

// joinedWith says whether a field behind a comma begins with the scheme.
func joinedWith(header, scheme string) bool {
	_, rest, found := strings.Cut(header, ",")
	for found {
		var field string
		field, rest, found = strings.Cut(rest, ",")
		words := strings.Fields(field)
		if len(words) > 0 && strings.EqualFold(words[0], scheme) {
			return true
		}
	}
	return false
}

// parsedForm is what somebody outside has made of the body already, nil if nobody did.
func parsedForm(r *http.Request) url.Values { return r.PostForm }

func malformed(format string, args ...any) error {
	return refuse(ErrMalformed, fmt.Errorf(format, args...))
}
