package promises

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// wanted is the one promise that a run with a seeded mistake asks about, -1 for all.
var wanted = func() int {
	n, err := strconv.Atoi(os.Getenv("SWITCHYARD_PROMISE"))
	if err != nil {
		return -1
	}
	return n
}()

// keeps plays a schedule and fails when a promise is broken.
func keeps(t *rapid.T) {
	s := drawSchedule(t)
	c := play(s)
	played.Add(1)
	if wanted >= 0 {
		if how, is := c.broken[wanted]; is {
			caught(t, wanted, how)
		}
		return
	}
	if len(c.broken) > 0 {
		told.Store(c.story())
		t.Fatalf("%s", c.story())
	}
}

// caught ends a run that asks about one promise.
func caught(t *rapid.T, number int, how string) {
	fmt.Printf("promise %d is broken: %s\n", number, how)
	t.Fatalf("promise %d is broken: %s", number, how)
}

// story tells which promises were broken, how, and by what schedule.
func (c *cloud) story() string {
	var b strings.Builder
	for _, p := range promises {
		if how, is := c.broken[p.number]; is {
			fmt.Fprintf(&b, "promise %d (%s) is broken: %s\n", p.number, p.text, how)
		}
	}
	plan, _ := json.Marshal(c.plan)
	fmt.Fprintf(&b, "schedule: %s\n%s\n", plan, strings.Join(c.trail, "\n"))
	return b.String()
}

func keysOf(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// TestPromises plays the schedules, in shards beside each other.
func TestPromises(t *testing.T) {
	for i := range shards {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			defer counted(t)
			rapid.Check(t, keeps)
		})
	}
}

// counted counts a shard that has found a schedule that breaks a promise. It tells the
// last one, because one that does so only now and then is not found again.
func counted(t *testing.T) {
	if t.Failed() {
		broken.Add(1)
		t.Logf("the last schedule that broke a promise:\n%v", told.Load())
	}
}
