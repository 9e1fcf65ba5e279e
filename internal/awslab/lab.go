// Package awslab gives life to an emulated AWS account, for tests and for trying specs
// without an account. moto holds what the AWS API says; this package is the data plane
// behind it: every instance is a real process of the baked version at the instance's
// private address, and every load balancer a real Caddy that follows the listener's
// weights and rules. Health, replacement of dead instances and request counts flow back
// into moto. Time is compressed: health is checked several times a second.
//
// What an instance runs is Options.App with the command's arguments, environment and
// secrets of its user data. What was baked into its image stands in the image's tags:
// "lab:file:/etc/x" becomes that file below SWITCHYARD_ROOT, "lab:env:NAME" a variable.
package awslab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/internal/caddy"
)

// Options say how to run a lab.
type Options struct {
	Dir      string   // state, logs and roots of images; made if need be, one lab at a time
	Python   string   // an interpreter that has moto; default: found
	CaddyBin string   // default: found as caddy.Find does
	App      []string // the program of every instance, and its first arguments
	Regions  []string // default: eu-west-1, eu-central-1
	Wire     bool     // put a recording and fault-injecting proxy before moto
	Log      *slog.Logger
}

// Lab is a running lab.
type Lab struct {
	URL  string // AWS_ENDPOINT_URL
	Moto *moto.Server
	Wire *wire.Proxy // nil without Options.Wire

	o       Options
	log     *slog.Logger
	lock    *os.File
	regions map[string]*region
	cancel  context.CancelFunc
	work    sync.WaitGroup
	once    sync.Once

	mu      sync.Mutex
	targets []*Target
}

// Account is the number of the lab's account.
const Account = "123456789012"

// Start starts moto, makes the network, a source AMI and an instance profile in every
// region, and begins to run what is in the account. Everything ends with Stop or with
// this process, however that ends; nothing of a lab that was killed lives on.
func Start(ctx context.Context, o Options) (_ *Lab, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	l := &Lab{o: o, log: o.Log, regions: map[string]*region{}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start the AWS lab: %w", err), l.Stop())
		}
	}()
	if l.lock, err = takeDir(o.Dir); err != nil {
		return nil, err
	}
	if l.Moto, err = moto.Start(ctx, moto.Options{Python: o.Python, Dir: filepath.Join(o.Dir, "moto")}); err != nil {
		return nil, err
	}
	l.URL = l.Moto.URL
	if o.Wire {
		if l.Wire, err = wire.New(l.Moto.URL); err != nil {
			return nil, err
		}
		l.URL = l.Wire.URL()
	}
	if err := errors.Join(l.Moto.SetDefaultTargetHealth(ctx, "initial"), l.ask(ctx, "/lab/default-lifecycle", map[string]any{"state": "Pending"}, nil)); err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.cancel = cancel
	for _, name := range o.Regions {
		r, err := newRegion(ctx, l, name)
		if r != nil {
			l.regions[name] = r
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		l.work.Go(func() { r.watch(running) })
		l.work.Go(func() { r.run(running) })
	}
	return l, nil
}

func (o *Options) complete() (err error) {
	if len(o.App) == 0 {
		return errors.New("start the AWS lab: it has no program for the instances (Options.App)")
	}
	if len(o.Regions) == 0 {
		o.Regions = []string{"eu-west-1", "eu-central-1"}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CaddyBin == "" {
		if o.CaddyBin, err = caddy.Find(); err != nil {
			return fmt.Errorf("start the AWS lab: %w", err)
		}
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("start the AWS lab: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "moto"), 0o755); err != nil {
		return fmt.Errorf("start the AWS lab: %w", err)
	}
	return nil
}

// takeDir takes the directory for this process, until it ends.
func takeDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another lab runs in %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// Stop ends every process of the lab and forgets the account. Stopping twice is fine.
func (l *Lab) Stop() error {
	var errs []error
	l.once.Do(func() {
		if l.cancel != nil {
			l.cancel()
		}
		l.work.Wait()
		for _, r := range l.regions {
			r.stop()
		}
		if l.Wire != nil {
			l.Wire.Close()
		}
		if l.Moto != nil {
			l.Moto.Stop()
		}
		if l.lock != nil {
			errs = append(errs, l.lock.Close())
		}
	})
	return errors.Join(errs...)
}

// Env is what a program needs to use the lab as its AWS account, and nothing else: no
// profile, no metadata service. It goes after the program's other environment.
func (l *Lab) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + l.URL, "AWS_ACCESS_KEY_ID=lab", "AWS_SECRET_ACCESS_KEY=lab", "AWS_SESSION_TOKEN=",
		"AWS_REGION=" + l.o.Regions[0], "AWS_DEFAULT_REGION=" + l.o.Regions[0], "AWS_EC2_METADATA_DISABLED=true",
		"AWS_PROFILE=", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// Logs copies what an instance has printed. os.ErrNotExist when there is no such instance.
func (l *Lab) Logs(instance string, to io.Writer) error {
	f, err := os.Open(l.logPath(filepath.Base(instance)))
	if err != nil {
		return fmt.Errorf("read the output of %s: %w", instance, err)
	}
	defer func() { _ = f.Close() }()
	if _, err := io.Copy(to, f); err != nil {
		return fmt.Errorf("read the output of %s: %w", instance, err)
	}
	return nil
}

func (l *Lab) logPath(instance string) string {
	return filepath.Join(l.o.Dir, "logs", instance+".log")
}
