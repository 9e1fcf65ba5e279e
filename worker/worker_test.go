package worker

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

// A worker is built of ports; what is behind them does not matter here.
var somewhere = activities.Set{"nowhere": platform.Fixed(platform.Platform{Name: "nowhere"})}

type noBakery struct{ activities.Bakery }

func TestAWorkerWorksOnBothQueuesUntilItIsToldToStop(t *testing.T) {
	for name, o := range map[string]Options{
		"unversioned": {},
		"versioned":   {Versioned: true, DeploymentName: "switchyard-" + uuid.NewString()[:8], BuildID: "1.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			o.TaskQueue, o.Platforms, o.Bakery = uuid.NewString(), somewhere, noBakery{}
			w, err := Build(server.Client, o)
			require.NoError(t, err)
			run, stop := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- w.Run(run) }()
			for queue, kind := range map[string]enumspb.TaskQueueType{
				o.TaskQueue:                           enumspb.TASK_QUEUE_TYPE_WORKFLOW,
				o.TaskQueue + release.BakeQueueSuffix: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
			} {
				require.Eventually(t, func() bool {
					d, err := server.Client.DescribeTaskQueue(ctx, queue, kind)
					return err == nil && len(d.GetPollers()) > 0
				}, 30*time.Second, 50*time.Millisecond, "%s asks for work", queue)
			}
			if o.Versioned {
				// The deployment is known a moment after its workers have begun to poll.
				require.Eventually(t, func() bool { return starter.SetCurrentVersion(ctx, server.Client, o.DeploymentName, o.BuildID) == nil }, 30*time.Second, 100*time.Millisecond)
				require.NoError(t, starter.SetCurrentVersion(ctx, server.Client, o.DeploymentName, o.BuildID), "again changes nothing")
			}
			stop()
			require.NoError(t, <-done)
		})
	}
}

func TestAVersionWithoutWorkersCantBecomeCurrent(t *testing.T) {
	err := starter.SetCurrentVersion(context.Background(), server.Client, "nobody-"+uuid.NewString()[:8], "1.0.0")
	assert.Equal(t, starter.ExitBadInput, starter.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "switchyard worker --versioned")
}

func TestWorkerOptionsThatAreWrong(t *testing.T) {
	for want, o := range map[string]Options{
		"build id":       {Platforms: somewhere, Bakery: noBakery{}, Versioned: true, DeploymentName: "d"},
		"bake slots":     {Platforms: somewhere, Bakery: noBakery{}, BakeSlots: -1},
		"no platform":    {Bakery: noBakery{}},
		"no bakery":      {Platforms: somewhere},
		"its deployment": {Platforms: somewhere, Bakery: noBakery{}, Versioned: true, BuildID: "b"},
	} {
		_, err := Build(server.Client, o)
		require.Error(t, err, want)
		assert.Contains(t, err.Error(), want)
	}
}

func TestTelemetryIsOffUnlessTheEnvironmentAsksForIt(t *testing.T) {
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME"} {
		t.Setenv(name, "")
	}
	tel, err := NewTelemetry(context.Background(), nil)
	require.NoError(t, err)
	assert.Empty(t, tel.Interceptors)
	assert.Nil(t, tel.Metrics)
	require.NoError(t, tel.Shutdown(context.Background()))

	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	t.Setenv("OTEL_METRICS_EXPORTER", "console")
	tel, err = NewTelemetry(context.Background(), nil)
	require.NoError(t, err)
	assert.Len(t, tel.Interceptors, 1)
	assert.NotNil(t, tel.Metrics)
	require.NoError(t, tel.Shutdown(context.Background()))

	t.Setenv("OTEL_TRACES_EXPORTER", "nonsense")
	_, err = NewTelemetry(context.Background(), nil)
	require.ErrorContains(t, err, "OTEL_TRACES_EXPORTER")

	t.Setenv("OTEL_SDK_DISABLED", "true")
	tel, err = NewTelemetry(context.Background(), nil)
	require.NoError(t, err)
	assert.Empty(t, tel.Interceptors)
}
