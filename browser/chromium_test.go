package browser

import (
	"context"
	"os/exec"

	"github.com/chromedp/chromedp"
)

// openChromium starts the one process. It reaches the hosts of the front and this machine, and
// nothing else.
func openChromium(ctx context.Context, s *stack, f *front) error {
	path, err := findChromium()
	if err != nil {
		return err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], // also --no-sandbox for root, whom Chromium refuses with it
		chromedp.ExecPath(path),
		chromedp.Flag("host-resolver-rules", "MAP *.example "+f.address()+", EXCLUDE localhost, EXCLUDE 127.0.0.1, MAP * ~NOTFOUND"),
		chromedp.Flag("ignore-certificate-errors-spki-list", f.pin()),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en"),
		chromedp.WindowSize(1200, 900),
	)
	allocator, cancel := chromedp.NewExecAllocator(ctx, options...)
	s.push(cancel)
	browser, cancel := chromedp.NewContext(allocator)
	s.push(cancel)
	chromium = browser
	return chromedp.Do(chromium) // starts it
}

func findChromium() (path string, err error) {
	for _, name := range []string{"chromium", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", err
}
