package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"
)

// wrap breaks text at spaces; a word that is too long stands alone.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// longWord is a token, a secret or a key's name; the identifiers that one wants to read
// whole are shorter.
var longWord = regexp.MustCompile(`[A-Za-z0-9._-]{40,}`)

// shorten leaves the ends of tokens and secrets: too little to use, enough to compare.
func shorten(text string) string {
	return longWord.ReplaceAllStringFunc(text, func(word string) string {
		return word[:8] + "…" + word[len(word)-6:]
	})
}

// shortenTo is for what does not fit.
func shortenTo(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return text[:max(width-7, 1)] + "…" + text[len(text)-6:]
}

// breakCommand indents the lines after the first.
func breakCommand(words []string, width int) (lines []string) {
	line := ""
	for _, word := range words {
		word = shorten(word)
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = "  " + word
			continue
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// oneLine is what json.Indent made, with a space after commas and colons.
func oneLine(lines []string) string {
	var b strings.Builder
	for i, line := range lines {
		line = strings.TrimSpace(line)
		b.WriteString(line)
		if strings.HasSuffix(line, ",") && i < len(lines)-1 {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// noteColumn leaves room for all but very long lines.
func noteColumn(lines []string) int {
	column := 0
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n <= 44 {
			column = max(column, n)
		}
	}
	return column + 2
}

// wrapLong breaks a line that is too long, and indents what follows.
func wrapLong(line string, width int) []string {
	if utf8.RuneCountInString(line) <= width {
		return []string{line}
	}
	margin := line[:len(line)-len(strings.TrimLeft(line, " "))]
	lines := wrap(line[len(margin):], width-len(margin)-2)
	for i := range lines {
		if i > 0 {
			lines[i] = "  " + lines[i]
		}
		lines[i] = margin + lines[i]
	}
	return lines
}

var plainArray = regexp.MustCompile(`\[[^][{}]*\]`)

// indentJSON has a line per member, and none for the items of plain arrays. What is no
// JSON is one line.
func indentJSON(text string) []string {
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, []byte(text), "", "  "); err != nil {
		return []string{text}
	}
	joined := plainArray.ReplaceAllStringFunc(spaced.String(), func(array string) string {
		return "[" + strings.Join(strings.Fields(strings.Trim(array, "[]")), " ") + "]"
	})
	return strings.Split(joined, "\n")
}
