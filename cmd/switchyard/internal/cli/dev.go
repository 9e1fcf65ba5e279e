package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/internal/dev"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/starter"
)

type devDocument struct {
	TemporalAddress string `json:"temporalAddress"`
	UIURL           string `json:"uiUrl,omitempty"`
	Namespace       string `json:"namespace"`
	TaskQueue       string `json:"taskQueue"`
	LocalCloud      string `json:"localCloud"`
	Dir             string `json:"dir"`
	WorkerPID       int    `json:"workerPid"`
}

func (a *App) devCmd() *cobra.Command {
	var o dev.Options
	cmd := &cobra.Command{
		Use: "dev", Short: "Run everything on this machine: Temporal with its UI, the local cloud and a worker", Args: cobra.NoArgs,
		Long: `Run everything on this machine until Ctrl-C, which ends all of it. Other switchyard commands in the
same directory find it by themselves. With -o json one document says where everything is, once it works.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.dev(cmd.Context(), o) },
	}
	flags := cmd.Flags()
	flags.IntVar(&o.TemporalPort, "port", 0, "Temporal's port (absent: 7233 when free, else any)")
	flags.IntVar(&o.UIPort, "ui-port", 0, "port of Temporal's UI (absent: 8233 when free, else any)")
	flags.BoolVar(&o.Headless, "headless", false, "without Temporal's UI")
	flags.BoolVar(&o.Persist, "persist", false, "keep Temporal's histories in DIR for the next start")
	return cmd
}

const stopWithin = 90 * time.Second

func (a *App) dev(ctx context.Context, o dev.Options) error {
	o.Dir, o.TaskQueue = a.dir, a.taskQueue
	o.Log = slog.New(slog.DiscardHandler)
	if a.output != "json" {
		o.Log = slog.New(slog.NewTextHandler(a.Err, nil))
	}
	a.note("starting Temporal, the local cloud and a worker in %s", o.Dir)
	s, err := dev.Start(ctx, o)
	if err != nil {
		if errors.Is(err, dev.ErrRunning) {
			return &starter.InputError{What: "switchyard dev", Err: err}
		}
		return err
	}
	doc := devDocument{TemporalAddress: s.TemporalAddress, UIURL: s.UIURL, Namespace: s.Namespace, TaskQueue: s.TaskQueue,
		LocalCloud: s.CloudEndpoint, Dir: s.Dir, WorkerPID: s.WorkerPID()}
	a.print(doc, func(w io.Writer) { writeDev(w, doc) })
	var broken error
	select {
	case <-ctx.Done():
	case <-s.Done():
		broken = errors.New("the Temporal server of the stack ended by itself; its log is temporal.log in " + s.Dir)
	}
	a.note("stopping")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := errors.Join(broken, s.Stop(end)); err != nil {
		return err
	}
	a.note("everything is stopped")
	return nil
}

func writeDev(w io.Writer, d devDocument) {
	if d.UIURL != "" {
		fmt.Fprintf(w, "Temporal UI   %s\n", d.UIURL)
	}
	fmt.Fprintf(w, "Temporal      %s (namespace %s, task queue %s)\n", d.TemporalAddress, d.Namespace, d.TaskQueue)
	fmt.Fprintf(w, "local cloud   %s\n", d.LocalCloud)
	fmt.Fprintf(w, "logs          %s/*.log\n\n", d.Dir)
	fmt.Fprintln(w, "Release something from another terminal in this directory:")
	fmt.Fprintln(w, "  switchyard release examples/checkout/release.yaml --wait")
	fmt.Fprintln(w, "It waits at a gate for somebody else than you (four eyes); be that somebody with:")
	fmt.Fprintln(w, "  switchyard approve --by grace")
	fmt.Fprintln(w, "Ctrl-C ends everything.")
}

// devAddress is the Temporal of the stack that runs in the directory, "" when none does.
func (a *App) devAddress() string {
	s, running, err := dev.ReadState(a.dir)
	if err != nil || !running {
		return ""
	}
	return s.TemporalAddress
}

func (a *App) localCloudCmd() *cobra.Command {
	var cfg cloud.Config
	cmd := &cobra.Command{
		Use: "local-cloud", Short: "Run the local cloud alone", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Dir = a.cloudDir()
			cfg.Log = slog.New(slog.NewTextHandler(a.Err, nil))
			if cfg.CaddyBin == "" {
				bin, err := dev.FindProgram("caddy", "")
				if err != nil {
					return err
				}
				cfg.CaddyBin = bin
			}
			return cloud.Run(cmd.Context(), cfg)
		},
	}
	cmd.Flags().StringVar(&cfg.Listen, "listen", "", "loopback address of the API (absent: a free port, kept for the next start)")
	cmd.Flags().StringVar(&cfg.CaddyBin, "caddy", "", "caddy program (absent: beside switchyard, then on PATH)")
	return cmd
}
