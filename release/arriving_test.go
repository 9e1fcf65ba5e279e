package release_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
)

func arrivingFleet(desired int, states map[string]release.InstanceState) release.Fleet {
	f := release.Fleet{Name: "web-2", Desired: desired}
	for _, id := range []string{"a", "b", "c", "d"} {
		if s, ok := states[id]; ok {
			f.Instances = append(f.Instances, release.Instance{ID: id, State: s})
		}
	}
	return f
}

const up, coming = release.InstanceInService, release.InstancePending

func TestAFleetIsReadyWhenItIsCompleteInTwoLooksInARow(t *testing.T) {
	type states = map[string]release.InstanceState
	for name, c := range map[string]struct {
		looks   []release.Fleet
		ready   int
		notices int
		changed string
	}{
		"complete twice":           {looks: []release.Fleet{arrivingFleet(2, states{"a": up, "b": up}), arrivingFleet(2, states{"a": up, "b": up})}, ready: 2},
		"not complete in between":  {looks: []release.Fleet{arrivingFleet(2, states{"a": up, "b": up}), arrivingFleet(2, states{"a": up, "b": coming}), arrivingFleet(2, states{"a": up, "b": up})}, ready: 1},
		"scaled out while it came": {looks: []release.Fleet{arrivingFleet(3, states{"a": up, "b": up, "c": coming})}, ready: 0},
		"one was replaced":         {looks: []release.Fleet{arrivingFleet(2, states{"a": up, "b": coming}), arrivingFleet(2, states{"a": up, "c": up})}, ready: 1, notices: 1},
		"somebody made it smaller": {looks: []release.Fleet{arrivingFleet(1, states{"a": up})}, changed: "its desired capacity is 1, the release asked for 2: somebody changed it"},
		"and put it right again":   {looks: []release.Fleet{arrivingFleet(1, states{"a": up}), arrivingFleet(2, states{"a": up, "b": up})}, ready: 1},
		"more than was asked for":  {looks: []release.Fleet{arrivingFleet(3, states{"a": up, "b": up, "c": up})}, ready: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var a release.Arriving
			for _, f := range c.looks {
				a = a.Look(f, 2)
			}
			require.Equal(t, c.ready, a.Ready)
			require.Len(t, a.Notices, c.notices, "%v", a.Notices)
			require.Equal(t, c.changed, a.Changed)
		})
	}
}

func TestIrregularitiesAreWhatTheReleaseDidNotLeaveSo(t *testing.T) {
	fleet := func(name, image string, desired, inService int) *release.Fleet {
		f := &release.Fleet{Name: name, Image: image, Desired: desired}
		for range inService {
			f.Instances = append(f.Instances, release.Instance{State: up})
		}
		return f
	}
	candidate, previous := fleet("new", "ami-2", 3, 3), fleet("old", "ami-1", 3, 3)
	require.Empty(t, release.Irregularities(release.Seen{Candidate: candidate, Previous: previous, Made: 3}))
	require.Empty(t, release.Irregularities(release.Seen{Candidate: fleet("new", "ami-2", 5, 5), Previous: previous, Made: 3}), "scaling out is what fleets do")
	require.Empty(t, release.Irregularities(release.Seen{Made: 3}), "the checks and the readiness tell of fleets that are not there")
	require.Empty(t, release.Irregularities(release.Seen{Candidate: candidate, Made: 3, Missing: 1}), "an instance that is replaced at once is no news")

	got := release.Irregularities(release.Seen{
		Candidate: fleet("new", "ami-2", 1, 1), Previous: previous, Made: 3, Missing: 2, ImagesGone: []string{"ami-1", "ami-2"},
	})
	require.Equal(t, []string{
		"image ami-1 of old is gone: somebody removed it, and no instance of that fleet can be replaced",
		"image ami-2 of new is gone: somebody removed it, and no instance of that fleet can be replaced",
		"new has fewer instances in service than it should have",
		"the desired capacity of new is 1, the release left it at 3: somebody changed it",
	}, got)
}
