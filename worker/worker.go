// Package worker builds Switchyard's worker: it puts workflows, activities and
// platforms together, with the interceptors, slots, telemetry and versioning that
// they run with. A worker is two workers of the SDK: one for everything, and one
// with few slots on a task queue of its own for bakes.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/sysinfo"
	"go.temporal.io/sdk/interceptor"
	sdk "go.temporal.io/sdk/worker"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/ask"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/workflows"
)

// Options say what a worker is made of.
type Options struct {
	TaskQueue string // absent: release.TaskQueue
	BakeSlots int    // bakes at the same time; 0: 1

	Platforms activities.Set    // what the worker can act on
	Bakery    activities.Bakery // what bakes images

	Versioned      bool   // run as one version of a worker deployment
	DeploymentName string // with Versioned
	BuildID        string // with Versioned

	// StopTimeout is how long running activities may take to end after a stop. It has
	// to cover the longest clean-up, that of a bake; 0: 6 minutes.
	StopTimeout  time.Duration
	Interceptors []interceptor.WorkerInterceptor // innermost, for tests
	Logger       *slog.Logger
}

const defaultStopTimeout = 6 * time.Minute

// Worker runs until it is told to stop.
type Worker struct {
	main, bake sdk.Worker
	fatal      chan error
	log        *slog.Logger
}

