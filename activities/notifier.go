package activities

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr"

	"github.com/switchyard/switchyard/platform/secretref"
	"github.com/switchyard/switchyard/release/spec"
)

// Notifier tells people of events.
type Notifier struct {
	Send func(url, message string) error // nil: shoutrrr
}

// sendWithin bounds one message; a service that hangs must not hold the release up.
const sendWithin = 20 * time.Second

// Notify tells everybody who wants to hear of the event. One that can't be told
// does not keep the others from it. A retry tells only those who were not told
// before. No error carries an address: addresses are secrets.
func (n *Notifier) Notify(ctx context.Context, in NotifyInput) error {
	var told []string
	remembered(ctx, &told)
	pulse := beat(ctx, told)
	defer pulse.Stop()
	message := strings.TrimSpace(in.Title + "\n\n" + in.Body)
	var errs []error
	for _, to := range in.Notifications {
		if !wants(to, in.Event) || slices.Contains(told, to.Name) {
			continue
		}
		if err := n.tell(ctx, to, message); err != nil {
			errs = append(errs, fmt.Errorf("notify %s of %s: %w", to.Name, in.Event, err))
			continue
		}
		told = append(told, to.Name)
		pulse.Set(told)
	}
	return errors.Join(errs...)
}

func wants(to spec.Notification, event string) bool {
	return len(to.On) == 0 || slices.Contains(to.On, event)
}

func (n *Notifier) tell(ctx context.Context, to spec.Notification, message string) error {
	url, err := secretref.Resolve(to.URL)
	if err != nil {
		return err
	}
	send := n.Send
	if send == nil {
		send = shoutrrr.Send
	}
	// The library takes no context: a message that hangs is left to its own time-out.
	sent := make(chan error, 1)
	go func() { sent <- send(url, message) }()
	tctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	select {
	case err := <-sent:
		return withoutAddress(err, url)
	case <-tctx.Done():
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("no answer within %s", sendWithin)
	}
}

var pieces = regexp.MustCompile(`[A-Za-z0-9]{3,}`)

// withoutAddress keeps an error's words without any part of the address: services
// put tokens into paths, queries and user names, and take them apart.
func withoutAddress(err error, url string) error {
	if err == nil {
		return nil
	}
	scheme, rest, _ := strings.Cut(url, "://")
	if rest == "" {
		scheme, rest = "unknown", url
	}
	text := strings.ReplaceAll(err.Error(), url, "[address]")
	parts := pieces.FindAllString(rest, -1)
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	for _, part := range parts {
		text = strings.ReplaceAll(text, part, "…")
	}
	return fmt.Errorf("the %s service refused: %s (check the address behind the reference)", scheme, clip(text, maxValue))
}
