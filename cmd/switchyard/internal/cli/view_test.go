package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// atGate is a release that waits for its approval.
func atGate(t *testing.T) release.State {
	t.Helper()
	s := release.NewState(release.Request{ID: "r1", Requester: "ada", Spec: spec.Spec{
		Application: "checkout", Environment: "production", Version: "1.4.2",
		Regions: []spec.Region{{Name: "west"}}, Gates: []spec.Gate{{Name: "switch", Before: "switch", Approvers: []string{"bob", "eve"}}},
	}.WithDefaults()}, noon)
	s.Adopt(release.Plan{Digest: "sha256:feed", Regions: []release.PlanRegion{
		{Name: "west", Wave: 1, Candidate: "checkout-production-r1", Previous: "checkout-production-r0", Capacity: 3},
	}})
	for _, p := range []release.Phase{release.PhaseAdmitted, release.PhaseBake, release.PhaseProvision, release.PhaseVerify, release.PhaseGate} {
		require.NoError(t, s.Enter(p, noon))
	}
	s.Regions[0].Weights = release.Weights{{Fleet: "checkout-production-r0", Percent: 100}}
	s.Regions[0].Counts = release.Counts{Candidate: 3, Previous: 4, At: noon}
	s.WaitingFor = "an approval"
	return s
}

func text(s release.State) string {
	var b bytes.Buffer
	writeState(&b, s, noon.Add(90*time.Second))
	return b.String()
}

func TestStatusSaysWhoMustActAndHow(t *testing.T) {
	s := atGate(t)
	must := actions(s)
	require.Len(t, must, 1)
	assert.Equal(t, "bob or eve except ada", must[0].Who)
	assert.Equal(t, "switchyard approve r1 --gate switch", must[0].Command)

	out := text(s)
	for _, want := range []string{"release r1  checkout/production  version 1.4.2", "gate since 1m30s", "an approval", "switchyard approve r1 --gate switch",
		"checkout-production-r0  previous   100 %", "3 of 3", "0 of 1 approvals", "sha256:feed"} {
		assert.Contains(t, out, want)
	}

	_, err := s.TakeOrder(release.Order{Kind: release.OrderPause, By: "eve"}, noon)
	require.NoError(t, err)
	assert.Len(t, actions(s), 2, "paused as well")

	s.LeaveBy(release.LeaveAbort, "bob", "not today\nnot tomorrow", noon)
	assert.Empty(t, actions(s), "nobody has to act on a release that leaves")
	assert.Contains(t, text(s), "not today\n  not tomorrow")
}

func TestAReleaseThatIsNewOrOverCanBeShown(t *testing.T) {
	s := release.NewState(release.Request{ID: "r1"}, noon)
	assert.Contains(t, text(s), "nobody")
	require.NoError(t, s.Enter(release.PhaseRefused, noon.Add(time.Minute)))
	assert.Contains(t, text(s), "refused at")
	assert.NotContains(t, text(s), "must act")
}

func TestProgressTellsEachChangeOnce(t *testing.T) {
	s := release.NewState(atGate(t).Request, noon)
	assert.Equal(t, []string{"requested"}, changes(release.State{}, s, false))
	assert.Empty(t, changes(s, s, true))

	now := atGate(t)
	now.Entries[len(now.Entries)-1].Evidence = []string{"it looks\ngood"}
	got := changes(s, now, true)
	assert.Equal(t, []string{"admitted", "bake", "provision", "verify", "gate", "  it looks good", "  waiting for an approval"}, got)
	assert.Empty(t, changes(now, now, true))

	late := changes(release.State{}, now, false)
	assert.NotContains(t, late, "bake", "who comes late is told the present, not how it came about")
	assert.Contains(t, late, "gate")
}

func TestProgressTellsTroubleOnceUntilItEnds(t *testing.T) {
	var lines []string
	p := &progress{note: func(format string, _ ...any) { lines = append(lines, format) }}
	p.state(atGate(t))
	n := len(lines)
	p.trouble(assert.AnError)
	p.trouble(assert.AnError)
	assert.Len(t, lines, n+1)
	p.state(atGate(t))
	assert.Len(t, lines, n+2, "it answers again")
	p.trouble(assert.AnError)
	assert.Len(t, lines, n+3)
}

func TestAPictureNeverScrollsTheTerminal(t *testing.T) {
	body := []byte(strings.Repeat(strings.Repeat("x", 200)+"\n", 100))
	out := string(frame(body, "footer", 80, 24))
	assert.Equal(t, 23, strings.Count(out, "\r\n"))
	for _, line := range strings.Split(strings.TrimPrefix(out, home), "\r\n") {
		line = strings.NewReplacer(clearEnd, "", clearAll, "").Replace(line)
		assert.LessOrEqual(t, len(line), 80)
	}
	assert.Contains(t, out, "footer")
}

func TestSuggestionsSayTheTargetWhenTheyMust(t *testing.T) {
	list := []starter.Listed{
		{ID: "r1", WorkflowID: "release/a/prod/r1", Application: "a", Environment: "prod", Version: "1", Phase: "soak"},
		{ID: "r1", WorkflowID: "release/b/prod/r1", Application: "b", Environment: "prod", Version: "1", Phase: "soak"},
		{ID: "r2", WorkflowID: "release/a/prod/r2", Application: "a", Environment: "prod", Version: "2", Phase: "gate"},
	}
	assert.Equal(t, []string{"r2\ta/prod 2 gate"}, suggestions(list, "r"))
	all := suggestions(list, "")
	assert.Equal(t, "a/prod/r1\ta/prod 1 soak", all[0])
	assert.Equal(t, "b/prod/r1\tb/prod 1 soak", all[1])
	assert.Equal(t, []string{"a/prod/r1\ta/prod 1 soak", "a/prod/r2\ta/prod 2 gate"}, suggestions(list, "a/"))
}

func TestLastLines(t *testing.T) {
	assert.Equal(t, "b\nc", lastLines([]byte("a\nb\nc\n"), 2))
	assert.Equal(t, "a\nb\nc", lastLines([]byte("a\nb\nc\n"), 0))
	assert.Equal(t, "a", lastLines([]byte("a"), 5))
	assert.Equal(t, "", lastLines(nil, 5))
}
