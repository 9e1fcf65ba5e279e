package release_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
)

const (
	pass  = release.Pass
	fail  = release.Fail
	doubt = release.Inconclusive
)

func read(total, errors uint64, at time.Time) release.Requests {
	return release.Requests{Fleet: "f", Total: total, Errors: errors, At: at}
}

func TestErrorRate(t *testing.T) {
	t1 := t0.Add(time.Minute)
	for _, c := range []struct {
		name          string
		before, after release.Requests
		rate          float64
		least         int
		verdict       release.Verdict
		value         string
	}{
		{"good", read(100, 5, t0), read(1100, 15, t1), 0.01, 20, pass, "10 of 1000 requests failed (1.00 %)"},
		{"one too many", read(100, 5, t0), read(1100, 16, t1), 0.01, 20, fail, "11 of 1000 requests failed (1.10 %)"},
		{"exactly at an odd bound", read(0, 0, t0), read(100, 29, t1), 0.29, 20, pass, "29 of 100 requests failed (29.00 %)"},
		{"none may fail", read(0, 0, t0), read(1000, 1, t1), 0, 20, fail, "1 of 1000 requests failed (0.10 %)"},
		{"all may fail", read(0, 0, t0), read(1000, 1000, t1), 1, 20, pass, "1000 of 1000 requests failed (100.00 %)"},
		{"no traffic", read(100, 5, t0), read(100, 5, t1), 0.01, 20, pass, "0 of 0 requests failed, too few to judge"},
		{"no traffic, no least", read(100, 5, t0), read(100, 5, t1), 0.01, 0, pass, "0 of 0 requests failed, too few to judge"},
		{"little and good", read(0, 0, t0), read(19, 0, t1), 0.01, 20, pass, "0 of 19 requests failed, too few to judge"},
		{"little and bad is no proof, but not good either", read(0, 0, t0), read(19, 19, t1), 0.01, 20, doubt, "19 of 19 requests failed, too few to judge"},
		{"just enough", read(0, 0, t0), read(20, 20, t1), 0.01, 20, fail, "20 of 20 requests failed (100.00 %)"},
		{"a least below zero", read(0, 0, t0), read(1, 1, t1), 0.01, -5, fail, "1 of 1 requests failed (100.00 %)"},
		{"failures counted before the requests", read(100, 0, t0), read(100, 50, t1), 0.01, 20, fail, "50 of 50 requests failed (100.00 %)"},
		{"totals ran backwards", read(100, 5, t0), read(99, 5, t1), 0.01, 20, doubt, "the router's counters were reset or not read anew"},
		{"errors ran backwards", read(100, 5, t0), read(900, 4, t1), 0.01, 20, doubt, "the router's counters were reset or not read anew"},
		{"never read", read(100, 5, t0), release.Requests{}, 0.01, 20, doubt, "the router's counters were reset or not read anew"},
		{"no first reading", release.Requests{}, read(1000, 0, t1), 0.01, 20, doubt, "the router's counters were reset or not read anew"},
		{"nothing read at all", release.Requests{}, release.Requests{}, 0.01, 20, doubt, "the router's counters were reset or not read anew"},
		{"the same reading again", read(1000, 0, t0), read(1000, 0, t0), 0.01, 20, doubt, "the router's counters were reset or not read anew"},
		{"an older reading", read(1000, 0, t1), read(2000, 0, t0), 0.01, 20, doubt, "the router's counters were reset or not read anew"},
		{"counters at their end", read(math.MaxUint64-100, 0, t0), read(math.MaxUint64, 0, t1), 0.01, 20, pass, "0 of 100 requests failed (0.00 %)"},
	} {
		r := release.ErrorRate(c.before, c.after, c.rate, c.least)
		assert.Equal(t, c.verdict, r.Verdict, c.name)
		assert.Equal(t, c.value, r.Value, c.name)
	}
	assert.Equal(t, "error-rate pass: 0 of 100 requests failed (0.00 %) (want ≤ 7 %)", release.ErrorRate(read(0, 0, t0), read(100, 0, t1), 0.07, 20).String())
}

