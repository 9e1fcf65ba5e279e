package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/starter"
)

type watchFlags struct {
	targetFlags
	timeout time.Duration
	every   time.Duration
}

func (a *App) watchCmd() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use: "watch [RELEASE]", Short: "Follow a release live: phases, fleets, weights, health and who must act",
		Long: `Follow a release until it is over. On a terminal the view is redrawn; otherwise each change is a line.
With -o json nothing is printed before the end, then the whole state. The exit code is the outcome's.

` + whichRelease,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeReleases(true),
		RunE: func(cmd *cobra.Command, args []string) error { return a.watch(cmd.Context(), f, args) },
	}
	f.register(cmd)
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "longest time to watch (0: no bound)")
	cmd.Flags().DurationVar(&f.every, "every", time.Second, "time between two looks")
	return cmd
}

func (a *App) watch(ctx context.Context, f watchFlags, args []string) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := f.find(ctx, c, args, false)
	if err != nil {
		return err
	}
	wctx, cancel := withTimeout(ctx, f.timeout)
	defer cancel()
	var last release.State
	onState, onTrouble := a.watcher()
	s, err := starter.Follow(wctx, c, starter.FollowOptions{
		WorkflowID: id, Every: f.every, OnTrouble: onTrouble,
		OnState: func(s release.State) { last = s; onState(s) },
	})
	if err != nil {
		return timedOut(ctx, err, id, f.timeout, string(last.Phase))
	}
	doc := newStatus(id, last)
	doc.Outcome = s.Outcome // known also when no worker could tell the state
	a.print(doc, func(w io.Writer) {
		fmt.Fprintln(w)
		printSummary(w, s)
	})
	return exit(starter.OutcomeCode(s.Outcome))
}

// watcher is how looks are shown: redrawn on a terminal, as lines elsewhere.
func (a *App) watcher() (func(release.State), func(error)) {
	if a.output == "json" {
		return func(release.State) {}, func(error) {}
	}
	if f, ok := a.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		return screen(f)
	}
	p := &progress{note: func(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }}
	return p.state, p.trouble
}

const (
	home     = "\x1b[H"
	clearEnd = "\x1b[K"
	clearAll = "\x1b[J"
	wipe     = "\x1b[2J"
)

// screen redraws in place: from the top, line by line, then what is left is
// cleared, so that nothing flickers.
func screen(f *os.File) (func(release.State), func(error)) {
	first := true
	var last []byte
	draw := func(body []byte, footer string) {
		if first {
			_, _ = io.WriteString(f, wipe)
			first = false
		}
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			width, height = 120, 50
		}
		_, _ = f.Write(frame(body, footer, width, height))
	}
	onState := func(s release.State) {
		var b bytes.Buffer
		writeState(&b, s, time.Now())
		last = b.Bytes()
		draw(last, "looked at "+time.Now().Format(time.TimeOnly)+"; Ctrl-C stops watching, the release goes on")
	}
	onTrouble := func(err error) { draw(last, oneLine("no answer at the moment, still watching: "+err.Error(), 200)) }
	return onState, onTrouble
}

// frame is one picture, cut to the terminal so that it never scrolls.
func frame(body []byte, footer string, width, height int) []byte {
	var out bytes.Buffer
	out.WriteString(home)
	lines := bytes.Split(bytes.TrimRight(body, "\n"), []byte("\n"))
	if room := max(1, height-2); len(lines) > room {
		lines = lines[:room]
	}
	for _, line := range append(lines, nil, []byte(footer)) {
		runes := []rune(string(line))
		out.WriteString(string(runes[:min(len(runes), max(1, width))]))
		out.WriteString(clearEnd + "\r\n")
	}
	out.Truncate(out.Len() - len("\r\n"))
	out.WriteString(clearAll)
	return out.Bytes()
}
