package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/switchyard/switchyard/internal/wiring"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local"
	"github.com/switchyard/switchyard/starter"
)

type logsFlags struct {
	targetFlags
	region, fleet, instance string
	bake                    bool
	lines                   int
}

// logsDocument has what was found; a log that is gone is not in it.
type logsDocument struct {
	Instances []instanceLog `json:"instances"`
	Bakes     []bakeLog     `json:"bakes,omitempty"`
}

type instanceLog struct {
	Instance string `json:"instance"`
	Fleet    string `json:"fleet"`
	Region   string `json:"region"`
	State    string `json:"state,omitempty"`
	Log      string `json:"log"`
}

type bakeLog struct {
	Path string `json:"path"`
	Log  string `json:"log"`
}

func (a *App) logsCmd() *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use: "logs [RELEASE]", Short: "Show what the instances of a release wrote, and what Packer wrote",
		Long: "Show the output of the instances of a release (of its candidate unless --fleet says previous), also of\nthe last ones that are gone, or with --bake that of Packer, where it ran on this machine.\n\n" + whichRelease,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeReleases(false),
		RunE: func(cmd *cobra.Command, args []string) error { return a.logs(cmd.Context(), f, args) },
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.region, "region", "", "only instances of this region")
	flags.StringVar(&f.fleet, "fleet", "candidate", "candidate or previous")
	flags.StringVar(&f.instance, "instance", "", "only this instance; Temporal is not asked then")
	flags.BoolVar(&f.bake, "bake", false, "show Packer's log instead")
	flags.IntVar(&f.lines, "lines", 100, "last lines of each log (0: all)")
	return cmd
}

func (a *App) logs(ctx context.Context, f logsFlags, args []string) error {
	if f.fleet != "candidate" && f.fleet != "previous" {
		return &starter.InputError{What: "read --fleet", Err: fmt.Errorf("%q is neither candidate nor previous", f.fleet)}
	}
	cloud, err := local.Open(a.cloudDir())
	if err != nil {
		return &starter.InputError{What: "reach the local cloud", Err: err}
	}
	doc := logsDocument{Instances: []instanceLog{}}
	if f.instance != "" {
		l := instanceLog{Instance: f.instance}
		if l.Log, err = readLog(ctx, cloud, f.instance, f.lines); err != nil {
			return err
		}
		doc.Instances = append(doc.Instances, l)
	} else if err := a.collectLogs(ctx, cloud, f, args, &doc); err != nil {
		return err
	}
	a.print(doc, func(w io.Writer) { writeLogs(w, doc) })
	return nil
}

func (a *App) collectLogs(ctx context.Context, cloud *local.Client, f logsFlags, args []string, doc *logsDocument) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	id, err := f.find(ctx, c, args, false)
	if err != nil {
		return err
	}
	if f.bake {
		t, rid := starter.SplitWorkflowID(id)
		doc.Bakes, err = bakeLogs(wiring.BakeDir(filepath.Join(a.dir, "worker"), t, rid), f.lines)
		return err
	}
	s, err := starter.QueryState(ctx, c, id)
	if err != nil {
		return err
	}
	for _, r := range s.Regions {
		fleet := r.Candidate
		if f.fleet == "previous" {
			fleet = r.Previous
		}
		if fleet == "" || f.region != "" && f.region != r.Name {
			continue
		}
		found, err := fleetLogs(ctx, cloud, r.Name, fleet, f.lines)
		if err != nil {
			return err
		}
		doc.Instances = append(doc.Instances, found...)
	}
	return nil
}

// maxGone bounds the instances that are shown although they are gone: a program that
// ends at each start leaves one after the other.
const maxGone = 5

