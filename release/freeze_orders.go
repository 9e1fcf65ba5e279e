package release

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ParseFreeze reads the body of a freeze strictly. Decoding bytes into a struct without
// maps is deterministic, which workflowcheck can't see.
//
//workflowcheck:ignore
func ParseFreeze(body []byte) (Freeze, error) {
	var f Freeze
	if err := strictly(body, &f); err != nil {
		return f, fmt.Errorf(`freeze: %w; send a body like {"name": "sales", "from": "2026-11-27T00:00:00Z", "until": "2026-11-30T00:00:00Z", "reason": "why", "by": "you"}`, err)
	}
	f.Name, f.By, f.Reason, f.At = strings.TrimSpace(f.Name), strings.TrimSpace(f.By), strings.TrimSpace(f.Reason), time.Time{}
	return f, nil
}

// ParseThaw reads the body of an order to end a freeze strictly.
//
//workflowcheck:ignore
func ParseThaw(body []byte) (ThawRequest, error) {
	var r ThawRequest
	if err := strictly(body, &r); err != nil {
		return r, fmt.Errorf(`unfreeze: %w; send a body like {"name": "sales", "by": "you"}`, err)
	}
	r.Name, r.By = strings.TrimSpace(r.Name), strings.TrimSpace(r.By)
	return r, nil
}

func strictly(body []byte, into any) error {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return fmt.Errorf("the body is empty")
	case len(body) > maxOrderBytes:
		return fmt.Errorf("the body is %d bytes long, at most %d are read", len(body), maxOrderBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("the body is not as it should be: %w", err)
	}
	if dec.More() {
		return fmt.Errorf("there is more after the JSON object")
	}
	return nil
}

// CheckThaw says why the freeze can't be ended, nil when it can.
func (e *Environment) CheckThaw(r ThawRequest) error {
	if r.By == "" {
		return fmt.Errorf(`unfreeze: "by" is missing: who gives this order?`)
	}
	if !slices.ContainsFunc(e.Freezes, func(f Freeze) bool { return f.Name == r.Name }) {
		return fmt.Errorf("unfreeze: %s has no freeze %q", e.Target, r.Name)
	}
	return nil
}

// Refuse keeps why an order to the environment was not taken; the last maxRefusals are kept.
func (e *Environment) Refuse(kind OrderKind, err error, now time.Time) {
	e.Refusals = append(e.Refusals, Refusal{Kind: kind, Reason: clip(err.Error(), maxReason), At: now})
	if n := len(e.Refusals); n > maxRefusals {
		e.Refusals = e.Refusals[n-maxRefusals:]
	}
}
