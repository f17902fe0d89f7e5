package authdtest_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/go-authd/authd/authdtest"
	"github.com/go-authd/authd/rs"
)

var sentinels = map[string]error{"rs.ErrExpired": rs.ErrExpired, "rs.ErrInvalid": rs.ErrInvalid}

// The table in the package's documentation is what rs does: each row is there, and as it says.
func TestReadyShapesAnswerAsDocumented(t *testing.T) {
	t.Parallel()
	shapes := map[string]authdtest.Shape{
		"no shape": authdtest.Claim("sub", "usr_1"), "Fresh()": authdtest.Fresh(),
		`ClientCredentials("shop")`: authdtest.ClientCredentials("shop"), "Expired()": authdtest.Expired(),
		"NotYetValid()": authdtest.NotYetValid(), "WrongAudience()": authdtest.WrongAudience(),
		"WrongIssuer()": authdtest.WrongIssuer(), "WrongKey()": authdtest.WrongKey(), "UnknownKid()": authdtest.UnknownKid(),
		"Tampered()": authdtest.Tampered(), "Unsigned()": authdtest.Unsigned(),
		"HS256WithPublicKey()": authdtest.HS256WithPublicKey(), "RefreshToken()": authdtest.RefreshToken(),
		"IDToken()": authdtest.IDToken(), "Garbage()": authdtest.Garbage(),
	}
	iss := authdtest.New(t)
	v := verifier(t, iss, nil)
	rows := documentedAnswers(t)
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, ok := rows[name]
			if !ok {
				t.Fatal("has no row")
			}
			status, sentinel, _ := strings.Cut(want, " ")
			token := iss.Token(shape)
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()

			v.Required()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			_, err := v.Verify(t.Context(), token)

			if got := strconv.Itoa(w.Code); got != status || !errors.Is(err, sentinels[sentinel]) {
				t.Errorf("got %s and error %v, want %s", got, err, want)
			}
		})
	}
	if len(rows) != len(shapes) {
		t.Errorf("%d rows for %d shapes", len(rows), len(shapes))
	}
}

// documentedAnswers reads "shape, shape  status sentinel; …" from doc.go.
func documentedAnswers(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "\n// # Shapes\n")
	rows := map[string]string{}
	for line := range strings.Lines(table) {
		row, ok := strings.CutPrefix(line, "//\t")
		if !ok {
			continue
		}
		names, answer, _ := strings.Cut(row, "  ")
		answer, _, _ = strings.Cut(strings.TrimSpace(answer), ";")
		for name := range strings.SplitSeq(names, ", ") {
			rows[name] = answer
		}
	}
	return rows
}

// UnknownKid's other answer.
func TestUnknownKidDuringAnOutage(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t)
	v := verifier(t, iss, nil)
	iss.Down()

	if _, err := v.Verify(t.Context(), iss.Token(authdtest.UnknownKid())); !errors.Is(err, rs.ErrUnavailable) {
		t.Errorf("got error %v, want ErrUnavailable", err)
	}
}

// RFC 9470: a token without shapes comes from a refresh, of a person who signed in an hour before.
func TestShapesForStepUp(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.At(noon))
	v := verifier(t, iss, nil)
	tests := []struct {
		name          string
		shape         authdtest.Shape
		fresh, maxAge error
	}{
		{"no shape", authdtest.Scope(), rs.ErrNotFresh, rs.ErrNotFresh},
		{"Fresh", authdtest.Fresh(), nil, nil},
		{"AuthTime", authdtest.AuthTime(noon.Add(-time.Minute)), rs.ErrNotFresh, nil},
		{"ClientCredentials", authdtest.ClientCredentials("shop"), rs.ErrNotFresh, rs.ErrNotFresh},
	}
	for _, tt := range tests {
		token := iss.Token(tt.shape)
		_, fresh := v.Verify(t.Context(), token, rs.Fresh())
		_, maxAge := v.Verify(t.Context(), token, rs.MaxAge(5*time.Minute))
		if !errors.Is(fresh, tt.fresh) || !errors.Is(maxAge, tt.maxAge) {
			t.Errorf("%s: Fresh says %v, MaxAge says %v", tt.name, fresh, maxAge)
		}
	}
}

