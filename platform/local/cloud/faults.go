package cloud

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

func (t Fault) matches(f *fleet) bool {
	return (t.Region == "" || t.Region == f.Spec.Region) && (t.Fleet == "" || t.Fleet == f.Spec.Name)
}

func (c *Cloud) inject(t Fault) (Fault, error) {
	invalid := func(format string, args ...any) (Fault, error) {
		return Fault{}, platform.NewError(platform.KindInvalid, "inject fault", string(t.Kind), "", fmt.Errorf(format, args...))
	}
	switch t.Kind {
	case FaultCrash:
		return t, c.crash(t)
	case FaultSlowStart:
		if t.Delay <= 0 {
			return invalid("it needs a delay")
		}
	case FaultErrorRate:
		if t.Percent < 1 || t.Percent > 100 {
			return invalid("percent is %d, it must be 1 to 100", t.Percent)
		}
	case FaultAPI:
		if t.When == "" {
			t.When = "before"
		}
		if t.When != "before" && t.When != "after" {
			return invalid(`when is %q, it must be "before" or "after"`, t.When)
		}
		t.Times = max(t.Times, 1)
	case FaultQuota:
		if t.Limit < 0 {
			return invalid("limit is %d, it must be 0 or more", t.Limit)
		}
	case FaultUnhealthy:
	default:
		return invalid("unknown kind; there are crash, slow-start, unhealthy, error-rate, quota and api")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faultSeq++
	t.ID = fmt.Sprintf("fault-%d", c.faultSeq)
	c.faults = append(c.faults, &t)
	for _, p := range c.proxies {
		p.wake()
	}
	return t, nil
}

func (c *Cloud) clearFaults(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.faults[:0]
	for _, t := range c.faults {
		if id != "" && t.ID != id {
			kept = append(kept, t)
		}
	}
	c.faults = kept
	for _, p := range c.proxies {
		p.wake()
	}
}

func (c *Cloud) crash(t Fault) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	hit := 0
	for _, f := range c.state.Fleets {
		if !t.matches(f) {
			continue
		}
		for _, i := range f.Instances {
			if i.PID == 0 || t.Instance != "" && t.Instance != i.ID || i.State == release.InstanceTerminating {
				continue
			}
			if err := signalGroup(i.PID, i.StartTicks, syscall.SIGKILL); err != nil {
				return fmt.Errorf("crash %s: %w", i.ID, err)
			}
			hit++
			if !t.All {
				return nil
			}
		}
	}
	if hit == 0 {
		return platform.NewError(platform.KindNotFound, "inject fault", "crash", "", errors.New("no running instance matches"))
	}
	return nil
}

// The faults that apply to a fleet or a region; the caller holds c.mu.

func (c *Cloud) startDelay(f *fleet) time.Duration {
	var d time.Duration
	for _, t := range c.faults {
		if t.Kind == FaultSlowStart && t.matches(f) {
			d = max(d, t.Delay)
		}
	}
	return d
}

func (c *Cloud) faultUnhealthy(f *fleet, i *instance) bool {
	for _, t := range c.faults {
		if t.Kind == FaultUnhealthy && t.matches(f) && (t.Instance == "" || t.Instance == i.ID) {
			return true
		}
	}
	return false
}

func (c *Cloud) faultErrorRate(f *fleet) int {
	percent := 0
	for _, t := range c.faults {
		if t.Kind == FaultErrorRate && t.matches(f) {
			percent = max(percent, t.Percent)
		}
	}
	return percent
}

// faultQuota is the largest number of instances the region may have, and whether
// there is such a bound.
func (c *Cloud) faultQuota(region string) (int, bool) {
	limit, bounded := 0, false
	for _, t := range c.faults {
		if t.Kind == FaultQuota && (t.Region == "" || t.Region == region) && (!bounded || t.Limit < limit) {
			limit, bounded = t.Limit, true
		}
	}
	return limit, bounded
}

// takeAPIFault finds and uses up a fault for the call at this moment.
func (c *Cloud) takeAPIFault(callName, when string) (Fault, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, t := range c.faults {
		if t.Kind != FaultAPI || t.When != when || t.Call != "" && !strings.EqualFold(t.Call, callName) {
			continue
		}
		if t.Times--; t.Times <= 0 {
			c.faults = append(c.faults[:n:n], c.faults[n+1:]...)
		}
		return *t, true
	}
	return Fault{}, false
}

// fail plays the fault and says whether it answered the call.
func (c *Cloud) fail(w http.ResponseWriter, callName, when string) bool {
	t, ok := c.takeAPIFault(callName, when)
	if !ok {
		return false
	}
	select {
	case <-time.After(t.Delay):
	case <-c.ctx.Done():
	}
	if t.ErrorKind != "" {
		writeError(w, callName, platform.NewError(t.ErrorKind, callName, "", "", fmt.Errorf("fault: made to fail %s its effect", when)))
		return true
	}
	panic(http.ErrAbortHandler) // the connection breaks; the caller cannot know what happened
}
