package local_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/release"
)

func TestFaults(t *testing.T) {
	dir := t.TempDir()
	v1 := bake(t, dir, "v1")
	c := startCloud(t, dir)
	p, ctx := c.Platform(), context.Background()
	_, err := p.Fleets.Provision(ctx, spec("one", "v1", v1, 2))
	require.NoError(t, err)
	one := inService(t, p, "local-a", "one", 2)
	require.NoError(t, p.Router.SetWeights(ctx, "local-a", target, nil, release.Weights{{Fleet: "one", Percent: 100}}))
	url, err := p.Router.Entry(ctx, "local-a", target)
	require.NoError(t, err)

	t.Run("an error rate is made by the proxy and charged to the fleet", func(t *testing.T) {
		_, err := c.InjectFault(ctx, cloud.Fault{Kind: cloud.FaultErrorRate, Fleet: "one", Percent: 50})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return statusOf(t, url) == http.StatusInternalServerError }, waitLong, waitStep)
		require.Eventually(t, func() bool { return statusOf(t, url) == http.StatusOK }, waitLong, waitStep, "some requests still succeed")
		require.Eventually(t, func() bool {
			q, err := p.Router.Requests(ctx, "local-a", target)
			require.NoError(t, err)
			return q[0].Errors > 0 && q[0].Total > q[0].Errors
		}, waitLong, waitStep)
		require.NoError(t, c.ClearFaults(ctx, ""))
	})
	t.Run("a slow start keeps a new instance pending, and says so", func(t *testing.T) {
		f, err := c.InjectFault(ctx, cloud.Fault{Kind: cloud.FaultSlowStart, Fleet: "one", Delay: time.Hour})
		require.NoError(t, err)
		require.NoError(t, p.Fleets.Resize(ctx, "local-a", "one", 2, 3))
		require.Eventually(t, func() bool {
			d, err := p.Fleets.Describe(ctx, "local-a", "one")
			require.NoError(t, err)
			return len(d.Instances) == 3 && d.Instances[2].State == release.InstancePending && strings.Contains(d.Instances[2].Reason, "1h")
		}, waitLong, waitStep)
		require.NoError(t, c.ClearFaults(ctx, f.ID))
		require.NoError(t, p.Fleets.Resize(ctx, "local-a", "one", 3, 2))
		require.Equal(t, one.Instances, inService(t, p, "local-a", "one", 2).Instances)
	})
	t.Run("a call fails as often as asked, with the kind asked for", func(t *testing.T) {
		_, err := c.InjectFault(ctx, cloud.Fault{Kind: cloud.FaultAPI, Call: "Router.Weights", Times: 2, ErrorKind: platform.KindThrottled})
		require.NoError(t, err)
		for range 2 {
			_, err = p.Router.Weights(ctx, "local-a", target)
			require.Equal(t, platform.KindThrottled, platform.KindOf(err))
		}
		_, err = p.Router.Weights(ctx, "local-a", target)
		require.NoError(t, err)
	})
	t.Run("a fault that makes no sense is refused", func(t *testing.T) {
		for _, f := range []cloud.Fault{{Kind: "flood"}, {Kind: cloud.FaultErrorRate}, {Kind: cloud.FaultSlowStart}, {Kind: cloud.FaultAPI, When: "later"}} {
			_, err := c.InjectFault(ctx, f)
			require.Equal(t, platform.KindInvalid, platform.KindOf(err))
		}
		_, err := c.InjectFault(ctx, cloud.Fault{Kind: cloud.FaultCrash, Fleet: "nobody"})
		require.True(t, platform.IsNotFound(err))
	})
	t.Run("the output of an instance can be read", func(t *testing.T) {
		r, err := c.Logs(ctx, one.Instances[0].ID)
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.Contains(t, string(b), "serving version v1")
		_, err = c.Logs(ctx, "i-nobody")
		require.True(t, platform.IsNotFound(err))
	})
	t.Run("the output of a fleet that is gone can be found and read", func(t *testing.T) {
		_, err := p.Fleets.Provision(ctx, spec("brief", "v1", v1, 1))
		require.NoError(t, err)
		was := inService(t, p, "local-a", "brief", 1).Instances[0].ID
		require.NoError(t, p.Fleets.Retire(ctx, "local-a", "brief"))
		ids, err := c.FleetLogs(ctx, "local-a", "brief")
		require.NoError(t, err)
		require.Equal(t, []string{was}, ids)
		r, err := c.Logs(ctx, was)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		ids, err = c.FleetLogs(ctx, "local-a", "nobody")
		require.NoError(t, err)
		require.Empty(t, ids)
	})
	t.Run("the live fleet is named", func(t *testing.T) {
		l, err := c.Live(ctx, "local-a", target)
		require.NoError(t, err)
		require.Equal(t, cloud.Live{Region: "local-a", Fleet: "one", Image: v1, Version: "v1"}, l)
		_, err = c.Live(ctx, "local-a", release.Target{Application: "nobody", Environment: "production"})
		require.True(t, platform.IsNotFound(err))
	})
}

