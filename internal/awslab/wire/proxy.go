// Package wire stands between the AWS SDK and AWS's emulator: it records every call and
// makes the trouble that AWS makes, in AWS's own words. Bodies pass through unchanged.
package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Proxy is an AWS endpoint in front of another one. It is safe for concurrent use.
type Proxy struct {
	upstream *url.URL
	url      string
	server   *http.Server
	client   *http.Client

	mu      sync.Mutex
	calls   []Call
	used    map[string]Call // by caller and action
	faults  []*Injected
	stale   []*Staleness
	changes int                // mutating calls that were forwarded
	known   map[string][]dated // answers to reads, by request
}

// dated is an answer and how many changes there had been before it was asked for.
type dated struct {
	changes int
	answer  answer
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// New starts a proxy on a free port of the loopback.
func New(upstream string) (*Proxy, error) {
	u, err := url.Parse(upstream)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("start the proxy to AWS: %q is no URL of a server", upstream)
	}
	p := &Proxy{upstream: u, known: map[string][]dated{}, used: map[string]Call{}, client: &http.Client{
		// moto closes its connections; redirects and compression are the caller's matter.
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the proxy to AWS: find a free port on 127.0.0.1: %w", err)
	}
	p.url = "http://" + l.Addr().String()
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // connections that are closed on purpose
	}
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

// URL is the endpoint to give to the SDK, for example in AWS_ENDPOINT_URL.
func (p *Proxy) URL() string { return p.url }

// Close stops the proxy and closes its connections.
func (p *Proxy) Close() { _ = p.server.Close() }

// Calls is what was called so far, in the order of the answers.
func (p *Proxy) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Used is one call of each action by each caller since the proxy began, whatever was
// forgotten since.
func (p *Proxy) Used() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.used))
}

// Reset forgets calls, faults and old answers.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.faults, p.stale, p.known, p.changes = nil, nil, nil, map[string][]dated{}, 0
}

// Inject makes trouble. Of several faults that mean one call, the first one injected is done.
func (p *Proxy) Inject(f Fault) *Injected {
	i := &Injected{fault: f}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, i)
	return i
}

// Stale answers n matching reads with what the same request got before the last mutating
// call, where it was asked before it; a read that was not is answered truly and not counted.
func (p *Proxy) Stale(match func(Call) bool, n int) *Staleness {
	s := &Staleness{match: match, left: n}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stale = append(p.stale, s)
	return s
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "read the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	c := identify(r, body)
	fault := p.faultFor(c)
	got, answered := p.answer(r, &c, fault)
	if answered {
		c.Status, c.Answer = got.status, got.body
	}
	p.mu.Lock()
	p.calls = append(p.calls, c)
	p.used[c.By+" "+c.IAM()] = Call{Time: c.Time, By: c.By, Service: c.Service, Action: c.Action, Region: c.Region, Mutating: c.Mutating}
	p.mu.Unlock()
	if !answered {
		panic(http.ErrAbortHandler) // closes the connection
	}
	for k, v := range got.header {
		w.Header()[k] = v
	}
	w.WriteHeader(got.status)
	_, _ = w.Write(got.body)
}

// answer does to the call what is meant for it. answered is false when the caller gets none.
func (p *Proxy) answer(r *http.Request, c *Call, f *Fault) (got answer, answered bool) {
	if f != nil {
		c.Fault = f.Kind.String()
		switch f.Kind {
		case Throttle:
			return c.throttled(r), true
		case FailBefore:
			return c.broken(r), true
		}
	}
	if old, ok := p.old(r, *c); ok {
		c.Fault = "stale"
		return old, true
	}
	got, err := p.forward(r, *c)
	if err != nil {
		return c.failure(r, http.StatusBadGateway, "BadGateway", "the emulator did not answer"), true
	}
	if f == nil {
		return got, true
	}
	if f.After != nil {
		f.After()
	}
	switch f.Kind {
	case FailAfter:
		return c.broken(r), true
	case TimeoutAfter:
		return answer{}, false
	}
	return got, true
}

func (p *Proxy) faultFor(c Call) *Fault {
	p.mu.Lock()
	faults := slices.Clone(p.faults)
	p.mu.Unlock()
	var chosen *Fault
	for _, i := range faults {
		// Every fault counts every call that it means, done to it or not.
		if i.take(c) && chosen == nil {
			chosen = &i.fault
		}
	}
	return chosen
}

// forward asks upstream and remembers its answer. The caller's going away does not stop
// it: AWS finishes what it has begun.
func (p *Proxy) forward(r *http.Request, c Call) (answer, error) {
	u := *r.URL
	u.Scheme, u.Host = p.upstream.Scheme, p.upstream.Host
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, u.String(), bytes.NewReader(c.Body))
	if err != nil {
		return answer{}, err
	}
	req.Header, req.Host = r.Header.Clone(), r.Host
	for _, h := range []string{"Connection", "Keep-Alive", "Te", "Transfer-Encoding", "Upgrade"} {
		req.Header.Del(h)
	}
	p.mu.Lock()
	if c.Mutating {
		p.changes++
	}
	before := p.changes
	p.mu.Unlock()
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	resp.Header.Del("Connection")
	got := answer{resp.StatusCode, resp.Header, body}
	if !c.Mutating && resp.StatusCode == http.StatusOK {
		p.remember(r, c, dated{before, got})
	}
	return got, nil
}

// remember keeps, for every read, the newest answer and the newest one before the last change.
func (p *Proxy) remember(r *http.Request, c Call, d dated) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := key(r, c)
	kept := p.known[k]
	if n := len(kept); n > 0 && kept[n-1].changes == d.changes {
		kept = kept[:n-1]
	}
	kept = append(kept, d)
	p.known[k] = kept[max(0, len(kept)-2):]
}

// old is the answer of before the last change, when this read shall be stale and there is one.
func (p *Proxy) old(r *http.Request, c Call) (answer, bool) {
	if c.Mutating {
		return answer{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.stale {
		if !s.match(c) {
			continue
		}
		kept := p.known[key(r, c)]
		for _, d := range slices.Backward(kept) {
			if d.changes < p.changes && s.take() {
				return d.answer, true
			}
		}
	}
	return answer{}, false
}

// key is the same for the same question: the signature and other headers are no part of it.
func key(r *http.Request, c Call) string {
	return strings.Join([]string{c.Service, c.Region, r.Method, r.URL.RequestURI(), r.Header.Get("X-Amz-Target"), string(c.Body)}, "\n")
}
