package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

// A cloud that has lost the fleet with the traffic gives a share to nobody.
func TestRollbackFromACandidateThatSomebodyRemoved(t *testing.T) {
	for name, seen := range map[string]bool{"before the watch saw the shares": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			w.at(release.PhaseSoak, time.Hour, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				delete(w.fleets, "local-a/"+candidate)
				w.weights["local-a"] = nil
				if seen {
					w.sees(0, activities.Watch{Why: activities.WatchOutOfBand})
				}
			})
			w.at(release.PhaseSoak, 2*time.Hour, w.by(release.OrderRollback))
			s := w.run()
			require.Equal(t, "rolled-back", s.Outcome())
			require.Equal(t, 100, w.weights["local-a"].Of("old"))
		})
	}
}
