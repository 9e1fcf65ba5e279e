package platformtest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
)

var loadCases = []testCase{
	{"a minute's requests are known when it is over, and not before", func(s *suite) {
		f := s.fleet("one", 0, 1)
		s.setWeights(nil, all(f.Name))
		began := time.Now().Truncate(time.Minute)
		s.versions(25)
		// A minute has to end, and then to be counted.
		require.Eventually(s, func() bool {
			sum := 0.0
			for _, l := range s.load(began, time.Now().Add(time.Hour), time.Minute) {
				sum += l.Requests
			}
			return sum >= 25
		}, 2*time.Minute+s.Wait, time.Second, "the 25 requests since %s never show up", began)
	}},
	{"what the router remembers is read in steps, and what it does not know is left out", func(s *suite) {
		if s.Remember == nil {
			return
		}
		// Hours of yesterday with 60, 120 and 240 requests; between the last two one that nobody counted.
		first := time.Now().Add(-24 * time.Hour).Truncate(time.Hour)
		var past []release.Load
		for minute := range 240 {
			at := first.Add(time.Duration(minute) * time.Minute)
			if rate := []float64{1, 2, 0, 4}[minute/60]; rate > 0 {
				past = append(past, release.Load{At: at, Requests: rate})
			}
		}
		f := s.fleet("one", 0, 1)
		s.setWeights(nil, all(f.Name))
		s.Remember(s.T, s.Region, past)
		want := []release.Load{{At: first, Requests: 60}, {At: first.Add(time.Hour), Requests: 120}, {At: first.Add(3 * time.Hour), Requests: 240}}
		s.eventually(func() bool { return sameLoad(want, s.load(first, first.Add(4*time.Hour), time.Hour)) }, "the hours are not %v", want)
		require.True(s, sameLoad(past[58:62], s.load(first.Add(58*time.Minute), first.Add(62*time.Minute), time.Minute)))
		require.Empty(s, s.load(first.Add(2*time.Hour), first.Add(3*time.Hour), time.Minute), "nobody counted that hour")
	}},
	{"a route says what delays the effect of its shares", func(s *suite) {
		f := s.fleet("one", 0, 1)
		s.setWeights(nil, all(f.Name))
		traits, err := s.Platform.Router.Traits(s.ctx, s.Region, s.Target)
		require.NoError(s, err)
		require.GreaterOrEqual(s, traits.Sticky, time.Duration(0))
		require.GreaterOrEqual(s, traits.SlowStart, time.Duration(0))
	}},
}

// load reads the target's load and checks that it is made of steps that are over.
func (s *suite) load(since, until time.Time, step time.Duration) []release.Load {
	s.Helper()
	out, err := s.Platform.Router.Load(s.ctx, s.Region, s.Target, since, until, step)
	require.NoError(s, err)
	now := time.Now()
	for n, l := range out {
		require.Zero(s, l.At.UnixNano()%int64(step), "a step begins at %s", l.At)
		require.False(s, l.At.Before(since) || l.At.Add(step).After(until), "%s is not between %s and %s", l.At, since, until)
		require.False(s, l.At.Add(step).After(now), "the step at %s is not over at %s", l.At, now)
		require.GreaterOrEqual(s, l.Requests, 0.0)
		require.True(s, n == 0 || out[n-1].At.Before(l.At), "the oldest comes first")
	}
	return out
}

func sameLoad(a, b []release.Load) bool {
	if len(a) != len(b) {
		return false
	}
	for n := range a {
		if !a[n].At.Equal(b[n].At) || a[n].Requests != b[n].Requests {
			return false
		}
	}
	return true
}
