// Package demo tells Switchyard's story on one machine, with everything real: the
// Temporal server, Packer, processes behind a proxy, and users' load all the time.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/internal/dev"
	"github.com/switchyard/switchyard/internal/load"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

// Options say how to run the demo.
type Options struct {
	Platform string // spec.PlatformLocal (also when empty) or spec.PlatformAWS, on the AWS lab
	Stack    dev.Options
	Examples string    // folder of examples/checkout, with the built program in it
	Keep     bool      // leave the stack up until the context ends
	Out      io.Writer // progress for people; nil for none
	Kept     func(Report)
}

type demo struct {
	options Options
	stack   *dev.Stack
	client  client.Client
	stage   stage
	load    *load.Load
	states  []release.State
}

// Run tells the story and reports. The stack is taken down again on every way out;
// with Keep, when the context ends. An error means that the story could not be
// told; whether it went well is the report's to say.
func Run(ctx context.Context, o Options) (report Report, err error) {
	began := time.Now()
	d := &demo{options: o, stage: &localStage{}}
	if err := d.checkExample(); err != nil {
		return Report{}, err
	}
	if o.Platform == spec.PlatformAWS {
		d.stage = &awsStage{}
	}
	if err := d.stage.prepare(ctx, d); err != nil {
		return Report{}, errors.Join(err, d.stage.end())
	}
	defer func() { err = errors.Join(err, d.stage.end()) }()
	d.say("starting the stack: Temporal, the local cloud, a worker")
	d.stack, err = dev.Start(ctx, d.options.Stack)
	if err != nil {
		return Report{}, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if stopErr := d.stack.Stop(ctx); stopErr != nil && err == nil {
			err = stopErr
		}
	}()
	d.say("Temporal UI: %s", d.stack.UIURL)
	if err := d.connect(ctx); err != nil {
		return Report{}, err
	}
	defer d.client.Close()
	report, err = d.run(ctx)
	report.DurationMS, report.UI = time.Since(began).Milliseconds(), d.stack.UIURL
	if err == nil && o.Keep {
		if o.Kept != nil {
			o.Kept(report)
		}
		d.say("\nthe stack stays up until Ctrl-C; Temporal UI: %s", d.stack.UIURL)
		<-ctx.Done()
	}
	return report, err
}

func (d *demo) connect(ctx context.Context) (err error) {
	d.client, err = starter.Connect(ctx, starter.ConnectOptions{Address: d.stack.TemporalAddress, Namespace: d.stack.Namespace})
	return err
}

func (d *demo) run(ctx context.Context) (Report, error) {
	r := Report{Platform: d.stage.platform(), AsTold: true}
	defer func() {
		if d.load != nil {
			d.load.Stop()
		}
	}()
	for _, c := range story() {
		one, err := d.tell(ctx, c)
		if err != nil {
			return r, err
		}
		r.Releases = append(r.Releases, one)
		r.AsTold = r.AsTold && one.Outcome == one.Expected
	}
	if d.load == nil {
		return r, fmt.Errorf("put load on the entry: no release ever served users")
	}
	r.Counts, r.Failures = d.load.Stop(), d.load.Failures()
	left, err := d.leftOver(ctx)
	r.OrphanList, r.Orphans = left, len(left)
	return r, err
}

// reached puts the load on as soon as the first version serves users; it stays on
// until the story is told.
func (d *demo) reached(s release.State) {
	if d.load != nil || s.Phase != release.PhaseWatch && s.Phase != release.PhaseSoak {
		return
	}
	url := s.Regions[0].Entry + "/checkout?item=tea:2"
	d.load = load.Start(load.Options{URL: url})
	d.say("  users arrive: 240 requests/s at %s, half on new connections", url)
}

// stage is the platform on which the story is told.
type stage interface {
	platform() string
	// prepare makes what has to be there before the stack starts.
	prepare(ctx context.Context, d *demo) error
	// spec is the template of the story's specs, and what it is filled with.
	spec(d *demo, c chapter) (text string, values any)
	// leftOver lists what exists after the story and is kept by no release's ledger.
	leftOver(ctx context.Context, d *demo) ([]string, error)
	end() error
}

func (d *demo) checkExample() error {
	if _, err := os.Stat(d.program()); err != nil {
		return fmt.Errorf("find the example application at %s: %w; run `make build` in a checkout of Switchyard, or give its folder with --examples", d.program(), err)
	}
	return nil
}

// program is the built example application.
func (d *demo) program() string {
	return filepath.Join(d.options.Examples, "packer", "app", "bin", "checkout")
}

func (d *demo) say(format string, args ...any) {
	if d.options.Out != nil {
		fmt.Fprintf(d.options.Out, format+"\n", args...)
	}
}
