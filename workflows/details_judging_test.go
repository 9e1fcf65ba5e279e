package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
)

// Who opens a canary sees which shares were passed, which one is judged, and, when
// nothing can be told of it, that a person is needed and what may be sent.
func TestDetailsShowTheStepsOfACanary(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	held, doubt := "", ""
	w.at(release.PhaseSwitch, 12*time.Minute, func() { held = w.details() })
	w.at(release.PhaseSwitch, 14*time.Minute, func() {
		w.sees(0, activities.Watch{Why: activities.WatchUnknown, Reason: "for 5m0s it could not be told how it does: errors inconclusive: no answer"})
	})
	w.at(release.PhaseSwitch, 16*time.Minute, func() { doubt = w.details() })
	w.at(release.PhaseSwitch, 17*time.Minute, w.by(release.OrderRollback))
	s := w.run(canary(5, 25))
	require.Equal(t, "rolled-back", s.Outcome())
	require.Regexp(t, `\| local-a \| 5 % \| 1 \| 10 \| 10m0s \| [^|]+ \| pass \|`, held)
	require.Regexp(t, `\| local-a \| 25 % \| 3 \| 10 \| 10m0s \| [^|]+ \| under way \|`, held)
	require.Regexp(t, `\| local-a \| 100 % \| 10 \| 10 \|  \|  \|  \|`, held)
	require.Contains(t, held, "| candidate 25 %, previous 75 % |")
	require.NotContains(t, held, "override")
	require.Regexp(t, `\| local-a \| 25 % .*\| in doubt \|`, doubt)
	require.Contains(t, doubt, "A person is needed")
	require.Equal(t, body{"by": "grace", "gate": "analysis", "comment": "because"}, offered(t, doubt, release.OrderOverride))
	require.Regexp(t, `\| local-a \| 25 % .*\| not passed \|`, w.details())
}
