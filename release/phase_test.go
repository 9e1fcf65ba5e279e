package release_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
)

// legal is every transition there is, written down a second time on purpose: a
// change of the machine has to be meant.
var legal = map[release.Phase][]release.Phase{
	release.PhaseRequested:    {release.PhaseAdmitted, release.PhaseRefused, release.PhaseRejected, release.PhaseAborted, release.PhaseFailed},
	release.PhaseAdmitted:     {release.PhaseBake, release.PhaseCleanUp},
	release.PhaseBake:         {release.PhaseExpand, release.PhaseProvision, release.PhaseCleanUp},
	release.PhaseExpand:       {release.PhaseProvision, release.PhaseCleanUp},
	release.PhaseProvision:    {release.PhaseVerify, release.PhaseCleanUp, release.PhaseRollback},
	release.PhaseVerify:       {release.PhaseGate, release.PhaseSwitch, release.PhaseCleanUp, release.PhaseRollback},
	release.PhaseGate:         {release.PhaseSwitch, release.PhaseCleanUp, release.PhaseRollback},
	release.PhaseSwitch:       {release.PhaseWatch, release.PhaseCleanUp, release.PhaseRollback},
	release.PhaseWatch:        {release.PhaseProvision, release.PhaseSoak, release.PhaseRollback, release.PhaseDecommission},
	release.PhaseSoak:         {release.PhaseWindow, release.PhaseRollback, release.PhaseDecommission},
	release.PhaseWindow:       {release.PhaseStop, release.PhaseDecommission, release.PhaseRollback},
	release.PhaseStop:         {release.PhaseDecommission, release.PhaseRollback},
	release.PhaseDecommission: {release.PhaseContract, release.PhaseCompleted},
	release.PhaseContract:     {release.PhaseCompleted},
	release.PhaseCleanUp:      {release.PhaseRejected, release.PhaseAborted, release.PhaseFailed},
	release.PhaseRollback:     {release.PhaseRolledBack, release.PhaseFailed},
	release.PhaseCompleted:    nil,
	release.PhaseRolledBack:   nil,
	release.PhaseRejected:     nil,
	release.PhaseAborted:      nil,
	release.PhaseFailed:       nil,
	release.PhaseRefused:      nil,
}

func TestEveryTransition(t *testing.T) {
	require.Len(t, release.Phases(), len(legal), "Phases lists every phase once")
	for _, from := range release.Phases() {
		require.Contains(t, legal, from)
		assert.ElementsMatch(t, legal[from], from.Next())
		assert.Equal(t, len(legal[from]) == 0, from.Ended())
		for _, to := range release.Phases() {
			name := fmt.Sprintf("%s to %s", from, to)
			s := stateIn(t, from)
			before := asJSON(t, s)
			err := s.Enter(to, t0.Add(time.Minute))
			if slices.Contains(legal[from], to) {
				require.NoError(t, err, name)
				require.Equal(t, to, s.Phase, name)
				continue
			}
			require.ErrorContains(t, err, fmt.Sprintf("enter phase %q from %q: not a legal transition", to, from), name)
			require.Equal(t, before, asJSON(t, s), "%s: a refused move changes nothing", name)
		}
	}
}

func TestAnUnknownPhaseLeadsNowhere(t *testing.T) {
	s := stateIn(t, release.PhaseBake)
	require.Error(t, s.Enter("lunch", t0))
	assert.False(t, release.Phase("lunch").MayFollow(release.PhaseBake))
	assert.False(t, release.Phase("lunch").Live())
}

func TestWhatPhasesAreGoodFor(t *testing.T) {
	for _, p := range release.Phases() {
		assert.False(t, p.BeforeSwitch() && p.CanRollBack(), "%s: before and after the switch at once", p)
		assert.Equal(t, p.BeforeSwitch() || p.CanRollBack(), p.Live(), p)
		if p.Ended() {
			assert.False(t, p.Live(), p)
		}
		if p.CanRollBack() {
			assert.True(t, p.MayFollow(release.PhaseRollback), "%s: a rollback that is taken can be carried out", p)
		}
		if p.BeforeSwitch() && p != release.PhaseRequested {
			assert.True(t, p.MayFollow(release.PhaseCleanUp), "%s: an abort that is taken can be carried out", p)
		}
	}
	for _, p := range []release.Phase{release.PhaseDecommission, release.PhaseCleanUp, release.PhaseRollback} {
		assert.False(t, p.Live(), "%s is past the point where orders count", p)
		assert.False(t, p.Ended(), p)
	}
}

func TestAnEndIsReachableFromEveryPhase(t *testing.T) {
	for _, from := range release.Phases() {
		seen := map[release.Phase]bool{from: true}
		queue := []release.Phase{from}
		ended := false
		for len(queue) > 0 {
			p := queue[0]
			queue = queue[1:]
			ended = ended || p.Ended()
			for _, n := range p.Next() {
				if !seen[n] {
					seen[n] = true
					queue = append(queue, n)
				}
			}
		}
		assert.True(t, ended, from)
		if from == release.PhaseDecommission {
			assert.False(t, seen[release.PhaseRollback], "nothing leads back from the point of no return")
		}
	}
}

