package starter

import (
	"fmt"
	"time"
)

// TimeoutError says that a wait ended before the release did.
type TimeoutError struct {
	WorkflowID string
	After      time.Duration
	Phase      string // where the release was; may be empty
}

func (e *TimeoutError) Error() string {
	where := ""
	if e.Phase != "" {
		where = " (it is in " + e.Phase + ")"
	}
	return fmt.Sprintf("wait for %s: not over after %s%s; it goes on\nFollow it with `switchyard watch`.", e.WorkflowID, e.After, where)
}
