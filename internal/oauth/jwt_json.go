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
func DecodeClaims(payload []byte) (map[string]any, error) { return decodeObject(string(payload)) }

func decodeObject(in string) (map[string]any, error) {
	r := jsonReader{in: in}
	m := make(map[string]any, min(strings.Count(in, ",")+1, boxSize))
	var members int
	var texts box[string]
	var numbers box[json.Number]
	err := r.document(func(name string) error {
		members++
		switch b := r.peek(); {
		case b == '"':
			s, err := r.str()
			texts.put(m, name, s)
			return err
		case isNumberStart(b):
			n, err := r.number()
			numbers.put(m, name, n)
			return err
		}
		var err error
		m[name], err = r.value(2)
		return err
	})
	texts.flush(m)
	numbers.flush(m)
	if err == nil && len(m) != members {
		err = errDuplicate
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

var (
	errSyntax    = errors.New("invalid JSON")
	errDepth     = errors.New("JSON nested too deeply")
	errDuplicate = errors.New("duplicate member")
	errSurrogate = errors.New("unpaired surrogate")
	errText      = errors.New("not a non-empty string")
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
	for r.pos < len(r.in) && isSpace(r.in[r.pos]) {
		r.pos++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// take steps over b and reports whether it was next.
func (r *jsonReader) take(b byte) bool {
	if r.pos == len(r.in) || r.in[r.pos] != b {
		return false
	}
	r.pos++
	return true
}

// document reads in, which must be one object of valid UTF-8 and white space around it; see members.
func (r *jsonReader) document(member func(name string) error) error {
	if !utf8.ValidString(r.in) {
		return errors.New("not UTF-8")
	}
	r.space()
	if r.peek() != '{' {
		return errors.New("not a JSON object")
	}
	if err := r.members(member); err != nil {
		return fmt.Errorf("at byte %d: %w", r.pos, err)
	}
	r.space()
	if r.pos != len(r.in) {
		return errors.New("data after the JSON object")
	}
	return nil
}

func (r *jsonReader) value(depth int) (any, error) {
	switch b := r.peek(); {
	case b == '{':
		return r.object(depth)
	case b == '[':
		return r.array(depth)
	case b == '"':
		return r.str()
	case isNumberStart(b):
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

func isNumberStart(b byte) bool { return b == '-' || '0' <= b && b <= '9' }

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
	m := make(map[string]any)
	err := r.members(func(name string) (err error) {
		if _, ok := m[name]; ok {
			return errDuplicate
		}
		m[name], err = r.value(depth + 1)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// members reads an object and calls member with each name; member reads the value.
func (r *jsonReader) members(member func(name string) error) error {
	r.pos++ // the brace
	for first := true; ; first = false {
		r.space()
		switch {
		case r.take('}'):
			return nil
		case !first && !r.take(','):
			return errSyntax
		}
		name, err := r.name()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// name reads up to the value.
func (r *jsonReader) name() (string, error) {
	r.space()
	if r.peek() != '"' {
		return "", errSyntax
	}
	name, err := r.str()
	if err != nil {
		return "", err
	}
	if r.space(); !r.take(':') {
		return "", errSyntax
	}
	r.space()
	return name, nil
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

// text reads a value that must be a string, and not empty.
func (r *jsonReader) text() (string, error) {
	if r.peek() != '"' {
		return "", errText
	}
	s, err := r.str()
	if err == nil && s == "" {
		err = errText
	}
	return s, err
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
