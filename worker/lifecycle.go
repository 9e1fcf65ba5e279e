package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	sdk "go.temporal.io/sdk/worker"
)

// lifecycle keeps every activity alive and hands it over when the worker stops.
//
// Alive: an activity with a heartbeat timeout is beaten for every second or so, which
// also brings it a cancellation as fast, always with the details it gave last, or, before it gave any, with those of the attempt
// before: a beat with others would erase what the next attempt is to remember.
//
// Handing over: some time after the worker was told to stop, the activity's context
// ends with worker.ErrWorkerShutdown as its cause. What it returns then is no failure
// of the work, so the server is asked to give it to another worker at once.
type lifecycle struct {
	interceptor.WorkerInterceptorBase
	grace time.Duration
}

// handOver is how long a running activity may go on after the stop: requests end by
// themselves in that time, waits do not.
const handOver = 3 * time.Second

// beatEvery bounds how long an activity does not hear of its cancellation. The SDK
// holds heartbeats back for longer unless the worker's options say otherwise.
const beatEvery = time.Second

// WorkerStopped is the type of the error of an activity that was handed over.
const WorkerStopped = "WorkerStopped"

func (l *lifecycle) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &lifecycleInbound{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, grace: l.grace}
}

type lifecycleInbound struct {
	interceptor.ActivityInboundInterceptorBase
	grace time.Duration
	beats *beats
}

func (l *lifecycleInbound) Init(out interceptor.ActivityOutboundInterceptor) error {
	l.beats = &beats{ActivityOutboundInterceptorBase: interceptor.ActivityOutboundInterceptorBase{Next: out}}
	return l.Next.Init(l.beats)
}

func (l *lifecycleInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var helpers sync.WaitGroup
	done := make(chan struct{})
	helpers.Go(func() { l.watchStop(ctx, done, cancel) })
	helpers.Go(func() { l.beats.keep(work, done) })
	out, err := func() (any, error) {
		// Also when the activity panics, which the SDK turns into an error further out:
		// beating on for it would keep it from being tried again.
		defer helpers.Wait()
		defer close(done)
		return l.Next.ExecuteActivity(work, in)
	}()
	if err != nil && errors.Is(context.Cause(work), sdk.ErrWorkerShutdown) {
		return nil, temporal.NewApplicationErrorWithOptions("the worker stopped; another one carries on", WorkerStopped,
			temporal.ApplicationErrorOptions{NextRetryDelay: 100 * time.Millisecond, Category: temporal.ApplicationErrorCategoryBenign, Cause: err})
	}
	return out, err
}

func (l *lifecycleInbound) watchStop(ctx context.Context, done <-chan struct{}, cancel context.CancelCauseFunc) {
	select {
	case <-done:
		return
	case <-activity.GetWorkerStopChannel(ctx):
	}
	grace := time.NewTimer(l.grace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
		cancel(sdk.ErrWorkerShutdown)
	}
}

// beats knows the details of the last heartbeat.
type beats struct {
	interceptor.ActivityOutboundInterceptorBase
	mu      sync.Mutex
	details []any
	own     bool // the activity has beaten in this attempt
}

func (b *beats) RecordHeartbeat(ctx context.Context, details ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.details, b.own = details, true
	b.Next.RecordHeartbeat(ctx, details...)
}

// keep beats until done. The lock is held over the beat, so that an old one never
// goes out after a newer one.
func (b *beats) keep(ctx context.Context, done <-chan struct{}) {
	every := min(beatEvery, activity.GetInfo(ctx).HeartbeatTimeout/3)
	if every <= 0 {
		return
	}
	b.inherit(ctx)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			b.mu.Lock()
			b.Next.RecordHeartbeat(ctx, b.details...)
			b.mu.Unlock()
		}
	}
}

// inherit takes over what the attempt before left. Activities of this worker give
// one value, which is passed on as it is.
func (b *beats) inherit(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own || !b.Next.HasHeartbeatDetails(ctx) {
		return
	}
	var raw converter.RawValue
	if b.Next.GetHeartbeatDetails(ctx, &raw) == nil {
		b.details = []any{raw}
	}
}