func statusOf(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, res.Body)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

// Proxies that die are started again; the entry holds requests while the balancer is away.
func TestAProxyThatDiesComesBack(t *testing.T) {
	dir := t.TempDir()
	v1 := bake(t, dir, "v1")
	c := startCloud(t, dir)
	p, ctx := c.Platform(), context.Background()
	_, err := p.Fleets.Provision(ctx, spec("one", "v1", v1, 1))
	require.NoError(t, err)
	inService(t, p, "local-a", "one", 1)
	all := release.Weights{{Fleet: "one", Percent: 100}}
	require.NoError(t, p.Router.SetWeights(ctx, "local-a", target, nil, all))
	url, err := p.Router.Entry(ctx, "local-a", target)
	require.NoError(t, err)
	for _, role := range []string{"balancer", "entry"} {
		s, err := c.Status(ctx)
		require.NoError(t, err)
		kill(t, s.Regions[0].Proxies[role])
		require.Eventually(t, func() bool {
			now, err := c.Status(ctx)
			require.NoError(t, err)
			return now.Regions[0].Proxies[role] != s.Regions[0].Proxies[role]
		}, waitLong, waitStep)
		require.Eventually(t, func() bool {
			res, err := http.Get(url)
			if err != nil {
				return false
			}
			_ = res.Body.Close()
			return res.StatusCode == http.StatusOK
		}, waitLong, waitStep)
	}
	now, err := p.Router.Weights(ctx, "local-a", target)
	require.NoError(t, err)
	require.Equal(t, all, now)
}

func TestEnsureRunningTwiceStartsOneDaemon(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(daemonVariable, dir)
	self := selfPath(t)
	var wait sync.WaitGroup
	pids := make([]int, 3)
	for n := range pids {
		wait.Go(func() {
			c, err := local.EnsureRunning(context.Background(), dir, []string{self})
			if err != nil {
				t.Error(err)
				return
			}
			s, err := c.Status(context.Background())
			if err != nil {
				t.Error(err)
			}
			pids[n] = s.PID
		})
	}
	wait.Wait()
	require.NotZero(t, pids[0])
	require.Equal(t, []int{pids[0], pids[0], pids[0]}, pids)
	c, err := local.Open(dir)
	require.NoError(t, err)
	require.NoError(t, c.Shutdown(context.Background(), true))
}

func TestErrorsWhenNobodyAnswers(t *testing.T) {
	p, err := local.New(t.TempDir())
	require.NoError(t, err)
	err = p.Fleets.Retire(context.Background(), "local-a", "one")
	require.ErrorContains(t, err, "no local cloud has started in")
	require.Empty(t, platform.KindOf(err), "nothing happened, so it is not ambiguous")
	p, err = local.New("http://127.0.0.1:1")
	require.NoError(t, err)
	err = p.Fleets.Retire(context.Background(), "local-a", "one")
	require.ErrorContains(t, err, "is the local cloud at http://127.0.0.1:1 running?")
	require.Empty(t, platform.KindOf(err))
}
