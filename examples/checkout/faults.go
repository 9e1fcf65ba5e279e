package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// faults make a version bad on purpose, for demonstrations and tests. They are baked
// into the image in etc/checkout/faults.json, and variables of the environment add to
// them; without either the service is well. Errors and slowness begin FailAfter after
// the first request of a user, so that a bad version passes verification and goes bad
// under its users.
type faults struct {
	FailAfter     duration `json:"failAfter"`     // CHECKOUT_FAIL_AFTER
	ErrorRate     float64  `json:"errorRate"`     // CHECKOUT_ERROR_RATE: share of requests that fail, 0 to 1
	Latency       duration `json:"latency"`       // CHECKOUT_LATENCY: added to every request
	CrashAfter    duration `json:"crashAfter"`    // CHECKOUT_CRASH_AFTER: the process ends so long after its start
	CrashRequests int64    `json:"crashRequests"` // CHECKOUT_CRASH_REQUESTS: it ends after so many requests of users
	LeakKiB       int64    `json:"leakKiB"`       // CHECKOUT_LEAK_KIB: memory that every request of a user leaves behind
	MemoryMiB     int64    `json:"memoryMiB"`     // CHECKOUT_MEMORY_MIB: it ends once it has left so much behind; 0: never
}

func readFaults(root string) (f faults, err error) {
	file := filepath.Join(root, "etc", "checkout", "faults.json")
	if err = readJSON(file, &f); err != nil {
		return f, err
	}
	for name, v := range map[string]any{
		"CHECKOUT_FAIL_AFTER": &f.FailAfter, "CHECKOUT_ERROR_RATE": &f.ErrorRate, "CHECKOUT_LATENCY": &f.Latency, "CHECKOUT_CRASH_AFTER": &f.CrashAfter,
		"CHECKOUT_CRASH_REQUESTS": &f.CrashRequests, "CHECKOUT_LEAK_KIB": &f.LeakKiB, "CHECKOUT_MEMORY_MIB": &f.MemoryMiB,
	} {
		if err := readVariable(name, v); err != nil {
			return f, err
		}
	}
	if f.ErrorRate < 0 || f.ErrorRate > 1 {
		return f, fmt.Errorf("errorRate %v (%s, CHECKOUT_ERROR_RATE) is not between 0 and 1", f.ErrorRate, file)
	}
	if min(f.CrashRequests, f.LeakKiB, f.MemoryMiB) < 0 {
		return f, fmt.Errorf("crashRequests, leakKiB and memoryMiB (%s, CHECKOUT_…) can't be negative", file)
	}
	return f, nil
}

// readVariable reads a number or a duration. It leaves v as it is without the variable.
func readVariable(name string, v any) error {
	text := os.Getenv(name)
	if text == "" {
		return nil
	}
	raw := []byte(text)
	if _, is := v.(*duration); is {
		raw, _ = json.Marshal(text)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s=%s: %w", name, text, err)
	}
	return nil
}

// duration is written like 200ms.
type duration time.Duration

func (d *duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return err
	}
	v, err := time.ParseDuration(text)
	if err == nil && v < 0 {
		err = fmt.Errorf("%q is negative", text)
	}
	*d = duration(v)
	return err
}

// probeHeader is on requests that select one fleet at the router, which users don't send.
const probeHeader = "X-Switchyard-Fleet"

// exitOutOfMemory is how a process ends that the kernel's OOM killer ends.
const exitOutOfMemory = 137

// trouble makes the faults.
type trouble struct {
	faults
	first    atomic.Int64 // Unix nanoseconds of the first user's request; 0 before it
	requests atomic.Int64 // of users
	exit     func(code int)

	mu     sync.Mutex
	leaked [][]byte
}

// start begins what needs no request.
func (t *trouble) start() {
	if t.CrashAfter > 0 {
		time.AfterFunc(time.Duration(t.CrashAfter), func() { t.exit(1) })
	}
}

// fails says whether this request fails on purpose, after the faults that come with it.
// Checks by Switchyard through the router carry the probe header; they neither start the
// clock nor count. Once the version is bad, it is bad for everybody.
func (t *trouble) fails(r *http.Request, now time.Time) bool {
	if r.Header.Get(probeHeader) == "" {
		t.first.CompareAndSwap(0, now.UnixNano())
		t.leak()
		if n := t.requests.Add(1); t.CrashRequests > 0 && n > t.CrashRequests {
			t.exit(1)
		}
	}
	first := t.first.Load()
	if first == 0 || now.Sub(time.Unix(0, first)) < time.Duration(t.FailAfter) {
		return false
	}
	if t.Latency > 0 {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Duration(t.Latency)):
		}
	}
	return rand.Float64() < t.ErrorRate
}

// leak keeps memory that nobody will use.
func (t *trouble) leak() {
	if t.LeakKiB == 0 {
		return
	}
	page := make([]byte, t.LeakKiB<<10)
	for i := 0; i < len(page); i += 1 << 10 {
		page[i] = 1 // memory that is not written to takes no room
	}
	t.mu.Lock()
	t.leaked = append(t.leaked, page)
	kept := int64(len(t.leaked)) * t.LeakKiB
	t.mu.Unlock()
	if t.MemoryMiB > 0 && kept > t.MemoryMiB<<10 {
		t.exit(exitOutOfMemory)
	}
}