func TestEntriesTellTheStory(t *testing.T) {
	s := release.NewState(aRequest(), t0)
	require.NoError(t, s.Enter(release.PhaseAdmitted, t0.Add(time.Minute)))
	s.Evidence("target is ours")
	s.Entries[1].Outcome = "cancelled"
	s.WaitingFor = "nothing"
	require.NoError(t, s.Enter(release.PhaseCleanUp, t0.Add(2*time.Minute)))
	require.NoError(t, s.Enter(release.PhaseFailed, t0.Add(3*time.Minute)))

	require.Len(t, s.Entries, 4)
	assert.Equal(t, release.Entry{Phase: release.PhaseRequested, Start: t0, End: t0.Add(time.Minute), Outcome: "done"}, s.Entries[0])
	assert.Equal(t, "cancelled", s.Entries[1].Outcome, "an outcome that was told stays")
	assert.Equal(t, []string{"target is ours"}, s.Entries[1].Evidence)
	assert.Equal(t, t0.Add(3*time.Minute), s.EndedAt)
	assert.Equal(t, t0.Add(3*time.Minute), s.Entries[3].End)
	assert.Empty(t, s.WaitingFor, "a release that is over waits for nothing")
	assert.Equal(t, "failed", s.Outcome())
}

func TestEvidenceAndWarningsAreBounded(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	for i := range 1000 {
		s.Evidence(fmt.Sprintf("look %d", i))
		s.Warn("the same matter")
	}
	assert.Len(t, s.Entries[len(s.Entries)-1].Evidence, 40)
	assert.Equal(t, []string{"the same matter"}, s.Warnings)
}

// Wherever a release leaves, and for whatever reason, the phase machine has the way.
func TestEveryWayOutIsLegal(t *testing.T) {
	leaves := []release.Leave{
		release.LeaveAbort, release.LeaveReject, release.LeaveRollback, release.LeaveFail, release.LeaveCancel, release.LeaveDeadline,
	}
	for _, p := range release.Phases() {
		for _, l := range leaves {
			for _, moved := range []bool{false, true} {
				if moved && (p == release.PhaseRequested || p == release.PhaseAdmitted || p == release.PhaseBake || p == release.PhaseExpand) {
					continue // there are no fleets yet
				}
				if !moved && (p == release.PhaseWatch || p == release.PhaseSoak || p == release.PhaseWindow || p == release.PhaseStop) {
					continue // these come after the shift only
				}
				name := fmt.Sprintf("%s in %s, moved %t", l, p, moved)
				s := stateIn(t, p)
				for i := range s.Regions {
					s.Regions[i].Switched = moved
				}
				if !p.Live() {
					require.False(t, s.LeaveBy(l, "bob", "why", t0), name)
					require.Nil(t, s.WayOut, name)
					continue
				}
				require.True(t, s.LeaveBy(l, "bob", "why", t0), name)
				require.False(t, s.LeaveBy(release.LeaveFail, "", "later", t0), "%s: the first way out stands", name)
				next := s.LeavePhase()
				require.Equal(t, moved, next == release.PhaseRollback, "%s: traffic that may have moved is moved back", name)
				require.NoError(t, s.Enter(next, t0), name)
				if !next.Ended() {
					require.NoError(t, s.Enter(s.EndPhase(true), t0), name)
				}
				require.True(t, s.Phase.Ended(), name)
				require.Equal(t, "why", s.Summarise().Reason, name)
			}
		}
	}
}

func TestWhereWaysOutEnd(t *testing.T) {
	for _, c := range []struct {
		leave release.Leave
		want  release.Phase
	}{
		{release.LeaveAbort, release.PhaseAborted},
		{release.LeaveCancel, release.PhaseAborted},
		{release.LeaveDeadline, release.PhaseAborted},
		{release.LeaveReject, release.PhaseRejected},
		{release.LeaveFail, release.PhaseFailed},
	} {
		for _, p := range []release.Phase{release.PhaseRequested, release.PhaseGate} {
			s := stateIn(t, p)
			require.True(t, s.LeaveBy(c.leave, "", "why", t0))
			if p != release.PhaseRequested {
				require.NoError(t, s.Enter(s.LeavePhase(), t0))
				require.Equal(t, c.want, s.EndPhase(true), c.leave)
				continue
			}
			require.Equal(t, c.want, s.LeavePhase(), c.leave)
		}
	}
	s := stateIn(t, release.PhaseRequested)
	require.True(t, s.LeaveBy(release.LeaveRefuse, "", "held", t0))
	require.Equal(t, release.PhaseRefused, s.LeavePhase())

	back := stateIn(t, release.PhaseRollback)
	require.Equal(t, release.PhaseRolledBack, back.EndPhase(true))
	require.Equal(t, release.PhaseFailed, back.EndPhase(false), "a rollback that did not work is no rollback")
	require.Equal(t, release.PhaseCompleted, stateIn(t, release.PhaseDecommission).EndPhase(false), "what is left over never undoes a good release")
}

func TestRandomWalksEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := release.NewState(aRequest(), t0)
		now := t0
		for i := 0; !s.Phase.Ended(); i++ {
			if i == 400 {
				t.Fatal("walked for 400 steps without an end")
			}
			now = now.Add(time.Second)
			next := s.Phase.Next()
			to := next[rapid.IntRange(0, len(next)-1).Draw(t, "next")]
			if s.Wave > 20 && to == release.PhaseProvision {
				to = release.PhaseSoak
			}
			if s.Phase == release.PhaseWatch && to == release.PhaseProvision {
				s.Wave++
			}
			require.NoError(t, s.Enter(to, now))
			last := s.Entries[len(s.Entries)-1]
			require.Equal(t, s.Phase, last.Phase)
			for j, e := range s.Entries[:len(s.Entries)-1] {
				require.Equal(t, e.End, s.Entries[j+1].Start, "a phase begins when the one before it ends")
				require.NotEmpty(t, e.Outcome)
			}
		}
		require.Equal(t, now, s.EndedAt)
	})
}
