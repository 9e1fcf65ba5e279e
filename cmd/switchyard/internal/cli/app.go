// Package cli is the switchyard command line: one file per command or family of
// commands. Every command prints text for people or, with -o json, exactly one
// JSON document on standard output; errors go to standard error in the same form.
// Exit codes are those of starter.ExitCode.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter"
)

// App is one invocation: its streams and the settings all commands share.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	Version  string

	output    string // "text" or "json"
	conn      starter.ConnectOptions
	taskQueue string
	dir       string // state of dev and of the local cloud
	endpoint  string // local cloud; "" means the one in dir
	verbose   bool
	running   bool // arguments were fine and the command itself began
}

// Main runs the command line and returns the exit code.
func Main(version string, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: version}
	return int(a.Run(ctx, args))
}

// Run runs one command and reports its error.
func (a *App) Run(ctx context.Context, args []string) starter.ExitCode {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	if wantsJSON(args) {
		a.output = "json" // also for errors in the flags themselves
	}
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return starter.ExitCompleted
	}
	var end *exitError
	if errors.As(err, &end) {
		return end.code
	}
	code := starter.CodeOf(err)
	switch {
	case !a.running:
		code = starter.ExitBadInput
		err = fmt.Errorf("%w\n`%s --help` shows how", err, cmd.CommandPath())
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		err = errors.New("interrupted; a release that was started goes on")
	}
	a.report(code, err)
	return code
}

// exitError ends the program with a code, everything worth saying being said.
type exitError struct{ code starter.ExitCode }

func (e *exitError) Error() string { return "exit " + e.code.String() }

func exit(code starter.ExitCode) error {
	if code == starter.ExitCompleted {
		return nil
	}
	return &exitError{code}
}

// wantsJSON looks at the raw arguments, for errors that come before flags are parsed.
func wantsJSON(args []string) bool {
	for i, x := range args {
		switch {
		case x == "--":
			return false
		case x == "-ojson", x == "-o=json", x == "--output=json":
			return true
		case (x == "-o" || x == "--output") && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}

// errorDocument is the form of an error with -o json.
type errorDocument struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code     string         `json:"code"`
	Exit     int            `json:"exit"`
	Message  string         `json:"message"`
	Findings []spec.Finding `json:"findings,omitempty"`
}

func (a *App) report(code starter.ExitCode, err error) {
	var findings *spec.Findings
	wrong := errors.As(err, &findings)
	if a.output == "json" {
		body := errorBody{Code: code.String(), Exit: int(code), Message: err.Error()}
		if wrong {
			body.Code, body.Findings = "bad-spec", findings.List
			body.Message = fmt.Sprintf("%d finding(s) in the spec", len(findings.List))
		}
		writeJSON(a.Err, errorDocument{body})
		return
	}
	if wrong {
		fmt.Fprintf(a.Err, "%s\n\n%d finding(s)\n", findings.Error(), len(findings.List))
		return
	}
	fmt.Fprintf(a.Err, "switchyard: %s\n", err)
}

func writeJSON(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		fmt.Fprintf(w, `{"error":{"code":"error","exit":1,"message":%q}}`+"\n", err.Error())
	}
}

// print writes the one document of a command, or its text.
func (a *App) print(doc any, text func(w io.Writer)) {
	if a.output == "json" {
		writeJSON(a.Out, doc)
		return
	}
	text(a.Out)
}

