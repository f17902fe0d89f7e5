package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds the recursion of jsonReader; a claims set has depth 1 and rarely more than 3.
const maxJSONDepth = 32

// DecodeClaims reads one JSON object: a claims set or a JOSE header. Numbers become [json.Number], as sent. It is
// stricter than encoding/json, so that two readers of a token can never see different claims in it (RFC 8725 §3.7,
// RFC 7519 §4): duplicate members at any level, invalid UTF-8, unpaired surrogates, depth above 32 and
// anything but white space after the object are errors. Names keep their case.
func DecodeClaims(payload []byte) (map[string]any, error) {
	if !utf8.Valid(payload) {
		return nil, errors.New("not UTF-8")
	}
	r := jsonReader{in: string(payload)}
	r.space()
	if r.peek() != '{' {
		return nil, errors.New("not a JSON object")
	}
	claims, err := r.object(1)
	if err != nil {
		return nil, fmt.Errorf("at byte %d: %w", r.pos, err)
	}
	r.space()
	if r.pos != len(r.in) {
		return nil, errors.New("data after the JSON object")
	}
	return claims, nil
}

var (
	errSyntax    = errors.New("invalid JSON")
	errDepth     = errors.New("JSON nested too deeply")
	errDuplicate = errors.New("duplicate member")
	errSurrogate = errors.New("unpaired surrogate")
)

// jsonReader is a recursive-descent reader of RFC 8259. It exists because encoding/json lets the last of duplicate
// members win and turns bad UTF-8 into U+FFFD; strings without escapes are cut from in and cost no copy.
type jsonReader struct {
	in  string // valid UTF-8
	pos int
}

// peek returns the next byte, or 0 at the end; a NUL is no token of JSON either.
func (r *jsonReader) peek() byte {
	if r.pos == len(r.in) {
		return 0
	}
	return r.in[r.pos]
}

func (r *jsonReader) space() {
	for r.pos < len(r.in) && strings.IndexByte(" \t\r\n", r.in[r.pos]) >= 0 {
		r.pos++
	}
}

// take steps over b and reports whether it was next.
func (r *jsonReader) take(b byte) bool {
	if r.pos == len(r.in) || r.in[r.pos] != b {
		return false
	}
	r.pos++
	return true
}

func (r *jsonReader) value(depth int) (any, error) {
	switch b := r.peek(); {
	case b == '{':
		return r.object(depth)
	case b == '[':
		return r.array(depth)
	case b == '"':
		return r.str()
	case b == '-' || '0' <= b && b <= '9':
		return r.number()
	case r.literal("true"):
		return true, nil
	case r.literal("false"):
		return false, nil
	case r.literal("null"):
		return nil, nil
	}
	return nil, errSyntax
}

func (r *jsonReader) literal(word string) bool {
	if !strings.HasPrefix(r.in[r.pos:], word) {
		return false
	}
	r.pos += len(word)
	return true
}

func (r *jsonReader) object(depth int) (map[string]any, error) {
	if depth > maxJSONDepth {
		return nil, errDepth
	}
	r.pos++ // the brace
	m := make(map[string]any)
	for r.space(); !r.take('}'); r.space() {
		if len(m) > 0 && !r.take(',') {
			return nil, errSyntax
		}
		if err := r.member(m, depth); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (r *jsonReader) member(m map[string]any, depth int) error {
	r.space()
	if r.peek() != '"' {
		return errSyntax
	}
	name, err := r.str()
	if err != nil {
		return err
	}
	if _, ok := m[name]; ok {
		return errDuplicate
	}
	if r.space(); !r.take(':') {
		return errSyntax
	}
	r.space()
	m[name], err = r.value(depth + 1)
	return err
}

func (r *jsonReader) array(depth int) ([]any, error) {
	if depth > maxJSONDepth {
		return nil, errDepth
	}
	r.pos++ // the bracket
	a := []any{}
	for r.space(); !r.take(']'); r.space() {
		if len(a) > 0 && !r.take(',') {
			return nil, errSyntax
		}
		r.space()
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, nil
}

// number takes the grammar of RFC 8259 §6; what the digits amount to is the caller's question.
func (r *jsonReader) number() (json.Number, error) {
	start := r.pos
	r.take('-')
	if !r.take('0') && !r.digits() {
		return "", errSyntax
	}
	if r.take('.') && !r.digits() {
		return "", errSyntax
	}
	if r.take('e') || r.take('E') {
		_ = r.take('+') || r.take('-')
		if !r.digits() {
			return "", errSyntax
		}
	}
	return json.Number(r.in[start:r.pos]), nil
}

func (r *jsonReader) digits() bool {
	start := r.pos
	for b := r.peek(); '0' <= b && b <= '9'; b = r.peek() {
		r.pos++
	}
	return r.pos > start
}

func (r *jsonReader) str() (string, error) {
	r.pos++ // the quote
	start := r.pos
	for ; r.pos < len(r.in); r.pos++ {
		switch b := r.in[r.pos]; {
		case b == '"':
			r.pos++
			return r.in[start : r.pos-1], nil
		case b == '\\':
			return r.escaped(r.in[start:r.pos])
		case b < ' ':
			return "", errSyntax
		}
	}
	return "", errSyntax
}

// escaped reads the rest of a string from its first backslash on.
func (r *jsonReader) escaped(before string) (string, error) {
	buf := []byte(before)
	for r.pos < len(r.in) {
		b := r.in[r.pos]
		r.pos++
		switch {
		case b == '"':
			return string(buf), nil
		case b == '\\':
			c, err := r.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(buf, c)
		case b < ' ':
			return "", errSyntax
		default:
			buf = append(buf, b)
		}
	}
	return "", errSyntax
}

// escape reads what follows a backslash (RFC 8259 §7).
func (r *jsonReader) escape() (rune, error) {
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	b := r.peek()
	if b == 'u' {
		return r.unicode()
	}
	i := strings.IndexByte(letters, b)
	if i < 0 {
		return 0, errSyntax
	}
	r.pos++
	return rune(meanings[i]), nil
}

// unicode reads uXXXX, and the second half where the first asks for one.
func (r *jsonReader) unicode() (rune, error) {
	c, err := r.hex4()
	if err != nil || !utf16.IsSurrogate(c) {
		return c, err
	}
	if !r.take('\\') || r.peek() != 'u' {
		return 0, errSurrogate
	}
	low, err := r.hex4()
	if err != nil {
		return 0, err
	}
	c = utf16.DecodeRune(c, low)
	if c == utf8.RuneError {
		return 0, errSurrogate
	}
	return c, nil
}

func (r *jsonReader) hex4() (rune, error) {
	if len(r.in)-r.pos < 5 {
		return 0, errSyntax
	}
	// Bit size 16 bounds the value; ParseUint takes neither sign nor, in base 16, an underscore.
	c, err := strconv.ParseUint(r.in[r.pos+1:r.pos+5], 16, 16)
	if err != nil {
		return 0, errSyntax
	}
	r.pos += 5
	return rune(c), nil
}
