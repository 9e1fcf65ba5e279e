package release

import (
	"fmt"
	"slices"
)

// Arriving is what is known of a fleet whose instances are coming up.
type Arriving struct {
	Ready   int      // looks in a row in which it was complete
	Missed  int      // looks in a row in which it was not there
	Seen    []string // instances seen so far
	Notices []string // what happened that the release did not ask for
	Changed string   // why it will not become what the release asked for; "" while it may
}

// maxNotices bounds what is told of one fleet: a fleet may have a thousand instances.
const maxNotices = 8

// Look takes one more look at a fleet that shall have so many instances. A fleet is
// ready when at least as many are in service as were asked for, and as many as are
// desired: scaling may have asked for more already. A desired capacity below what was
// asked for is somebody else's doing, and no waiting makes the fleet complete.
func (a Arriving) Look(f Fleet, want int) Arriving {
	here := make([]string, 0, len(f.Instances))
	for _, i := range f.Instances {
		here = append(here, i.ID)
	}
	for _, id := range a.Seen {
		if !slices.Contains(here, id) && len(a.Notices) < maxNotices {
			a.Notices = append(a.Notices, fmt.Sprintf("instance %s of %s went away while the fleet was coming up", id, f.Name))
		}
	}
	a.Seen = here
	a.Missed = 0
	a.Changed = ""
	if f.Desired < want {
		a.Changed = fmt.Sprintf("its desired capacity is %d, the release asked for %d: somebody changed it", f.Desired, want)
	}
	if f.InService() >= max(want, f.Desired) {
		a.Ready++
	} else {
		a.Ready = 0
	}
	return a
}

// Miss takes a look that found no fleet, which was made before. It is gone when two
// looks in a row miss it.
func (a Arriving) Miss() Arriving {
	a.Ready = 0
	if a.Missed++; a.Missed >= 2 {
		a.Changed = "it is not there any more: somebody removed it while it was coming up"
	}
	return a
}
