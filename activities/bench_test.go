package activities_test

import (
	"context"
	"errors"
	"github.com/switchyard/switchyard/platform"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	region = "local-a"
	blue   = "checkout-production-r1"
	green  = "checkout-production-r2"
)

var (
	target = release.Target{Application: "checkout", Environment: "production"}
	place  = activities.Place{Platform: "fake", Region: region, Target: target, Release: "r2"}
)

// bench runs activities as a worker does, on a platform in memory.
type bench struct {
	t     *testing.T
	env   *testsuite.TestActivityEnvironment
	cloud *fakeplatform.Cloud
	all   activities.All
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, cloud: fakeplatform.New()}
	set := activities.Set{"fake": platform.Fixed(b.cloud.Platform("fake"))}
	poll := activities.Poll{From: time.Millisecond, To: time.Millisecond}
	fleets, checks := &activities.Fleets{Platforms: set, Poll: poll}, &activities.Checks{Platforms: set}
	b.all = activities.All{
		Environments: &activities.Environments{TaskQueue: "q"},
		Planner:      &activities.Planner{Platforms: set, Bakery: &bakery{cloud: b.cloud}},
		Baker:        &activities.Baker{Platforms: set, Bakery: &bakery{cloud: b.cloud}},
		Fleets:       fleets,
		Traffic:      &activities.Traffic{Platforms: set},
		Checks:       checks,
		Prover:       &activities.Prover{Fleets: fleets, Checks: checks},
		Notifier:     &activities.Notifier{},
		Migrator:     &activities.Migrator{},
	}
	b.newAttempt()
	return b
}

// newAttempt is another worker process: nothing but the platform is kept.
func (b *bench) newAttempt() {
	suite := &testsuite.WorkflowTestSuite{}
	b.env = suite.NewTestActivityEnvironment()
	activities.Register(b.env, b.all, false)
}

func run[O any](b *bench, name string, in any) (O, error) {
	b.t.Helper()
	var out O
	value, err := b.env.ExecuteActivity(name, in)
	if err != nil {
		return out, err
	}
	require.NoError(b.t, value.Get(&out))
	return out, nil
}

// act runs an activity that answers nothing.
func act(b *bench, name string, in any) error {
	_, err := b.env.ExecuteActivity(name, in)
	return err
}

// requireKind checks what a workflow can tell of an error.
func requireKind(t *testing.T, err error, kind string, final bool) *temporal.ApplicationError {
	t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, kind, app.Type(), app.Error())
	require.Equal(t, final, app.NonRetryable(), app.Error())
	return app
}

// fleetOf is a fleet of that many instances in service.
func fleetOf(name, releaseID string, instances int) release.Fleet {
	f := release.Fleet{Name: name, Region: region, Target: target, Release: releaseID, Image: "sha256:" + releaseID, Desired: instances}
	for i := range instances {
		f.Instances = append(f.Instances, release.Instance{
			ID: name + "-" + string(rune('a'+i)), Address: "127.0.0.1:1", State: release.InstanceInService,
		})
	}
	return f
}

func ms(n int) spec.Duration { return spec.Duration(time.Duration(n) * time.Millisecond) }

// bakery bakes into the cloud's image store.
type bakery struct {
	cloud   *fakeplatform.Cloud
	digest  string
	err     error  // of the bake, after an unfinished image was stored
	lost    bool   // the bake works and its answer is lost
	proof   error  // of the provenance
	baked   int    // bakes that were begun
	secret  string // as the last bake got it
	entered chan struct{}
}

func (f *bakery) InputDigest(context.Context, spec.Spec) (string, error) { return f.digest, nil }

func (f *bakery) Bake(ctx context.Context, o activities.BakeOrder, told func(string)) (string, error) {
	f.baked++
	f.secret = o.Secrets["token"]
	told("==> building")
	if f.entered != nil {
		f.cloud.Store(release.Image{Ref: "sha256:half"}, o.Tag)
		close(f.entered)
		<-ctx.Done()
		return "", ctx.Err()
	}
	if f.err != nil {
		f.cloud.Store(release.Image{Ref: "sha256:half"}, o.Tag)
		return "", f.err
	}
	f.cloud.Store(release.Image{Ref: "sha256:new", Application: o.Spec.Application, Version: o.Spec.Version, InputDigest: o.InputDigest}, "")
	if f.lost {
		f.lost = false
		return "", errors.New("the worker was killed")
	}
	return "sha256:new", nil
}

func (f *bakery) VerifyProvenance(context.Context, string, string) error { return f.proof }
