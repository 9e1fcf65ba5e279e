package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
)

// envScreenshot is the folder in which the browser test keeps pictures of a release
// that waits at its gate; those in docs/images are made with it.
const envScreenshot = "SWITCHYARD_SCREENSHOT"

// TestApprovalInTheTemporalUI is a person who knows nothing: opens the release in
// the UI, reads there what to send, sends it, and the release goes on.
func TestApprovalInTheTemporalUI(t *testing.T) {
	st := use(t).tell(t, "browser", "")
	st.live()
	h := st.start(chapter{ID: "v2", Version: "2.0.0", Gate: "[{before: switch, approvers: [grace]}]",
		Template: changed(t, filepath.Join(os.TempDir(), "switchyard-browser", "checkout"), "", "")}) // a path for the pictures
	st.await(h, release.PhaseGate)

	ctx := browser(t)
	page := fmt.Sprintf("%s/namespaces/%s/workflows/%s/%s", st.dev.UIURL, st.dev.Namespace, url.PathEscape(h.WorkflowID), h.RunID)
	require.NoError(t, chromedp.Run(ctx,
		chromedp.EmulateViewport(1500, 1000),
		chromedp.Navigate(page+"/user-metadata"),
		chromedp.WaitVisible(`//*[contains(text(),"What you can send")]`, chromedp.BySearch),
	))
	details := framed(ctx, t)
	body := regexp.MustCompile(`\{"by": "YOUR NAME", "gate": "switch", "plan": "[0-9a-f]{16}"\}`).FindString(details)
	require.NotEmpty(t, body, "the details do not say what to send:\n%s", details)
	screenshot(ctx, t, "temporal-ui-gate.png")
	require.NoError(t, chromedp.Run(ctx, chromedp.Navigate(page+"/history"),
		chromedp.WaitVisible(`//*[contains(text(),"scan the image for secrets")]`, chromedp.BySearch)))
	screenshot(ctx, t, "temporal-ui-timeline.png")

	body = regexp.MustCompile(`YOUR NAME`).ReplaceAllString(body, "grace")
	require.NoError(t, chromedp.Run(ctx, sendSignal(string(release.OrderApprove), body)))
	require.Eventually(t, func() bool { return len(st.state(h).Gates[0].Approvals) == 1 }, 20*time.Second, 100*time.Millisecond,
		"the signal never came: %+v", st.state(h).Refusals)
	end := st.follow(h, nil)
	require.Equal(t, "completed", end.Outcome(), "%+v", end.Refusals)
	require.Equal(t, "grace", end.Gates[0].Approvals[0].By)
}

// framed is what the page shows in frames, which is where the UI renders Markdown.
func framed(ctx context.Context, t *testing.T) string {
	t.Helper()
	var frames []*cdp.Node
	require.NoError(t, chromedp.Run(ctx, chromedp.Nodes("iframe", &frames, chromedp.ByQueryAll)))
	all := ""
	for _, f := range frames {
		var text string
		require.NoError(t, chromedp.Run(ctx, chromedp.Text("body", &text, chromedp.ByQuery, chromedp.FromNode(f))))
		all += text + "\n"
	}
	return all
}

// sendSignal is More Actions → Send a Signal, as a person does it: with the mouse on
// what can be seen (the UI holds every dialogue several times, hidden) and the keyboard.
func sendSignal(name, body string) chromedp.Tasks {
	return chromedp.Tasks{
		click("button", "More Actions"),
		click("[role=menuitem]", "Send a Signal"),
		click("[data-testid=signal-select-button]", ""),
		click("[role=option]", name),
		click(".cm-content", ""),
		chromedp.ActionFunc(func(ctx context.Context) error { return input.InsertText(body).Do(ctx) }),
		click("label", "json/plain"), // the editor lays the text out anew when it is left, which moves the button
		click("[data-testid=confirm-modal-button]", "Submit"),
	}
}

// visible is the middle of the first element that has the text and that a click
// would reach: in sight, not covered, and where it was at the look before.
const visible = `(selector, text) => {
	for (const e of document.querySelectorAll(selector)) {
		const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
		if (r.width === 0 || !e.innerText.includes(text ?? "") || !e.contains(document.elementFromPoint(x, y))) continue;
		const at = selector + x + "," + y, still = window.lastSeen === at;
		window.lastSeen = at;
		return still && [x, y];
	}
	return false;
}`

func click(selector, text string) chromedp.ActionFunc {
	return func(ctx context.Context) error {
		var at []float64
		poll := chromedp.PollFunction(visible, &at, chromedp.WithPollingArgs(selector, text), chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(20*time.Second))
		if err := poll.Do(ctx); err != nil {
			return fmt.Errorf("find %s %q on the page: %w", selector, text, err)
		}
		return chromedp.MouseClickXY(at[0], at[1]).Do(ctx)
	}
}

func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	require.NotEmpty(t, path, "no Chromium on PATH; `make browser` installs one")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(cancelTab)
	ctx, cancelTime := context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancelTime)
	t.Cleanup(func() { // a picture says why it failed
		if t.Failed() {
			var png []byte
			if chromedp.Run(ctx, chromedp.FullScreenshot(&png, 100)) == nil {
				path := filepath.Join(os.TempDir(), "switchyard-browser-failure.png")
				_ = os.WriteFile(path, png, 0o600)
				t.Logf("what the browser shows: %s", path)
			}
		}
	})
	return ctx
}

// screenshot keeps a picture of what is in sight, if pictures are asked for.
func screenshot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv(envScreenshot)
	if dir == "" {
		return
	}
	var png []byte
	require.NoError(t, chromedp.Run(ctx, chromedp.CaptureScreenshot(&png)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), png, 0o644))
}
