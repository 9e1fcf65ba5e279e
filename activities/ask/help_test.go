package ask_test

import (
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.temporal.io/sdk/activity"
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func decode(t *testing.T, r io.Reader) (out map[string]any) {
	t.Helper()
	assert.NoError(t, json.NewDecoder(r).Decode(&out))
	return out
}

func activityNamed(name string) activity.RegisterOptions {
	return activity.RegisterOptions{Name: name}
}
