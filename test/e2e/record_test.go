//go:build record

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// envHistories is the folder TestRecord writes to, made anew.
const envHistories = "SWITCHYARD_HISTORIES"

// TestRecord makes the histories that workflows/replay_test.go replays, from a real
// server:
//
//	make build && SWITCHYARD_HISTORIES=$PWD/workflows/testdata/histories/vN go test -tags record -run TestRecord ./test/e2e
//
// Record from released code only, into the folder of that version, once: a branch
// replays its own histories whatever it broke, and a history that a released version
// made is never changed. Templates are read from a folder with the same path on every
// machine, and identities, which name machines, are taken out; replay does not need them.
func TestRecord(t *testing.T) {
	dir := os.Getenv(envHistories)
	require.NotEmpty(t, dir, "%s says where to write", envHistories)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	root := filepath.Join(os.TempDir(), "switchyard-replay")
	r := recorder{stack: use(t), dir: dir, good: changed(t, filepath.Join(root, "checkout"), "", "")}
	slow := changed(t, filepath.Join(root, "slow"), `"set -eu",`, `"sleep 20",`)
	gate := "[{before: switch}]"
	t.Run("histories", func(t *testing.T) {
		r.tell(t, "first", chapter{ID: "v1"}, nil)
		r.tell(t, "completed", chapter{Gate: gate, Soak: "5s"}, func(s *story, h starter.Handle) { s.approve(h) })
		r.tell(t, "rejected", chapter{Gate: gate}, func(s *story, h starter.Handle) {
			s.await(h, release.PhaseGate)
			s.order(h, release.Order{Kind: release.OrderReject, By: "grace", Gate: "switch", Comment: "not today"})
		})
		r.tell(t, "rolled-back-by-order", chapter{Soak: "1h"}, func(s *story, h starter.Handle) {
			s.await(h, release.PhaseSoak)
			s.order(h, release.Order{Kind: release.OrderRollback, By: "grace", Comment: "wrong prices"})
		})
		r.tell(t, "rolled-back-by-breach", chapter{Soak: "1h", Faults: `{"failAfter":"1s","errorRate":0.6}`},
			func(s *story, h starter.Handle) { s.load(s.await(h, release.PhaseSoak).Regions[0].Entry) })
		r.tell(t, "aborted-in-bake", chapter{Template: slow, Rebake: true}, func(s *story, h starter.Handle) {
			s.await(h, release.PhaseBake)
			s.order(h, release.Order{Kind: release.OrderAbort, By: "grace", Comment: "wrong branch"})
		})
		r.tell(t, "cancelled-in-soak", chapter{Soak: "1h"}, func(s *story, h starter.Handle) {
			s.await(h, release.PhaseSoak)
			require.NoError(s.t, s.client.CancelWorkflow(s.t.Context(), h.WorkflowID, h.RunID))
		})
		r.tell(t, "finished-early", chapter{Soak: "48h", Interval: "1m"}, func(s *story, h starter.Handle) {
			s.await(h, release.PhaseSoak)
			require.Eventually(s.t, func() bool { return s.attempt(h, activities.WatchFleet) > 3 }, 5*time.Minute, time.Second, "no looks")
			s.order(h, release.Order{Kind: release.OrderFinishSoak, By: "grace"})
		})
		r.tell(t, "canary", chapter{Traffic: ", strategy: canary, canary: {steps: [{weight: 10, hold: 2s}, {weight: 50, hold: 2s}]}"}, nil)
		r.tell(t, "rolling", chapter{Traffic: ", strategy: rolling, rolling: {batch: 50%, warmUp: 1s}"}, nil)
		r.tell(t, "migrated", chapter{Migrate: true}, nil)
		r.tell(t, "rolled-back-from-stop", chapter{Stopped: "1h"}, func(s *story, h starter.Handle) {
			require.Eventually(s.t, func() bool {
				st, err := starter.QueryState(s.t.Context(), s.client, h.WorkflowID)
				return err == nil && !st.StoppedAt.IsZero()
			}, time.Minute, 100*time.Millisecond, "the previous fleet is not stopped")
			s.order(h, release.Order{Kind: release.OrderRollback, By: "grace", Comment: "the report was wrong"})
		})
		r.queued(t)
	})
}

type recorder struct {
	*stack
	dir, good string
}

// tell records what a release goes through with the given acts. Any but the first
// of its target replaces one that is live.
func (r recorder) tell(t *testing.T, name string, c chapter, acts func(*story, starter.Handle)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		s := r.stack.tell(t, name, "")
		if c.ID == "" {
			c.ID = "v2"
			s.released(chapter{ID: "v1", Version: "1.0.0", Template: r.good})
		}
		if c.Template == "" {
			c.Template = r.good
		}
		c.Version = "2.0.0"
		h := s.start(c)
		if acts != nil {
			acts(s, h)
		}
		s.ended(h)
		r.write(t, name, s.history(h))
	})
}

// queued records a release that waits for the one before it, and the environment
// that makes it wait.
func (r recorder) queued(t *testing.T) {
	t.Run("queued", func(t *testing.T) {
		t.Parallel()
		s := r.stack.tell(t, "queued", "")
		one := s.start(chapter{ID: "v1", Version: "1.0.0", Template: r.good, Gate: "[{before: switch}]"})
		s.await(one, release.PhaseGate)
		two := s.start(chapter{ID: "v2", Version: "2.0.0", Template: r.good, Admission: "queue"})
		s.waits(two)
		s.approve(one)
		s.ended(two)
		r.write(t, "queued", s.history(two))
		r.write(t, "environment", s.history(starter.Handle{WorkflowID: release.EnvironmentWorkflowID(s.target)}))
	})
}

func (r recorder) write(t *testing.T, name string, events []*historypb.HistoryEvent) {
	data, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(&historypb.History{Events: events})
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(data, &tree))
	anonymous(t, tree)
	data, err = json.MarshalIndent(tree, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, name+".json"), append(data, '\n'), 0o644))
}

// anonymous takes out what names this machine, and fails when a payload does.
func anonymous(t *testing.T, node any) {
	switch n := node.(type) {
	case []any:
		for _, v := range n {
			anonymous(t, v)
		}
	case map[string]any:
		if n["kind"] == "TASK_QUEUE_KIND_STICKY" {
			n["name"] = "sticky"
		}
		for key, v := range n {
			text, isText := v.(string)
			switch {
			case key == "identity":
				n[key] = "worker"
			case key == "data" && isText:
				body, err := base64.StdEncoding.DecodeString(text)
				require.NoError(t, err)
				require.NotContains(t, string(body), repoRoot())
				home, err := os.UserHomeDir()
				require.NoError(t, err)
				require.False(t, strings.Contains(string(body), home+"/"), "a payload names %s: %s", home, body)
			default:
				anonymous(t, v)
			}
		}
	}
}
