// Package load puts constant, bounded traffic on an entry and sorts the answers:
// good ones, failures a user would have seen, and errors that a version with an
// injected fault gave on purpose. Pacing is fortio's.
package load

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"fortio.org/fortio/periodic"
	"fortio.org/log"
)

// FaultHeader marks an answer that was made to fail on purpose.
const FaultHeader = "X-Injected-Fault"

// Options say how much load there is. The rate is in requests per second; half of
// it keeps connections open, half opens a new connection for every request.
type Options struct {
	URL     string
	Rate    float64       // per second, both kinds together; 240 when 0
	Longest time.Duration // the load ends by itself after this; 10 minutes when 0
	Timeout time.Duration // per request; 5 s when 0
	Slow    time.Duration // a good answer that took longer is one that users noticed; 0: none is
	By      string        // response header that says who answered; "": nobody asks
}

// Counts are what came back so far.
type Counts struct {
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed_requests"`    // transport errors and 5xx that nobody asked for
	OnFault  uint64 `json:"bad_version_errors"` // 5xx that a bad version gave on purpose
	Slow     uint64 `json:"slow_requests,omitempty"`
}

// Hit are the requests in which users noticed that something is wrong.
func (c Counts) Hit() uint64 { return c.Failed + c.OnFault + c.Slow }

// Load is traffic that runs until Stop.
type Load struct {
	options  Options
	requests atomic.Uint64
	failed   atomic.Uint64
	onFault  atomic.Uint64
	slow     atomic.Uint64
	mu       sync.Mutex
	failures []string
	answered map[string]uint64
	stops    []*periodic.Aborter
	running  sync.WaitGroup
}

const maxFailures = 20

// Start puts the load on.
func Start(o Options) *Load {
	if o.Rate <= 0 {
		o.Rate = 240
	}
	if o.Longest <= 0 {
		o.Longest = 10 * time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	log.SetLogLevelQuiet(log.Critical) // fortio reports to its own log; ours are the counts
	l := &Load{options: o, answered: map[string]uint64{}}
	l.run(false)
	l.run(true)
	return l
}

func (l *Load) run(newConnections bool) {
	const threads = 4
	client := &http.Client{
		Timeout: l.options.Timeout,
		Transport: &http.Transport{
			DisableKeepAlives: newConnections, MaxIdleConnsPerHost: threads, DisableCompression: true,
		},
	}
	stop := periodic.NewAborter()
	l.stops = append(l.stops, stop)
	o := periodic.RunnerOptions{
		QPS: l.options.Rate / 2, Duration: l.options.Longest, NumThreads: threads,
		Out: io.Discard, Stop: stop, Uniform: true, NoCatchUp: true,
	}
	runner := periodic.NewPeriodicRunner(&o)
	runner.Options().MakeRunners(requester{load: l, client: client}) // after New, which takes runners away
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		defer client.CloseIdleConnections()
		runner.Run()
	}()
}

// Counts reads what came back so far.
func (l *Load) Counts() Counts {
	return Counts{Requests: l.requests.Load(), Failed: l.failed.Load(), OnFault: l.onFault.Load(), Slow: l.slow.Load()}
}

// Answered says how many requests each of those that Options.By tells apart has
// answered. Answers without the header are under "".
func (l *Load) Answered() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.answered)
}

// Failures are the first failures in words, at most maxFailures.
func (l *Load) Failures() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.failures...)
}

// Stop ends the load, waits for requests in flight and returns the counts.
func (l *Load) Stop() Counts {
	for _, s := range l.stops {
		s.Abort(false)
	}
	l.running.Wait()
	return l.Counts()
}

// requester sends one request at a time for fortio's runner.
type requester struct {
	load   *Load
	client *http.Client
}

// Run implements periodic.Runnable.
func (r requester) Run(ctx context.Context, _ periodic.ThreadID) (bool, string) {
	// The runner's end must not cut a request off: that would look like a failure.
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, r.load.options.URL, nil)
	if err != nil {
		return r.load.fail(err.Error())
	}
	r.load.requests.Add(1)
	began := time.Now()
	res, err := r.client.Do(req)
	if err != nil {
		return r.load.fail(fmt.Sprintf("%s after %s: %v", began.UTC().Format("15:04:05.000"), time.Since(began).Round(time.Millisecond), err))
	}
	defer res.Body.Close() //nolint:errcheck // the answer was read or failed below
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return r.load.fail(fmt.Sprintf("%s: the answer broke off: %v", began.UTC().Format("15:04:05.000"), err))
	}
	r.load.answer(res)
	switch {
	case res.StatusCode < http.StatusInternalServerError:
		if r.load.options.Slow > 0 && time.Since(began) > r.load.options.Slow {
			r.load.slow.Add(1)
		}
		return true, ""
	case res.Header.Get(FaultHeader) != "":
		r.load.onFault.Add(1)
		return false, "injected"
	}
	return r.load.fail(fmt.Sprintf("%s: status %d", began.UTC().Format("15:04:05.000"), res.StatusCode))
}

func (l *Load) answer(res *http.Response) {
	if l.options.By == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered[res.Header.Get(l.options.By)]++
}

func (l *Load) fail(what string) (bool, string) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < maxFailures {
		l.failures = append(l.failures, what)
	}
	return false, what
}
