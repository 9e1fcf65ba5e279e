package local_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/platform/local/oci"
	"github.com/switchyard/switchyard/platform/platformtest"
	"github.com/switchyard/switchyard/release"
)

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	v1, v2 := bake(t, dir, "v1"), bake(t, dir, "v2")
	c := startCloud(t, dir)
	secret := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	ctx := context.Background()
	inject := func(t *testing.T, f cloud.Fault) {
		t.Helper()
		_, err := c.InjectFault(ctx, f)
		require.NoError(t, err)
	}
	platformtest.Run(t, func(*testing.T) platformtest.Harness {
		return platformtest.Harness{
			Platform: c.Platform(), Region: "local-a", SecondRegion: "local-b", Images: [2]string{v1, v2},
			Target:      release.Target{Application: "checkout", Environment: "production"},
			Command:     []string{"/app", "${HOST}:$PORT"},
			Environment: map[string]string{platformtest.AppVariable: "1"},
			Secret:      "file:" + secret,
			FailBefore: func(t *testing.T, call string) {
				inject(t, cloud.Fault{Kind: cloud.FaultAPI, Call: call, When: "before"})
			},
			FailAfter: func(t *testing.T, call string) {
				inject(t, cloud.Fault{Kind: cloud.FaultAPI, Call: call, When: "after"})
			},
			Kill: func(t *testing.T, region, instance string) {
				inject(t, cloud.Fault{Kind: cloud.FaultCrash, Region: region, Instance: instance})
			},
			Unhealthy: func(t *testing.T, region, fleet string) {
				inject(t, cloud.Fault{Kind: cloud.FaultUnhealthy, Region: region, Fleet: fleet})
			},
			Healed:     func(t *testing.T) { require.NoError(t, c.ClearFaults(ctx, "")) },
			BakedImage: func(t *testing.T, version string) string { return bake(t, dir, version) },
			LeftoversOfAnInterruptedBake: func(t *testing.T, tag string) {
				store, err := oci.Open(filepath.Join(dir, "images"))
				require.NoError(t, err)
				_, err = store.NewStaging(tag)
				require.NoError(t, err)
			},
			RemoveImage: func(t *testing.T, _, ref string) {
				store, err := oci.Open(filepath.Join(dir, "images"))
				require.NoError(t, err)
				require.NoError(t, store.Remove(ref))
			},
			Quota: func(t *testing.T, region string, instances int) {
				inject(t, cloud.Fault{Kind: cloud.FaultQuota, Region: region, Limit: instances})
				t.Cleanup(func() { require.NoError(t, c.ClearFaults(ctx, "")) })
			},
			Remember: func(t *testing.T, region string, past []release.Load) {
				require.NoError(t, c.RecordLoad(ctx, region, target, time.Minute, past))
			},
		}
	})
	orphans, err := c.Orphans(ctx)
	require.NoError(t, err)
	require.Empty(t, orphans)
}

// The daemon dies and comes back: the same processes serve all the time.
func TestARestartedDaemonAdoptsWhatRuns(t *testing.T) {
	dir := t.TempDir()
	v1 := bake(t, dir, "v1")
	c, stop := runCloud(t, dir)
	p, ctx := c.Platform(), context.Background()
	_, err := p.Fleets.Provision(ctx, spec("one", "v1", v1, 2))
	require.NoError(t, err)
	before := inService(t, p, "local-a", "one", 2)
	all := release.Weights{{Fleet: "one", Percent: 100}}
	require.NoError(t, p.Router.SetWeights(ctx, "local-a", target, nil, all))
	url, err := p.Router.Entry(ctx, "local-a", target)
	require.NoError(t, err)
	l := startLoad(url, 4, true)
	l.more(t, "v1", 20)
	status, err := c.Status(ctx)
	require.NoError(t, err)
	stop()
	l.more(t, "v1", 50) // nobody is there but the proxies and the instances
	c = startCloud(t, dir)
	p = c.Platform()
	after := inService(t, p, "local-a", "one", 2)
	require.Equal(t, before.Instances, after.Instances)
	again, err := c.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, status.Regions, again.Regions)
	require.Equal(t, status.URL, again.URL)
	now, err := p.Router.Weights(ctx, "local-a", target)
	require.NoError(t, err)
	require.Equal(t, all, now)
	l.more(t, "v1", 20)
	l.end(t)
	assertCounted(t, p, l)
}

// Everything is killed but the instances and proxies; cleaning up ends those and only those.
func TestCleanUpAfterAKill(t *testing.T) {
	dir := t.TempDir()
	v1 := bake(t, dir, "v1")
	t.Setenv(daemonVariable, dir)
	self := selfPath(t)
	c := ensure(t, dir, self)
	p, ctx := c.Platform(), context.Background()
	_, err := p.Fleets.Provision(ctx, spec("one", "v1", v1, 2))
	require.NoError(t, err)
	f := inService(t, p, "local-a", "one", 2)
	_, err = cloud.CleanUp(dir)
	require.ErrorIs(t, err, cloud.ErrLocked)
	s, err := c.Status(ctx)
	require.NoError(t, err)
	kill(t, s.PID)
	var killed []string
	require.Eventually(t, func() bool { // the lock goes with the daemon
		killed, err = cloud.CleanUp(dir)
		return err == nil
	}, waitLong, waitStep)
	require.Len(t, killed, 4, "two instances, two proxies: %v", killed)
	killed, err = cloud.CleanUp(dir)
	require.NoError(t, err)
	require.Empty(t, killed)

	c = ensure(t, dir, self) // the fleet is still wanted and comes back
	again := inService(t, c.Platform(), "local-a", "one", 2)
	require.NotEqual(t, f.Instances[0].ID, again.Instances[0].ID)
	require.NoError(t, c.Shutdown(ctx, true))
	killed, err = cloud.CleanUp(dir)
	for err != nil {
		killed, err = cloud.CleanUp(dir)
	}
	require.Empty(t, killed, "shutdown left something")
}
