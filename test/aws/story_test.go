package aws_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// chapter is one release; what is left out is short and good.
type chapter struct {
	Existing string // AMI; "" bakes one
	Version  string
	Gate     string
	Soak     string
	Interval string
	Ready    string // readyWithin
	Stopped  string // how long the old fleet is held without instances

	Role, Environment, Template, SourceAMI, Listener, TargetA, TargetB, SubnetA, SubnetB, SecurityGroup, Profile, Entry string
	Port, Instances                                                                                                     int
}

const chapterSpec = `apiVersion: switchyard/v1
application: checkout
environment: {{.Environment}}
version: {{.Version}}
platform: aws
aws:
  role: {{.Role}}
  instanceType: t3.micro
  instanceProfile: {{.Profile}}
  port: {{.Port}}
  healthGrace: 5s
regions:
  - name: eu-west-1
    aws:
      listener: {{.Listener}}
      targetGroups: ["{{.TargetA}}", "{{.TargetB}}"]
      subnets: ["{{.SubnetA}}", "{{.SubnetB}}"]
      securityGroups: ["{{.SecurityGroup}}"]
      entry: {{.Entry}}
image:
{{- if .Existing}}
  existing: {{.Existing}}
{{- else}}
  packer:
    template: {{.Template}}
    variables: {communicator: none, source_ami: {{.SourceAMI}}, skip_checks: "true", instance_type: t3.micro, subnet: {{.SubnetA}}}
{{- end}}
  secretScan: {unreadable: accept}
fleet: {instances: {{.Instances}}, readyWithin: {{.Ready}}}
verification:
  interval: 100ms
  within: 30s
  checks:
    - name: health
      http: {path: /healthz}
traffic: {drain: 1s, watch: 500ms}
gates: {{.Gate}}
soak: {duration: {{.Soak}}, interval: {{.Interval}}, breach: 500ms, minRequests: 0}
decommission: {adopted: remove, quiet: 2s, stopped: {{.Stopped}}}
retention: {images: 1}
deadline: 1h
`

func (w *world) request(c chapter) release.Request {
	w.t.Helper()
	or := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	or(&c.Version, "2.0.0")
	or(&c.Gate, "[]")
	or(&c.Soak, "1s")
	or(&c.Interval, "300ms")
	or(&c.Ready, "1m")
	or(&c.Stopped, "0s")
	c.Role, c.Environment, c.Template, c.SourceAMI = w.role(), w.target.Environment, filepath.Join(repoRoot(), "examples", "checkout", "packer", "aws"), w.info.SourceAMI
	c.Listener, c.TargetA, c.TargetB = w.info.Listener, w.info.TargetGroups[0], w.info.TargetGroups[1]
	c.SubnetA, c.SubnetB, c.SecurityGroup, c.Profile = w.info.Subnets[0], w.info.Subnets[1], w.info.InstanceGroup, w.info.InstanceProfile
	c.Entry, c.Port, c.Instances = w.info.Entry, w.port, size
	var b bytes.Buffer
	require.NoError(w.t, template.Must(template.New("").Parse(chapterSpec)).Execute(&b, c))
	path := filepath.Join(w.dir, w.queue, "release.yaml")
	require.NoError(w.t, os.WriteFile(path, b.Bytes(), 0o600))
	loaded, err := starter.ReadSpec(path)
	require.NoError(w.t, err)
	r, err := starter.NewRequest(loaded, "v2", "ada")
	require.NoError(w.t, err)
	return r
}

func (w *world) start(c chapter) starter.Handle {
	w.t.Helper()
	h, err := starter.Start(w.ctx, w.client, starter.StartOptions{Request: w.request(c), TaskQueue: w.queue})
	require.NoError(w.t, err)
	return h
}

// ended waits for a release's end, whatever it is.
func (w *world) ended(h starter.Handle) release.State {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 4*time.Minute)
	defer cancel()
	_ = w.client.GetWorkflow(ctx, h.WorkflowID, h.RunID).Get(ctx, nil) // failed is an end, too
	if ctx.Err() != nil {
		st, err := starter.QueryState(w.ctx, w.client, h.WorkflowID)
		require.NoError(w.t, ctx.Err(), "%s does not end: phase %s, waiting for %q, warnings %v (%v)", h.WorkflowID, st.Phase, st.WaitingFor, st.Warnings, err)
	}
	return w.state(h)
}

func (w *world) state(h starter.Handle) release.State {
	w.t.Helper()
	var st release.State
	require.Eventually(w.t, func() bool {
		var err error
		st, err = starter.QueryState(w.ctx, w.client, h.WorkflowID)
		return err == nil
	}, time.Minute, 50*time.Millisecond, "no worker answers for %s", h.WorkflowID)
	return st
}

// await waits until the release has come to a phase, or is over.
func (w *world) await(h starter.Handle, phase release.Phase) release.State {
	w.t.Helper()
	var st release.State
	require.Eventually(w.t, func() bool {
		st = w.state(h)
		return st.Phase == phase || st.Phase.Ended()
	}, 2*time.Minute, 20*time.Millisecond, "%s never came to %s", h.WorkflowID, phase)
	require.Equal(w.t, phase, st.Phase, "%+v", st.WayOut)
	return st
}
