package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/switchyard/switchyard/internal/load"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// story is a target of its own with what a test does to it.
type story struct {
	*stack
	t      *testing.T
	target release.Target
	queue  string
}

// tell begins a story. A queue of "" is the stack's own worker.
func (s *stack) tell(t *testing.T, name, queue string) *story {
	if queue == "" {
		queue = s.dev.TaskQueue
	}
	return &story{stack: s, t: t, target: release.Target{Application: "checkout", Environment: name}, queue: queue}
}

// chapter is one release; what is left out is short and good.
type chapter struct {
	ID, Version, Soak, Interval, Gate, Faults, Notify, Admission, Total string
	Rebake, Prove, Migrate                                              bool
	Template                                                            string // folder; empty: the example's own
	Traffic, Stopped                                                    string
	Environment                                                         string
}

const chapterSpec = `apiVersion: switchyard/v1
application: checkout
environment: {{.Environment}}
version: {{.Version}}
image:
  packer:
    template: {{.Template}}
    rebake: {{.Rebake}}
{{- if .Faults}}
    variables: {faults: '{{.Faults}}'}
{{- end}}
  prove: {{.Prove}}
regions: [{name: local-a}]
fleet: {instances: 2, command: [/bin/checkout]}
verification:
  interval: 200ms
  within: 15s
  checks:
    - name: health
      http: {path: /healthz}
    - name: total
      http: {path: "/checkout?item=tea:2", via: router, json: {totalCents: "{{.Total}}"}}
traffic: {drain: 2s, watch: 0s{{.Traffic}}}
gates: {{.Gate}}
soak: {duration: {{.Soak}}, interval: {{.Interval}}, breach: 1s, maxErrorRate: 2%}
decommission: {quiet: 2s{{if .Stopped}}, stopped: {{.Stopped}}{{end}}}
{{- if .Migrate}}
migrations: {schema: 2, floor: 2, expand: {command: {run: ["true"]}}, contract: {command: {run: ["true"]}}}
{{- end}}
{{- if .Admission}}
admission: {policy: {{.Admission}}}
{{- end}}
{{- if .Notify}}
notifications: [{name: hook, url: "{{.Notify}}"}]
{{- end}}
`

func (s *story) request(c chapter) release.Request {
	s.t.Helper()
	r, err := starter.NewRequest(s.loaded(c), c.ID, "ada")
	require.NoError(s.t, err)
	return r
}

// loaded is the spec of a chapter, as read from its file.
func (s *story) loaded(c chapter) starter.Loaded {
	s.t.Helper()
	if c.Soak == "" {
		c.Soak = "2s"
	}
	if c.Gate == "" {
		c.Gate = "[]"
	}
	if c.Interval == "" {
		c.Interval = "500ms"
	}
	if c.Total == "" {
		c.Total = "900"
	}
	if c.Template == "" {
		c.Template = filepath.Join(repoRoot(), "examples", "checkout", "packer", "app")
	}
	c.Environment = s.target.Environment
	var b bytes.Buffer
	require.NoError(s.t, template.Must(template.New("").Parse(chapterSpec)).Execute(&b, c))
	path := filepath.Join(s.dir, s.target.Environment+"-"+c.ID+".yaml")
	require.NoError(s.t, os.WriteFile(path, b.Bytes(), 0o600))
	loaded, err := starter.ReadSpec(path)
	require.NoError(s.t, err)
	return loaded
}

// changed is a copy of the example's template in a folder of its own, with one text
// in it replaced. The folder is named by the caller: it stands in histories.
func changed(t *testing.T, dir, old, with string) string {
	t.Helper()
	require.NoError(t, os.RemoveAll(dir))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(repoRoot(), "examples", "checkout", "packer", "app"))))
	path := filepath.Join(dir, "app.pkr.hcl")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), old, with, 1)), 0o600))
	return dir
}

func (s *story) start(c chapter) starter.Handle {
	s.t.Helper()
	h, err := starter.Start(s.t.Context(), s.client, starter.StartOptions{Request: s.request(c), TaskQueue: s.queue})
	require.NoError(s.t, err)
	return h
}

// follow goes with a release to its end, calling on at every look.
func (s *story) follow(h starter.Handle, on func(release.State)) release.State {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 4*time.Minute)
	defer cancel()
	_, err := starter.Follow(ctx, s.client, starter.FollowOptions{
		WorkflowID: h.WorkflowID, RunID: h.RunID, Every: 100 * time.Millisecond,
		OnState: func(st release.State) {
			if on != nil {
				on(st)
			}
		},
	})
	require.NoError(s.t, err, "follow %s", h.WorkflowID)
	return s.state(h)
}

func (s *story) state(h starter.Handle) release.State {
	s.t.Helper()
	var st release.State
	require.Eventually(s.t, func() bool {
		var err error
		st, err = starter.QueryState(s.t.Context(), s.client, h.WorkflowID)
		return err == nil
	}, time.Minute, 200*time.Millisecond, "no worker answers for %s", h.WorkflowID)
	return st
}

// await follows until the release has come to a phase.
func (s *story) await(h starter.Handle, phase release.Phase) release.State {
	s.t.Helper()
	var st release.State
	require.Eventually(s.t, func() bool {
		var err error
		st, err = starter.QueryState(s.t.Context(), s.client, h.WorkflowID)
		return err == nil && (st.Phase == phase || st.Phase.Ended())
	}, 2*time.Minute, 50*time.Millisecond, "%s never came to %s", h.WorkflowID, phase)
	require.Equal(s.t, phase, st.Phase)
	return st
}

