package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func planBench(t *testing.T) (*bench, activities.PlanInput) {
	b := newBench(t)
	b.all.Planner.Bakery = &bakery{digest: "sha256:inputs"}
	b.cloud.Place(fleetOf(blue, "r1", 4))
	b.cloud.SetShares(region, target, allBlue)
	in := activities.PlanInput{Request: release.Request{ID: "r2", Spec: spec.Spec{
		Application: "checkout", Environment: "production", Version: "2.0.0", Platform: "fake",
		Regions: []spec.Region{{Name: region}}, Fleet: spec.Fleet{Instances: 2},
		Image: spec.Image{Packer: &spec.Packer{Template: "app.pkr.hcl"}}, Soak: spec.Soak{Duration: new(spec.Duration)},
	}}}
	return b, in
}

func TestPlanObservesWhatServes(t *testing.T) {
	b, in := planBench(t)
	plan, err := run[release.Plan](b, activities.MakePlan, in)
	require.NoError(t, err)
	require.Equal(t, release.ImageBake, plan.Image.Action)
	require.Equal(t, "sha256:inputs", plan.Image.InputDigest)
	require.Equal(t, blue, plan.Regions[0].Previous)
	require.Equal(t, 4, plan.Regions[0].Capacity)
	require.Equal(t, "http://local-a.test", plan.Regions[0].Entry)
	again, err := run[release.Plan](b, activities.MakePlan, in)
	require.NoError(t, err)
	require.Equal(t, plan.Digest, again.Digest, "nothing was changed by looking")
}

func TestPlanReusesAnImageOfTheSameInputs(t *testing.T) {
	b, in := planBench(t)
	b.cloud.Store(release.Image{Ref: "sha256:old", Application: "checkout", InputDigest: "sha256:inputs"}, "")
	plan, err := run[release.Plan](b, activities.MakePlan, in)
	require.NoError(t, err)
	require.Equal(t, release.ImageReuse, plan.Image.Action)
	require.Equal(t, "sha256:old", plan.Image.Ref)
}

func TestPlanOfAnExistingImageNeedsIt(t *testing.T) {
	b, in := planBench(t)
	in.Request.Spec.Image = spec.Image{Existing: "sha256:there"}
	_, err := run[release.Plan](b, activities.MakePlan, in)
	app := requireKind(t, err, activities.ErrPlan, true)
	require.Contains(t, app.Error(), "sha256:there")
	b.cloud.Store(release.Image{Ref: "sha256:there"}, "")
	plan, err := run[release.Plan](b, activities.MakePlan, in)
	require.NoError(t, err)
	require.Equal(t, release.ImageExisting, plan.Image.Action)
}

func TestPlanRefusesSplitTraffic(t *testing.T) {
	b, in := planBench(t)
	b.cloud.SetShares(region, target, release.Weights{{Fleet: blue, Percent: 60}, {Fleet: green, Percent: 40}})
	_, err := run[release.Plan](b, activities.MakePlan, in)
	app := requireKind(t, err, activities.ErrPlan, true)
	require.Contains(t, app.Error(), "traffic is split")
}

func TestPlanTakesNoFailedReadForAnEmptyRegion(t *testing.T) {
	for _, call := range []string{"Router.Entry", "Router.Weights", "Fleets.List", "Images.Find"} {
		b, in := planBench(t)
		b.cloud.Fail(call, fakeplatform.Fault{Err: fakeplatform.Throttled})
		_, err := run[release.Plan](b, activities.MakePlan, in)
		requireKind(t, err, string(platform.KindThrottled), false)
		_, err = run[release.Plan](b, activities.MakePlan, in)
		require.NoError(t, err)
	}
}

