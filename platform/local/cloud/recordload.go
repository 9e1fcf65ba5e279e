package cloud

import (
	"fmt"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

// recordLoad has the cloud remember requests that it did not count, as if it had. What
// it counted in the same minutes is replaced.
func (c *Cloud) recordLoad(regionName string, t release.Target, b LoadBody) error {
	const op = "record load"
	now := time.Now()
	step, err := wholeMinutes(b.Step)
	for n := 0; err == nil && n < len(b.Load); n++ {
		err = checkRecorded(b.Load[n], b.Step, now)
	}
	if err != nil {
		return platform.NewError(platform.KindInvalid, op, where(regionName, t.String()), "", err)
	}
	c.mu.Lock()
	r, err := c.ensureRegion(regionName)
	if err == nil {
		_, err = c.ensureRoute(r, t)
	}
	p := c.proxies[regionName]
	c.mu.Unlock()
	if err != nil {
		return err
	}
	p.counter.mu.Lock()
	defer p.counter.mu.Unlock()
	for _, l := range b.Load {
		for m := range step {
			p.counter.history.set(t.String(), minuteOf(l.At)+m, l.Requests/float64(step))
		}
	}
	return p.counter.history.save(now)
}

func checkRecorded(l release.Load, step time.Duration, now time.Time) error {
	oldest := now.UTC().AddDate(0, 0, 2-keptDays)
	switch {
	case !l.At.Equal(l.At.Truncate(time.Minute)):
		return fmt.Errorf("a step begins at %s, it must be a whole minute", l.At)
	case l.At.Add(step).After(now):
		return fmt.Errorf("the step at %s is not over yet", l.At)
	case l.At.Before(oldest):
		return fmt.Errorf("the step at %s is too old: load is kept since %s", l.At, oldest.Format(time.RFC3339))
	case l.Requests < 0:
		return fmt.Errorf("%v requests at %s", l.Requests, l.At)
	}
	return nil
}
