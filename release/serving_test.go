package release_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
)

func TestSharesAreTakenOverOnlyBetweenTheReleasesOwnFleets(t *testing.T) {
	known := release.Weights{{Fleet: "new", Percent: 100}}
	for name, c := range map[string]struct {
		seen  release.Weights
		taken bool
	}{
		"the same":               {release.Weights{{Fleet: "new", Percent: 100}, {Fleet: "old"}}, false},
		"moved between its own":  {release.Weights{{Fleet: "new", Percent: 70}, {Fleet: "old", Percent: 30}}, true},
		"moved back by somebody": {release.Weights{{Fleet: "old", Percent: 100}}, true},
		"a stranger has a share": {release.Weights{{Fleet: "new", Percent: 50}, {Fleet: "hotfix", Percent: 50}}, false},
		"nobody has any":         {nil, true},
	} {
		r := release.RegionState{Candidate: "new", Previous: "old", Weights: known}
		require.Equal(t, c.taken, r.TakeShares(c.seen), name)
		require.Equal(t, c.taken, !r.Weights.Equal(known), name)
	}
}

func TestLiveSaysWhatServesAndWhatIsKept(t *testing.T) {
	s := release.State{Plan: release.Plan{Regions: []release.PlanRegion{{Name: "a", From: "1.0.0"}, {Name: "b", From: "1.0.0"}, {Name: "c"}}}}
	s.Request.Spec.Version = "2.0.0"
	s.Regions = []release.RegionState{
		{Name: "a", Candidate: "new", Previous: "old", Image: "sha256:2", Weights: release.Weights{{Fleet: "new", Percent: 100}}},
		{Name: "b", Candidate: "new", Previous: "old", Weights: release.Weights{{Fleet: "old", Percent: 100}}},
		{Name: "c", Candidate: "new"}, // never read: nothing is said of it
	}
	require.Equal(t, []release.LivePair{
		{Region: "a", Live: "new", LiveVersion: "2.0.0", LiveImage: "sha256:2", Previous: "old", PreviousVersion: "1.0.0"},
		{Region: "b", Live: "old", LiveVersion: "1.0.0"},
	}, s.Live())
	require.False(t, s.AllServe())
}
