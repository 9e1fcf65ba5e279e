package promises

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/workflows"
)

// holders is what releases believe of one target: each that was told that it holds the
// target does so until it reports its end or vanishes.
type holders struct {
	env     *testsuite.TestWorkflowEnvironment
	holds   []string
	over    []string // releases that have ended, whether or not they said so
	frozen  []release.Freeze
	forced  []string // releases that may begin in a freeze
	broken  string
	actions []string
}

func (h *holders) breaks(format string, args ...any) {
	if h.broken == "" {
		h.broken = fmt.Sprintf(format, args...) + fmt.Sprintf("\nafter %v", h.actions)
	}
}

// gets is called when a release is told that it holds the target.
func (h *holders) gets(id string) {
	if slices.Contains(h.over, id) || slices.Contains(h.holds, id) {
		return // an answer to a release that has ended meanwhile, or the same answer again
	}
	if len(h.holds) > 0 {
		h.breaks("%s holds the target while %v does", id, h.holds)
	}
	now := h.env.Now()
	for _, f := range h.frozen {
		if !now.Before(f.From) && now.Before(f.Until) && !slices.Contains(h.forced, id) {
			h.breaks("%s may begin in the freeze %s", id, f.Name)
		}
	}
	h.holds = append(h.holds, id)
}

func (h *holders) ends(id string) {
	h.over = append(h.over, id)
	h.holds = slices.DeleteFunc(h.holds, func(x string) bool { return x == id })
}

// action is one thing that a release or a person does to the target.
type action struct {
	What   string
	ID     string
	Policy string
	After  time.Duration
	Hours  int
	Force  bool
}

func drawActions(t *rapid.T) []action {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action {
		return action{
			What:   pick(t, "what", "ask", "ask", "ask", "ask", "end", "end", "vanish", "freeze", "thaw", "continue", "report"),
			ID:     pick(t, "id", "r1", "r2", "r3", "r4", "r5"),
			Policy: pick(t, "policy", spec.PolicyQueue, spec.PolicyQueue, spec.PolicyReject),
			After:  pick(t, "after", time.Second, 20*time.Second, 2*time.Minute, time.Hour),
			Hours:  pick(t, "hours", 1, 3), Force: some(t, "force", 20),
		}
	}), 1, 14).Draw(t, "actions")
}

// TestOneHolder lets releases ask for one target, end, vanish and be told by an
// environment that is frozen and continued as new meanwhile: never do two hold it.
func TestOneHolder(t *testing.T) {
	for i := range holderShards {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			defer counted(t)
			rapid.Check(t, oneHolder)
		})
	}
}

func oneHolder(t *rapid.T) {
	h := &holders{}
	state := release.Environment{Target: release.Target{Application: "checkout", Environment: "production"}}
	start, todo := begin, drawActions(t)
	for {
		var next release.Environment
		next, todo = h.run(state, start, todo)
		if h.broken != "" {
			break
		}
		start, state = h.env.Now(), next
		if len(todo) == 0 {
			break
		}
	}
	played.Add(1)
	if h.broken != "" && (wanted < 0 || wanted == 6) {
		caught(t, 6, h.broken)
	}
}

// run runs the environment until it is continued as new, which comes after the last
// action at the latest, and says what is left to do.
func (h *holders) run(state release.Environment, start time.Time, todo []action) (release.Environment, []action) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	h.env = suite.NewTestWorkflowEnvironment()
	h.env.SetTestTimeout(time.Minute)
	h.env.SetStartTime(start)
	workflows.Register(h.env, false)
	h.env.RegisterActivityWithOptions(func(_ context.Context, in activities.HolderInput) (bool, error) {
		return !slices.Contains(h.over, in.WorkflowID), nil
	}, activity.RegisterOptions{Name: activities.HolderRuns})
	h.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, "", mock.Anything, mock.Anything).Return(
		func(_, id, _, signal string, _ any) error {
			if slices.Contains(h.over, id) {
				return errors.New("not found")
			}
			if signal == release.SignalAdmitted {
				h.gets(id)
			}
			return nil
		})
	at := time.Duration(0)
	var left []action
	for i, a := range todo {
		at += a.After
		if a.What == "continue" {
			left = todo[i+1:]
			break
		}
		h.env.RegisterDelayedCallback(func() { h.do(a) }, at)
	}
	h.env.RegisterDelayedCallback(func() {
		h.env.SetContinueAsNewSuggested(true)
		h.ask(action{ID: "last", Policy: spec.PolicyReject}) // something that wakes it
		h.ends("last")
		h.report("last", "aborted")
	}, at+time.Minute)
	h.env.ExecuteWorkflow(release.WorkflowEnvironment, release.EnvironmentInput{State: state})
	var again *workflow.ContinueAsNewError
	if !errors.As(h.env.GetWorkflowError(), &again) {
		h.breaks("the environment ended: %v", h.env.GetWorkflowError())
		return state, nil
	}
	var in release.EnvironmentInput
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
		h.breaks("the next run has no input: %v", err)
	}
	return in.State, left
}

func (h *holders) do(a action) {
	h.actions = append(h.actions, a.What+" "+a.ID)
	switch a.What {
	case "ask":
		if !slices.Contains(h.over, a.ID) {
			h.ask(a)
		}
	case "report":
		h.report(a.ID, "")
	case "end":
		if slices.Contains(h.holds, a.ID) {
			h.ends(a.ID)
			h.report(a.ID, "completed")
		}
	case "vanish":
		h.ends(a.ID)
	case "freeze":
		f := freezeOf(h.env.Now(), a.Hours)
		f.Until = f.Until.Add(-7300 * time.Millisecond) // never just when something else happens
		h.frozen = []release.Freeze{f}                  // of one name
		h.order(release.UpdateFreeze, f)
	case "thaw":
		h.frozen = nil
		h.order(release.UpdateThaw, release.ThawRequest{Name: "sales", By: "grace"})
	}
}

func (h *holders) order(name string, body any) {
	h.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{OnAccept: func() {}, OnReject: func(error) {}, OnComplete: func(any, error) {}}, body)
}

func (h *holders) ask(a action) {
	holder := release.Holder{ID: a.ID, Version: "2.0.0", WorkflowID: a.ID, RunID: "run"}
	if a.Force {
		holder.OverrideFreeze = "it has to be"
		h.forced = append(h.forced, a.ID)
	}
	h.env.UpdateWorkflow(release.UpdateAdmit, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(error) {},
		OnComplete: func(v any, _ error) {
			if answer, ok := v.(release.Admission); ok && answer.Decision == release.Admitted {
				h.gets(a.ID)
			}
		},
	}, release.AdmitRequest{Holder: holder, Policy: a.Policy})
}

func (h *holders) report(id, outcome string) {
	h.env.UpdateWorkflow(release.UpdateReport, "", &testsuite.TestUpdateCallback{OnAccept: func() {}, OnReject: func(error) {}, OnComplete: func(any, error) {}},
		release.ReportRequest{ID: id, Version: "2.0.0", Outcome: outcome})
}