// note tells a person something on the way; programs get the document only.
func (a *App) note(format string, args ...any) {
	if a.output != "json" {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}

func (a *App) root() *cobra.Command {
	cobra.EnableCommandSorting = false
	root := &cobra.Command{
		Use:   "switchyard",
		Short: "Releases software the immutable way: a new fleet beside the old one, traffic moved, the old one taken away last",
		Long: `Switchyard releases software the immutable way. It bakes an image, provisions a new fleet from it
beside the old one, proves it, asks for approval, moves the traffic, watches both fleets through a
soak, and only then takes the old fleet away. Until that last step going back is a traffic switch.

Exit codes: 0 completed · 1 unexpected error · 2 bad input · 3 rolled back · 4 rejected · 5 aborted
            6 failed · 7 refused · 8 time-out of a wait · 9 Temporal or its workers unreachable

Temporal is found through --address and --profile, the TEMPORAL_* variables, or the stack that
` + "`switchyard dev`" + ` runs in this directory.`,
		SilenceErrors: true, SilenceUsage: true, Version: a.Version,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true, DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "text" && a.output != "json" {
				return fmt.Errorf("--output is %q; it can be text or json", a.output)
			}
			a.running = true
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Args: cobra.NoArgs,
	}
	a.sharedFlags(root)
	root.AddGroup(&cobra.Group{ID: "release", Title: "Releases:"}, &cobra.Group{ID: "order", Title: "Orders to a running release:"},
		&cobra.Group{ID: "look", Title: "Looking:"}, &cobra.Group{ID: "run", Title: "Running Switchyard:"})
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("release", a.validateCmd(), a.doctorCmd(), a.planCmd(), a.releaseCmd())
	add("order", a.orderCmds()...)
	add("release", a.freezeCmds()...)
	add("look", a.statusCmd(), a.environmentCmd(), a.listCmd(), a.watchCmd(), a.logsCmd())
	add("run", a.workerCmd(), a.devCmd(), a.demoCmd(), a.setupCmd())
	root.AddCommand(a.versionCmd(), a.completionCmd(), a.localCloudCmd())
	return root
}

func (a *App) sharedFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&a.output, "output", "o", "text", "form of the output: text or json")
	f.StringVar(&a.conn.Address, "address", "", "Temporal's host:port (TEMPORAL_ADDRESS)")
	f.StringVarP(&a.conn.Namespace, "namespace", "n", "", "Temporal namespace (TEMPORAL_NAMESPACE)")
	f.StringVar(&a.conn.Profile, "profile", "", "profile in Temporal's configuration file (TEMPORAL_PROFILE)")
	f.StringVar(&a.taskQueue, "task-queue", envOr("SWITCHYARD_TASK_QUEUE", release.TaskQueue), "task queue of the workers (SWITCHYARD_TASK_QUEUE)")
	f.StringVar(&a.dir, "dir", envOr("SWITCHYARD_DIR", ".switchyard"), "state of the dev stack and the local cloud (SWITCHYARD_DIR)")
	f.StringVar(&a.endpoint, "local-cloud", os.Getenv("SWITCHYARD_LOCAL_CLOUD"), "URL or directory of the local cloud; absent: the one in --dir (SWITCHYARD_LOCAL_CLOUD)")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log to standard error what the clients do")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

func envOr(name, or string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return or
}

// connect dials Temporal with the settings of the command line.
func (a *App) connect(ctx context.Context) (client.Client, error) {
	return starter.Connect(ctx, a.connection())
}

func (a *App) connection() starter.ConnectOptions {
	o := a.conn
	if a.verbose {
		o.Logger = slog.New(slog.NewTextHandler(a.Err, nil))
	}
	if o.Address == "" && o.Profile == "" && os.Getenv("TEMPORAL_ADDRESS") == "" && os.Getenv("TEMPORAL_PROFILE") == "" {
		o.Address = a.devAddress()
	}
	return o
}

// cloudDir is where the local cloud keeps its state, or its URL.
func (a *App) cloudDir() string {
	if a.endpoint != "" {
		return a.endpoint
	}
	return filepath.Join(a.dir, "cloud")
}

// person is who gives an order or asks for a release.
func person(flag string) string {
	if flag != "" {
		return flag
	}
	if v := os.Getenv("SWITCHYARD_BY"); v != "" {
		return v
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return strings.TrimSpace(os.Getenv("USER"))
}
