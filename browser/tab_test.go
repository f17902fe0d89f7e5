package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// patience bounds a test, and stepPatience one step of it, on a slow machine under load.
	patience     = 3 * time.Minute
	stepPatience = time.Minute
	again        = 20 * time.Millisecond // between two looks at a page
)

// tab of a browser. What fails in it ends the test and tells what the page showed.
type tab struct {
	t     *testing.T
	ctx   context.Context
	pages int // that were left, to tell the next from them

	mu       sync.Mutex
	messages []string // of the browser, that something is wrong with a page
	closed   func()
}

// newWindow opens a private window with one tab: it shares nothing with those of other tests.
func newWindow(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(chromium, patience)
	t.Cleanup(cancel)
	b := open(t, ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(b.closed) // a tab of the same window may have been closed before
	return b
}

// tab opens another tab in the same window.
func (b *tab) tab() *tab {
	b.t.Helper()
	other := open(b.t, b.ctx)
	b.t.Cleanup(other.closed)
	return other
}

func open(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		t.Fatal(err)
	}
	entries, _ := chromedp.FromContext(ctx).Target.Subscribe(log.EntryAdded.Method)
	exceptions, _ := chromedp.FromContext(ctx).Target.Subscribe(runtime.ExceptionThrown.Method)
	var readers sync.WaitGroup
	readers.Go(func() { note(b, entries, complaint) }) // until the tab is closed
	readers.Go(func() { note(b, exceptions, exception) })
	b.closed = sync.OnceFunc(func() {
		cancel()
		readers.Wait()
	})
	return b
}

// try runs actions within the patience for one step.
func (b *tab) try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, stepPatience)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := b.try(actions...); err != nil {
		b.fatal("%s: %v", what, err)
	}
}

// fatal also tells where the browser stands.
func (b *tab) fatal(format string, args ...any) {
	b.t.Helper()
	at, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.origin + location.pathname + "\n" + document.body?.innerText`))
	b.t.Fatalf(format+"\nthe page (%v): %s", append(args, err, at)...)
}

// get evaluates an expression in the page.
func get[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepPatience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.fatal("%s: %v", expression, err)
	}
	return v
}

// await waits until an expression is true. A page that is being left has no answer.
func (b *tab) await(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepPatience)
	defer cancel()
	ticker := time.NewTicker(again)
	defer ticker.Stop()
	for {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression)); err == nil && ok {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			b.fatal("%s: %v", what, ctx.Err())
		}
	}
}

// leave does what leads to another page, and waits until that is there as a whole.
func (b *tab) leave(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.pages++
	mark := fmt.Sprintf("window.left = %d", b.pages)
	get[int](b, mark)
	b.do(what, actions...)
	b.await(what, fmt.Sprintf(`window.left !== %d && document.readyState === "complete"`, b.pages))
}

func (b *tab) visit(address string) {
	b.t.Helper()
	b.leave("visit", chromedp.Navigate(address))
}

func (b *tab) back() {
	b.t.Helper()
	b.leave("back", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		history, err := cdp.Call(ctx, t, page.GetNavigationHistory, cdp.Empty{})
		if err != nil {
			return err
		}
		// chromedp.NavigateBack would wait for a page to load, but it may be as it was left.
		before := history.Entries[history.CurrentIndex-1]
		return chromedp.Do(ctx, call(page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: before.ID}))
	}))
}

// click clicks with the mouse on what leads to another page.
func (b *tab) click(selector string) {
	b.t.Helper()
	at := get[[]float64](b, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q)
		e.scrollIntoView({block: "center", behavior: "instant"})
		const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2
		if (!e.contains(document.elementFromPoint(x, y))) throw new Error("nobody can click there")
		return [x, y]
	})()`, selector))
	b.leave("click on "+selector, chromedp.MouseClickXY(at[0], at[1]))
}

// fill replaces what stands in a field, as a password manager or an input method does.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	get[bool](b, fmt.Sprintf(`document.querySelector(%q).select() ?? true`, selector))
	b.do("fill "+selector, call(input.InsertText, input.InsertTextParams{Text: text}))
}

// call is a command of the protocol as an action.
func call[P, R any](command cdp.Command[P, R], parameters P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, parameters)
		return err
	})
}

// see waits for the page with this heading.
func (b *tab) see(heading string) {
	b.t.Helper()
	quoted, _ := json.Marshal(heading) // of a string: never fails
	b.await("waiting for "+heading, `document.readyState === "complete" && document.querySelector("h1")?.innerText === `+string(quoted))
}

// text is what a person reads.
func (b *tab) text() string {
	b.t.Helper()
	return get[string](b, "document.body.innerText")
}

// reads demands that a person can read each of wants.
func (b *tab) reads(wants ...string) {
	b.t.Helper()
	text := b.text()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			b.t.Errorf("the page does not say %q, but\n%s", want, text)
		}
	}
}

// status of the answer that the page came with.
func (b *tab) status() int {
	b.t.Helper()
	return get[int](b, `performance.getEntriesByType("navigation")[0].responseStatus`)
}

// at demands that the browser stands at a page.
func (b *tab) at(origin, path string) {
	b.t.Helper()
	if got := get[string](b, "location.origin + location.pathname"); got != origin+path {
		b.fatal("the browser is at %s, want %s%s", got, origin, path)
	}
}

// on demands that the browser stands at some page of origin.
func (b *tab) on(origin string) {
	b.t.Helper()
	if got := get[string](b, "location.origin"); got != origin {
		b.fatal("the browser is on %s, want %s", got, origin)
	}
}

func (b *tab) reload() {
	b.t.Helper()
	b.leave("reload", chromedp.Reload())
}
