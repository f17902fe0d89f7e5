package pages

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	variable = regexp.MustCompile(`(?m)^\s*(--[a-z-]+): (#[0-9a-f]{6});$`)
	colour   = regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|\b(rgb|rgba|hsl|hsla|oklch|lab|color-mix)\(`)
)

func stylesheet(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("templates/static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// palettes returns the colours of light and dark by name.
func palettes(t *testing.T) map[string]map[string]string {
	t.Helper()
	light, dark, ok := strings.Cut(stylesheet(t), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark colours")
	}
	all := map[string]map[string]string{"light": {}, "dark": {}}
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		for _, m := range variable.FindAllStringSubmatch(css, -1) {
			all[scheme][m[1]] = m[2]
		}
	}
	return all
}

func TestContrastIsThatOfWCAG(t *testing.T) {
	t.Parallel()
	const text, graphic = 4.5, 3 // WCAG 2.2, 1.4.3 and 1.4.11
	tests := []struct {
		front, back string
		least       float64
	}{
		{"--text", "--page", text},
		{"--text", "--surface", text},
		{"--text", "--soft", text}, // a button under the pointer
		{"--muted", "--page", text},
		{"--muted", "--surface", text},
		{"--accent", "--surface", text},
		{"--accent-strong", "--surface", text},
		{"--on-accent", "--accent", text},
		{"--on-accent", "--accent-strong", text},
		{"--bad", "--bad-soft", text},
		{"--good", "--good-soft", text},
		{"--border", "--surface", graphic}, // of fields and buttons
		{"--bad", "--surface", graphic},    // the border of a field with a problem
		{"--accent", "--surface", graphic}, // the ring of the focus
	}
	for scheme, colours := range palettes(t) {
		for _, tt := range tests {
			front, back := colours[tt.front], colours[tt.back]
			if front == "" || back == "" {
				t.Fatalf("%s: %s or %s is not named", scheme, tt.front, tt.back)
			}
			if got := contrast(t, front, back); got < tt.least {
				t.Errorf("%s: %s on %s: %.2f, want %.1f", scheme, tt.front, tt.back, got, tt.least)
			}
		}
	}
}

// The formula, by the values that WCAG and its tools give.
func TestContrastFormula(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want float64
	}{{"#000000", "#ffffff", 21}, {"#777777", "#ffffff", 4.48}, {"#ffffff", "#ffffff", 1}} {
		if got := contrast(t, tt.a, tt.b); math.Abs(got-tt.want) > 0.005 {
			t.Errorf("%s on %s: %.3f, want %.2f", tt.a, tt.b, got, tt.want)
		}
	}
}

// Else the contrast of a colour would be computed by nobody.
func TestColoursAreNamedInTheStylesheet(t *testing.T) {
	t.Parallel()
	css := stylesheet(t)
	if found := colour.FindAllString(variable.ReplaceAllString(css, ""), -1); found != nil {
		t.Errorf("colours without a name: %q", found)
	}
	for scheme, colours := range palettes(t) {
		for name := range colours {
			if !strings.Contains(css, "var("+name+")") {
				t.Errorf("%s: nothing uses %s", scheme, name)
			}
		}
	}
	if p := palettes(t); len(p["light"]) != len(p["dark"]) {
		t.Errorf("%d colours in light, %d in dark", len(p["light"]), len(p["dark"]))
	}
}

func TestStylesheetLoadsNothing(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"url(", "@import", "@font-face", "image-set("} {
		if strings.Contains(stylesheet(t), word) {
			t.Errorf("the style sheet has %s", word)
		}
	}
}

// contrast is that of WCAG 2.2: of relative luminances.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	rgb, err := strconv.ParseUint(hex[1:], 16, 24)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(shift int) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}
