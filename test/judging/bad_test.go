//go:build judging

package judging

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/load"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// illness is one way in which a version is bad.
type illness struct {
	name    string
	differs string // of the bad version's spec
	early   bool   // it is caught with the first share that the strategy gives
	caught  []release.Phase
	outcome string
}

var (
	errorsOfUsers = illness{
		name: "errors", early: true, caught: []release.Phase{release.PhaseSwitch, release.PhaseWatch}, outcome: "rolled-back",
		differs: `fleet: {environment: {CHECKOUT_ERROR_RATE: "0.5"}}`,
	}
	slowness = illness{
		name: "latency", early: true, caught: []release.Phase{release.PhaseSwitch, release.PhaseWatch}, outcome: "rolled-back",
		differs: `
fleet: {environment: {CHECKOUT_LATENCY: 600ms}}
soak: {checks: [{name: fast, failures: 1, http: {path: "/checkout?item=tea:2", latency: 300ms}}]}`,
	}
	crashLoop = illness{
		name: "crash-loop", early: true, caught: []release.Phase{release.PhaseProvision, release.PhaseVerify}, outcome: "failed",
		differs: `
fleet: {environment: {CHECKOUT_CRASH_AFTER: 2s}, readyWithin: 20s}
verification: {consecutive: 20, within: 10s}`,
	}
	// A quarter of a MiB a request: it takes many seconds until the soak's bound is passed.
	leak = illness{
		name: "leak", caught: []release.Phase{release.PhaseSoak}, outcome: "rolled-back",
		differs: `
fleet: {environment: {CHECKOUT_LEAK_KIB: "256"}}
soak:
  duration: 1h
  checks: [{name: memory, prometheus: {url: PROMETHEUS, query: 'max(process_resident_memory_bytes{fleet="$fleet"})', max: 100000000}}]`,
	}
)

// A bad version is caught where its spec implies, by every strategy. Users meet it at
// most as often as the share allows, and the live fleet is what it was.
func TestBadReleases(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		for _, ill := range []illness{errorsOfUsers, slowness, crashLoop, leak} {
			tell(t, spec.PlatformLocal, "bad-"+way.name+"-"+ill.name, func(s *story) { s.bad(way.traffic, way.name, way.first, ill) })
		}
	}
	tell(t, spec.PlatformAWS, "bad-aws-canary-errors", func(s *story) { s.bad(ways[1].traffic, spec.CanaryWay, 10, errorsOfUsers) })
}

const badSize = 4

func (s *story) bad(traffic, strategy string, first int, ill illness) {
	l := s.load(s.live(fmt.Sprintf("{soak: {duration: 0s}, traffic: {watch: 0s}, fleet: {instances: %d}}", badSize)), 40)
	before := s.instances("v1", badSize)
	differs := s.parse(fmt.Sprintf("fleet: {instances: %d}\ntraffic:%s", badSize, traffic))
	prometheus := ""
	if ill.name == leak.name {
		prometheus = s.prometheus("v2", badSize).URL
	}
	merge(differs, s.parse(strings.ReplaceAll(ill.differs, "PROMETHEUS", prometheus)))
	st := s.ended(s.start("v2", "2.0.0", s.text(differs)))
	require.Equal(s.t, ill.outcome, st.Outcome(), "%s", s.excerpt(st))
	require.Contains(s.t, ill.caught, left(st), "%s", s.excerpt(st))
	if ill.early {
		require.LessOrEqual(s.t, len(st.Regions[0].Steps), 1, "%s", s.excerpt(st))
	}
	s.hitAtMost(l, st, first)
	after := s.instances("v1", badSize)
	if strategy == spec.RollingBy && !ill.early { // by then it was made smaller, but for one
		require.True(s.t, slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) }))
	} else {
		require.ElementsMatch(s.t, before, after, "the live fleet is not what it was")
	}
	s.settled("v1", badSize)
}

// left is the phase in which the forward path was left.
func left(st release.State) release.Phase {
	var last release.Phase
	for _, e := range st.Entries {
		if e.Phase == release.PhaseRollback || e.Phase == release.PhaseCleanUp {
			break
		}
		last = e.Phase
	}
	return last
}

// hitAtMost ends the load. Every request that got the bad version was one of its share;
// all others, and those it answered well, were good.
func (s *story) hitAtMost(l *load.Load, st release.State, percent int) {
	s.t.Helper()
	counts := s.noneFailed(l)
	met := l.Answered()[s.fleet("v2")]
	require.LessOrEqual(s.t, counts.OnFault, met)
	steps := st.Regions[0].Steps
	if len(steps) == 0 {
		percent = 0
	}
	for _, step := range steps {
		percent = max(percent, step.Weight) // a fault that shows late is met with the share of its time
	}
	// The router draws: five standard deviations more than its share are not by chance.
	share := float64(counts.Requests) * float64(percent) / 100
	require.LessOrEqual(s.t, float64(met), math.Ceil(share+5*math.Sqrt(share)), "more users than %d %% met the bad version", percent)
}
