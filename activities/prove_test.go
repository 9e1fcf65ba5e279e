package activities_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/internal/fakeplatform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func proveInput() activities.ProveInput {
	return activities.ProveInput{
		Place: place, Fleet: "checkout-production-r2-proof", Image: "sha256:r2", Version: "2.0.0",
		Spec: spec.Fleet{Command: []string{"/bin/checkout"}, HealthPath: "/healthz", ReadyWithin: ms(5_000)},
		Verification: spec.Verification{Within: ms(5_000), Interval: ms(1), Consecutive: 2, Checks: []spec.Check{
			{Name: "port", TCP: &spec.TCPCheck{Timeout: ms(1_000)}},
			{Name: "router", HTTP: &spec.HTTPCheck{Path: "/", Via: spec.ViaRouter, Timeout: ms(1_000)}},
		}},
	}
}

func TestProveBootsOneInstanceChecksItAndLeavesNothing(t *testing.T) {
	b := newBench(t)
	b.cloud.Address = server(t, func(http.ResponseWriter, *http.Request) {})
	proof, err := run[activities.Verified](b, activities.ProveImage, proveInput())
	require.NoError(t, err)
	require.Len(t, proof.Results, 2, "instances and port; an instance that stands alone is not asked through the router")
	_, there := b.cloud.Fleet(region, proveInput().Fleet)
	require.False(t, there)
}

func TestProveOfABadImageFailsAndLeavesNothing(t *testing.T) {
	b := newBench(t)
	in := proveInput()
	in.Spec.ReadyWithin = ms(20)
	b.cloud.Stick(region, in.Fleet, "exit code 3")
	_, err := run[activities.Verified](b, activities.ProveImage, in)
	app := requireKind(t, err, activities.ErrNotReady, true)
	require.Contains(t, app.Error(), "exit code 3")
	_, there := b.cloud.Fleet(region, in.Fleet)
	require.False(t, there)
}

func TestProveCarriesOnAfterALostAnswer(t *testing.T) {
	for _, call := range []string{"Fleets.Provision", "Fleets.Retire"} {
		t.Run(call, func(t *testing.T) {
			b := newBench(t)
			b.cloud.Address = server(t, func(http.ResponseWriter, *http.Request) {})
			b.cloud.Fail(call, fakeplatform.Fault{Err: fakeplatform.Lost, After: true})
			_, err := run[activities.Verified](b, activities.ProveImage, proveInput())
			require.Error(t, err)
			b.newAttempt()
			_, err = run[activities.Verified](b, activities.ProveImage, proveInput())
			require.NoError(t, err)
			_, there := b.cloud.Fleet(region, proveInput().Fleet)
			require.False(t, there)
		})
	}
}

func TestScanOfAnImageThatCannotBeReadNeedsTheSpecsConsent(t *testing.T) {
	b := newBench(t)
	b.cloud.ImageRoot = ""
	b.cloud.Store(release.Image{Ref: "ami-1"}, "")
	in := activities.ScanInput{Place: place, Image: "ami-1", Spec: spec.Image{SecretScan: spec.SecretScan{Unreadable: spec.UnreadableRefuse}}}
	_, err := run[activities.Scanned](b, activities.ScanImage, in)
	require.ErrorContains(t, err, "image.secretScan.unreadable: accept")
	in.Spec.SecretScan.Unreadable = spec.UnreadableAccept
	scanned, err := run[activities.Scanned](b, activities.ScanImage, in)
	require.NoError(t, err)
	require.True(t, scanned.Unsearched, "that it was not searched is told")
}
