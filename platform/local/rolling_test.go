package local_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local"
	"github.com/switchyard/switchyard/release"
)

// stage is a cloud with a fleet "one" of version v1 that serves and a fleet "two" of v2.
type stage struct {
	*testing.T
	ctx      context.Context
	client   *local.Client
	platform platform.Platform
	url      string
	in       release.Weights // in force
}

func newStage(t *testing.T, dir string, one, two int) *stage {
	t.Helper()
	v1, v2 := bake(t, dir, "v1"), bake(t, dir, "v2")
	c := startCloud(t, dir)
	s := &stage{T: t, ctx: context.Background(), client: c, platform: c.Platform()}
	for _, f := range []platform.FleetSpec{spec("one", "v1", v1, one), spec("two", "v2", v2, two)} {
		_, err := s.platform.Fleets.Provision(s.ctx, f)
		require.NoError(t, err)
	}
	inService(t, s.platform, "local-a", "one", one)
	inService(t, s.platform, "local-a", "two", two)
	s.share(0)
	var err error
	s.url, err = s.platform.Router.Entry(s.ctx, "local-a", target)
	require.NoError(t, err)
	return s
}

// share gives fleet two this share and fleet one the rest.
func (s *stage) share(two int) {
	s.Helper()
	want := release.Weights{{Fleet: "one", Percent: 100 - two}, {Fleet: "two", Percent: two}}
	require.NoError(s, s.platform.Router.SetWeights(s.ctx, "local-a", target, s.in, want))
	s.in = want
}

func (s *stage) resize(fleet string, from, to int) {
	s.Helper()
	require.NoError(s, s.platform.Fleets.Resize(s.ctx, "local-a", fleet, from, to))
	inService(s.T, s.platform, "local-a", fleet, to)
}

// counted waits until the router has counted what the load knows.
func (s *stage) counted(l *load) {
	s.Helper()
	require.Eventually(s, func() bool {
		q, err := s.platform.Router.Requests(s.ctx, "local-a", target)
		require.NoError(s, err)
		have := map[string]int{}
		for _, x := range q {
			have[map[string]string{"one": "v1", "two": "v2"}[x.Fleet]] = int(x.Total)
			if x.Errors+uint64(x.InFlight) > 0 {
				return false
			}
		}
		sent := l.snapshot()
		return have["v1"] == sent["v1"] && have["v2"] == sent["v2"]
	}, 10*time.Second, 50*time.Millisecond, "the counters never agree with %v", l.snapshot())
}

func TestEverySplitIsServedAsItIsSet(t *testing.T) {
	s := newStage(t, t.TempDir(), 3, 2)
	l := startLoad(s.url, 8, true)
	for _, percent := range []int{1, 5, 10, 33, 50, 95, 99, 100, 7, 0} {
		s.share(percent)
		before := l.snapshot()
		seen := map[string]int{}
		require.Eventually(t, func() bool {
			now := l.snapshot()
			seen = map[string]int{"v1": now["v1"] - before["v1"], "v2": now["v2"] - before["v2"]}
			return seen["v1"]+seen["v2"] >= 1200
		}, time.Minute, 5*time.Millisecond)
		// Requests under way at the change went by the old shares, and within a turn of the
		// proxy, up to 600 requests here, they come in blocks.
		got, p := 100*float64(seen["v2"])/float64(seen["v1"]+seen["v2"]), float64(percent)/100
		require.InDelta(t, percent, got, 1+20*p*(1-p), "%v", seen)
	}
	l.end(t)
	s.counted(l)
}

func TestNoRequestFailsWhileTrafficMovesInManySmallSteps(t *testing.T) {
	s := newStage(t, t.TempDir(), 2, 2)
	l := startSlowLoad(s.url, 8, true, 20*time.Millisecond)
	for percent := 1; percent <= 100; percent++ {
		s.share(percent)
	}
	l.more(t, "v2", 20)
	for percent := 95; percent >= 0; percent -= 5 {
		s.share(percent)
	}
	l.more(t, "v1", 20)
	l.end(t)
	s.counted(l)
}

// Both fleets change size instance by instance, and the shares follow the capacity,
// there and back again; then a fleet goes to nothing while it still has a share.
func TestNoRequestFailsWhileInstancesAreExchanged(t *testing.T) {
	s := newStage(t, t.TempDir(), 3, 1)
	l := startSlowLoad(s.url, 8, true, 50*time.Millisecond)
	l.more(t, "v1", 20)
	s.share(25)
	for n := 1; n < 3; n++ {
		s.resize("one", 4-n, 3-n)
		s.share(100 * n / 3)
		s.resize("two", n, n+1)
	}
	s.share(100)
	l.more(t, "v2", 20)
	s.resize("one", 1, 0)
	l.more(t, "v2", 20)

	s.resize("one", 0, 2)
	s.share(50)
	s.resize("two", 3, 0) // its share goes to the others
	l.more(t, "v1", 50)
	s.share(0)
	s.resize("two", 0, 1)
	l.more(t, "v1", 50)
	l.end(t)
	s.counted(l)
}