// More failures never look better.
func TestMoreErrorsAreNeverBetter(t *testing.T) {
	rank := map[release.Verdict]int{pass: 0, doubt: 1, fail: 2}
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Uint64Range(0, 200).Draw(t, "total")
		a := rapid.Uint64Range(0, total).Draw(t, "errors")
		b := rapid.Uint64Range(a, total).Draw(t, "more errors")
		rate := rapid.Float64Range(0, 1).Draw(t, "rate")
		least := rapid.IntRange(0, 100).Draw(t, "least")
		start := read(rapid.Uint64().Draw(t, "start")/2, 0, t0)
		judge := func(bad uint64) release.Verdict {
			return release.ErrorRate(start, read(start.Total+total, bad, t0.Add(time.Second)), rate, least).Verdict
		}
		require.LessOrEqual(t, rank[judge(a)], rank[judge(b)])
	})
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		verdicts []release.Verdict
		want     release.Verdict
	}{
		{nil, doubt},
		{[]release.Verdict{pass}, pass},
		{[]release.Verdict{pass, pass}, pass},
		{[]release.Verdict{pass, doubt}, doubt},
		{[]release.Verdict{pass, ""}, doubt},
		{[]release.Verdict{"splendid"}, doubt},
		{[]release.Verdict{doubt, fail, pass}, fail},
	} {
		var results []release.Result
		for _, v := range c.verdicts {
			results = append(results, release.Result{Verdict: v})
		}
		assert.Equal(t, c.want, release.Worst(results), c.verdicts)
	}
}

func TestTallyCountsRoundsInARow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tally release.Tally
		row, n := 0, 0
		for _, v := range rapid.SliceOf(rapid.SampledFrom([]release.Verdict{pass, fail, doubt, ""})).Draw(t, "rounds") {
			tally = tally.Count(v)
			n++
			if v == pass {
				row++
			} else {
				row = 0
			}
			require.Equal(t, release.Tally{Passes: row, Rounds: n}, tally)
		}
	})
}

func TestWatching(t *testing.T) {
	at := func(minute int) time.Time { return t0.Add(time.Duration(minute) * time.Minute) }
	for _, c := range []struct {
		name   string
		looks  []release.Verdict // one per minute
		breach time.Duration
		want   int // minute of the breach, -1 for none
	}{
		{"all good", []release.Verdict{pass, pass, pass}, 0, -1},
		{"at the first failure", []release.Verdict{pass, fail}, 0, 1},
		{"a failure that passes", []release.Verdict{fail, fail, pass, fail, fail}, 2 * time.Minute, -1},
		{"a failure that lasts", []release.Verdict{pass, fail, fail, fail}, 2 * time.Minute, 3},
		{"doubt does not clear a failure", []release.Verdict{fail, doubt, fail}, 2 * time.Minute, 2},
		{"doubt alone is no breach", []release.Verdict{fail, doubt, doubt, doubt, doubt}, 2 * time.Minute, -1},
		{"nothing is known", []release.Verdict{doubt, doubt, doubt}, 0, -1},
		{"an unknown verdict is bad", []release.Verdict{"odd"}, 0, 0},
	} {
		var w release.Watched
		got := -1
		for minute, v := range c.looks {
			var breached bool
			if w, breached = w.Look(v, c.breach, at(minute)); breached {
				got = minute
				break
			}
		}
		assert.Equal(t, c.want, got, c.name)
	}
	var w release.Watched
	for minute, v := range []release.Verdict{doubt, fail, doubt, doubt} {
		w, _ = w.Look(v, time.Hour, at(minute))
	}
	assert.Equal(t, release.Watched{BadSince: at(1), Unknown: at(2), Looks: 4, Bad: 1}, w, "doubt is counted from where knowledge ended")
	w, _ = w.Look(pass, time.Hour, at(4))
	assert.Equal(t, release.Watched{Looks: 5, Bad: 1}, w)
}

