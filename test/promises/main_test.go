// Package promises plays releases by random schedules against a model of the fleets and
// routes that they act on, and asks at every act, and at the end, whether the promises of
// the design are kept. The workflow code is the real one, in Temporal's test environment
// with its skipped time; the activities keep their contracts on the model.
package promises

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

// played and broken count the schedules.
var played, broken atomic.Int64

// told is the last schedule that broke a promise, for those that do so only now and then.
var told atomic.Value

func TestMain(m *testing.M) {
	if err := os.Setenv(secretName, secret); err != nil {
		panic(err)
	}
	code := m.Run()
	if played.Load() > 0 {
		fmt.Printf("promises: %d schedules, %d broken\n", played.Load(), broken.Load())
	}
	os.Exit(code)
}
