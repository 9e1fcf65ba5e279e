package workflows_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

var update = flag.Bool("update", false, "write the golden files anew")

// details are the current details as the Temporal UI gets them.
func (w *world) details() string {
	v, err := w.env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(w.t, err)
	var m sdkpb.WorkflowMetadata
	require.NoError(w.t, v.Get(&m))
	return m.GetCurrentDetails()
}

var (
	times     = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ`)
	durations = regexp.MustCompile(`\| (\d+h)?(\d+m)?[\d.]+m?s \|`)
	millis    = regexp.MustCompile(`\d+ ms after`)
)

func golden(t *testing.T, file, got, digest string) {
	got = strings.ReplaceAll(got, digest, "sha256:DIGEST")
	got = strings.ReplaceAll(got, strings.TrimPrefix(digest, "sha256:")[:16], "SHORT")
	hex := strings.TrimPrefix(digest, "sha256:")
	got = regexp.MustCompile(hex[:12]+"[0-9a-f]*").ReplaceAllString(got, "DIGEST")
	got = millis.ReplaceAllString(durations.ReplaceAllString(times.ReplaceAllString(got, "TIME"), "| TOOK |"), "N ms after")
	file = "testdata/" + file
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run go test ./workflows -run Details -update")
	require.Equal(t, string(want), got)
}

func TestDetailsShowWhatIsGoingOn(t *testing.T) {
	w := newWorld(t).serving("local-a").approved()
	gate, soak, end := "", "", ""
	w.at(release.PhaseGate, 30*time.Second, func() {
		w.signal(release.OrderApprove, body{"by": "ada", "gate": "switch", "plan": w.planDigest})
	})
	w.at(release.PhaseGate, 40*time.Second, func() { gate = w.details() })
	w.at(release.PhaseSoak, 50*time.Minute, func() {
		w.sees(0, activities.Watch{
			Why: activities.WatchReadiness, Readiness: release.Readiness{Why: "old has 1 instance in service, today's load needs 2", At: w.env.Now()},
			Counts:  release.Counts{Candidate: 2, Previous: 1},
			Results: []release.Result{{Check: "health", Verdict: release.Pass, Value: "200", Bound: "status 200"}},
		})
	})
	w.at(release.PhaseSoak, time.Hour, func() { soak = w.details() })
	w.at(release.PhaseSoak, 2*time.Hour, w.by(release.OrderRollback))
	w.run()
	end = w.details()
	golden(t, "details-gate.md", gate, w.planDigest)
	golden(t, "details-soak.md", soak, w.planDigest)
	golden(t, "details-rolled-back.md", end, w.planDigest)
}

// offered is the JSON that the details tell a person to send as an order.
func offered(t *testing.T, details string, kind release.OrderKind) (b body) {
	found := regexp.MustCompile("(?s)- `" + string(kind) + "` [^\n]*\n\n```json\n(.*?)\n```").FindStringSubmatch(details)
	require.NotNil(t, found, "%s is not offered:\n%s", kind, details)
	text := strings.NewReplacer("YOUR NAME", "grace", "WHY", "because").Replace(found[1])
	require.NoError(t, json.Unmarshal([]byte(text), &b))
	return b
}

func TestWhatTheDetailsSayToSendWorks(t *testing.T) {
	for _, kind := range []release.OrderKind{release.OrderApprove, release.OrderReject, release.OrderAbort} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t).serving("local-a")
			w.at(release.PhaseGate, time.Minute, func() { w.signal(kind, offered(t, w.details(), kind)) })
			s := w.run(soakOf(0))
			require.Empty(t, s.Refusals)
			require.Equal(t, kind, s.Orders[0].Kind)
		})
	}
	for _, kind := range []release.OrderKind{release.OrderFinishSoak, release.OrderExtendSoak, release.OrderRollback} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t).serving("local-a").approved()
			w.at(release.PhaseSoak, time.Minute, func() { w.signal(kind, offered(t, w.details(), kind)) })
			s := w.run()
			require.Empty(t, s.Refusals)
			require.Equal(t, kind, s.Orders[1].Kind)
		})
	}
	t.Run("resume", func(t *testing.T) {
		w := newWorld(t).serving("local-a").approved()
		w.at(release.PhaseGate, time.Second, w.by(release.OrderPause))
		w.at(release.PhaseGate, time.Hour, func() { w.signal(release.OrderResume, offered(t, w.details(), release.OrderResume)) })
		s := w.run()
		require.Empty(t, s.Refusals)
	})
}

func TestDetailsOfAFirstReleaseOfferNoWayBack(t *testing.T) {
	w := newWorld(t).approved()
	w.at(release.PhaseSoak, time.Minute, func() {
		require.NotContains(t, w.details(), "`rollback`")
		require.NotContains(t, w.details(), "`abort`")
	})
	require.Equal(t, "completed", w.end())
}

func TestDetailsFitHoweverLongTheInputs(t *testing.T) {
	long := strings.Repeat("ü|`\n#", 40) // 240 bytes that try to break out of a table
	w := newWorld(t)
	seen := 0
	look := func() {
		text := w.details()
		require.Less(t, len(text), 20000)
		require.True(t, utf8.ValidString(text))
		seen++
	}
	w.at(release.PhaseGate, time.Minute, func() {
		look()
		require.NotNil(t, offered(t, w.details(), release.OrderApprove))
		for range 30 {
			w.signal(release.OrderPause, body{"by": "grace", "comment": strings.Repeat("x", 999)})
			w.signal(release.OrderApprove, body{"by": "grace", "gate": long})
			w.signal(release.OrderResume, body{"by": "grace", "comment": strings.Repeat("\n# y", 240)})
		}
	})
	w.at(release.PhaseGate, 2*time.Minute, func() {
		look()
		require.NotContains(t, w.details(), "\n# y")
		w.signal(release.OrderAbort, body{"by": "grace", "comment": strings.Repeat("\n# z", 240)})
	})
	s := w.run(func(s *spec.Spec) {
		s.Regions = nil
		for i := range 32 {
			name := fmt.Sprintf("a-region-with-a-long-name-%d", i)
			s.Regions = append(s.Regions, spec.Region{Name: name})
			w.serving(name)
		}
		for i := range 16 {
			s.Gates = append(s.Gates, spec.Gate{Name: fmt.Sprintf("gate-%d", i), Before: spec.BeforeSwitch, Approvers: []string{"grace", long}})
		}
	})
	look()
	require.NotContains(t, w.details(), "\n# z")
	require.Equal(t, "aborted", s.Outcome())
	require.Equal(t, 3, seen)
}