// fleetLogs are the logs of a fleet's instances. Those that are gone come first, the
// last that wrote last, and then the living: why a candidate was taken away is often
// what one wants to read.
func fleetLogs(ctx context.Context, cloud *local.Client, region, name string, lines int) ([]instanceLog, error) {
	fleet, err := cloud.Platform().Fleets.Describe(ctx, region, name)
	if platform.IgnoreNotFound(err) != nil {
		return nil, err
	}
	states := map[string]string{}
	for _, i := range fleet.Instances {
		states[i.ID] = string(i.State)
	}
	ids, err := cloud.FleetLogs(ctx, region, name)
	if err != nil {
		return nil, err
	}
	var living, gone []instanceLog
	for _, id := range ids {
		l := instanceLog{Instance: id, Fleet: name, Region: region, State: states[id]}
		if l.State == "" {
			if l.State = "gone"; len(gone) == maxGone {
				continue
			}
		}
		if l.Log, err = readLog(ctx, cloud, id, lines); err != nil {
			return nil, err
		}
		if l.State == "gone" {
			gone = append(gone, l)
		} else {
			living = append(living, l)
		}
	}
	slices.Reverse(gone)
	slices.SortFunc(living, func(a, b instanceLog) int { return strings.Compare(a.Instance, b.Instance) })
	return append(gone, living...), nil
}

// maxLog bounds how much of one log is shown.
const maxLog = 8 << 20

func readLog(ctx context.Context, cloud *local.Client, instance string, lines int) (string, error) {
	r, err := cloud.Logs(ctx, instance)
	if platform.IsNotFound(err) {
		return "", &starter.InputError{What: "read the log of instance " + instance, Err: errors.New("there is none"), Advice: "`switchyard logs RELEASE` shows the instances of a release."}
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	b, err := readEnd(r, maxLog)
	if err != nil {
		return "", fmt.Errorf("read the log of instance %s: %w", instance, err)
	}
	return lastLines(b, lines), nil
}

// readEnd reads to the end and keeps the last limit bytes.
func readEnd(r io.Reader, limit int) ([]byte, error) {
	var kept []byte
	chunk := make([]byte, min(limit, 256<<10))
	for {
		n, err := r.Read(chunk)
		if kept = append(kept, chunk[:n]...); len(kept) >= 2*limit {
			kept = append(kept[:0], kept[len(kept)-limit:]...)
		}
		if errors.Is(err, io.EOF) {
			return kept[max(0, len(kept)-limit):], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func lastLines(b []byte, n int) string {
	b = bytes.TrimRight(b, "\n")
	if n > 0 {
		all := bytes.Split(b, []byte("\n"))
		b = bytes.Join(all[max(0, len(all)-n):], []byte("\n"))
	}
	return string(b)
}

// bakeLogs are the logs of all bakes of a release on this machine, oldest first.
func bakeLogs(dir string, lines int) ([]bakeLog, error) {
	type dated struct {
		bakeLog
		at int64
	}
	var found []dated
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "packer.log" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		found = append(found, dated{bakeLog{path, lastLines(b, lines)}, info.ModTime().UnixNano()})
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &starter.InputError{What: "read Packer's log in " + dir, Err: errors.New("there is none"),
			Advice: "The release baked nothing, or its worker ran elsewhere or with another --dir."}
	}
	if err != nil {
		return nil, fmt.Errorf("read Packer's logs in %s: %w", dir, err)
	}
	slices.SortFunc(found, func(x, y dated) int { return int(min(1, max(-1, x.at-y.at))) })
	out := make([]bakeLog, 0, len(found))
	for _, f := range found {
		out = append(out, f.bakeLog)
	}
	return out, nil
}

func writeLogs(w io.Writer, doc logsDocument) {
	for _, b := range doc.Bakes {
		fmt.Fprintf(w, "==> %s\n%s\n\n", b.Path, b.Log)
	}
	for _, i := range doc.Instances {
		head := []string{i.Instance}
		for _, x := range []string{i.Fleet, i.Region, i.State} {
			if x != "" {
				head = append(head, x)
			}
		}
		fmt.Fprintf(w, "==> %s\n%s\n\n", strings.Join(head, "  "), i.Log)
	}
	if len(doc.Bakes)+len(doc.Instances) == 0 {
		fmt.Fprintln(w, "no logs: nothing of the fleet has written any here")
	}
}