var noon = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

// Each shape changes what it says, and nothing else.
func TestShapes(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.At(noon), authdtest.InMemory("https://id.example.com"))
	at := func(d time.Duration) any { return json.Number(strconv.FormatInt(noon.Add(d).Unix(), 10)) }
	tests := []struct {
		name  string
		shape authdtest.Shape
		want  map[string]any // nil: left out
	}{
		{"Subject", authdtest.Subject("usr_1"), map[string]any{"sub": "usr_1"}},
		{"Client", authdtest.Client("tv"), map[string]any{"client_id": "tv"}},
		{"Scope", authdtest.Scope("read", "write"), map[string]any{"scope": "read write"}},
		{"Audience with one is a string", authdtest.Audience("a"), map[string]any{"aud": "a"}},
		{"Audience with two is an array", authdtest.Audience("a", "b"), map[string]any{"aud": []any{"a", "b"}}},
		{"Session", authdtest.Session("f-1"), map[string]any{"sid": "f-1"}},
		{"Fresh", authdtest.Fresh(), map[string]any{"fresh": true, "auth_time": at(0)}},
		{"AuthTime", authdtest.AuthTime(noon.Add(-time.Minute)), map[string]any{"auth_time": at(-time.Minute)}},
		{"IssuedAt moves all times", authdtest.IssuedAt(noon.Add(-time.Minute)), map[string]any{
			"iat": at(-time.Minute), "nbf": at(-time.Minute), "exp": at(9 * time.Minute), "auth_time": at(-61 * time.Minute),
		}},
		{"ExpiresIn with time to live", authdtest.ExpiresIn(time.Hour), map[string]any{"exp": at(time.Hour)}},
		{"ExpiresIn of one that has lived", authdtest.ExpiresIn(-time.Minute), map[string]any{
			"exp": at(-time.Minute), "iat": at(-11 * time.Minute), "nbf": at(-11 * time.Minute), "auth_time": at(-71 * time.Minute),
		}},
		{"ClientCredentials", authdtest.ClientCredentials("shop"), map[string]any{
			"sub": "shop", "client_id": "shop", "sid": nil, "auth_time": nil, "amr": nil,
		}},
		{"Claim", authdtest.Claim("tenant", "a<b"), map[string]any{"tenant": "a<b"}},
		{"Claim of raw JSON", authdtest.Claim("exp", json.RawMessage("1e3")), map[string]any{"exp": json.Number("1e3")}},
		{"Without", authdtest.Without("exp", "iat"), map[string]any{"exp": nil, "iat": nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, want := decode(t, iss.Token(authdtest.ID("j-1"), authdtest.Session("f-0")))
			for name, value := range tt.want {
				if want[name] = value; value == nil {
					delete(want, name)
				}
			}

			_, got := decode(t, iss.Token(authdtest.ID("j-1"), authdtest.Session("f-0"), tt.shape))

			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHeaderShapes(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))
	mine := authdtest.SignedBy("k-mine", authdtest.Key(1))

	got, _ := decode(t, iss.Token(mine, authdtest.Header("crit", []string{"x"}), authdtest.WithoutHeader("typ")))

	want := map[string]any{"alg": "RS256", "kid": "k-mine", "crit": []any{"x"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Two tokens are never the same one, nor of the same session; those of one call site may share what they are told to.
func TestTokensDiffer(t *testing.T) {
	t.Parallel()
	iss := authdtest.New(t, authdtest.InMemory("https://id.example.com"))

	_, one := decode(t, iss.Token())
	_, two := decode(t, iss.Token())

	if one["jti"] == two["jti"] || one["sid"] == two["sid"] {
		t.Errorf("got %v and %v", one, two)
	}
}

// decode reads a token without checking it.
func decode(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q does not have three parts", token)
	}
	return decodePart(t, parts[0]), decodePart(t, parts[1])
}

func decodePart(t *testing.T, part string) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		t.Fatal(err)
	}
	return members
}
