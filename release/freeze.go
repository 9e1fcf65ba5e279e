package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Freeze keeps a target as it is for a time: no release begins, no traffic moves
// forward and no fleet is taken away. Going back is never frozen.
type Freeze struct {
	Name   string    `json:"name"` // unique per target
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"` // when it was ordered
}

// FrozenBy is the freeze that is in force now and ends last, nil when there is none.
func FrozenBy(freezes []Freeze, now time.Time) *Freeze {
	var last *Freeze
	for i, f := range freezes {
		if !now.Before(f.From) && now.Before(f.Until) && (last == nil || f.Until.After(last.Until)) {
			last = &freezes[i]
		}
	}
	return last
}

// String says what is frozen by whom, until when and why.
func (f Freeze) String() string {
	return fmt.Sprintf("freeze %q until %s by %s: %s", f.Name, f.Until.UTC().Format(time.RFC3339), f.By, f.Reason)
}

const (
	maxFreezes = 50
	maxFreeze  = 180 * 24 * time.Hour
)

// CheckFreeze says why the freeze can't be taken, nil when it can.
func (e *Environment) CheckFreeze(f Freeze, now time.Time) error {
	switch {
	case strings.TrimSpace(f.Name) == "" || strings.TrimSpace(f.By) == "" || strings.TrimSpace(f.Reason) == "":
		return errors.New(`freeze: "name", "by" and "reason" are needed`)
	case len(f.Name) > maxNameLength || len(f.By) > maxNameLength || len(f.Reason) > maxCommentLength:
		return fmt.Errorf("freeze: names have at most %d bytes, the reason %d", maxNameLength, maxCommentLength)
	case !f.Until.After(f.From):
		return errors.New("freeze: it ends before it begins")
	case !f.Until.After(now):
		return errors.New("freeze: it is over already")
	case f.Until.Sub(f.From) > maxFreeze:
		return fmt.Errorf("freeze: it is longer than %d days", int(maxFreeze.Hours()/24))
	}
	kept := slices.DeleteFunc(slices.Clone(e.Freezes), func(x Freeze) bool { return x.Name == f.Name || !x.Until.After(now) })
	if len(kept) >= maxFreezes {
		return fmt.Errorf("freeze: there are %d freezes already, the most there may be; end some first", len(kept))
	}
	return nil
}

// Freeze takes a freeze; one of the same name is replaced. Those that are over are forgotten.
func (e *Environment) Freeze(f Freeze, now time.Time) error {
	if err := e.CheckFreeze(f, now); err != nil {
		return err
	}
	f.At = now
	e.Freezes = slices.DeleteFunc(e.Freezes, func(x Freeze) bool { return x.Name == f.Name || !x.Until.After(now) })
	e.Freezes = append(e.Freezes, f)
	return nil
}

// Thaw ends a freeze.
func (e *Environment) Thaw(name string) error {
	n := len(e.Freezes)
	e.Freezes = slices.DeleteFunc(e.Freezes, func(x Freeze) bool { return x.Name == name })
	if len(e.Freezes) == n {
		return fmt.Errorf("unfreeze: %s has no freeze %q", e.Target, name)
	}
	return nil
}