// Build makes a worker; it connects to nothing but the client given. Every error
// is about the options.
func Build(c client.Client, o Options) (*Worker, error) {
	o, err := withDefaults(o)
	if err != nil {
		return nil, err
	}
	w := &Worker{fatal: make(chan error, 2), log: o.Logger}
	mainTuner, err := resourceTuner()
	if err != nil {
		return nil, fmt.Errorf("build worker: slots of the main queue: %w", err)
	}
	bakeTuner, err := sdk.NewFixedSizeTuner(sdk.FixedSizeTunerOptions{
		NumWorkflowSlots: 2, NumActivitySlots: o.BakeSlots, NumLocalActivitySlots: 1, NumNexusSlots: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("build worker: slots of the bake queue: %w", err)
	}
	all := o.activities(c)
	mainOptions := w.options(o, mainTuner)
	w.main = sdk.New(c, o.TaskQueue, mainOptions)
	workflows.Register(w.main, o.Versioned)
	activities.Register(w.main, all, false)

	bakeOptions := w.options(o, bakeTuner)
	bakeOptions.DisableWorkflowWorker = true
	w.bake = sdk.New(c, o.TaskQueue+release.BakeQueueSuffix, bakeOptions)
	activities.Register(w.bake, all, true)
	return w, nil
}

func withDefaults(o Options) (Options, error) {
	if o.TaskQueue == "" {
		o.TaskQueue = release.TaskQueue
	}
	if o.BakeSlots == 0 {
		o.BakeSlots = 1
	}
	if o.StopTimeout <= 0 {
		o.StopTimeout = defaultStopTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.BakeSlots < 0:
		return o, fmt.Errorf("build worker: %d bake slots; at least 1 is needed", o.BakeSlots)
	case len(o.Platforms) == 0:
		return o, errors.New("build worker: no platform given; a worker needs at least one to act on")
	case o.Bakery == nil:
		return o, errors.New("build worker: no bakery given; something has to bake images")
	case o.Versioned && (o.DeploymentName == "" || o.BuildID == ""):
		return o, errors.New("build worker: a versioned worker needs the name of its deployment and its build id")
	}
	return o, nil
}

func (o Options) activities(c client.Client) activities.All {
	fleets := &activities.Fleets{Platforms: o.Platforms}
	checks := &activities.Checks{Platforms: o.Platforms, Asker: &ask.Asker{Temporal: c, TaskQueue: o.TaskQueue}}
	return activities.All{
		Environments: &activities.Environments{Client: c, TaskQueue: o.TaskQueue},
		Planner:      &activities.Planner{Platforms: o.Platforms, Bakery: o.Bakery},
		Baker:        &activities.Baker{Platforms: o.Platforms, Bakery: o.Bakery},
		Fleets:       fleets,
		Traffic:      &activities.Traffic{Platforms: o.Platforms},
		Checks:       checks,
		Prover:       &activities.Prover{Fleets: fleets, Checks: checks},
		Notifier:     &activities.Notifier{},
		Migrator:     &activities.Migrator{Temporal: c},
	}
}

func (w *Worker) options(o Options, tuner sdk.WorkerTuner) sdk.Options {
	out := sdk.Options{
		Tuner:             tuner,
		WorkerStopTimeout: o.StopTimeout,
		// A workflow that panics waits for a fixed build instead of failing.
		WorkflowPanicPolicy:         sdk.BlockWorkflow,
		DisableRegistrationAliasing: true,
		// On a busy machine a workflow may wait for a core longer than the SDK's one
		// second, and is no deadlock for it.
		DeadlockDetectionTimeout:     10 * time.Second,
		MaxHeartbeatThrottleInterval: beatEvery,
		Interceptors:                 append([]interceptor.WorkerInterceptor{&policy{}, &lifecycle{grace: handOver}}, o.Interceptors...),
		OnFatalError: func(err error) {
			select {
			case w.fatal <- err:
			default:
			}
		},
	}
	if o.Versioned {
		// The behaviour is stated per workflow type; registration panics without one.
		out.DeploymentOptions = sdk.DeploymentOptions{UseVersioning: true, Version: sdk.WorkerDeploymentVersion{DeploymentName: o.DeploymentName, BuildID: o.BuildID}}
	}
	return out
}

// resourceTuner gives slots by free memory and processor time. The least that there
// always are is far above what a few releases need, so that a moment's load does not
// hold a traffic switch up.
func resourceTuner() (sdk.WorkerTuner, error) {
	controller := sdk.DefaultResourceControllerOptions()
	controller.MemTargetPercent, controller.CpuTargetPercent = 0.85, 0.95
	controller.InfoSupplier = sysinfo.SysInfoProvider()
	shared := sdk.NewResourceController(controller)
	supplier := func(o sdk.ResourceBasedSlotSupplierOptions) (sdk.SlotSupplier, error) {
		o.MinSlots, o.MaxSlots, o.RampThrottle = 32, 500, 0
		return sdk.NewResourceBasedSlotSupplier(shared, o)
	}
	workflowSlots, err := supplier(sdk.DefaultWorkflowResourceBasedSlotSupplierOptions())
	if err != nil {
		return nil, err
	}
	activitySlots, err := supplier(sdk.DefaultActivityResourceBasedSlotSupplierOptions())
	if err != nil {
		return nil, err
	}
	few, err := sdk.NewFixedSizeSlotSupplier(2)
	if err != nil {
		return nil, err
	}
	return sdk.NewCompositeTuner(sdk.CompositeTunerOptions{
		WorkflowSlotSupplier: workflowSlots, ActivitySlotSupplier: activitySlots,
		LocalActivitySlotSupplier: few, NexusSlotSupplier: few, SessionActivitySlotSupplier: few,
	})
}

// Run works until ctx ends or something fatal happens, then stops: nothing new is
// taken, short activities finish, long waits are handed over to another worker, and
// a bake cleans up. The error is the fatal one.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.main.Start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	if err := w.bake.Start(); err != nil {
		w.main.Stop()
		return fmt.Errorf("start worker of the bake queue: %w", err)
	}
	w.log.Info("worker is up")
	var err error
	select {
	case <-ctx.Done():
	case err = <-w.fatal:
		err = fmt.Errorf("worker can't go on: %w", err)
	}
	w.log.Info("worker is stopping")
	var stopping sync.WaitGroup
	stopping.Go(w.bake.Stop)
	stopping.Go(w.main.Stop)
	stopping.Wait()
	w.log.Info("worker has stopped")
	return err
}
