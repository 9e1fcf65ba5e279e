package cloud

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/internal/caddy"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

func fleetOf(name string, states ...release.InstanceState) *fleet {
	f := &fleet{Spec: platform.FleetSpec{Name: name}}
	for n, s := range states {
		i := &instance{PID: 1000 + n}
		i.ID, i.Address, i.State = fmt.Sprint(n), fmt.Sprintf("%s:%d", name, n), s
		f.Instances = append(f.Instances, i)
	}
	return f
}

func repeat(s release.InstanceState, n int) []release.InstanceState {
	out := make([]release.InstanceState, n)
	for k := range out {
		out[k] = s
	}
	return out
}

func noErrors(*fleet) int { return 0 }

func TestPoolGivesEachFleetItsShareWhateverItsSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(1, 12).Draw(t, "a"), rapid.IntRange(1, 12).Draw(t, "b")
		percent := rapid.IntRange(1, 99).Draw(t, "percent")
		errorRate := rapid.IntRange(0, 100).Draw(t, "errors")
		fleets := []*fleet{fleetOf("a", repeat(release.InstanceInService, a)...), fleetOf("b", repeat(release.InstanceInService, b)...)}
		rate := func(f *fleet) int {
			if f.Spec.Name == "a" {
				return errorRate
			}
			return 0
		}
		w := release.Weights{{Fleet: "a", Percent: percent}, {Fleet: "b", Percent: 100 - percent}}
		sums, total := map[byte]int{}, 0
		for _, u := range pool(fleets, w, rate, map[string]string{"a": "a:errors"}) {
			require.Positive(t, u.Weight)
			sums[u.Address[0]] += u.Weight
			total += u.Weight
		}
		require.Equal(t, percent*total, 100*sums['a'], "a's share is exact")
		require.Equal(t, (100-percent)*total, 100*sums['b'], "b's share is exact")
	})
}

func TestPoolUsesWhatCanAnswer(t *testing.T) {
	all := release.Weights{{Fleet: "a", Percent: 100}}
	for _, c := range []struct {
		why    string
		states []release.InstanceState
		want   []caddy.Upstream
	}{
		{"only those in service", []release.InstanceState{release.InstanceInService, release.InstanceUnhealthy, release.InstancePending, release.InstanceTerminating}, []caddy.Upstream{{Address: "a:0", Weight: 1}}},
		{"unhealthy rather than none", []release.InstanceState{release.InstancePending, release.InstanceUnhealthy}, []caddy.Upstream{{Address: "a:1", Weight: 1}}},
		{"never one that goes", []release.InstanceState{release.InstanceTerminating}, nil},
		{"as few weights as possible", repeat(release.InstanceInService, 3), []caddy.Upstream{{Address: "a:0", Weight: 1}, {Address: "a:1", Weight: 1}, {Address: "a:2", Weight: 1}}},
	} {
		require.Equal(t, c.want, pool([]*fleet{fleetOf("a", c.states...)}, all, noErrors, nil), c.why)
	}
}

func TestBackOffGrowsAndIsBounded(t *testing.T) {
	require.Zero(t, backOff(0))
	require.Zero(t, backOff(1), "the first replacement starts at once")
	for n := 2; n < 100; n++ {
		require.GreaterOrEqual(t, backOff(n), backOff(n-1))
		require.LessOrEqual(t, backOff(n).Seconds(), 15.0)
	}
}
