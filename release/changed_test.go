package release_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
)

// fleetWith has an instance of each id, in service.
func fleetWith(ids ...string) release.Fleet {
	f := release.Fleet{Name: "f", Desired: len(ids)}
	for _, id := range ids {
		f.Instances = append(f.Instances, release.Instance{ID: id, State: release.InstanceInService})
	}
	return f
}

func TestAFleetThatIsMissedTwiceInARowIsGone(t *testing.T) {
	here := fleetWith("i-1")
	a := release.Arriving{}.Look(here, 1).Miss()
	require.Empty(t, a.Changed, "one read may be old")
	a = a.Look(here, 1).Miss()
	require.Empty(t, a.Changed, "it was there between")
	require.Contains(t, a.Miss().Changed, "somebody removed it")
}

func TestInstancesThatWentAwayWhileAFleetWaitedAreNamed(t *testing.T) {
	was, is := fleetWith("i-1", "i-2"), fleetWith("i-2", "i-3", "i-4")
	known := release.Known(was)
	require.Empty(t, release.WentAway(was, known))
	require.Empty(t, release.WentAway(is, nil), "nothing is known of a fleet that was not looked at")
	got := release.WentAway(is, known)
	require.Len(t, got, 1)
	require.Contains(t, got[0], "instance i-1 of f")
}

func TestNotEveryInstanceOfAVeryLargeFleetIsRemembered(t *testing.T) {
	ids := make([]string, 201)
	for i := range ids {
		ids[i] = fmt.Sprint("i-", i)
	}
	require.Empty(t, release.Known(fleetWith(ids...)))
	require.Len(t, release.Known(fleetWith(ids[1:]...)), 200)
}
