package local_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/platform/platformtest"
	"github.com/switchyard/switchyard/release"
)

// load sends requests until stopped: half of the senders keep connections, half open
// a new one per request, and one in four requests is a POST when posts is set. A
// request lasts up to four times slow.
type load struct {
	posts    bool
	slow     time.Duration
	stop     context.CancelFunc
	wait     sync.WaitGroup
	total    atomic.Int64
	failures atomic.Int64
	first    atomic.Value
	mu       sync.Mutex
	versions map[string]int
}

func startLoad(url string, senders int, posts bool) *load {
	return startSlowLoad(url, senders, posts, time.Millisecond)
}

func startSlowLoad(url string, senders int, posts bool, slow time.Duration) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{posts: posts, slow: slow, stop: stop, versions: map[string]int{}}
	for n := range senders {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: n%2 == 1}}
		l.wait.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for k := 0; ; k++ {
				select {
				case <-ctx.Done():
					return
				case <-pace.C:
					l.send(client, url, k)
				}
			}
		})
	}
	return l
}

func (l *load) send(client *http.Client, url string, k int) {
	l.total.Add(1)
	method := http.MethodGet
	var body io.Reader
	if l.posts && k%4 == 0 {
		method, body = http.MethodPost, strings.NewReader("order")
	}
	req, _ := http.NewRequest(method, url+"/?ms="+strconv.Itoa(k%5*int(l.slow.Milliseconds())), body)
	res, err := client.Do(req)
	if err == nil {
		var a platformtest.Answer
		err = json.NewDecoder(res.Body).Decode(&a)
		_ = res.Body.Close()
		if err == nil && res.StatusCode == http.StatusOK {
			l.mu.Lock()
			l.versions[a.Version]++
			l.mu.Unlock()
			return
		}
		l.first.CompareAndSwap(nil, res.Status)
	} else {
		l.first.CompareAndSwap(nil, err.Error())
	}
	l.failures.Add(1)
}

func (l *load) snapshot() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for k, v := range l.versions {
		out[k] = v
	}
	return out
}

func (l *load) end(t *testing.T) {
	l.stop()
	l.wait.Wait()
	assert.Zero(t, l.failures.Load(), "failed requests of %d, first: %v", l.total.Load(), l.first.Load())
}

func (l *load) more(t *testing.T, version string, n int) {
	t.Helper()
	before := l.snapshot()[version]
	require.Eventually(t, func() bool { return l.snapshot()[version] >= before+n }, 10*time.Second, 10*time.Millisecond)
}

func TestNoRequestFailsWhileFleetsComeShiftShrinkCrashAndGo(t *testing.T) {
	dir := t.TempDir()
	v1, v2 := bake(t, dir, "v1"), bake(t, dir, "v2")
	c := startCloud(t, dir)
	p, ctx := c.Platform(), context.Background()
	_, err := p.Fleets.Provision(ctx, spec("one", "v1", v1, 3))
	require.NoError(t, err)
	inService(t, p, "local-a", "one", 3)
	all1, all2 := release.Weights{{Fleet: "one", Percent: 100}}, release.Weights{{Fleet: "two", Percent: 100}}
	require.NoError(t, p.Router.SetWeights(ctx, "local-a", target, nil, all1))
	url, err := p.Router.Entry(ctx, "local-a", target)
	require.NoError(t, err)

	l := startLoad(url, 6, true)
	l.more(t, "v1", 50)
	_, err = p.Fleets.Provision(ctx, spec("two", "v2", v2, 2))
	require.NoError(t, err)
	inService(t, p, "local-a", "two", 2)
	require.Zero(t, l.snapshot()["v2"], "traffic reached the candidate before the switch")

	in := all1
	for _, percent := range []int{10, 50, 90, 100} {
		want := release.Weights{{Fleet: "one", Percent: 100 - percent}, {Fleet: "two", Percent: percent}}
		began := time.Now()
		require.NoError(t, p.Router.SetWeights(ctx, "local-a", target, in, want))
		t.Logf("%d %% in %s", percent, time.Since(began))
		in = want
		l.more(t, "v2", 20)
	}
	require.NoError(t, p.Fleets.Resize(ctx, "local-a", "two", 2, 4))
	inService(t, p, "local-a", "two", 4)
	require.NoError(t, p.Fleets.Resize(ctx, "local-a", "two", 4, 2))
	inService(t, p, "local-a", "two", 2)
	require.NoError(t, p.Router.SetWeights(ctx, "local-a", target, all2, all1))
	l.more(t, "v1", 50)
	require.NoError(t, p.Fleets.Retire(ctx, "local-a", "two"))
	l.more(t, "v1", 50)
	l.end(t)
	assertCounted(t, p, l)
	orphans, err := c.Orphans(ctx)
	require.NoError(t, err)
	require.Empty(t, orphans)
}

// A request without a body is tried again on another instance; one that carries an
// order may have been taken by the instance that died and is not.
func TestAnInstanceThatDiesCostsNoRequestAndIsReplaced(t *testing.T) {
	dir := t.TempDir()
	v1 := bake(t, dir, "v1")
	c := startCloud(t, dir)
	p, ctx := c.Platform(), context.Background()
	_, err := p.Fleets.Provision(ctx, spec("one", "v1", v1, 3))
	require.NoError(t, err)
	before := inService(t, p, "local-a", "one", 3)
	require.NoError(t, p.Router.SetWeights(ctx, "local-a", target, nil, release.Weights{{Fleet: "one", Percent: 100}}))
	url, err := p.Router.Entry(ctx, "local-a", target)
	require.NoError(t, err)
	l := startLoad(url, 6, false)
	for range 3 {
		l.more(t, "v1", 50)
		crash(t, c, "one")
		require.Eventually(t, func() bool {
			f, err := p.Fleets.Describe(ctx, "local-a", "one")
			require.NoError(t, err)
			return f.InService() == 3 && f.Instances[0].ID != before.Instances[0].ID
		}, 20*time.Second, 20*time.Millisecond)
		before, err = p.Fleets.Describe(ctx, "local-a", "one")
		require.NoError(t, err)
	}
	l.more(t, "v1", 50)
	l.end(t)
}

func crash(t *testing.T, c interface {
	InjectFault(context.Context, cloud.Fault) (cloud.Fault, error)
}, fleet string) {
	t.Helper()
	_, err := c.InjectFault(context.Background(), cloud.Fault{Kind: cloud.FaultCrash, Region: "local-a", Fleet: fleet})
	require.NoError(t, err)
}

// assertCounted compares the router's counters with what the load knows.
func assertCounted(t *testing.T, p platform.Platform, l *load) {
	t.Helper()
	require.Eventually(t, func() bool {
		q, err := p.Router.Requests(context.Background(), "local-a", target)
		require.NoError(t, err)
		for _, x := range q {
			if x.Fleet == "one" {
				return x.Total == uint64(l.snapshot()["v1"]) && x.Errors == 0 && x.InFlight == 0
			}
		}
		return false
	}, 5*time.Second, 50*time.Millisecond, "the counters never agree with %v", l.snapshot())
}
