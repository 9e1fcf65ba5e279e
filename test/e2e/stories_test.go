package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

const (
	atSwitch = "[{before: switch}]"
	region   = "local-a"
)

func TestOneReleaseHoldsTheTarget(t *testing.T) {
	t.Parallel()
	s := use(t).tell(t, "held", "")
	one := s.start(chapter{ID: "v1", Version: "1.0.0", Gate: atSwitch})
	s.await(one, release.PhaseGate)

	refused := s.ended(s.start(chapter{ID: "v2", Version: "2.0.0", Admission: "reject"}))
	require.Equal(t, "refused", refused.Outcome())
	require.Contains(t, refused.WayOut.Reason, "v1", "it does not say who holds the target")

	three := s.start(chapter{ID: "v3", Version: "3.0.0", Admission: "queue"})
	s.waits(three)
	require.Equal(t, release.PhaseRequested, s.state(three).Phase)
	s.approve(one)
	first := s.ended(one)
	require.Equal(t, "completed", first.Outcome())
	end := s.ended(three)
	require.Equal(t, "completed", end.Outcome(), "%+v", end.WayOut)
	require.Equal(t, s.fleet("v1"), end.Plan.Regions[0].Previous)
	s.settled(s.fleet("v3"))
}

func TestCancelFromTemporal(t *testing.T) {
	cases := map[string]struct {
		phase   release.Phase
		chapter chapter
		outcome string
	}{
		"gate": {release.PhaseGate, chapter{ID: "v2", Version: "2.0.0", Gate: atSwitch}, "aborted"},
		"soak": {release.PhaseSoak, chapter{ID: "v2", Version: "2.0.0", Soak: "1h"}, "rolled-back"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := use(t).tell(t, "cancel-"+name, "")
			l := s.load(s.live())
			h := s.start(c.chapter)
			s.await(h, c.phase)
			s.cancel(h)
			s.requireCancelled(h, c.outcome)
			requireNoneFailed(t, l)
			s.settled(s.fleet("v1"))
		})
	}
}

// A fleet that somebody made without Switchyard is taken for what is live, released
// over, and kept.
func TestAFleetMadeByOthersIsAdoptedAndKept(t *testing.T) {
	t.Parallel()
	donor := use(t).tell(t, "donor", "")
	image := donor.released(chapter{ID: "v1", Version: "1.0.0"}).Image.Ref
	s := use(t).tell(t, "adopted", "")
	p := s.dev.Cloud.Platform()
	_, err := p.Fleets.Provision(t.Context(), platform.FleetSpec{
		Name: "legacy", Region: region, Target: s.target, Version: "0.9.0", Image: image,
		Instances: 2, Command: []string{"/bin/checkout"}, HealthPath: "/healthz",
	})
	require.NoError(t, err)
	s.inService("legacy", 2)
	ours := release.Weights{{Fleet: "legacy", Percent: 100}}
	require.NoError(t, p.Router.SetWeights(t.Context(), region, s.target, nil, ours))
	entry, err := p.Router.Entry(t.Context(), region, s.target)
	require.NoError(t, err)

	l := s.load(entry)
	end := s.released(chapter{ID: "v2", Version: "2.0.0"})
	require.True(t, end.Regions[0].Adopted)
	require.Equal(t, "legacy", end.Regions[0].Previous)
	requireNoneFailed(t, l)
	legacy, err := p.Fleets.Describe(t.Context(), region, "legacy")
	require.NoError(t, err)
	require.Equal(t, 2, legacy.InService())
	require.Empty(t, legacy.ScaleInHeld)
}

// The end of the soak passes without any worker; the next one takes it up.
func TestNoWorkerForAWhileInTheSoak(t *testing.T) {
	t.Parallel()
	st := use(t)
	w := st.startWorker(t, "absent")
	s := st.tell(t, "absent", "absent")
	l := s.load(s.live())
	h := s.start(chapter{ID: "v2", Version: "2.0.0", Soak: "10s"})
	soak := s.await(h, release.PhaseSoak).Soak
	w.away(func() {
		require.Eventually(t, func() bool { return time.Now().After(soak.End.Add(time.Second)) }, time.Minute, 50*time.Millisecond)
	})
	end := s.ended(h)
	require.Equal(t, "completed", end.Outcome(), "%+v", end.WayOut)
	requireNoneFailed(t, l)
	s.settled(s.fleet("v2"))
}

