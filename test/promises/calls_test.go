package promises

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// call is one activity that the workflow asked for. It goes through stages at different
// times of the model, so that orders arrive between its beginning, its effect and its
// answer, and so that whatever happens, happens in an order that the schedule determines.
type call struct {
	name, place string
	n, all      int // of the calls of this activity at this place, and everywhere
	stage       int
	began       time.Time
	memory      bool // what an earlier attempt remembers
	in, out     any
	err         error
	fault       *fault
}

const (
	begun = iota
	acting
	answering
)

// The kinds of faults.
const (
	failsBefore  = "fails before its effect"
	failsAfter   = "fails after its effect" // permanently: the answer is lost
	retriedAfter = "is tried again after its effect"
	retried      = "is tried again before its effect"
	neverWorks   = "fails before its effect, and so do the next ones"
)

// outage is how many calls fail in a row where the next ones fail, too.
const outage = 8

// fault is what goes wrong with one call of an activity.
type fault struct {
	Activity string
	Call     int
	Kind     string
}

func permanent(kind, text string, details ...any) error {
	return temporal.NewNonRetryableApplicationError(text, kind, nil, details...)
}

var errTrouble = permanent("Broken", "no such luck")

// later is the error of an attempt that is to be tried again at that time.
func later(d time.Duration) error {
	return temporal.NewApplicationErrorWithOptions("not yet", "NotYet", temporal.ApplicationErrorOptions{
		NextRetryDelay: max(d, time.Millisecond), Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// waits is the error of an effect that waits for the world.
type waits time.Duration

func (w waits) Error() string { return "waits " + time.Duration(w).String() }

// lag is how long a stage of a call takes: some seconds, different in each region, so that
// no two regions act at the same time.
func lag(name, place string, n, stage int) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name + string(rune('a'+n%26)) + string(rune('0'+stage))))
	apart := 0
	if len(place) > len("local-") {
		apart = int(place[len("local-")]-'a') % 3
	}
	return time.Duration(2+3*int(h.Sum32()%10)+apart) * time.Second
}

// act makes an activity of an effect on the cloud. The effect runs with the cloud locked,
// may run more than once, and waits by returning waits.
func act[In, Out any](c *cloud, name string, place func(In) string, effect func(*call, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		id := activity.GetInfo(ctx).ActivityID
		c.mu.Lock()
		defer c.mu.Unlock()
		var none Out
		if c.ending.over {
			return none, permanent("Over", "the run is over")
		}
		a := c.calls[id]
		if a == nil {
			a = c.begin(id, name, place(in))
			return none, later(c.between(a, begun))
		}
		a.in = in
		if a.stage == answering {
			out, _ := a.out.(Out)
			return out, a.err
		}
		if err := c.trouble(a); err != nil {
			return none, err
		}
		out, err := effect(a, in)
		var wait waits
		if errors.As(err, &wait) {
			return none, later(time.Duration(wait))
		}
		c.note("%s %s: %v %v", name, a.place, brief(out), err)
		a.out, a.err, a.stage = out, err, answering
		if f := a.fault; f != nil && err == nil {
			a.fault = nil
			switch f.Kind {
			case failsAfter:
				a.out, a.err = none, permanent("Broken", "the answer was lost")
			case retriedAfter:
				a.stage = acting
			}
		}
		return none, later(c.between(a, a.stage))
	}
}

func (c *cloud) begin(id, name, place string) *call {
	c.count[name+" "+place]++
	c.count[name]++
	a := &call{name: name, place: place, n: c.count[name+" "+place], stage: acting, began: c.now(), all: c.count[name]}
	c.calls[id] = a
	for _, f := range c.faults {
		if f.Activity == name && (f.Call == c.count[name] || f.Kind == neverWorks && f.Call <= c.count[name] && c.count[name] < f.Call+outage) {
			a.fault = f
		}
	}
	return a
}

// between is the time to the next stage, in the middle of which the schedule's events
// for it happen.
func (c *cloud) between(a *call, stage int) time.Duration {
	d := lag(a.name, a.place, a.n, stage)
	c.happen(moment{Activity: a.name, Answer: stage == answering, Call: a.all}, d/2)
	return d
}

// trouble is what goes wrong before the effect.
func (c *cloud) trouble(a *call) error {
	switch {
	case a.fault == nil:
		return nil
	case a.fault.Kind == failsBefore, a.fault.Kind == neverWorks:
		c.note("%s %s %s", a.name, a.place, a.fault.Kind)
		return errTrouble
	case a.fault.Kind == retried:
		a.fault = nil
		return later(3 * time.Second)
	}
	return nil
}
