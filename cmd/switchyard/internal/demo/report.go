package demo

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/switchyard/switchyard/internal/load"
)

// Report is what the demo measured. Times are milliseconds.
type Report struct {
	Platform string          `json:"platform"`
	Releases []ReleaseReport `json:"releases"`
	load.Counts
	Orphans    int      `json:"orphans"`
	OrphanList []string `json:"orphan_list,omitempty"` // what is left over, in words
	Failures   []string `json:"failures,omitempty"`    // the first failed requests, in words
	AsTold     bool     `json:"as_told"`               // every outcome is the one the story tells
	DurationMS int64    `json:"duration_ms"`
	UI         string   `json:"temporal_ui"`
}

// ReleaseReport is one release of the story.
type ReleaseReport struct {
	ID            string `json:"id"`
	Version       string `json:"version"`
	Image         string `json:"image"` // bake or reuse
	Outcome       string `json:"outcome"`
	Expected      string `json:"expected"`
	Reason        string `json:"reason,omitempty"`
	BakeMS        int64  `json:"bake_ms"`
	ProvisionMS   int64  `json:"provision_ms"`
	SwitchMS      int64  `json:"switch_ms"`   // order to 100 % on the candidate, read back
	RollbackMS    int64  `json:"rollback_ms"` // order or breach to 100 % on the previous fleet, read back; 0 without rollback
	HistoryEvents int64  `json:"history_events"`
}

// Good says whether everything went as the story tells it, for every user.
func (r Report) Good() bool { return r.AsTold && r.Failed == 0 && r.Orphans == 0 }

// Table writes the report for people.
func (r Report) Table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "release\tversion\timage\toutcome\tbake ms\tprovision ms\tswitch ms\trollback ms\thistory events")
	for _, x := range r.Releases {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", x.ID, x.Version, x.Image, x.Outcome, x.BakeMS, x.ProvisionMS, x.SwitchMS, x.RollbackMS, x.HistoryEvents)
	}
	fmt.Fprintf(t, "\nrequests\t%d\nfailed requests\t%d\nerrors of the bad version\t%d\norphans\t%d\n", r.Requests, r.Failed, r.OnFault, r.Orphans)
	t.Flush()
	for _, o := range r.OrphanList {
		fmt.Fprintln(w, "left over:", o)
	}
	for _, f := range r.Failures {
		fmt.Fprintln(w, "failed request:", f)
	}
}