func TestPlanNamesAllThatStandsAgainstIt(t *testing.T) {
	b, in := planBench(t)
	b.cloud.Findings = []platform.Finding{
		{Subject: "vCPU quota in local-a", Problem: "8 of 10 are used, the fleet needs 4", Advice: "raise it", Blocking: true},
		{Subject: "free addresses in subnet-1", Problem: "2, the fleet needs 4", Blocking: true},
		{Subject: "deregistration delay", Problem: "it is 0"},
		{Subject: "instance type"},
	}
	_, err := run[release.Plan](b, activities.MakePlan, in)
	app := requireKind(t, err, activities.ErrPlan, true)
	require.Contains(t, app.Error(), "local-a: vCPU quota in local-a: 8 of 10 are used, the fleet needs 4 (raise it)")
	require.Contains(t, app.Error(), "free addresses in subnet-1")
	require.NotContains(t, app.Error(), "deregistration delay", "a doubt stops nothing")
}

func TestPlanTellsOfDoubtsAndBindsApprovalsToThem(t *testing.T) {
	b, in := planBench(t)
	sure, err := run[release.Plan](b, activities.MakePlan, in)
	require.NoError(t, err)
	require.Empty(t, sure.Doubts)
	b.cloud.Findings = []platform.Finding{{Subject: "deregistration delay", Problem: "it is 0"}, {Subject: "instance type"}}
	plan, err := run[release.Plan](b, activities.MakePlan, in)
	require.NoError(t, err)
	require.Equal(t, []string{"local-a: deregistration delay: it is 0"}, plan.Doubts)
	require.NotEqual(t, sure.Digest, plan.Digest)
}

func TestPlanPinsTheParentThatTheSpecNamesByItsProvenance(t *testing.T) {
	b, in := planBench(t)
	in.Request.Spec.Image.Packer.ParentOf = &spec.ParentOf{Application: "base"}
	_, err := run[release.Plan](b, activities.MakePlan, in)
	app := requireKind(t, err, activities.ErrPlan, true)
	require.Contains(t, app.Error(), "no image of base")

	b.cloud.Store(release.Image{Ref: "sha256:base1", Application: "base", Version: "1"}, "")
	plan, err := run[release.Plan](b, activities.MakePlan, in)
	require.NoError(t, err)
	require.Equal(t, "sha256:base1", plan.Image.Parent)
	require.Contains(t, plan.Steps, "build it on image sha256:base1 of base")
}

func TestPlanOfAKeptVersionTakesItsNewestImage(t *testing.T) {
	b, in := planBench(t)
	in.Request.Spec.Version, in.Request.Spec.Image = "1.0.0", spec.Image{Retained: "1.0.0"}
	_, err := run[release.Plan](b, activities.MakePlan, in)
	app := requireKind(t, err, activities.ErrPlan, true)
	require.Contains(t, app.Error(), "no image of version 1.0.0")

	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for ref, i := range map[string]release.Image{
		"sha256:old":   {Application: "checkout", Version: "1.0.0", CreatedAt: day},
		"sha256:new":   {Application: "checkout", Version: "1.0.0", CreatedAt: day.Add(time.Hour)},
		"sha256:later": {Application: "checkout", Version: "2.0.0", CreatedAt: day.Add(2 * time.Hour)},
		"sha256:other": {Application: "search", Version: "1.0.0", CreatedAt: day.Add(2 * time.Hour)},
	} {
		i.Ref = ref
		b.cloud.Store(i, "")
	}
	plan, err := run[release.Plan](b, activities.MakePlan, in)
	require.NoError(t, err)
	require.Equal(t, release.PlanImage{Action: release.ImageRetained, Ref: "sha256:new"}, plan.Image)

	image, err := run[release.Image](b, activities.BakeImage, activities.BakeInput{Place: place, Spec: in.Request.Spec, Plan: plan.Image, Regions: []string{region, "local-b"}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{region: "sha256:new", "local-b": "sha256:new"}, image.Regions)

	in.Schema = release.Schema{Version: 7, Floor: 7, Builds: []release.Build{{Version: "1.0.0", Needs: 6}}}
	_, err = run[release.Plan](b, activities.MakePlan, in)
	app = requireKind(t, err, activities.ErrPlan, true)
	require.Contains(t, app.Error(), "needs schema 6")

	b.cloud.Fail("Images.Find", fakeplatform.Fault{Err: fakeplatform.Throttled})
	_, err = run[release.Plan](b, activities.MakePlan, in)
	requireKind(t, err, string(platform.KindThrottled), false)
}