// A breach is exactly: a failing look at least the bound after the first failure
// with no good look between.
func TestBreachesAreNeverMissedNorInvented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		breach := time.Duration(rapid.IntRange(0, 4).Draw(t, "breach")) * time.Minute
		var w release.Watched
		since := -1
		for i, v := range rapid.SliceOfN(rapid.SampledFrom([]release.Verdict{pass, fail, doubt}), 0, 12).Draw(t, "looks") {
			switch {
			case v == pass:
				since = -1
			case v == fail && since < 0:
				since = i
			}
			var breached bool
			w, breached = w.Look(v, breach, t0.Add(time.Duration(i)*time.Minute))
			require.Equal(t, v == fail && time.Duration(i-since)*time.Minute >= breach, breached)
		}
	})
}

func fleetOf(states ...release.InstanceState) release.Fleet {
	f := release.Fleet{Name: "f", Desired: len(states)}
	for _, s := range states {
		f.Instances = append(f.Instances, release.Instance{State: s})
	}
	return f
}

func TestReadiness(t *testing.T) {
	up, sick := release.InstanceInService, release.InstanceUnhealthy
	for _, c := range []struct {
		name     string
		previous *release.Fleet
		need     int
		why      string
		ready    bool
	}{
		{"not read", nil, 1, "the platform did not answer", false},
		{"empty", ptr(fleetOf()), 0, "no instance of f is in service", false},
		{"all sick", ptr(fleetOf(sick, sick)), 1, "no instance of f is in service", false},
		{"too small", ptr(fleetOf(up, sick)), 2, "f has 1 instances in service, today's load needs 2; a rollback would grow it first", false},
		{"enough", ptr(fleetOf(up, up, sick)), 2, "", true},
	} {
		r := release.JudgeReadiness(c.previous, c.need, "the platform did not answer", t0)
		assert.Equal(t, release.Readiness{Ready: c.ready, Why: c.why, At: t0}, r, c.name)
	}
}

func TestParity(t *testing.T) {
	up, coming := release.InstanceInService, release.InstancePending
	for _, c := range []struct {
		name     string
		fleet    release.Fleet
		carrying *release.Fleet
		least    int
		enough   bool
	}{
		{"nothing known of the fleet", release.Fleet{}, nil, 0, false},
		{"only coming up", fleetOf(coming, coming), nil, 2, false},
		{"desired is not in service", release.Fleet{Desired: 9}, nil, 1, false},
		{"first release", fleetOf(up, up), nil, 2, true},
		{"less than the live fleet", fleetOf(up, up), ptr(fleetOf(up, up, up)), 2, false},
		{"as much as the live fleet", fleetOf(up, up, up), ptr(fleetOf(up, up, up)), 2, true},
		{"the live fleet is ill: the spec's least holds", fleetOf(up), ptr(fleetOf(coming)), 2, false},
	} {
		assert.Equal(t, c.enough, release.JudgeParity(c.fleet, c.carrying, c.least, 0).Enough(), c.name)
	}
	assert.Equal(t, release.Parity{Fleet: "f", Need: 3, Load: 3, Desired: 2, InService: 1},
		release.JudgeParity(fleetOf(up, coming), ptr(fleetOf(up, up, up)), 1, 0))
}

func TestParityOfAShare(t *testing.T) {
	up := release.InstanceInService
	ten := fleetOf(up, up, up, up, up, up, up, up, up, up)
	for _, c := range []struct {
		name         string
		carrying     *release.Fleet
		least, share int
		need, load   int
	}{
		{"all of it", &ten, 1, 100, 10, 10},
		{"no share said is all of it", &ten, 1, 0, 10, 10},
		{"more than there is", &ten, 1, 140, 10, 10},
		{"a part", &ten, 1, 20, 2, 10},
		{"a part, rounded up", &ten, 1, 21, 3, 10},
		{"the smallest share needs one", &ten, 0, 1, 1, 10},
		{"the least holds", &ten, 4, 20, 4, 10},
		{"nobody carries", nil, 3, 50, 3, 3},
		{"nobody carries and nothing is asked for", nil, 0, 50, 0, 0},
	} {
		p := release.JudgeParity(fleetOf(up), c.carrying, c.least, c.share)
		assert.Equal(t, [2]int{c.need, c.load}, [2]int{p.Need, p.Load}, c.name)
	}
	big := release.JudgeParity(ten, ptr(fleetOf(up, up)), 1, 50)
	assert.True(t, big.Enough(), "a fleet that is bigger than it has to be")
}