func TestACrashedInstanceIsReplacedInTheSoak(t *testing.T) {
	t.Parallel()
	s := use(t).tell(t, "crash", "")
	l := s.load(s.live())
	h := s.start(chapter{ID: "v2", Version: "2.0.0", Soak: "1h"})
	s.await(h, release.PhaseSoak)
	before := s.instances(s.fleet("v2"))
	_, err := s.dev.Cloud.InjectFault(t.Context(), cloud.Fault{Kind: cloud.FaultCrash, Fleet: s.fleet("v2")})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		now := s.instances(s.fleet("v2"))
		return len(now) == 2 && (now[0] != before[0] || now[1] != before[1])
	}, 30*time.Second, 50*time.Millisecond, "the instance is not replaced")
	s.order(h, release.Order{Kind: release.OrderFinishSoak, By: "grace"})
	end := s.ended(h)
	require.Equal(t, "completed", end.Outcome(), "%+v", end.WayOut)
	requireNoneFailed(t, l)
	s.settled(s.fleet("v2"))
}

func TestATemplateThatFailsIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	s := use(t).tell(t, "template", "")
	broken := changed(t, filepath.Join(s.dir, "broken"), `"set -eu",`, `"exit 17",`)
	h := s.start(chapter{ID: "v1", Version: "1.0.0", Template: broken, Rebake: true})
	end := s.ended(h)
	require.Equal(t, "failed", end.Outcome())
	require.Contains(t, end.WayOut.Reason, "exit status: 17", "Packer's own words are missing")
	require.Equal(t, []int{1}, attemptsOf(s.history(h), activities.BakeImage))
	s.nothing()
}

func TestASecretInTheImageStopsTheRelease(t *testing.T) {
	t.Parallel()
	const body = "MIIEowIBAAKCAQEAx7Q1h2vDk3nq0yJm5sWc8uT4bR9eLfGz6KpXoAiVdNwYtHjMsB2lQrUeC1xZgFv7oPa3kSnD9mTyWhJ0"
	s := use(t).tell(t, "secret", "")
	leaky := changed(t, filepath.Join(s.dir, "leaky"), `"set -eu",`,
		`"set -eu", "printf '%s RSA PRIVATE KEY-----\\n`+body+`\\n-----END RSA PRIVATE KEY-----\\n' -----BEGIN > etc/checkout/server.pem",`)
	h := s.start(chapter{ID: "v1", Version: "6.6.6", Template: leaky, Rebake: true})
	end := s.ended(h)
	require.Equal(t, "failed", end.Outcome())
	require.Contains(t, end.WayOut.Reason, "etc/checkout/server.pem")
	require.Contains(t, end.WayOut.Reason, "private-key")
	for _, e := range s.history(h) {
		require.NotContains(t, e.String(), body)
	}
	images, err := s.dev.Cloud.Platform().Images.Find(t.Context(), platform.ImageQuery{Application: "checkout", Version: "6.6.6"})
	require.NoError(t, err)
	require.Empty(t, images, "the image with the secret is still there")
	s.nothing()
}

func TestAFailedVerificationLeavesWhatIsLiveAlone(t *testing.T) {
	t.Parallel()
	s := use(t).tell(t, "unverified", "")
	l := s.load(s.live())
	before := s.instances(s.fleet("v1"))
	end := s.ended(s.start(chapter{ID: "v2", Version: "2.0.0", Total: "901"}))
	require.Equal(t, "failed", end.Outcome())
	require.Contains(t, end.WayOut.Reason, "total")
	require.False(t, end.Regions[0].Switched)
	requireNoneFailed(t, l)
	require.Equal(t, before, s.instances(s.fleet("v1")))
	s.settled(s.fleet("v1"))
}

