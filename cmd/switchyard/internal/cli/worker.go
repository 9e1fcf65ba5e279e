package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/internal/dev"
	"github.com/switchyard/switchyard/internal/wiring"
	"github.com/switchyard/switchyard/platform/aws"
	"github.com/switchyard/switchyard/starter"
	"github.com/switchyard/switchyard/worker"
)

const defaultDeployment = "switchyard"

type workerFlags struct {
	worker.Options
	wiring.Bakery
	aws       aws.Options
	logFormat string
}

func (a *App) workerCmd() *cobra.Command {
	var f workerFlags
	cmd := &cobra.Command{
		Use: "worker", Short: "Run a worker until it is told to stop", Args: cobra.NoArgs,
		Long: `Run a worker. It keeps nothing that matters and may die at any moment; any number can run.

With --versioned it runs as one version of a worker deployment: releases stay on the version that
started them. A new version gets no work before ` + "`switchyard setup --set-current BUILD`" + `.

Traces and metrics are exported as the standard OTEL_* variables ask for, else not at all.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.worker(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.Versioned, "versioned", false, "run as a version of a worker deployment")
	flags.StringVar(&f.DeploymentName, "deployment", defaultDeployment, "with --versioned: name of the deployment")
	flags.StringVar(&f.BuildID, "build-id", "", "with --versioned: this version (absent: the program's version)")
	flags.IntVar(&f.BakeSlots, "bake-slots", 1, "bakes at the same time")
	flags.StringVar(&f.PackerBin, "packer", os.Getenv("SWITCHYARD_PACKER"), "packer program (absent: beside switchyard, then on PATH)")
	flags.StringVar(&f.PluginDir, "plugin-dir", os.Getenv("SWITCHYARD_PLUGIN_DIR"), "where Packer finds its plugins (absent: DIR/plugins, with Switchyard's own installed)")
	flags.StringVar(&f.StateDir, "state-dir", "", "logs and leftovers of bakes (absent: DIR/worker)")
	flags.DurationVar(&f.StopTimeout, "stop-timeout", 6*time.Minute, "how long running work may take to end after a stop")
	flags.BoolVar(&f.aws.AllowUnencrypted, "aws-allow-unencrypted", false, "let specs for AWS ask for volumes that are not encrypted")
	flags.DurationVar(&f.aws.Poll, "aws-poll", 0, "time between two looks while AWS is waited for (absent: 5s)")
	flags.DurationVar(&f.aws.Timeout, "aws-timeout", 0, "time after which one attempt of an AWS call is given up (absent: 15s)")
	flags.DurationVar(&f.aws.CountPeriod, "aws-count-period", 0, "resolution of request counts (absent: 60s, as load balancers report)")
	flags.DurationVar(&f.aws.CountDelay, "aws-count-delay", 0, "how old request counts have to be to be complete (absent: 2m)")
	flags.DurationVar(&f.aws.Spacing, "aws-spacing", 0, "time after which one more shared read of AWS may go (absent: 2s)")
	flags.DurationVar(&f.aws.Backoff, "aws-backoff", 0, "longest pause between two attempts of an AWS call (absent: 20s)")
	for _, tuning := range []string{"aws-poll", "aws-timeout", "aws-count-period", "aws-count-delay", "aws-spacing", "aws-backoff"} {
		_ = flags.MarkHidden(tuning) // for the AWS lab and tests; it fails for unknown names only
	}
	flags.StringVar(&f.logFormat, "log-format", "text", "form of the log on standard error: text or json")
	return cmd
}

type workerDocument struct {
	TaskQueue string `json:"taskQueue"`
	Stopped   bool   `json:"stopped"`
}

func (a *App) worker(ctx context.Context, f workerFlags) error {
	o, err := a.workerOptions(f)
	if err != nil {
		return err
	}
	tel, err := worker.NewTelemetry(ctx, o.Logger)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := tel.Shutdown(end); err != nil {
			o.Logger.Warn("telemetry could not be sent to its end", "error", err)
		}
	}()
	conn := a.connection()
	conn.Logger, conn.Interceptors, conn.Metrics = o.Logger, tel.Interceptors, tel.Metrics
	c, err := starter.Connect(ctx, conn)
	if err != nil {
		return err
	}
	defer c.Close()
	w, err := worker.Build(c, o)
	if err != nil {
		return &starter.InputError{What: "set up the worker", Err: err}
	}
	a.note("worker on task queue %s", o.TaskQueue)
	if err := w.Run(ctx); err != nil {
		return err
	}
	a.print(workerDocument{TaskQueue: o.TaskQueue, Stopped: true}, func(w io.Writer) { fmt.Fprintln(w, "worker stopped") })
	return nil
}

func (a *App) workerOptions(f workerFlags) (worker.Options, error) {
	o := f.Options
	switch f.logFormat {
	case "text":
		o.Logger = slog.New(slog.NewTextHandler(a.Err, nil))
	case "json":
		o.Logger = slog.New(slog.NewJSONHandler(a.Err, nil))
	default:
		return o, &starter.InputError{What: "read --log-format", Err: fmt.Errorf("%q is neither text nor json", f.logFormat)}
	}
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return o, fmt.Errorf("find the directory %s: %w", a.dir, err)
	}
	o.TaskQueue = a.taskQueue
	f.aws.Log = o.Logger
	onAWS := aws.New(f.aws)
	if o.Platforms, err = wiring.Platforms(a.cloudDir(), onAWS); err != nil {
		return o, err
	}
	if o.BuildID == "" {
		o.BuildID = a.Version
	}
	bakery := f.Bakery
	bakery.LocalCloud, bakery.AWS, o.Bakery = a.cloudDir(), onAWS, &bakery
	if bakery.StateDir == "" {
		bakery.StateDir = filepath.Join(dir, "worker")
	}
	if bakery.PackerBin == "" {
		// Absent is fine: only a bake needs it, and says so.
		bakery.PackerBin, _ = dev.FindProgram("packer", "")
	}
	if bakery.PluginDir == "" {
		bakery.PluginDir = filepath.Join(dir, "plugins")
		find := func(program string) (string, error) { return dev.FindProgram(program, "") }
		if err := wiring.InstallPlugins(bakery.PluginDir, find); err != nil {
			o.Logger.Warn("Packer's templates won't find all plugins", "error", err)
		}
	}
	return o, nil
}
