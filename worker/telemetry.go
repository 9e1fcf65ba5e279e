package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// Telemetry goes into the options of the client, which every worker of it shares:
// set in both, each span would be made twice.
type Telemetry struct {
	Interceptors []interceptor.ClientInterceptor
	Metrics      client.MetricsHandler // nil when metrics are off
	Shutdown     func(context.Context) error
}

const scope = "github.com/switchyard/switchyard"

// NewTelemetry makes traces and metrics as the standard OTEL_* variables ask for.
// With none of them set there is none, and nothing is tried to be exported. Shutdown,
// after the workers have stopped, sends what is left.
func NewTelemetry(ctx context.Context, log *slog.Logger) (Telemetry, error) {
	t := Telemetry{Shutdown: func(context.Context) error { return nil }}
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return t, nil
	}
	if os.Getenv("OTEL_SERVICE_NAME") == "" && !strings.Contains(os.Getenv("OTEL_RESOURCE_ATTRIBUTES"), "service.name=") {
		// Read by the resource detectors; a service without a name is lost in any backend.
		_ = os.Setenv("OTEL_SERVICE_NAME", "switchyard-worker")
	}
	res, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithHost())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return t, fmt.Errorf("set up telemetry: %w", err)
	}
	var ends []func(context.Context) error
	if asked("TRACES") {
		end, err := t.traces(ctx, res)
		if err != nil {
			return t, err
		}
		ends = append(ends, end)
	}
	if asked("METRICS") {
		end, err := t.metrics(ctx, res, log)
		if err != nil {
			return t, err
		}
		ends = append(ends, end)
	}
	t.Shutdown = func(ctx context.Context) error {
		var errs []error
		for _, end := range ends {
			errs = append(errs, end(ctx))
		}
		return errors.Join(errs...)
	}
	return t, nil
}

// asked says whether the environment wants this kind of signal.
func asked(kind string) bool {
	for _, name := range []string{"OTEL_" + kind + "_EXPORTER", "OTEL_EXPORTER_OTLP_" + kind + "_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		if v := os.Getenv(name); v != "" {
			return v != "none"
		}
	}
	return false
}

func (t *Telemetry) traces(ctx context.Context, res *resource.Resource) (func(context.Context) error, error) {
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up traces from OTEL_TRACES_EXPORTER: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(res))
	tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{Tracer: provider.Tracer(scope), DisableQueryTracing: true})
	if err != nil {
		return nil, fmt.Errorf("set up traces: %w", err)
	}
	t.Interceptors = append(t.Interceptors, tracing)
	return provider.Shutdown, nil
}

func (t *Telemetry) metrics(ctx context.Context, res *resource.Resource, log *slog.Logger) (func(context.Context) error, error) {
	reader, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up metrics from OTEL_METRICS_EXPORTER: %w", err)
	}
	provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(res))
	t.Metrics = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: provider.Meter(scope), UseMonotonicCounters: true,
		OnError: func(err error) { log.Warn("a metric could not be recorded", "error", err) },
	})
	return provider.Shutdown, nil
}
