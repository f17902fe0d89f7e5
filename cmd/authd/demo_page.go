package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Bounds of the text's width, in columns. Beyond the upper one lines are hard to read.
const (
	minPage   = 30
	plainPage = 80 // where nobody knows
	maxPage   = 92
)

// page lays out what the demo says: for the width of a terminal, and in colour on one.
type page struct {
	w      io.Writer
	width  int
	indent string
	colour bool
}

// newPage looks at where w leads. NO_COLOR (no-color.org) and a dumb terminal mean no colour.
func newPage(w io.Writer) *page {
	p := &page{w: w, width: plainPage, indent: "    "}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	p.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		p.width = min(max(width-1, minPage), maxPage)
	}
	if p.width < 60 {
		p.indent = "  "
	}
	return p
}

// style is an SGR sequence's parameters.
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "1;31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
	accent style = "1;36"
)

func (p *page) paint(s style, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// print ignores errors: when nobody reads any more, the steps are still checked.
func (p *page) print(text string) { _, _ = fmt.Fprintln(p.w, text) }

func (p *page) opening(title, text string) {
	p.print("\n" + p.paint(accent, "authd demo") + p.paint(bold, " · "+title) + "\n")
	for _, line := range wrap(text, p.width) {
		p.print(p.paint(dim, line))
	}
}

func (p *page) step(i, of int, title string) {
	number := fmt.Sprintf("%d/%d ", i, of)
	lines := wrap(title, p.width-len(number))
	p.print("\n" + p.paint(accent, number) + p.paint(bold, lines[0]) + p.paint(dim, p.rule(number+lines[0])))
	for _, line := range lines[1:] {
		p.print(strings.Repeat(" ", len(number)) + p.paint(bold, line))
	}
}

// rule fills the line behind text.
func (p *page) rule(text string) string {
	return " " + strings.Repeat("─", max(p.width-utf8.RuneCountInString(text)-1, 0))
}

// sent shows a command line, broken between words only.
func (p *page) sent(words ...string) {
	lines := breakCommand(words, p.width-len(p.indent)-len("$ ")-len(` \`))
	for i, line := range lines {
		prompt, end := "  ", ` \`
		if i == 0 {
			prompt = "$ "
		}
		if i == len(lines)-1 {
			end = ""
		}
		p.print(p.indent + p.paint(dim, prompt) + p.paint(cyan, line) + p.paint(dim, end))
	}
}

// got shows a fact that came back.
func (p *page) got(name, value string) {
	name += ":"
	first := utf8.RuneCountInString(p.indent + name + " ")
	if first+utf8.RuneCountInString(value) <= p.width {
		p.print(p.indent + p.paint(dim, name) + " " + value)
		return
	}
	p.print(p.indent + p.paint(dim, name))
	p.print(p.indent + "  " + shortenTo(value, p.width-len(p.indent)-2))
}

func (p *page) comment(text string) {
	for _, line := range wrap(text, p.width-len(p.indent)-2) {
		p.print(p.indent + p.paint(dim, "# "+line))
	}
}

// answered shows a status, how long it took, and the body.
func (p *page) answered(a demoAnswer, took time.Duration) {
	s := green
	if a.status >= 400 {
		s = yellow
	}
	p.print(p.indent + p.paint(s, fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))) +
		p.paint(dim, fmt.Sprintf(" in %.0f ms", max(float64(took.Microseconds())/1000, 1))))
	if a.text != "" {
		p.json(a.text, nil)
	}
}

// json shows text, which need be no JSON, on one line if it fits. notes are of members.
func (p *page) json(text string, notes map[string]string) {
	lines := indentJSON(shorten(text))
	if one := oneLine(lines); notes == nil && len(p.indent)+utf8.RuneCountInString(one) <= p.width {
		lines = []string{one}
	}
	column := noteColumn(lines)
	for _, line := range lines {
		p.jsonLine(line, notes, column)
	}
}

var jsonMember = regexp.MustCompile(`"([^"\\]*)": ?`)

func (p *page) jsonLine(line string, notes map[string]string, column int) {
	note := ""
	if m := jsonMember.FindStringSubmatch(line); m != nil && notes[m[1]] != "" {
		note = strings.Repeat(" ", max(column-utf8.RuneCountInString(line), 2)) + notes[m[1]]
		if utf8.RuneCountInString(p.indent+line+note) > p.width {
			note = ""
		}
	}
	for i, part := range wrapLong(line, p.width-len(p.indent)) {
		if i == 0 {
			part = jsonMember.ReplaceAllStringFunc(part, func(name string) string { return p.paint(dim, name) })
		}
		p.print(p.indent + part + p.paint(dim, note))
		note = ""
	}
}

// means says what a step has shown.
func (p *page) means(text string) { p.marked(p.paint(green, "✓"), text) }

// failed says what is not as it should be.
func (p *page) failed(err error) {
	line, _, _ := strings.Cut(err.Error(), "\n")
	p.marked(p.paint(red, "✗"), "Not as it should be: "+line)
}

func (p *page) marked(mark, text string) {
	for i, line := range wrap(text, p.width-len(p.indent)) {
		margin := p.indent
		if i == 0 {
			margin = p.indent[:len(p.indent)-2] + mark + " "
		}
		p.print(margin + line)
	}
}

// hint is a command and what it is for.
type hint struct{ command, what string }

func (p *page) closing(text string, next []hint) {
	p.print("\n" + p.paint(dim, strings.Repeat("─", p.width)))
	for _, line := range wrap(text, p.width) {
		p.print(p.paint(green, line))
	}
	p.print("\n" + p.paint(bold, "What to do next"))
	for _, h := range next {
		for _, line := range breakCommand(strings.Split(h.command, " "), p.width-len(p.indent)) {
			p.print(p.indent + p.paint(cyan, line))
		}
		for _, line := range wrap(h.what, p.width-len(p.indent)-2) {
			p.print(p.indent + "  " + p.paint(dim, line))
		}
	}
	p.print("")
}
