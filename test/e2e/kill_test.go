//go:build kill

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// notInAGoodRelease are the registered activities that a good release has no use
// for, and why. Everything else that is registered gets killed.
var notInAGoodRelease = map[string]string{
	activities.HolderRuns:  "the environment asks it when two releases want one target",
	activities.SweepBake:   "clean-up after a bake that did not end well",
	activities.Attach:      "the way back from a previous fleet that is stopped already",
	activities.MeasureLoad: "a reading that only a measured window asks for",
}

// TestKill releases v2 over v1 once for every activity and moment, its worker
// killed with SIGKILL there, under load. Each has to end as if nothing had happened.
func TestKill(t *testing.T) {
	s := use(t)
	hook := notifications(t)
	names := killable(t, s, hook)
	var tried, survived atomic.Int64
	t.Run("activities", func(t *testing.T) {
		for _, name := range names {
			for _, when := range []string{"start", "end", "middle"} {
				if when == "middle" && name != activities.BakeImage && name != activities.Provision && name != activities.Retire {
					continue // over too soon to have a middle
				}
				t.Run(name+"/"+when, func(t *testing.T) {
					t.Parallel()
					tried.Add(1)
					killOnce(t, s, hook, name, when)
					survived.Add(1)
				})
			}
		}
	})
	fmt.Printf("kills: %d tried, %d survived\n", tried.Load(), survived.Load())
}

// killable runs the release undisturbed and lists what it did. A registered
// activity that it did not do has to be excused by name.
func killable(t *testing.T, s *stack, hook string) []string {
	w := s.startWorker(t, "undisturbed", envHook+"="+hook)
	defer w.stop()
	st := s.tell(t, "undisturbed", "undisturbed")
	st.live()
	h := st.start(second("2.0.0"))
	st.approve(h)
	end := st.follow(h, nil)
	require.Equal(t, "completed", end.Outcome())
	st.settled(end.Regions[0].Candidate)
	done := activitiesOf(st.history(h))
	var names []string
	for _, name := range activities.Names() {
		_, excused := notInAGoodRelease[name]
		require.NotEqual(t, excused, done[name], "activity %s: either a good release does it, or notInAGoodRelease says why not", name)
		if !excused {
			names = append(names, name)
		}
	}
	return names
}

func second(version string) chapter {
	return chapter{ID: "v2", Version: version, Rebake: true, Prove: true, Migrate: true, Notify: "env:" + envHook, Gate: "[{before: switch}]"}
}

func killOnce(t *testing.T, s *stack, hook, name, when string) {
	environment := strings.ToLower("kill-" + name + "-" + when)
	st := s.tell(t, environment, environment)
	mark := filepath.Join(s.dir, environment+".killed")
	w := s.startWorker(t, st.queue, envHook+"="+hook, envKill+"="+name, envWhen+"="+when, envMark+"="+mark,
		envWorkflow+"="+release.ReleaseWorkflowID(st.target, "v2"))
	l := st.load(st.live())
	h := st.start(second("2.0.0"))
	approved := false
	end := st.follow(h, func(now release.State) {
		if now.Phase == release.PhaseGate && now.WaitingFor != "" && !approved {
			_, err := starter.Order(t.Context(), s.client, h.WorkflowID, release.Order{
				Kind: release.OrderApprove, ID: "approve-once", By: "grace", Gate: "switch", Plan: now.Plan.Digest,
			})
			approved = err == nil
		}
	})
	_, err := os.Stat(mark)
	require.NoError(t, err, "the worker was never killed")
	require.GreaterOrEqual(t, w.starts(), 2)
	require.Equal(t, "completed", end.Outcome(), "%+v", end.WayOut)
	require.Empty(t, end.Warnings)
	require.Empty(t, end.Ledger.Open(release.KindFleet))
	require.Empty(t, end.Ledger.Open(release.KindHold))
	counts := l.Stop()
	require.Zero(t, counts.Failed, "%v", l.Failures())
	require.NotZero(t, counts.Requests)
	st.settled(end.Regions[0].Candidate)
}

// notifications is where the releases' notifications go.
func notifications(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(server.Close)
	return "generic+" + server.URL + "?disabletls=yes"
}
