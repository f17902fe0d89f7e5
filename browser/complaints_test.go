package browser

import (
	"encoding/json"
	"fmt"

	"github.com/chromedp/cdproto/cdp/jsonv2"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
)

// note keeps what the browser says against pages.
func note[E any](b *tab, events <-chan jsonv2.Value, read func(E) string) {
	for raw := range events {
		var event E
		text := "not understood"
		if err := json.Unmarshal(raw, &event); err == nil {
			text = read(event)
		}
		if text != "" {
			b.mu.Lock()
			b.messages = append(b.messages, text)
			b.mu.Unlock()
		}
	}
}

// complaint is a violation of a page's policy, or the like. That a page was refused is an
// answer as others.
func complaint(e log.EventEntryAdded) string {
	if e.Entry.Source == log.EntrySourceNetwork || e.Entry.Level == log.EntryLevelInfo || e.Entry.Level == log.EntryLevelVerbose {
		return ""
	}
	return fmt.Sprintf("%s %s at %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.URL, e.Entry.Text)
}

func exception(e runtime.EventExceptionThrown) string {
	d := e.ExceptionDetails
	if d.Exception == nil {
		return d.Text
	}
	return d.Text + " " + d.Exception.Description
}

// close returns what the browser said against the pages.
func (b *tab) close() []string {
	b.closed()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.messages
}