// A share needs its part of the load, the least that is asked for, and no instance more.
func TestAShareOfTheLoadIsWhatItNeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		carrying := fleetOf(slices.Repeat([]release.InstanceState{release.InstanceInService}, rapid.IntRange(0, 60).Draw(t, "carrying"))...)
		least := rapid.IntRange(0, 60).Draw(t, "least")
		share := rapid.IntRange(1, 100).Draw(t, "share")
		p := release.JudgeParity(fleetOf(), &carrying, least, share)
		require.GreaterOrEqual(t, p.Load, p.Need)
		require.GreaterOrEqual(t, p.Need, least)
		require.GreaterOrEqual(t, p.Need*100, carrying.InService()*share, "never less than its part")
		if p.Need > least {
			require.Less(t, (p.Need-1)*100, carrying.InService()*share, "and no more than that, rounded up")
		}
	})
}

func TestWhatElseStandsAgainstARollback(t *testing.T) {
	ready := release.Readiness{Ready: true, At: t0}
	assert.Equal(t, ready, ready.Unless(""))
	assert.Equal(t, release.Readiness{Why: "no quota", At: t0}, ready.Unless("no quota"))
	assert.Equal(t, release.Readiness{Why: "too small; no quota", At: t0}, release.Readiness{Why: "too small", At: t0}.Unless("no quota"))
}

func TestDrained(t *testing.T) {
	inFlight := read(9, 0, t0.Add(time.Minute))
	inFlight.InFlight = 1
	for _, c := range []struct {
		name          string
		before, after release.Requests
		quiet         time.Duration
		want          bool
	}{
		{"quiet", read(9, 1, t0), read(9, 1, t0.Add(2*time.Second)), 2 * time.Second, true},
		{"an error told late", read(9, 1, t0), read(9, 2, t0.Add(2*time.Second)), 2 * time.Second, true},
		{"not long enough", read(9, 1, t0), read(9, 1, t0.Add(time.Second)), 2 * time.Second, false},
		{"one request", read(9, 1, t0), read(10, 1, t0.Add(time.Minute)), 2 * time.Second, false},
		{"in flight", read(9, 0, t0), inFlight, 2 * time.Second, false},
		{"counters were reset", read(9, 1, t0), read(0, 0, t0.Add(time.Minute)), 2 * time.Second, false},
		{"no first reading", release.Requests{}, read(0, 0, t0), 2 * time.Second, false},
		{"no second reading", read(0, 0, t0), release.Requests{}, 0, false},
		{"no reading", release.Requests{}, release.Requests{}, 0, false},
		{"one reading twice", read(9, 1, t0), read(9, 1, t0), 0, false},
		{"readings the wrong way round", read(9, 1, t0.Add(time.Minute)), read(9, 1, t0), -time.Hour, false},
	} {
		assert.Equal(t, c.want, release.Drained(c.before, c.after, c.quiet), c.name)
	}
}

func TestShares(t *testing.T) {
	w := release.Weights{{Fleet: "a", Percent: 100}, {Fleet: "b"}}
	assert.True(t, w.Equal(release.Weights{{Fleet: "a", Percent: 100}}), "0 % is the same as not listed")
	assert.True(t, w.Equal(release.Weights{{Fleet: "b"}, {Fleet: "a", Percent: 100}}))
	assert.False(t, w.Equal(release.Weights{{Fleet: "b", Percent: 100}}))
	assert.False(t, w.Equal(nil))
	assert.True(t, release.Weights{}.Equal(nil))
	assert.Equal(t, "a 100 %, b 0 %", w.String())
	assert.Equal(t, "no shares", release.Weights{}.String())
	assert.Zero(t, w.Of("c"))
}
