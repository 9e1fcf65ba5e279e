package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// pulse heartbeats in the background so that an activity which waits is known to be
// alive and hears of its cancellation. Every beat carries the latest details: a beat
// without them would erase what the next attempt is to remember. Outside of an
// activity it does nothing.
type pulse struct {
	ctx     context.Context
	mu      sync.Mutex
	details []any
	stop    context.CancelFunc
	done    chan struct{}
}

// beat starts a pulse at a third of the activity's heartbeat timeout and beats once
// at once. The caller must Stop it before the activity ends.
func beat(ctx context.Context, details ...any) *pulse {
	inner, stop := context.WithCancel(ctx)
	p := &pulse{ctx: ctx, details: details, stop: stop, done: make(chan struct{})}
	if !activity.IsActivity(ctx) {
		close(p.done)
		return p
	}
	p.record()
	every := activity.GetInfo(ctx).HeartbeatTimeout / 3
	if every <= 0 {
		close(p.done)
		return p
	}
	go func() {
		defer close(p.done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-inner.Done():
				return
			case <-ticker.C:
				p.record()
			}
		}
	}()
	return p
}

// Set changes the details and beats at once.
func (p *pulse) Set(details ...any) {
	p.mu.Lock()
	p.details = details
	p.mu.Unlock()
	p.record()
}

// Stop ends the pulse and waits until it is still. It may be called twice.
func (p *pulse) Stop() {
	p.stop()
	<-p.done
}

func (p *pulse) record() {
	if !activity.IsActivity(p.ctx) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	activity.RecordHeartbeat(p.ctx, p.details...)
}

// remembered reads what the last attempt's heartbeat left into out, and says
// whether there was anything.
func remembered(ctx context.Context, out any) bool {
	if !activity.IsActivity(ctx) || !activity.HasHeartbeatDetails(ctx) {
		return false
	}
	return activity.GetHeartbeatDetails(ctx, out) == nil
}

// pause waits for d or until ctx ends, whose error it then returns.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Poll says how often a waiting activity looks: first after From, then at growing
// intervals up to To. The zero value is 250 ms to 1 s.
type Poll struct {
	From, To time.Duration
}

// next is the interval of the n-th wait, counted from 0.
func (p Poll) next(n int) time.Duration {
	from, to := p.From, p.To
	if from <= 0 {
		from = 250 * time.Millisecond
	}
	if to < from {
		to = max(time.Second, from)
		if p.From > 0 {
			to = from
		}
	}
	d := from
	for i := 0; i < n && d < to; i++ {
		d += d / 2
	}
	return min(d, to)
}
