package local_test

import (
	"context"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/release"
)

func TestADetachedFleetStaysDetachedWhenTheDaemonStartsAgain(t *testing.T) {
	dir := t.TempDir()
	v1 := bake(t, dir, "v1")
	c, stop := runCloud(t, dir)
	p, ctx := c.Platform(), context.Background()
	for _, name := range []string{"one", "two"} {
		_, err := p.Fleets.Provision(ctx, spec(name, "v1", v1, 1))
		require.NoError(t, err)
		inService(t, p, "local-a", name, 1)
	}
	all := release.Weights{{Fleet: "one", Percent: 100}}
	require.NoError(t, p.Router.SetWeights(ctx, "local-a", target, nil, all))
	probe, err := p.Router.Probe(ctx, "local-a", target, "two")
	require.NoError(t, err)
	require.NoError(t, p.Fleets.Detach(ctx, "local-a", "two"))
	stop()
	p = startCloud(t, dir).Platform()
	inService(t, p, "local-a", "two", 1)
	require.Equal(t, http.StatusNotFound, probed(t, probe))
	_, err = p.Router.Probe(ctx, "local-a", target, "two")
	require.Equal(t, platform.KindConflict, platform.KindOf(err))
	err = p.Router.SetWeights(ctx, "local-a", target, all, release.Weights{{Fleet: "two", Percent: 100}})
	require.Equal(t, platform.KindConflict, platform.KindOf(err))
	require.ErrorContains(t, err, "fleet two is detached from the route (attach it first)")
	require.NoError(t, p.Fleets.Attach(ctx, "local-a", "two"))
	require.Equal(t, http.StatusOK, probed(t, probe))
}

func probed(t *testing.T, p platform.Probe) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.URL, nil)
	require.NoError(t, err)
	for k, v := range p.Headers {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

func TestAFleetThatStandsAloneIsNeverAttached(t *testing.T) {
	dir := t.TempDir()
	v1 := bake(t, dir, "v1")
	p, ctx := startCloud(t, dir).Platform(), context.Background()
	alone := spec("alone", "v1", v1, 1)
	alone.Alone = true
	_, err := p.Fleets.Provision(ctx, alone)
	require.NoError(t, err)
	inService(t, p, "local-a", "alone", 1)
	require.NoError(t, p.Fleets.Detach(ctx, "local-a", "alone"))
	for _, err := range []error{
		p.Fleets.Attach(ctx, "local-a", "alone"),
		p.Router.SetWeights(ctx, "local-a", target, nil, release.Weights{{Fleet: "alone", Percent: 100}}),
	} {
		require.Equal(t, platform.KindConflict, platform.KindOf(err))
		require.ErrorContains(t, err, "stands alone")
	}
	findings, err := p.Fleets.Readiness(ctx, "local-a", "alone", 1)
	require.NoError(t, err)
	require.Len(t, findings, 1)
	require.True(t, findings[0].Blocking)
}

func TestAQuotaRefusesMoreInstancesThanTheRegionMayHave(t *testing.T) {
	dir := t.TempDir()
	v1 := bake(t, dir, "v1")
	c := startCloud(t, dir)
	p, ctx := c.Platform(), context.Background()
	_, err := p.Fleets.Provision(ctx, spec("one", "v1", v1, 2))
	require.NoError(t, err)
	inService(t, p, "local-a", "one", 2)
	quota, err := c.InjectFault(ctx, cloud.Fault{Kind: cloud.FaultQuota, Region: "local-a", Limit: 2})
	require.NoError(t, err)

	_, err = p.Fleets.Provision(ctx, spec("two", "v1", v1, 1))
	require.Equal(t, platform.KindCapacity, platform.KindOf(err))
	_, err = p.Fleets.Describe(ctx, "local-a", "two")
	require.True(t, platform.IsNotFound(err))
	err = p.Fleets.Resize(ctx, "local-a", "one", 2, 3)
	require.Equal(t, platform.KindCapacity, platform.KindOf(err))
	require.ErrorContains(t, err, "room for 2 instances by the fault quota")
	findings, err := p.Fleets.Readiness(ctx, "local-a", "one", 3)
	require.NoError(t, err)
	require.Len(t, findings, 1)
	require.True(t, findings[0].Blocking)

	require.NoError(t, p.Fleets.Resize(ctx, "local-a", "one", 2, 1), "making a fleet smaller needs no room")
	_, err = p.Fleets.Provision(ctx, spec("two", "v1", v1, 1))
	require.NoError(t, err)
	require.NoError(t, c.ClearFaults(ctx, quota.ID))
	require.NoError(t, p.Fleets.Resize(ctx, "local-a", "one", 1, 3))
	inService(t, p, "local-a", "one", 3)
}

func TestARecordedCurveIsReadAndOutlivesTheDaemon(t *testing.T) {
	dir := t.TempDir()
	c, stop := runCloud(t, dir)
	ctx := context.Background()
	first := time.Now().UTC().Add(-14 * 24 * time.Hour).Truncate(time.Hour).Add(2 * time.Hour)
	var curve []release.Load
	for hour := range 13 * 24 {
		curve = append(curve, release.Load{At: first.Add(time.Duration(hour) * time.Hour), Requests: math.Round(6000 * (1.2 + math.Sin(float64(hour)*math.Pi/12)))})
	}
	for range 2 {
		require.NoError(t, c.RecordLoad(ctx, "local-a", target, time.Hour, curve))
	}
	stop()
	c = startCloud(t, dir)
	read := func(since, until time.Time, step time.Duration) []release.Load {
		l, err := c.Platform().Router.Load(ctx, "local-a", target, since, until, step)
		require.NoError(t, err)
		return l
	}
	have := read(first, time.Now(), time.Hour)
	require.GreaterOrEqual(t, len(have), len(curve))
	for n, l := range curve {
		require.Equal(t, l.At, have[n].At)
		require.InDelta(t, l.Requests, have[n].Requests, 1e-6)
	}
	require.Len(t, read(first, first.Add(24*time.Hour), time.Minute), 24*60)
	require.Empty(t, read(first.Add(-24*time.Hour), first, time.Hour))
	l, err := c.Platform().Router.Load(ctx, "local-b", target, first, time.Now(), time.Hour)
	require.NoError(t, err)
	require.Empty(t, l, "another region")
}

func TestACurveThatCannotBeIsRefused(t *testing.T) {
	c := startCloud(t, t.TempDir())
	ctx, hour := context.Background(), time.Now().Truncate(time.Hour)
	for why, x := range map[string]struct {
		step time.Duration
		load release.Load
	}{
		"it is not over":        {2 * time.Hour, release.Load{At: hour, Requests: 1}},
		"half a minute":         {30 * time.Second, release.Load{At: hour.Add(-time.Hour), Requests: 1}},
		"between two minutes":   {time.Minute, release.Load{At: hour.Add(-time.Second), Requests: 1}},
		"less than no requests": {time.Minute, release.Load{At: hour.Add(-time.Hour), Requests: -1}},
		"long ago":              {time.Minute, release.Load{At: hour.Add(-30 * 24 * time.Hour), Requests: 1}},
	} {
		err := c.RecordLoad(ctx, "local-a", target, x.step, []release.Load{x.load})
		require.Equal(t, platform.KindInvalid, platform.KindOf(err), why)
	}
	_, err := c.Platform().Router.Load(ctx, "local-a", target, hour, hour, time.Second)
	require.Equal(t, platform.KindInvalid, platform.KindOf(err))
}
