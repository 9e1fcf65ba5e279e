// Package starter starts and follows releases from the outside: a CI job, the
// operator's CLI or a test. It loads Temporal's client settings, starts a release
// once however often it is asked to, follows it through outages, sends orders and
// turns the end into an exit code. It decides nothing; the workflows do.
package starter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
)

// ConnectOptions say how to reach Temporal. Empty fields leave the value to the
// TEMPORAL_* variables and the profile of Temporal's configuration file, in which
// TLS, API keys and codecs are set too.
type ConnectOptions struct {
	Address    string // host:port, as TEMPORAL_ADDRESS
	Namespace  string // as TEMPORAL_NAMESPACE
	Profile    string // as TEMPORAL_PROFILE
	ConfigFile string // as TEMPORAL_CONFIG_FILE

	Logger       *slog.Logger // absent: the client is silent
	Interceptors []interceptor.ClientInterceptor
	Metrics      client.MetricsHandler
	Within       time.Duration // longest time for the first contact; 0: 5 s
}

const connectWithin = 5 * time.Second

// Connect dials Temporal and proves the connection with one call. The error is a
// *UnreachableError when the server did not answer, an *InputError when the
// settings are wrong.
func Connect(ctx context.Context, o ConnectOptions) (client.Client, error) {
	opts, err := ClientOptions(o)
	if err != nil {
		return nil, err
	}
	within := o.Within
	if within <= 0 {
		within = connectWithin
	}
	dialCtx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	c, err := client.DialContext(dialCtx, opts)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &UnreachableError{Address: opts.HostPort, Namespace: opts.Namespace, Err: err}
	}
	return c, nil
}

// ClientOptions are the settings Connect dials with.
func ClientOptions(o ConnectOptions) (client.Options, error) {
	opts, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{
		ConfigFilePath: o.ConfigFile, ConfigFileProfile: o.Profile,
		// A profile with a codec is meant for everything that reads or writes its payloads.
		IncludeRemoteCodec: true,
	})
	if err != nil {
		return opts, &InputError{What: "load Temporal's client settings", Err: err,
			Advice: "check --profile, the TEMPORAL_* variables and Temporal's configuration file"}
	}
	if o.Address != "" {
		opts.HostPort = o.Address
	}
	if o.Namespace != "" {
		opts.Namespace = o.Namespace
	}
	if opts.HostPort == "" {
		opts.HostPort = client.DefaultHostPort
	}
	if opts.Namespace == "" {
		opts.Namespace = client.DefaultNamespace
	}
	opts.Interceptors, opts.MetricsHandler = o.Interceptors, o.Metrics
	opts.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	if o.Logger != nil {
		opts.Logger = sdklog.NewStructuredLogger(o.Logger)
	}
	opts.Identity = identity()
	return opts, nil
}

// UnreachableError says that Temporal did not answer.
type UnreachableError struct {
	Address, Namespace string
	Err                error
}

func (e *UnreachableError) Error() string {
	why := e.Err.Error()
	if errors.Is(e.Err, context.DeadlineExceeded) {
		why = "nothing answered there in time"
	}
	return fmt.Sprintf("connect to Temporal at %s (namespace %s): %s\n"+
		"Start one on this machine with `switchyard dev`, or point TEMPORAL_ADDRESS, --address or --profile at yours.",
		e.Address, e.Namespace, why)
}

func (e *UnreachableError) Unwrap() error { return e.Err }
