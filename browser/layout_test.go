package browser

import (
	_ "embed"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// looks has what judges how a page looks.
//
//go:embed looks.js
var looks string

// judge returns what a judge of looks.js finds wrong with the page.
func (b *tab) judge(name string) []string {
	b.t.Helper()
	return get[[]string](b, "(() => {"+looks+"\nreturn "+name+"()})()")
}

// Every page on a phone, and as WCAG 2.2 has it at 320 px (1.4.10 reflow): nothing has to be
// scrolled sideways, and what can be touched is large enough or apart enough (2.5.8). In light
// and in dark, text has the contrast of 1.4.3. Texts of both languages have other lengths.
func TestHowPagesLook(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "ko"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			p := newPersonCalled(t, newName(strings.Repeat("long", 30)))

			walk{p, url.Values{"ui_locales": {lang}}, func(page string) {
				for _, width := range []int64{390, 320} {
					p.do("resize", chromedp.EmulateViewport(width, 844))
					for _, wrong := range append(p.judge("sideways"), p.judge("targets")...) {
						t.Errorf("%s, %d px: %s", page, width, wrong)
					}
				}
				for _, scheme := range []string{"light", "dark"} {
					p.scheme(scheme)
					for _, wrong := range p.judge("contrasts") {
						t.Errorf("%s, %s: %s", page, scheme, wrong)
					}
				}
			}}.everyPage()
		})
	}
}

func (b *tab) scheme(name string) {
	b.t.Helper()
	b.do("scheme", call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}))
	if !get[bool](b, "matchMedia('(prefers-color-scheme: "+name+")').matches") {
		b.fatal("the scheme is not %s", name)
	}
}

// What the test above relies on.
func TestTheJudgesOfLooksFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newWindow(t)
	b.visit(evilAt + "/ugly")
	b.see("Ugly")
	b.do("resize", chromedp.EmulateViewport(390, 844))
	tests := []struct {
		judge string
		wants []string // one for each fault, in order
	}{
		{"sideways", []string{"px wide"}},
		{"targets", []string{`"x"`, `"y"`, `"low"`}},
		{"contrasts", []string{`"pale"`}},
		{"focus", []string{"BODY"}},
	}
	for _, tt := range tests {
		found := b.judge(tt.judge)
		if !slices.EqualFunc(found, tt.wants, strings.Contains) {
			t.Errorf("%s found %q, want %q", tt.judge, found, tt.wants)
		}
	}
}
