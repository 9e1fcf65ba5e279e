package cli

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestALongLogIsShownFromItsEnd(t *testing.T) {
	for _, size := range []int{0, 1, 9, 10, 11, 19, 20, 21, 1000} {
		text := strings.Repeat("x", max(0, size-3)) + "end"[:min(3, size)]
		for _, r := range []func() (string, error){
			func() (string, error) { b, err := readEnd(strings.NewReader(text), 10); return string(b), err },
			func() (string, error) {
				b, err := readEnd(iotest.OneByteReader(strings.NewReader(text)), 10)
				return string(b), err
			},
		} {
			got, err := r()
			require.NoError(t, err)
			require.Equal(t, text[max(0, len(text)-10):], got, size)
		}
	}
	_, err := readEnd(iotest.ErrReader(iotest.ErrTimeout), 10)
	require.ErrorIs(t, err, iotest.ErrTimeout)
}