func (s *story) order(h starter.Handle, o release.Order) {
	s.t.Helper()
	_, err := starter.Order(s.t.Context(), s.client, h.WorkflowID, o)
	require.NoError(s.t, err)
}

// approve approves a gate as soon as the release waits at it.
func (s *story) approve(h starter.Handle) {
	s.t.Helper()
	st := s.await(h, release.PhaseGate)
	s.order(h, release.Order{Kind: release.OrderApprove, By: "grace", Gate: "switch", Plan: st.Plan.Digest})
}

// live is a first release that serves already.
func (s *story) live() string {
	s.t.Helper()
	st := s.follow(s.start(chapter{ID: "v1", Version: "1.0.0"}), nil)
	require.Equal(s.t, "completed", st.Outcome(), "%+v", st.WayOut)
	return st.Regions[0].Entry
}

func (s *story) load(entry string) *load.Load {
	l := load.Start(load.Options{URL: entry + "/checkout?item=tea:2", Rate: 40, Longest: 5 * time.Minute})
	s.t.Cleanup(func() { l.Stop() })
	return l
}

// settled checks what holds after every end: one fleet serves all the traffic at
// full size, no hold, no other fleet, no orphan, the target is free.
func (s *story) settled(fleet string) {
	s.t.Helper()
	ctx, p := s.t.Context(), s.dev.Cloud.Platform()
	fleets, err := p.Fleets.List(ctx, "local-a", s.target)
	require.NoError(s.t, err)
	require.Len(s.t, fleets, 1, "more than the live fleet is left")
	require.Equal(s.t, fleet, fleets[0].Name)
	require.Equal(s.t, 2, fleets[0].InService())
	require.Empty(s.t, fleets[0].ScaleInHeld)
	weights, err := p.Router.Weights(ctx, "local-a", s.target)
	require.NoError(s.t, err)
	require.Equal(s.t, 100, weights.Of(fleet))
	env, err := starter.QueryEnvironment(ctx, s.client, s.target)
	require.NoError(s.t, err)
	require.Nil(s.t, env.Holder)
	require.Empty(s.t, env.Queue)
	orphans, err := s.dev.Cloud.Orphans(ctx)
	require.NoError(s.t, err)
	for _, o := range orphans {
		require.NotEqual(s.t, "process", o.Kind, "%+v", o)
		require.NotEqual(s.t, "route", o.Kind, "%+v", o)
	}
	images, err := p.Images.Find(ctx, platform.ImageQuery{Application: "checkout"})
	require.NoError(s.t, err)
	require.NotEmpty(s.t, images)
	s.noStaging()
}

// noStaging checks that no bake of this story left its half-made image.
func (s *story) noStaging() {
	s.t.Helper()
	left, err := filepath.Glob(filepath.Join(s.dev.CloudDir, "images", ".staging", "*"))
	require.NoError(s.t, err)
	for _, l := range left {
		require.False(s.t, strings.Contains(l, s.target.Environment), "a bake left %s", l)
	}
}

func (s *story) history(h starter.Handle) []*historypb.HistoryEvent {
	s.t.Helper()
	var out []*historypb.HistoryEvent
	it := s.client.GetWorkflowHistory(s.t.Context(), h.WorkflowID, h.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		require.NoError(s.t, err)
		out = append(out, e)
	}
	return out
}

// activitiesOf names the activities that a history scheduled.
func activitiesOf(events []*historypb.HistoryEvent) map[string]bool {
	out := map[string]bool{}
	for _, e := range events {
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			out[a.GetActivityType().GetName()] = true
		}
	}
	return out
}

// released is a release that has to complete.
func (s *story) released(c chapter) release.State {
	s.t.Helper()
	st := s.ended(s.start(c))
	require.Equal(s.t, "completed", st.Outcome(), "%+v", st.WayOut)
	return st
}

// ended waits for a release's end, whatever it is.
func (s *story) ended(h starter.Handle) release.State {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 4*time.Minute)
	defer cancel()
	_ = s.client.GetWorkflow(ctx, h.WorkflowID, h.RunID).Get(ctx, nil) // failed and cancelled are ends, too
	require.NoError(s.t, ctx.Err(), "%s does not end", h.WorkflowID)
	return s.state(h)
}

// waits waits until the release stands in the target's queue.
func (s *story) waits(h starter.Handle) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		env, err := starter.QueryEnvironment(s.t.Context(), s.client, s.target)
		return err == nil && len(env.Queue) == 1 && env.Queue[0].WorkflowID == h.WorkflowID
	}, 30*time.Second, 50*time.Millisecond, "%s is not queued", h.WorkflowID)
}

// attempt is which attempt of an activity is going on or waited for, 0 when none is.
func (s *story) attempt(h starter.Handle, name string) int {
	s.t.Helper()
	d, err := s.client.DescribeWorkflowExecution(s.t.Context(), h.WorkflowID, h.RunID)
	require.NoError(s.t, err)
	for _, a := range d.GetPendingActivities() {
		if a.GetActivityType().GetName() == name {
			return int(a.GetAttempt())
		}
	}
	return 0
}