// Terminated by hand, a release reports nothing and cleans nothing up; the next one
// gets the target all the same.
func TestATerminatedReleaseDoesNotKeepTheTarget(t *testing.T) {
	t.Parallel()
	s := use(t).tell(t, "terminated", "")
	h := s.start(chapter{ID: "v1", Version: "1.0.0", Gate: atSwitch})
	s.await(h, release.PhaseGate)
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), h.WorkflowID, h.RunID, "by hand"))
	end := s.released(chapter{ID: "v2", Version: "2.0.0"})
	require.Empty(t, end.Plan.Regions[0].Previous, "a fleet that never served is taken for the live one")
	env, err := starter.QueryEnvironment(t.Context(), s.client, s.target)
	require.NoError(t, err)
	require.Nil(t, env.Holder)
}

// What stays behind is found: a process that belongs to no fleet.
func TestAnOrphanIsFound(t *testing.T) {
	s := use(t)
	pid := orphan(t, s)
	require.Eventually(t, func() bool { // a process that was just started has no environment yet
		orphans, err := s.dev.Cloud.Orphans(t.Context())
		return err == nil && slices.ContainsFunc(orphans, func(o cloud.Orphan) bool { return o.Kind == "process" && o.ID == pid })
	}, 20*time.Second, 100*time.Millisecond)
}

func (s *story) cancel(h starter.Handle) {
	s.t.Helper()
	require.NoError(s.t, s.client.CancelWorkflow(s.t.Context(), h.WorkflowID, h.RunID))
}

// requireCancelled checks that the release cleaned up and is cancelled for Temporal, too.
func (s *story) requireCancelled(h starter.Handle, outcome string) {
	s.t.Helper()
	end := s.ended(h)
	require.Equal(s.t, outcome, end.Outcome(), "%+v", end.WayOut)
	require.Empty(s.t, end.Warnings)
	d, err := s.client.DescribeWorkflowExecution(s.t.Context(), h.WorkflowID, h.RunID)
	require.NoError(s.t, err)
	require.Equal(s.t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, d.GetWorkflowExecutionInfo().GetStatus())
}

func (s *story) fleet(id string) string { return release.FleetName(s.target, id) }

func (s *story) instances(fleet string) []string {
	s.t.Helper()
	f, err := s.dev.Cloud.Platform().Fleets.Describe(s.t.Context(), region, fleet)
	require.NoError(s.t, err)
	var ids []string
	for _, i := range f.Instances {
		if i.State == release.InstanceInService {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

func (s *story) inService(fleet string, n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return len(s.instances(fleet)) == n }, 30*time.Second, 50*time.Millisecond)
}

// nothing checks that a target that never had anything still has nothing.
func (s *story) nothing() {
	s.t.Helper()
	fleets, err := s.dev.Cloud.Platform().Fleets.List(s.t.Context(), region, s.target)
	require.NoError(s.t, err)
	require.Empty(s.t, fleets)
	env, err := starter.QueryEnvironment(s.t.Context(), s.client, s.target)
	require.NoError(s.t, err)
	require.Nil(s.t, env.Holder)
	s.noStaging()
	_, err = os.Stat(filepath.Join(s.dev.CloudDir, "images"))
	require.NoError(s.t, err)
}

// The previous fleet is gone after a completed release; its image is kept, and a release
// of it goes through every check without a bake.
func TestBackToAVersionWhoseImageIsKept(t *testing.T) {
	t.Parallel()
	s := use(t).tell(t, "back", "")
	l := s.load(s.live())
	h := s.start(chapter{ID: "v2", Version: "2.0.0"})
	second := s.ended(h)
	require.Equal(t, "completed", second.Outcome())
	wishes := starter.Wishes{To: "1.0.0", Soak: spec.Duration(time.Second)}
	r, err := wishes.Request(s.loaded(chapter{ID: "v2", Version: "2.0.0", Migrate: true}), "back", "ada")
	require.NoError(t, err)
	h, err = starter.Start(t.Context(), s.client, starter.StartOptions{Request: r, TaskQueue: s.queue})
	require.NoError(t, err)
	end := s.ended(h)
	require.Equal(t, "completed", end.Outcome(), "%+v", end.WayOut)
	require.Equal(t, release.ImageRetained, end.Plan.Image.Action)
	require.True(t, end.Regions[0].Verified)
	require.Contains(t, strings.Join(end.Plan.Steps, "\n"), "shortened from 2s")
	require.Empty(t, end.Migrations)
	requireNoneFailed(t, l)
	s.settled(s.fleet("back"))
}
