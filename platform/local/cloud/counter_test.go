package cloud

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func appendLine(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func line(status int, up, live string) string {
	return fmt.Sprintf("{\"status\":%d,\"up\":%q,\"live\":%q}\n", status, up, live)
}

func TestCounterReadsOnAcrossRollsAndRestarts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	owners := map[string]string{"a:1": "one", "b:1": "two"}
	n, err := newCounter(dir)
	require.NoError(t, err)
	read := func() {
		t.Helper()
		require.NoError(t, n.read(owners, nil, time.Now()))
	}
	read() // no log yet
	appendLine(t, path, line(200, "a:1", "one")+line(500, "a:1", "one")+`{"status":200,"up":"a`)
	read()
	require.Equal(t, tally{Total: 2, Errors: 1}, n.of("one"), "half a line waits for its other half")
	appendLine(t, path, `:1"}`+"\n"+"not json\n")
	read()
	read()
	require.EqualValues(t, 3, n.of("one").Total)

	appendLine(t, path, line(200, "b:1", "one"))
	require.NoError(t, os.Rename(path, filepath.Join(dir, "access-2026-01-01T00-00-00.000-size.log")))
	appendLine(t, path, line(200, "b:1", "one"))
	read()
	require.EqualValues(t, 2, n.of("two").Total, "the end of the rolled file is not lost")

	require.NoError(t, n.save())
	n, err = newCounter(dir)
	require.NoError(t, err)
	appendLine(t, path, line(200, "b:1", "one"))
	read()
	require.EqualValues(t, 3, n.of("two").Total)
	require.EqualValues(t, 3, n.of("one").Total)
}

func TestCounterChargesWhatNobodyAnswered(t *testing.T) {
	dir := t.TempDir()
	n, err := newCounter(dir)
	require.NoError(t, err)
	n.setExtra(map[string]string{"errors:1": "two"})
	appendLine(t, filepath.Join(dir, "access.log"), line(503, "", "one")+line(500, "errors:1", "one")+line(200, "stranger:1", "one")+line(503, "", ""))
	require.NoError(t, n.read(map[string]string{}, nil, time.Now()))
	require.Equal(t, tally{Total: 1, Errors: 1}, n.of("one"), "no instance answered: the largest share is charged")
	require.Equal(t, tally{Total: 1, Errors: 1}, n.of("two"))
}
