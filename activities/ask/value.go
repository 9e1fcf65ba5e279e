package ask

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/switchyard/switchyard/release"
)

const (
	maxValue = 300  // bytes of a seen value, and of a bound, that are kept as evidence
	maxLink  = 2000 // bytes of a link
	maxBody  = 1 << 20
)

// unknown is the result of a question that nothing was learned from.
func unknown(bound, format string, args ...any) release.Result {
	return release.Result{Verdict: release.Inconclusive, Value: fmt.Sprintf(format, args...), Bound: bound}
}

// unread is the result of something that could not be read: no evidence either way.
func unread(bound string, err error) release.Result {
	return unknown(bound, "can't be read: %v", err)
}

// failed is a result that speaks against the fleet.
func failed(bound, format string, args ...any) release.Result {
	return release.Result{Verdict: release.Fail, Value: fmt.Sprintf(format, args...), Bound: bound}
}

// passed is a result that speaks for the fleet.
func passed(bound, format string, args ...any) release.Result {
	return release.Result{Verdict: release.Pass, Value: fmt.Sprintf(format, args...), Bound: bound}
}

// clip keeps a text short enough for a history: at most limit bytes of valid UTF-8.
func clip(text string, limit int) string {
	const more = "…"
	text = valid(text)
	if len(text) <= limit {
		return text
	}
	return valid(text[:limit-len(more)]) + more
}

// valid drops what is no UTF-8, and the zero byte, which some stores refuse.
func valid(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}

// hide blots out secrets in a text, also as they stand in a URL. It goes first, before
// the text is quoted or cut.
func hide(text string, secrets ...string) string {
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String()} {
			if form = strings.TrimPrefix(form, ":"); form != "" {
				text = strings.ReplaceAll(text, form, "[hidden]")
			}
		}
	}
	return text
}

// unanswered says why there was no answer, without the address that was asked: it may
// hold a secret, and the reader knows it from the spec.
func unanswered(err error, timeout time.Duration) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", timeout)
	}
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return "no answer: " + err.Error()
}

// ours says whether the worker's own machine is to blame: it has no descriptor, port
// or memory left to ask with, which tells nothing about who was to be asked.
func ours(err error) bool {
	for _, own := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// silent is the result of a question that was not answered. It fails, as users would
// not be answered either, unless the worker could not even ask.
func silent(bound string, err error, timeout time.Duration) release.Result {
	if ours(err) {
		return unknown(bound, "the worker can't ask: %v", err)
	}
	return failed(bound, "%s", unanswered(err, timeout))
}
